"""The project folder: `tunebook.toml` says what the project is, `.tunebook/` beside it remembers what was done."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import math
import os
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state import document, files, hyperparameters, toml_lines
from state.errors import Exists, Invalid, NotFound, Refusal, mistyped
from state.hyperparameters import OwnHyperparameter

FILE = "tunebook.toml"
FOLDER = ".tunebook"
JOURNAL = "journal.jsonl"
_HEADING = "What this project is. Commit this file; what was decided and tried is in .tunebook/."


@dataclass(frozen=True)
class Settings:
    """What a project is (playbook G0). Paths may be relative to the project folder; empty text means not said.

    A `command` says that the user has a training pipeline of their own: `state.pipeline`.
    """

    name: str = ""
    task: str = ""
    data: str = ""
    text_column: str = "text"
    label_column: str = "label"
    encoding: str = ""
    metric: str = "error_rate"
    direction: str = "min"
    close_to_deployment: bool = True
    chance: float | None = None
    command: str = ""
    program: str = ""
    directory: str = ""
    config_file: str = ""
    resume: str = ""
    gpus: int = 1
    seed: str = ""
    batch_size: str = ""
    steps: str = ""
    patience_minutes: float | None = None
    hyperparameters: tuple[OwnHyperparameter, ...] = ()
    budget_hours: float = 0.0
    deadline: str = ""
    price_per_hour: float = 0.0
    power_watts: float = 0.0
    memory_gib: float = 0.0
    language: str = ""


# Where each setting stands in tunebook.toml.
_PLACES = {
    "name": "project.name",
    "task": "project.task",
    "data": "data.path",
    "text_column": "data.text_column",
    "label_column": "data.label_column",
    "encoding": "data.encoding",
    "metric": "metric.name",
    "direction": "metric.direction",
    "close_to_deployment": "metric.close_to_deployment",
    "chance": "metric.chance",
    "command": "pipeline.command",
    "program": "pipeline.program",
    "directory": "pipeline.directory",
    "config_file": "pipeline.config_file",
    "resume": "pipeline.resume",
    "gpus": "pipeline.gpus",
    "seed": "pipeline.seed",
    "batch_size": "pipeline.batch_size",
    "steps": "pipeline.steps",
    "patience_minutes": "pipeline.patience_minutes",
    "budget_hours": "budget.hours",
    "deadline": "budget.deadline",
    "price_per_hour": "budget.price_per_hour",
    "power_watts": "budget.power_watts",
    "memory_gib": "budget.memory_gib",
    "language": "display.language",
}
# Written only where they say something: most projects have no pipeline of their own.
_OWN = (
    *("chance", "command", "program", "directory", "config_file", "resume", "gpus", "seed", "batch_size", "steps"),
    "patience_minutes",
)
# Numbers that need not be said.
_NUMBERS = ("chance", "patience_minutes")
_LISTED = "hyperparameters"
_ABOUT = {
    "close_to_deployment": "Whether this metric is close to what matters in deployment.",
    "chance": "What guessing, or a result that is known, reaches.",
    "command": "The command of one trial, without a shell; {folder} is where it writes.",
    "program": "What the command's first word was when the project was made, so that any shell starts the same.",
    "directory": "Where the command runs.",
    "config_file": "Configuration file of the pipeline; {config} is the copy of a trial.",
    "resume": "What is added to the command where a killed or stopped trial goes on; itself: nothing need be.",
    "gpus": "How many GPUs each trial has; a device hour is one of all of them.",
    "seed": "What the pipeline calls the seed.",
    "batch_size": "What the pipeline calls the examples of a step.",
    "steps": "What the pipeline calls the number of steps.",
    "patience_minutes": "So long a probe waits for the first sign of how fast the command trains.",
    "budget_hours": "Device hours meant for tuning in all: what goes beyond is warned about, and runs; 0: open-ended.",
    "deadline": "When tuning is to end, as 2026-12-24 or 2026-12-24T18:00; empty: open-ended.",
    "price_per_hour": "Price of one device hour, in any currency; 0: not given.",
    "power_watts": "Power drawn by the device while training; 0: not given.",
    "memory_gib": "Memory of the device that a run may take, in GiB; 0: what is free.",
    "language": "en, zh_CN, or empty for the terminal's own.",
}


@dataclass(frozen=True)
class Project:
    """An existing project: its folder and its settings."""

    root: Path
    settings: Settings

    @property
    def folder(self) -> Path:
        return self.root / FOLDER

    @property
    def store_path(self) -> Path:
        return self.folder / "tunebook.db"

    @property
    def journal_path(self) -> Path:
        return self.folder / JOURNAL

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def data(self) -> Path:
        """Absolute path of the data."""
        return (self.root / Path(self.settings.data).expanduser()).resolve()

    def trial_folder(self, trial: str) -> Path:
        return self.folder / "trials" / trial

    def measurement_folder(self, measurement: str) -> Path:
        return self.folder / "measurements" / measurement


def place(setting: str) -> str:
    """Where a setting stands in tunebook.toml, as `data.path`."""
    return _PLACES[setting]


def find(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds a project; None where there is none."""
    here = start.resolve()
    return next((folder for folder in (here, *here.parents) if (folder / FILE).is_file()), None)


def create(root: Path, settings: Settings) -> Project:
    """Start a project in a folder, which is made where it is missing. Refuses where one exists already, and names that
    are not UTF-8."""
    root = root.expanduser().resolve()
    files.require_name(root)
    if (root / FILE).exists():
        raise Exists("{path}: there is a project already. Open it, or choose another folder.", path=str(root))
    said = {name: getattr(settings, name) for name in _PLACES}
    plain = Settings()
    values = {_PLACES[name]: value for name, value in said.items() if name not in _OWN or value != getattr(plain, name)}
    reasons = {_PLACES[name]: text for name, text in _ABOUT.items()}
    written = document.compose(values, reasons, _HEADING)
    _list(written, settings.hyperparameters)
    text = _checked(written, settings)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.refusal(error, root) from None
    files.make_folder(root / FOLDER)
    # A project folder is often a repository; what was tried is not to be committed by accident.
    files.write_atomically(root / FOLDER / ".gitignore", "*\n")
    files.write_atomically(root / FILE, text)
    return Project(root, settings)


def below(folder: Path, most: int) -> list[tuple[Path, float]]:
    """The projects in the folders of this one, each with the time when it was worked on last, the latest first. Of
    `most` entries of the folder, since on a slow file system each takes a while; none where it cannot be read."""
    found: list[tuple[Path, float]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in itertools.islice(entries, most):
            if os.path.isfile(os.path.join(entry.path, FILE)):
                root = Path(entry.path)
                found.append((root, max(map(_changed, (root / FILE, root / FOLDER / JOURNAL)))))
    return sorted(found, key=lambda project: project[1], reverse=True)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def open_project(root: Path) -> Project:
    """The project in a folder. Refuses a missing one, a name that is not UTF-8, and a settings file with unknown keys
    or wrong types."""
    root = root.expanduser().resolve()
    files.require_name(root)
    settings = _read(root / FILE, _text(root))
    files.make_folder(root / FOLDER)
    return Project(root, settings)


def version(root: Path) -> tuple[int, int, int] | None:
    """What tells one version of a project's settings file from another without reading it; None where there is none."""
    try:
        status = (root / FILE).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def change(project: Project, **changes: Any) -> Project:
    """Write changed settings into tunebook.toml as it is now, comments and order kept, and return the project as the
    file says it then. None takes one out. Refuses a file that cannot be read."""
    path = project.root / FILE
    edited = document.parse(_text(project.root), str(path))
    for name, value in changes.items():
        if name == _LISTED:
            _list(edited, value)
        else:
            document.put(edited, _PLACES[name], value, _ABOUT.get(name, ""))
    text = _checked(edited, dataclasses.replace(project.settings, **changes))
    settings = _read(path, text)
    files.write_atomically(path, text)
    return dataclasses.replace(project, settings=settings)


def moment(words: str) -> datetime.datetime:
    """The end of a day (2026-12-24), or a time of it (2026-12-24T18:00), where nothing else is said in the time zone of
    this machine. Refuses anything else."""
    try:
        found = datetime.datetime.fromisoformat(words.strip())
        if len(words.strip()) <= len("2026-12-24"):
            found += datetime.timedelta(days=1)
        return found.astimezone()
    except (ValueError, OverflowError):
        # The calendar ends with the year 9999.
        raise Invalid("{words}: no date; write it as 2026-12-24 or 2026-12-24T18:00.", words=repr(words)) from None


def _text(root: Path) -> str:
    """What the settings file of the project in a folder says. Refuses a missing one, and one that cannot be read."""
    path = root / FILE
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(
            "{path}: no project here. Start one with: tunebook new {quoted} --data PATH",
            path=str(root),
            quoted=shlex.quote(str(root)),
        ) from None
    except UnicodeDecodeError as error:
        raise Invalid("{path}: byte {byte} is not UTF-8.", path=str(path), byte=error.start) from None
    except OSError as error:
        raise files.refusal(error, path) from None


def _read(path: Path, text: str) -> Settings:
    """The settings that a text says, which is in a file, or is to be. Refuses unknown keys and wrong types."""
    try:
        return _settings(tomllib.loads(text), toml_lines.places(path, text))
    except tomllib.TOMLDecodeError as error:
        raise Invalid("{source}: not valid TOML: {reason}", source=str(path), reason=str(error)) from None


def _settings(raw: Mapping[str, Any], where: Callable[[str], str]) -> Settings:
    names = {place: name for name, place in _PLACES.items()}
    types = {field.name: type(field.default) for field in dataclasses.fields(Settings)} | dict.fromkeys(_NUMBERS, float)
    found: dict[str, Any] = {}
    if listed := raw.get(_LISTED):
        if not isinstance(listed, Mapping):
            raise mistyped(where(_LISTED), _LISTED, listed, dict)
        found[_LISTED] = tuple(hyperparameters.read(name, table, where) for name, table in listed.items())
        hyperparameters.check_together(found[_LISTED], where)
    for place, value in document.values({key: part for key, part in raw.items() if key != _LISTED}).items():
        if place not in names:
            raise Invalid("{path}: unknown key {key}; known: {known}", path=where(place), key=place, known=[*names])
        name = names[place]
        if name == "deadline":
            # TOML has dates of its own.
            value = value.isoformat() if isinstance(value, datetime.date) else value
            if not _dated(value):
                raise Invalid(
                    "{path}: {key} = {value!r}; wanted: a date, as 2026-12-24 or 2026-12-24T18:00",
                    path=where(place),
                    key=place,
                    value=value,
                )
        if types[name] is float and type(value) is int:
            value = float(value)
        if type(value) is not types[name]:
            raise mistyped(where(place), place, value, types[name])
        if type(value) is int and value < 1:
            raise Invalid("{path}: {key} = {value!r}; allowed: 1 or more", path=where(place), key=place, value=value)
        if name == "chance" and isinstance(value, float) and not math.isfinite(value):
            raise Invalid(
                "{path}: {key} = {value!r}; allowed: a finite number", path=where(place), key=place, value=value
            )
        # A level of what is measured, a log-likelihood for instance, may be below 0.
        if type(value) is float and name != "chance" and not 0 <= value < math.inf:
            raise Invalid("{path}: {key} = {value!r}; allowed: 0 or more", path=where(place), key=place, value=value)
        found[name] = value
    if found.get("direction", "min") not in ("min", "max"):
        raise Invalid(
            "{path}: metric.direction = {value!r}; allowed: min, max",
            path=where("metric.direction"),
            value=found["direction"],
        )
    if found.get("gpus", 1) > 1 and not found.get("command"):
        raise Invalid(
            "{path}: pipeline.gpus is for a command of your own; the built-in training uses one GPU for each trial.",
            path=where("pipeline.gpus"),
        )
    return Settings(**found)


def _dated(value: Any) -> bool:
    """Whether a deadline is one; none is, too."""
    try:
        moment(str(value or "2026-12-24"))
    except Refusal:
        return False
    return True


def _checked(written: Any, settings: Settings) -> str:
    """What tunebook.toml is to say. Refuses what is not UTF-8."""
    files.require_name(Path(settings.data))
    text = written.as_string()
    files.require_text(text)
    return text


def _list(written: Any, listed: tuple[OwnHyperparameter, ...]) -> None:
    """Have the document list these hyperparameters of the user's own pipeline: what says the same stays as it is."""
    if _LISTED not in written:
        if listed:
            written[_LISTED] = {entry.name: entry.table() for entry in listed}
        return
    tables = written[_LISTED]
    for name in set(tables) - {entry.name for entry in listed}:
        del tables[name]
    for entry in listed:
        if entry.name not in tables:
            tables[entry.name] = entry.table()
            continue
        table, new = tables[entry.name], entry.table()
        left = {**dataclasses.asdict(OwnHyperparameter(entry.name)), "choices": []}
        for key, value in list(table.items()):
            # One that says what holds without it may stay.
            if key not in new and value != left[key]:
                del table[key]
        for key, value in new.items():
            if key not in table or not _alike(table[key], value):
                table[key] = value


def _alike(one: Any, other: Any) -> bool:
    """Whether two values of a document say the same: true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other
