"""The catalogue: proven architectures and optimizers, and what of them is searched, in which range (rows G1, G2, P21).

The data are in architectures.toml, optimizers.toml and spaces.toml beside this file; a mistake in them is a
CatalogueError that names file, entry and field.
"""

from __future__ import annotations

import copy
import json
import shlex
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from presets import ranges, team, team_optimizers
from presets.language import Message, say
from presets.team import CatalogueError, Presets

__all__ = ["Architecture", "CatalogueError", "Hyperparameter", "Optimizer"]

FOLDER = Path(__file__).parent
# Fields of an architecture that a team need not give.
OPTIONAL: dict[str, Any] = {
    "note": "",
    "settings": {},
    "pretrained": "",
    "licence": "",
    "fixed_input": False,
    "small_inputs": False,
}

# What changes with a field of an architecture, and must be said again with it.
MEASURED = {"model": ("parameters", "macs"), "settings": ("parameters", "macs"), "input_size": ("macs",)}
# What is known of one model and of no other.
PUBLISHED: dict[str, Any] = {"pretrained": "", "licence": "", "note": ""}

Task = Literal["image-classification", "text-classification"]
Kind = Literal["float", "int", "categorical"]
Design = Literal["convolutional", "mobile", "attention", "hybrid", "encoder"]


@dataclass(frozen=True)
class Architecture:
    """One size of a proven family, with what it costs.

    `parameters` and `macs` (multiply-accumulates per example) hold at `input_size` (pixels or tokens), from scratch,
    with 3 channels and 10 classes (images) or 2 (texts); `fixed_input`: no other input size will do. `settings` are the
    dotted configuration values that make this size, `pretrained` is where the hub has published weights, "" for
    nowhere, `licence` theirs, "" where the library does not state it. tests/figures.py writes what can be measured.
    `size` is in plain words, a message id.
    """

    id: str
    family: str
    title: str
    size: str
    about: Message
    note: Message | None
    kind: Design
    task: Task
    library: Literal["timm", "transformers"]
    model: str
    parameters: int
    macs: int
    input_size: int
    fixed_input: bool
    normalisation: Literal["batch", "group", "layer", "none"]
    pretrained: str
    licence: str
    paper: str
    year: int
    small_inputs: bool
    settings: Mapping[str, Any] = field(hash=False)
    source: str = ""
    """The file of a team's own presets that it comes from, or that changed it; empty: the catalogue's."""

    def overrides(self, pretrained: str = "") -> dict[str, Any]:
        """The dotted configuration values that choose it: from scratch, from the "hub", or from a local path."""
        chosen = {"data.task": self.task, "model.library": self.library, "model.name": self.model}
        if not pretrained:
            return {**chosen, **self.settings}
        # A checkpoint brings its own sizes; transformers finds the hub's by its name there, timm by the model's.
        if pretrained == "hub" and self.library == "transformers":
            chosen["model.name"] = self.pretrained
        return {**chosen, "model.pretrained": pretrained}


@dataclass(frozen=True)
class Hyperparameter:
    """One tunable: its value while it is fixed, the trials a round needs before it is opened, and its range then.

    `opens_at` 0: searched from the first round; None: not searched unless a person asks. Where `share_of` names a
    setting, `low` and `high` are shares of that setting's value. `scale` "one-minus-log": 1 - value is log-uniform.
    `unit` is what its values are counted in, a message id; empty for plain numbers.
    """

    key: str
    default: float | bool | str
    opens_at: int | None
    low: float | None
    high: float | None
    scale: ranges.Scale
    kind: Kind
    choices: tuple[bool | str | int | float, ...]
    share_of: str
    source: str
    unit: str = ""

    @property
    def fixed(self) -> bool:
        """Whether it starts out fixed (row G2: simple first)."""
        return self.opens_at != 0


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with every hyperparameter it has, most important first; `popular_for` names families.

    `title` is a message id: some are names, some are words.
    """

    name: str
    title: str
    about: Message
    paper: str
    popular_for: tuple[str, ...]
    hyperparameters: tuple[Hyperparameter, ...]


_teams: list[Presets] = []


def use(
    root: Path | None,
    check_names: Callable[[Presets], None] = lambda presets: None,
    check: Callable[[Presets], None] = lambda presets: None,
) -> None:
    """Take in the presets of the user, and of the project in `root`. What the catalogue cannot know, others check:
    which models there are, before the figures of these are asked for; the rest where all is taken in. Raises
    CatalogueError for a mistake in them, and then leaves the catalogue as it comes."""
    found = [presets for path in team.places(root) if (presets := team.load(path)) is not None]
    if found == _teams:
        return
    _set([])
    for presets in found:
        check_names(presets)
    _set(found)
    try:
        _architectures()
        for fine_tuning in (False, True):
            optimizers(fine_tuning=fine_tuning)
        for presets in found:
            check(presets)
    except CatalogueError:
        _set([])
        raise


def _set(presets: list[Presets]) -> None:
    _teams[:] = presets
    for function in (_architectures, optimizers):
        function.cache_clear()


def architectures(task: str | None = None) -> tuple[Architecture, ...]:
    """The architectures of one task, or of all, in the order of the file: by family, small to large."""
    return tuple(entry for entry in _architectures() if task in (None, entry.task))


def architecture(id: str) -> Architecture:
    """One architecture. Raises CatalogueError for an unknown id."""
    for entry in _architectures():
        if entry.id == id:
            return entry
    raise CatalogueError(f"no architecture {id!r}; known: {', '.join(entry.id for entry in _architectures())}")


@cache
def optimizers(*, fine_tuning: bool = False) -> tuple[Optimizer, ...]:
    """The optimizers in the order of the file; `fine_tuning` gives the ranges for starting from pretrained weights."""
    tables = copy.deepcopy(_read("optimizers.toml"))
    entries = {name: _optimizer(name, table, fine_tuning) for name, table in tables.items()}
    for presets in _teams:
        for name, own in presets.optimizers.items():
            team_optimizers.change(tables, name, own, presets)
            entries[name] = _optimizer(name, tables[name], fine_tuning)
    return tuple(entries.values())


def optimizer(name: str, *, fine_tuning: bool = False) -> Optimizer:
    """One optimizer. Raises CatalogueError for an unknown name."""
    for entry in optimizers(fine_tuning=fine_tuning):
        if entry.name == name:
            return entry
    raise CatalogueError(f"no optimizer {name!r}; known: {', '.join(entry.name for entry in optimizers())}")


def recommended_optimizer(family: str) -> Optimizer:
    """The optimizer most used for a family of architectures (row G2); the first in the file for an unknown one."""
    every = optimizers()
    return next((entry for entry in every if family in entry.popular_for), every[0])


@cache
def tunables() -> tuple[Hyperparameter, ...]:
    """The hyperparameters that belong to no optimizer: of schedule, regularization and augmentation."""
    return tuple(
        _hyperparameter({"key": key, **table}, False, "spaces.toml") for key, table in _read("spaces.toml").items()
    )


def hyperparameter(key: str, optimizer: str | None = None, *, fine_tuning: bool = False) -> Hyperparameter:
    """One tunable by its dotted name; `optimizer.…` needs the optimizer's name, as each has its own range (row P3).

    Raises CatalogueError where there is none such.
    """
    known = tunables()
    for entry in optimizers(fine_tuning=fine_tuning):
        if entry.name == optimizer:
            known += entry.hyperparameters
    for entry in known:
        if entry.key == key:
            return entry
    raise CatalogueError(f"no tunable {key!r} of {optimizer}; known: {', '.join(entry.key for entry in known)}")


@cache
def _architectures() -> tuple[Architecture, ...]:
    entries = tuple(
        _architecture(family, {**shared, **size})
        for family, shared in _read("architectures.toml").items()
        for size in shared["sizes"]
    )
    for presets in _teams:
        entries = _with_architectures(entries, presets)
    if repeated := sorted(id for id, times in Counter(entry.id for entry in entries).items() if times > 1):
        raise CatalogueError(f"architectures.toml: more than one {', '.join(repeated)}")
    return entries


def _with_architectures(entries: tuple[Architecture, ...], presets: Presets) -> tuple[Architecture, ...]:
    """The entries, some changed and some more, as a team's file says."""
    known = {entry.id: entry for entry in entries}
    for id, own in presets.architectures.items():
        where = f"architectures.{id}"
        given = dict(own)
        like = known.get(given.pop("like", id))
        if "like" in own and like is None:
            raise presets.wrong(f"{where}.like", own["like"], ", ".join(known))
        for name, value in given.items():
            if allowed := _misfit(name, value):
                raise presets.wrong(f"{where}.{name}", value, allowed)
        # An entry of one's own without more words belongs to a family of its own.
        values: dict[str, Any] = {**OPTIONAL, "family": id, "title": id, "size": id, "about": id}
        if like is not None:
            changed = [name for name in MEASURED if given.get(name, getattr(like, name)) != getattr(like, name)]
            if missing := {fact for name in changed for fact in MEASURED[name]} - given.keys():
                raise presets.wrong_entry(where, _unmeasured(changed, sorted(missing), {**_fields(like), **given}))
            values |= _fields(like)
            if "model" in changed:
                values |= {**PUBLISHED, "size": id}
        values |= {**given, "id": id}
        family = values.pop("family")
        try:
            known[id] = replace(_architecture(family, {**values, "sizes": ()}), source=str(presets.path))
        except CatalogueError as error:
            words = str(error).removeprefix(f"architectures.toml: {family}: {id}: ")
            raise presets.wrong_entry(where, say("{text}", text=words)) from None
    return tuple(known.values())


def _unmeasured(changed: list[str], missing: list[str], values: Mapping[str, Any]) -> Message:
    """What to say of an entry whose model is another while its figures are still those of the former."""
    images = values["library"] == "timm"
    size = {"data.image_size" if images else "data.max_length": values["input_size"]}
    # The interpreter that has the libraries: another one may know nothing of them, nor of this package.
    command = [sys.executable, "-m", "training.figures", "--library", values["library"], "--name", values["model"]]
    command += ["--settings", json.dumps({**size, **values["settings"]})]
    command += ["--classes", "10" if images else "2"]
    return say(
        "{missing} missing, which {changed} changes; this prints what they are: {command}",
        missing=missing,
        changed=changed,
        command=shlex.join(command),
    )


def _fields(entry: Architecture) -> dict[str, Any]:
    """An entry as its table in the file has it."""
    values = {name: getattr(entry, name) for name in get_type_hints(Architecture) if name != "source"}
    return {**values, "about": entry.about.id, "note": entry.note.id if entry.note else ""}


def _misfit(name: str, value: Any) -> str | Message:
    """What a field of an architecture may be, where the value is something else."""
    kinds = get_type_hints(Architecture)
    if name not in kinds or name in ("id", "source"):
        return "like, " + ", ".join(key for key in kinds if key not in ("id", "source"))
    kind = kinds[name]
    if get_origin(kind) is Literal:
        return "" if value in get_args(kind) else ", ".join(get_args(kind))
    if kind is int:
        return "" if type(value) is int and value > 0 else say("a whole number, more than 0")
    if kind is bool:
        return "" if isinstance(value, bool) else "true, false"
    if name == "settings":
        plain = isinstance(value, dict) and all(isinstance(one, str | int | float) for one in value.values())
        return "" if plain else say("a table such as {table}", table='{ "model.layers" = 2 }')
    return "" if isinstance(value, str) else say("text")


def _architecture(family: str, table: Mapping[str, Any]) -> Architecture:
    where = f"architectures.toml: {family}: {table.get('id', 'an entry without an id')}"
    values = {"note": "", "settings": {}, **table, "family": family, "source": ""}
    del values["sizes"]
    _check_names(Architecture, values, where)
    library = "timm" if values["task"] == "image-classification" else "transformers"
    if values["library"] != library:
        raise CatalogueError(f"{where}: library = {values['library']!r}; allowed: {library} for {values['task']}")
    for name in ("parameters", "macs", "input_size", "year"):
        if not values[name] > 0:
            raise CatalogueError(f"{where}: {name} = {values[name]!r}; allowed: more than 0")
    about, note = values["about"], values["note"]
    return Architecture(**{**values, "about": Message(about), "note": Message(note) if note else None})


def _optimizer(name: str, table: Mapping[str, Any], fine_tuning: bool) -> Optimizer:
    where = f"optimizers.toml: {name}"
    values = {**table, "name": name}
    _check_names(Optimizer, values, where)
    about, hyperparameters = values["about"], values["hyperparameters"]
    values |= {
        "about": Message(about),
        "popular_for": tuple(values["popular_for"]),
        "hyperparameters": tuple(_hyperparameter(entry, fine_tuning, where) for entry in hyperparameters),
    }
    return Optimizer(**values)


def _hyperparameter(table: Mapping[str, Any], fine_tuning: bool, file: str) -> Hyperparameter:
    where = f"{file}: {table.get('key', 'an entry without a key')}"
    values = {**ranges.PLAIN, **table}
    values["choices"] = tuple(values["choices"])
    tuned = values.pop("fine_tuning", {})
    values |= tuned if fine_tuning else {}
    _check_names(Hyperparameter, values, where)
    if (wrong := ranges.mistake(values)) is not None:
        raise CatalogueError(f"{where}: {wrong[1].text()}")
    return Hyperparameter(**values)


def _check_names(wanted: type, values: Mapping[str, Any], where: str) -> None:
    """That every field is there, none is unknown, and those of few words have one of them."""
    known = get_type_hints(wanted)
    if unknown := values.keys() - known.keys():
        raise CatalogueError(f"{where}: unknown {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if missing := known.keys() - values.keys():
        raise CatalogueError(f"{where}: missing {', '.join(sorted(missing))}")
    for name, kind in known.items():
        if get_origin(kind) is Literal and values[name] not in get_args(kind):
            raise CatalogueError(f"{where}: {name} = {values[name]!r}; allowed: {', '.join(get_args(kind))}")


@cache
def _read(file: str) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads((FOLDER / file).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{file}: {error}; the installation is damaged, install tunebook again") from None
