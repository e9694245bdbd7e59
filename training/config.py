"""The configuration of one training run, read from TOML and checked: one clear error for each mistake.

A configuration is a TOML document of eight sections (`training.settings`); whoever plans, shows or stores one finds all
of it here. This module and the settings use the standard library alone, so that nobody need load torch for them.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from training.sentence import Sentence, Spoken, phrase, together
from training.settings import (
    METRICS,
    OPTIMIZERS,
    SECTIONS,
    TASKS,
    Augmentation,
    Config,
    Data,
    Limits,
    Model,
    Optimizer,
    Regularization,
    Runtime,
    Schedule,
    Training,
)

__all__ = [
    "KINDS",
    "METRICS",
    "OPTIMIZERS",
    "SECTIONS",
    "TASKS",
    "Augmentation",
    "Config",
    "ConfigError",
    "Data",
    "Limits",
    "Model",
    "Optimizer",
    "Problem",
    "Regularization",
    "Runtime",
    "Schedule",
    "Training",
    "about",
    "check",
    "document",
    "flat",
    "kind",
    "load",
    "load_section",
    "parse",
    "unflat",
]

KINDS = {
    "str": phrase("text"),
    "bool": phrase("true or false"),
    "int": phrase("a whole number"),
    "float": phrase("a number"),
}


@dataclass(frozen=True)
class Problem:
    """One mistake: the dotted key, the value found, what is allowed, and the line in the file (0: not known)."""

    key: str
    value: Any
    allowed: Sentence
    line: int = 0

    def __str__(self) -> str:
        return str(self.sentence())

    def sentence(self) -> Sentence:
        if self.value is None:
            found = phrase("missing")
        else:
            found = self.value if isinstance(self.value, Sentence) else repr(self.value)
        mistake = phrase("{key}: {found}; allowed: {allowed}", key=self.key, found=found, allowed=self.allowed)
        return phrase("line {line}: {mistake}", line=self.line, mistake=mistake) if self.line else mistake


class ConfigError(Spoken):
    """A configuration that cannot be used. `problems` names every mistake, `source` the file."""

    def __init__(self, problems: tuple[Problem, ...], source: str = ""):
        self.problems = problems
        self.source = source
        each = [problem.sentence() for problem in problems]
        if source:
            each = [phrase("{source}: {mistake}", source=source, mistake=mistake) for mistake in each]
        whole = reduce(lambda first, second: phrase("{first}\n{second}", first=first, second=second), each)
        super().__init__(whole.id, **whole.values)

    def in_one_line(self) -> Sentence:
        """The mistakes, each once, for those who know where they come from."""
        return together(problem.sentence() for problem in self.problems)


def load(path: Path) -> Config:
    """The configuration in a TOML file. Raises ConfigError for whatever is wrong, an unreadable file included."""
    return parse(_text(path), str(path))


def load_section(path: Path, name: str) -> Any:
    """One section of a TOML file, as `SECTIONS` types it; the others may be missing or wrong. Raises ConfigError."""
    text = _text(path)
    values = _document(text, str(path)).get(name, {})
    problems: list[Problem] = []
    if isinstance(values, Mapping):
        checked = _check_section(name, SECTIONS[name], values, problems)
        if not problems:
            return SECTIONS[name](**checked)
    else:
        problems.append(Problem(name, values, phrase("a section")))
    raise ConfigError(_located(problems, text), str(path))


def _text(path: Path) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError((Problem("file", str(error.strerror), phrase("a readable TOML file")),), str(path)) from None
    except UnicodeDecodeError as error:
        found = phrase("byte {byte} is not UTF-8", byte=error.start)
        raise ConfigError((Problem("file", found, phrase("a TOML file in UTF-8")),), str(path)) from None


def parse(text: str, source: str = "") -> Config:
    """The configuration in TOML text. Raises ConfigError with the line of each mistake."""
    try:
        return check(_document(text, source))
    except ConfigError as error:
        raise ConfigError(_located(error.problems, text), source) from None


def _document(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((Problem("TOML", str(error), phrase("a valid TOML document")),), source) from None


def _located(problems: Iterable[Problem], text: str) -> tuple[Problem, ...]:
    """The problems with the lines that they are on."""
    lines = _lines(text)
    return tuple(dataclasses.replace(problem, line=lines.get(problem.key, 0)) for problem in problems)


def check(document: Mapping[str, Any]) -> Config:
    """The typed view of a nested mapping. Raises ConfigError naming every unknown key, wrong type and bad value."""
    problems: list[Problem] = []
    sections: dict[str, Any] = {}
    for name in document:
        if name not in SECTIONS:
            problems.append(
                Problem(str(name), phrase("unknown section"), phrase("one of {names}", names=", ".join(SECTIONS)))
            )
    for name, section in SECTIONS.items():
        values = document.get(name, {})
        if not isinstance(values, Mapping):
            problems.append(Problem(name, values, phrase("a section")))
            continue
        sections[name] = _check_section(name, section, values, problems)
    if "optimizer" in sections and not problems:
        sections["optimizer"] = _complete_optimizer(sections["optimizer"], problems)
    if problems:
        raise ConfigError(tuple(problems))
    config = Config(**{name: SECTIONS[name](**values) for name, values in sections.items()})
    if together := _check_together(config):
        raise ConfigError(tuple(together))
    return config


def document(config: Config) -> dict[str, dict[str, Any]]:
    """The plain nested mapping of a configuration; settings without a meaning for it (None) are left out."""
    return {
        section: {
            key: value for key, value in dataclasses.asdict(getattr(config, section)).items() if value is not None
        }
        for section in SECTIONS
    }


def flat(config: Config) -> dict[str, Any]:
    """Dotted name to value, in the order of the sections."""
    return {f"{section}.{key}": value for section, values in document(config).items() for key, value in values.items()}


def unflat(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The nested mapping of dotted names, the inverse of `flat`; `check` it before use."""
    nested: dict[str, dict[str, Any]] = {}
    for dotted, value in values.items():
        section, _, key = dotted.partition(".")
        nested.setdefault(section, {})[key] = value
    return nested


def about(dotted: str) -> tuple[str, Limits]:
    """What a setting means and what it may be. Raises KeyError for an unknown name."""
    section, _, key = dotted.partition(".")
    for entry in dataclasses.fields(SECTIONS[section]):
        if entry.name == key:
            return entry.metadata["about"], entry.metadata["limits"]
    raise KeyError(dotted)


def fault(dotted: str, value: Any) -> Problem | None:
    """What is wrong with a value of a setting by itself; None where nothing is, and for what is no setting."""
    section, _, key = dotted.partition(".")
    problems: list[Problem] = []
    if kind(dotted):
        _check_section(section, SECTIONS[section], {key: value}, problems)
    return next((problem for problem in problems if problem.key == dotted), None)


def kind(dotted: str) -> str:
    """How a setting is typed, one of `KINDS`; empty for what is no setting."""
    section, _, key = dotted.partition(".")
    if section not in SECTIONS:
        return ""
    found = (entry.type for entry in dataclasses.fields(SECTIONS[section]) if entry.name == key)
    return str(next(found, "")).partition(" ")[0]


def _check_section(name: str, section: type, values: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    known = {entry.name: entry for entry in dataclasses.fields(section)}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        dotted = f"{name}.{key}"
        if key not in known:
            problems.append(Problem(dotted, phrase("unknown key"), phrase("one of {names}", names=", ".join(known))))
            continue
        wanted = str(known[key].type).partition(" ")[0]
        # TOML writes 1 where a number with a fraction is meant; nothing else is converted.
        if wanted == "float" and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
            value = float(value)
        if type(value).__name__ != wanted:
            problems.append(Problem(dotted, value, KINDS[wanted]))
        elif not known[key].metadata["limits"].admits(value):
            problems.append(Problem(dotted, value, known[key].metadata["limits"].sentence()))
        else:
            checked[key] = str(value) if wanted == "str" else value
    for key, entry in known.items():
        if key not in values and entry.default is dataclasses.MISSING:
            problems.append(Problem(f"{name}.{key}", None, entry.metadata["limits"].sentence()))
    return checked


def _complete_optimizer(values: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    own = OPTIMIZERS[values["name"]]
    for key in values:
        if key != "name" and key not in own:
            allowed = phrase(
                "nothing: {optimizer} has no {key}, only {known}",
                optimizer=values["name"],
                key=key,
                known=", ".join(own),
            )
            problems.append(Problem(f"optimizer.{key}", values[key], allowed))
    complete = {**own, **values}
    if complete["learning_rate"] is None:
        problems.append(Problem("optimizer.learning_rate", None, phrase("more than {bound:g}", bound=0)))
    return complete


def _check_together(config: Config) -> list[Problem]:
    """Mistakes that only two settings make together."""
    allowed: dict[str, Sentence] = {}
    library = "timm" if config.data.task == "image-classification" else "transformers"
    if config.model.library != library:
        allowed["model.library"] = phrase("{library} for {task}", library=library, task=config.data.task)
    if config.training.evaluate_every > config.training.steps:
        allowed["training.evaluate_every"] = phrase("at most training.steps, {steps}", steps=config.training.steps)
    if config.schedule.warmup_steps >= config.training.steps:
        allowed["schedule.warmup_steps"] = phrase("less than training.steps, {steps}", steps=config.training.steps)
    if config.optimizer.nesterov and not config.optimizer.momentum:
        allowed["optimizer.nesterov"] = phrase("false where optimizer.momentum is 0")
    if config.model.heads and config.model.hidden_size % config.model.heads:
        allowed["model.heads"] = phrase("a divisor of model.hidden_size, {size}", size=config.model.hidden_size)
    values = flat(config)
    return [Problem(key, values[key], what) for key, what in allowed.items()]


def _lines(text: str) -> dict[str, int]:
    """Dotted name to line number, for messages. Plain scanning: a key is the first thing on its line."""
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            section = header[1].strip("\"'")
            lines.setdefault(section, number)
        elif key := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            name = key[1].replace('"', "").replace("'", "")
            lines.setdefault(f"{section}.{name}" if section else name, number)
    return lines
