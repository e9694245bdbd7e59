"""A training pipeline of the user's own: their command as a template, and their configuration file beside it.

`{name}` in the command stands for a hyperparameter, `{folder}` for the folder that a trial writes to, `{config}` for
the trial's copy of the configuration file. The argument `{--name}` is a switch, which is there or left out, or has
another in its place, as `{--name|--no-name}`; the argument `{*name}` becomes as many as its value has words. The
command is a list of arguments and never sees a shell.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state import files, template, usual_names
from state.errors import Invalid, NotFound, Refusal
from state.hyperparameters import OwnHyperparameter, idle
from state.project import Project

FOLDER, CONFIG = "folder", "config"
SEED, BATCH_SIZE, STEPS = "training.seed", "training.batch_size", "training.steps"
# More steps than this no run makes, and more examples no step takes: it is a slip.
MOST = 10**15
# What the three that rounds treat in a way of their own are commonly called.
USUAL = {SEED: usual_names.SEEDS, BATCH_SIZE: usual_names.BATCH_SIZES, STEPS: usual_names.STEPS}
_FIELD = re.compile(r"\{\{([A-Za-z_][\w.-]*)\}\}|\{\*?([A-Za-z_][\w.-]*)\}")
_SWITCH = re.compile(r"\{(--?([A-Za-z_][\w-]*))(?:\|(--?[A-Za-z_][\w-]*))?\}")
_SEVERAL = re.compile(r"\{\*([A-Za-z_][\w.-]*)\}")
# Of a script that finds by itself what it has saved in its folder, and goes on from that.
ITSELF = "itself"
_OF_A_SHELL = {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1", "&>"}


@dataclass(frozen=True)
class Pipeline:
    """`command`: arguments with placeholders; `directory`: where it runs; `file`: their configuration file, if any;
    `names`: what they call the configuration's seed, batch size and number of steps; `instead`: what stands for another
    hyperparameter where that means nothing; `program`: what the first
    argument was found to be when the project was made, "" where that is not known; `resume`: what is added to the
    command where a trial goes on from what it has saved, None where it cannot."""

    command: tuple[str, ...]
    directory: Path
    file: Path | None
    names: Mapping[str, str]
    program: str = ""
    resume: tuple[str, ...] | None = None
    instead: tuple[OwnHyperparameter, ...] = ()

    def key(self, name: str) -> str:
        """The configuration's name for what the pipeline calls `name`."""
        return next((key for key, theirs in self.names.items() if theirs == name), name)

    def theirs(self, key: str) -> str:
        """What the pipeline calls a hyperparameter of the configuration."""
        return self.names.get(key, key)

    def hyperparameters(self) -> tuple[str, ...]:
        """Every hyperparameter that it takes, by its name in the configuration: those of the command first."""
        return tuple(dict.fromkeys(key for name in self.places() for key in (self.key(name), *self._others(name))))

    def places(self) -> tuple[str, ...]:
        """What is filled for a trial, by the pipeline's own names: placeholders of the command first."""
        return tuple(dict.fromkeys((*_named(self.command), *(template.values(self.file) if self.file else ()))))

    def filling(self, name: str, values: Mapping[str, Any]) -> str:
        """The configuration's name for what fills a place with these values of the others."""
        meant = (one for one in self.instead if one.stands_for == name and not idle(one.condition, values))
        return next((entry.name for entry in meant), self.key(name))

    def place(self, key: str) -> str:
        """The place that a hyperparameter of the configuration fills."""
        return next((entry.stands_for for entry in self.instead if entry.name == key), self.theirs(key))

    def _others(self, name: str) -> list[str]:
        return [entry.name for entry in self.instead if entry.stands_for == name]

    def defaults(self) -> dict[str, Any]:
        """What the configuration file says, by the configuration's names."""
        return {self.key(name): value for name, value in template.values(self.file).items()} if self.file else {}


def of(project: Project) -> Pipeline | None:
    """The pipeline of a project's user; None where the built-in one serves. Refuses a command that cannot be used."""
    settings = project.settings
    if not settings.command:
        return None
    names = {SEED: settings.seed, BATCH_SIZE: settings.batch_size, STEPS: settings.steps}
    return Pipeline(
        parse(settings.command),
        (project.root / Path(settings.directory or ".").expanduser()).resolve(),
        (project.root / Path(settings.config_file).expanduser()).resolve() if settings.config_file else None,
        {key: theirs for key, theirs in names.items() if theirs},
        settings.program,
        _resuming(settings.resume),
        tuple(entry for entry in settings.hyperparameters if entry.stands_for),
    )


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise Invalid(
            "The command cannot be read, since a quotation has no end, or a backslash nothing behind it: {command}",
            command=text,
        ) from None


def _resuming(text: str) -> tuple[str, ...] | None:
    """What is added to a command that goes on; None where it cannot. Refuses what cannot be read, and a word that would
    have to be filled with anything but the folder."""
    if not text.strip():
        return None
    if text.strip() == ITSELF:
        return ()
    words = tuple(_split(text))
    if other := [name for name in placeholders(words) if name != FOLDER] + list(switches(words)):
        raise Invalid(
            "pipeline.resume: {names} cannot be filled in there; only {folder} is replaced.",
            names=other,
            folder="{folder}",
        )
    return words


def own(project: Project) -> Pipeline:
    """The pipeline of a project's user. Refuses where the built-in one serves."""
    found = of(project)
    if found is None:
        raise Refusal("{path}: this project uses the built-in training.", path=str(project.root))
    return found


def parse(text: str) -> tuple[str, ...]:
    """The arguments of a command line, quotes obeyed. Refuses what only a shell could carry out."""
    words = _split(text)
    if not words or not words[0].strip() or "\0" in text:
        raise Invalid("The command is empty.")
    shell = [word for word in words if word in _OF_A_SHELL]
    if shell or "=" in words[0]:
        raise Invalid(
            "{word}: the command is run without a shell. Put what needs one into a script and name that, or begin with "
            "env for variables.",
            word=shell[0] if shell else words[0],
        )
    return tuple(words)


def check(pipeline: Pipeline) -> None:
    """Refuse a pipeline that cannot run, or whose results could not be found."""
    if not pipeline.directory.is_dir() and (lost := gone(pipeline)):
        raise lost
    if not program(pipeline):
        raise NotFound("{command}: no such program.", command=pipeline.command[0])
    inside = template.placeholders(pipeline.file) if pipeline.file else set()
    named = {*placeholders(pipeline.command), *inside}
    for word in pipeline.command:
        if _SWITCH.search(word) and not _SWITCH.fullmatch(word):
            raise Invalid(
                "{word}: a switch in braces is an argument of its own, as {switch}.", word=word, switch="{--amp}"
            )
        if _SEVERAL.search(word) and not _SEVERAL.fullmatch(word):
            raise Invalid(
                "{word}: what is filled with several values is an argument of its own, as {example}.",
                word=word,
                example="--betas {*betas}",
            )
    if FOLDER not in named:
        raise Invalid(
            "Nothing says where a trial is to write: put {folder} into the command, as in --out {folder}. For a script "
            "without options, one that reads os.environ, begin with env: env OUT={folder} LR={lr} python train.py.",
            folder="{folder}",
            lr="{lr}",
        )
    if (CONFIG in named) != (pipeline.file is not None):
        raise Invalid(
            "{config} in the command and a configuration file belong together: give both, or neither.",
            config="{config}",
        )
    if unknown := inside - {FOLDER, CONFIG}:
        raise Invalid(
            "{path}: {names} cannot be filled in there. The file's values are addressed by their names; only {folder} "
            "is replaced.",
            path=str(pipeline.file),
            names=sorted(unknown),
            folder="{folder}",
        )
    _check_names(pipeline.hyperparameters())
    if lost := gone(pipeline):
        raise lost


def gone(pipeline: Pipeline) -> Refusal | None:
    """That the folder in which the command runs, or its script there, is not where it is said to be, as after a project
    was moved, and what to do; None where nothing shows it."""
    if not pipeline.directory.is_dir():
        return NotFound(
            "{path}: there is no such folder, and the command is to run in it. Say in which it runs: --directory "
            "FOLDER of tunebook new; in a project that was moved, pipeline.directory in its tunebook.toml.",
            path=str(pipeline.directory),
        )
    if script := absent(pipeline):
        return NotFound(
            "There is no file {script} in {path}: the command cannot run. Say in which folder it runs: --directory "
            "FOLDER of tunebook new; in a project that was moved, pipeline.directory in its tunebook.toml.",
            script=script,
            path=str(pipeline.directory),
        )
    return None


def guess(names: Iterable[str]) -> dict[str, str]:
    """Which of these names are seed, batch size and number of steps, where exactly one is called so."""
    listed, found = list(names), {}
    for key, usual in USUAL.items():
        exact = [name for name in listed if name == key]
        called = exact or [name for name in listed if usual_names.leaf(name) in usual]
        if len(called) == 1:
            found[key] = called[0]
    return found


def fixed(pipeline: Pipeline, names: Iterable[str]) -> tuple[str, str, str] | None:
    """The first option of these names that the command gives a value of its own: as it stands there, what the value is,
    and how it stands there with a placeholder. None where there is none."""
    wanted = {*names}
    for word, following in zip(pipeline.command, (*pipeline.command[1:], ""), strict=True):
        flag, equals, value = word.partition("=")
        name = usual_names.leaf(flag.lstrip("-"))
        value = value if equals else following
        option = word.startswith("-") or (equals and flag.replace(".", "").isidentifier())
        if option and name in wanted and value and not value.startswith("-") and not placeholders([value]):
            between = "=" if equals else " "
            return flag + between + value, value, f"{flag}{between}{{{name}}}"
    return None


def program(pipeline: Pipeline) -> str | None:
    """The program that the command starts, with its path; None where there is none.

    That of the shell in which the project was made, as long as it is there: a later shell may have another on its path,
    or another virtual environment.
    """
    if pipeline.program and shutil.which(pipeline.program):
        return pipeline.program
    name = pipeline.command[0]
    if "/" not in name:
        return shutil.which(name)
    return shutil.which(str(pipeline.directory / Path(name).expanduser()))


def missing(pipeline: Pipeline, values: Mapping[str, Any]) -> list[str]:
    """The hyperparameters without a value, by the names that the pipeline has for them."""
    keys = dict.fromkeys(pipeline.filling(name, values) for name in pipeline.places())
    return [pipeline.theirs(key) for key in keys if values.get(key) is None]


def fill(pipeline: Pipeline, values: Mapping[str, Any], output: Path, copies: Path) -> list[str]:
    """The command for a trial with these values that writes to `output`; the filled configuration file goes to the
    folder `copies`. Refuses where a value is missing or cannot be an argument."""
    if lacking := missing(pipeline, values):
        raise Invalid("The command needs a value for {names}.", names=lacking)
    texts = {FOLDER: str(output)}
    if pipeline.file is not None:
        copy = files.make_folder(copies) / pipeline.file.name
        own_names = {name: values[pipeline.filling(name, values)] for name in template.values(pipeline.file)}
        files.write_atomically(
            copy, template.filled(pipeline.file, own_names, {FOLDER: str(output), CONFIG: str(copy)})
        )
        texts[CONFIG] = str(copy)
    on = {}
    for name in _named(pipeline.command):
        value = values[pipeline.filling(name, values)]
        texts[name] = argument(value)
        if "\0" in texts[name]:
            raise Invalid("{name}: a value with a null character cannot be given to a command.", name=name)
        if name in switches(pipeline.command):
            if not isinstance(value, bool):
                raise Invalid("{name}: a switch is true or false, not {value!r}.", name=name, value=value)
            on[name] = value
    filled = [one for word in pipeline.command for one in _arguments(word, texts, on)]
    known = program(pipeline)
    return [known if known is not None and known == pipeline.program else filled[0], *filled[1:]]


def _arguments(word: str, texts: Mapping[str, str], on: Mapping[str, bool]) -> list[str]:
    """What an argument of the template becomes: one, or none of a switch that is off, or one for each of several
    values."""
    if switch := _SWITCH.fullmatch(word):
        flag = switch[1] if on[_called(switch)] else switch[3]
        return [flag] if flag else []
    several = _SEVERAL.fullmatch(word)
    return texts[several[1]].split() if several else [replaced(word, texts)]


def to_go_on(pipeline: Pipeline, output: Path) -> list[str] | None:
    """What is added to the command so that it goes on from what it has saved in the folder `output`; None where it
    cannot, or has saved nothing. Of a path with wildcards the newest match is meant."""
    try:
        if pipeline.resume is None or not any(output.iterdir()):
            return None
        words = []
        for word in pipeline.resume:
            before, there, path = word.partition("{folder}")
            saved = _newest(output, path.strip("/")) if there else None
            if there and saved is None:
                return None
            words.append(before + str(saved) if there else word)
    except OSError:
        return None
    return words


def _newest(folder: Path, pattern: str) -> Path | None:
    """The newest of what a path with wildcards below a folder leads to; of none, the folder itself."""
    found = folder.glob(pattern) if pattern else [folder]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def named_files(pipeline: Pipeline) -> list[str]:
    """The files that the command names, the script above all, and the configuration file."""
    # Not the program: of an interpreter, its version says more than its bytes.
    named = [word for word in pipeline.command[1:] if not placeholders([word]) and _is_file(pipeline.directory / word)]
    return [*named, *([str(pipeline.file)] if pipeline.file else [])]


def argument(value: Any) -> str:
    """A value as Python reads it: 1e-05, 32, True, text as it is."""
    return value if isinstance(value, str) else repr(value)


def placeholders(words: Iterable[str]) -> tuple[str, ...]:
    """The names in braces, each once, in their order; double braces stand for themselves."""
    return tuple(dict.fromkeys(match[2] for word in words for match in _FIELD.finditer(word) if match[2]))


def replaced(text: str, texts: Mapping[str, str]) -> str:
    """The text with its placeholders filled, all at once: what is filled in is not looked at again."""
    return _FIELD.sub(lambda match: "{" + match[1] + "}" if match[1] else texts.get(match[2], match[0]), text)


def switches(command: Iterable[str]) -> dict[str, str]:
    """The switches among the arguments: the name of the hyperparameter to the flag."""
    return {_called(found): found[1] for word in command if (found := _SWITCH.fullmatch(word))}


def _called(switch: re.Match[str]) -> str:
    """What the configuration calls a switch."""
    return switch[2].replace("-", "_")


def _named(command: Iterable[str]) -> list[str]:
    found = (name for word in command for name in (*switches([word]), *placeholders([word])))
    return [name for name in dict.fromkeys(found) if name not in (FOLDER, CONFIG)]


def absent(pipeline: Pipeline) -> str:
    """The script that a Python is told to run, where there is no such file; empty otherwise, and where it is not sure
    which word it is."""
    if not Path(pipeline.command[0]).name.startswith("python"):
        return ""
    for word in pipeline.command[1:]:
        if word.endswith(".py") and not placeholders([word]):
            return "" if _is_file(pipeline.directory / word) else word
        # Options without a value of their own may come before it.
        if not re.fullmatch(r"-[bBdEiIOPqsSuvx]+", word):
            return ""
    return ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # Words that are no paths, longer than any name say.
        return False


def _check_names(keys: Iterable[str]) -> None:
    """Refuse names of which one would be a section and a value at the same time."""
    listed = set(keys)
    for key in listed:
        parts = key.split(".")
        if not all(parts):
            raise Invalid("{name}: not a name for a hyperparameter.", name=key)
        for length in range(1, len(parts)):
            if ".".join(parts[:length]) in listed:
                raise Invalid(
                    "{name} cannot be a hyperparameter beside {other}: choose another name.",
                    name=".".join(parts[:length]),
                    other=key,
                )
