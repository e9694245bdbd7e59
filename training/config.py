"""The configuration of one training run: every setting, its type, its range, and one clear error for each mistake.

A configuration is a TOML document of eight sections; a setting is named by section and key (`optimizer.learning_rate`).
This module uses the standard library alone, so that whoever plans, shows or stores a configuration need not load torch.
"""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What a setting may be. `low` and `high` are inclusive; `above` and `below` are not."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] | tuple[int, ...] = ()

    def admits(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if isinstance(value, float) and not math.isfinite(value):
            return False
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        parts = [
            f"{word} {bound:g}"
            for word, bound in (
                ("at least", self.low),
                ("more than", self.above),
                ("at most", self.high),
                ("less than", self.below),
            )
            if bound is not None
        ]
        return " and ".join(parts) or "any"


def _setting(default: Any, about: str, **limits: Any) -> Any:
    return field(default=default, metadata={"about": about, "limits": Limits(**limits)})


def _required(about: str, **limits: Any) -> Any:
    return field(metadata={"about": about, "limits": Limits(**limits)})


TASKS = ("image-classification", "text-classification")
METRICS = ("error_rate", "loss")
KINDS = {"str": "text", "bool": "true or false", "int": "a whole number", "float": "a number"}
# The hyperparameters that each optimizer has, with torch's own default where it has one (torch.optim, 2.14).
OPTIMIZERS: dict[str, dict[str, float | bool | None]] = {
    "sgd": {"learning_rate": None, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0},
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
    "adamw": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-2},
    "nadam": {"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
    "nadamw": {"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-2},
}


@dataclass(frozen=True)
class Model:
    library: str = _required("who provides the architecture", choices=("timm", "transformers"))
    name: str = _required("model name in timm, or model type in transformers (bert, distilbert, …)")
    pretrained: str = _setting(
        "", "empty: from scratch; 'hub': the library's own weights over the network; otherwise a local path"
    )
    layers: int = _setting(0, "transformers from scratch: number of layers; 0: the checkpoint's own", low=0)
    hidden_size: int = _setting(0, "transformers from scratch: width; 0: the checkpoint's own", low=0)
    heads: int = _setting(0, "transformers from scratch: attention heads; 0: the checkpoint's own", low=0)
    vocabulary_size: int = _setting(
        8000, "transformers from scratch: size of the tokenizer trained on the training split", low=300
    )


@dataclass(frozen=True)
class Data:
    task: str = _required("what is learnt", choices=TASKS)
    path: str = _required("folder of class folders (images), file or folder of files (texts)")
    text_column: str = _setting("text", "texts: the column that holds the text")
    label_column: str = _setting("label", "texts: the column that holds the class")
    encoding: str = _setting("", "texts: character encoding; empty: UTF-8")
    image_size: int = _setting(224, "images: height and width in pixels after resizing", low=8, high=2048)
    channels: int = _setting(3, "images: 3 for colour, 1 for grey", choices=(1, 3))
    max_length: int = _setting(128, "texts: longest sequence in tokens, longer ones are cut", low=4, high=65536)
    validation_fraction: float = _setting(
        0.2, "share held out for validation where there is no ready-made split", above=0, below=1
    )
    split_seed: int = _setting(0, "seed of the hold-out split; one project, one split", low=0)


@dataclass(frozen=True)
class Optimizer:
    """Only the hyperparameters of the chosen optimizer (`OPTIMIZERS`) have a value; the others are None."""

    name: str = _required("optimizer, by torch's name in lower case", choices=tuple(OPTIMIZERS))
    learning_rate: float | None = _setting(None, "step size", above=0)
    momentum: float | None = _setting(None, "SGD's momentum", low=0, below=1)
    nesterov: bool | None = _setting(None, "SGD's Nesterov variant")
    beta1: float | None = _setting(None, "decay of the first moment", low=0, below=1)
    beta2: float | None = _setting(None, "decay of the second moment", low=0, below=1)
    epsilon: float | None = _setting(None, "term added to the denominator", above=0)
    weight_decay: float | None = _setting(
        None, "L2 penalty (sgd, adam, nadam) or decoupled decay (adamw, nadamw)", low=0
    )


@dataclass(frozen=True)
class Schedule:
    name: str = _setting(
        "constant", "course of the learning rate after warm-up", choices=("constant", "linear", "cosine")
    )
    warmup_steps: int = _setting(0, "steps over which the rate rises linearly from 0", low=0)
    final_factor: float = _setting(0.0, "linear and cosine: last rate as a share of the highest", low=0, high=1)


@dataclass(frozen=True)
class Regularization:
    label_smoothing: float = _setting(0.0, "share of the target spread over all classes", low=0, below=1)
    dropout: float = _setting(0.0, "dropout rate, where the architecture has dropout", low=0, below=1)
    drop_path: float = _setting(0.0, "stochastic depth rate, where the architecture has it", low=0, below=1)
    gradient_clip: float = _setting(0.0, "largest gradient norm; 0: no clipping", low=0)


@dataclass(frozen=True)
class Augmentation:
    flip: bool = _setting(False, "images: mirrored left to right at random")
    crop_padding: int = _setting(0, "images: random crop after padding by so many pixels", low=0, high=512)


@dataclass(frozen=True)
class Training:
    steps: int = _required("number of optimizer steps", low=1)
    batch_size: int = _required("examples per step", low=1, high=65535)
    evaluate_every: int = _required("steps between evaluations on the validation split", low=1)
    evaluation_batch_size: int = _setting(
        0, "examples per evaluation batch; 0: twice the training batch", low=0, high=1_000_000
    )
    keep_checkpoints: int = _setting(3, "best checkpoints kept besides the last", low=1)
    metric: str = _setting(
        "error_rate", "validation metric that selects the best checkpoint, lower is better", choices=METRICS
    )
    seed: int = _setting(0, "seed of initialisation, order of the data, dropout and augmentation", low=0)


@dataclass(frozen=True)
class Runtime:
    device: str = _setting("auto", "where it runs", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = _setting(
        "auto", "auto: bfloat16 autocast on CUDA where supported, else float32", choices=("auto", "float32", "bfloat16")
    )
    threads: int = _setting(0, "CPU threads; 0: all cores. Results on the CPU depend on it in the last digits", low=0)
    channels_last: bool = _setting(False, "images: memory format of convolutions; faster for many networks")
    deterministic: bool = _setting(True, "same seed, same machine, same result; may cost some speed on CUDA")


@dataclass(frozen=True)
class Config:
    """A whole, valid configuration, built by `load`, `parse` or `check`; a changed one by `dataclasses.replace`."""

    model: Model
    data: Data
    optimizer: Optimizer
    schedule: Schedule
    regularization: Regularization
    augmentation: Augmentation
    training: Training
    runtime: Runtime


SECTIONS: dict[str, type] = {
    "model": Model,
    "data": Data,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "regularization": Regularization,
    "augmentation": Augmentation,
    "training": Training,
    "runtime": Runtime,
}


@dataclass(frozen=True)
class Problem:
    """One mistake: the dotted key, the value found, what is allowed, and the line in the file (0: not known)."""

    key: str
    value: Any
    allowed: str
    line: int = 0

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        found = "missing" if self.value is None else f"{self.value!r}"
        return f"{where}{self.key}: {found}; allowed: {self.allowed}"


class ConfigError(Exception):
    """A configuration that cannot be used. `problems` names every mistake, `source` the file."""

    def __init__(self, problems: tuple[Problem, ...], source: str = ""):
        self.problems = problems
        self.source = source
        super().__init__("\n".join(f"{source}: {problem}" if source else str(problem) for problem in problems))


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
        problems.append(Problem(name, values, "a section"))
    raise ConfigError(_located(problems, text), str(path))


def _text(path: Path) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError((Problem("file", str(error.strerror), "a readable TOML file"),), str(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            (Problem("file", f"byte {error.start} is not UTF-8", "a TOML file in UTF-8"),), str(path)
        ) from None


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
        raise ConfigError((Problem("TOML", str(error), "a valid TOML document"),), source) from None


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
            problems.append(Problem(str(name), "unknown section", "one of " + ", ".join(SECTIONS)))
    for name, section in SECTIONS.items():
        values = document.get(name, {})
        if not isinstance(values, Mapping):
            problems.append(Problem(name, values, "a section"))
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


def _check_section(name: str, section: type, values: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    known = {entry.name: entry for entry in dataclasses.fields(section)}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        dotted = f"{name}.{key}"
        if key not in known:
            problems.append(Problem(dotted, "unknown key", "one of " + ", ".join(known)))
            continue
        wanted = str(known[key].type).partition(" ")[0]
        # TOML writes 1 where a number with a fraction is meant; nothing else is converted.
        if wanted == "float" and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
            value = float(value)
        if type(value).__name__ != wanted:
            problems.append(Problem(dotted, value, KINDS[wanted]))
        elif not known[key].metadata["limits"].admits(value):
            problems.append(Problem(dotted, value, str(known[key].metadata["limits"])))
        else:
            checked[key] = str(value) if wanted == "str" else value
    for key, entry in known.items():
        if key not in values and entry.default is dataclasses.MISSING:
            problems.append(Problem(f"{name}.{key}", None, str(entry.metadata["limits"])))
    return checked


def _complete_optimizer(values: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    own = OPTIMIZERS[values["name"]]
    for key in values:
        if key != "name" and key not in own:
            problems.append(
                Problem(
                    f"optimizer.{key}", values[key], f"nothing: {values['name']} has no {key}, only " + ", ".join(own)
                )
            )
    complete = {**own, **values}
    if complete["learning_rate"] is None:
        problems.append(Problem("optimizer.learning_rate", None, "more than 0"))
    return complete


def _check_together(config: Config) -> list[Problem]:
    """Mistakes that only two settings make together."""
    allowed: dict[str, str] = {}
    library = "timm" if config.data.task == "image-classification" else "transformers"
    if config.model.library != library:
        allowed["model.library"] = f"{library} for {config.data.task}"
    if config.training.evaluate_every > config.training.steps:
        allowed["training.evaluate_every"] = f"at most training.steps, {config.training.steps}"
    if config.schedule.warmup_steps >= config.training.steps:
        allowed["schedule.warmup_steps"] = f"less than training.steps, {config.training.steps}"
    if config.optimizer.nesterov and not config.optimizer.momentum:
        allowed["optimizer.nesterov"] = "false where optimizer.momentum is 0"
    if config.model.heads and config.model.hidden_size % config.model.heads:
        allowed["model.heads"] = f"a divisor of model.hidden_size, {config.model.hidden_size}"
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
