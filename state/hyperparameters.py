"""The hyperparameters of a pipeline of the user's own, as tunebook.toml lists them: values, ranges, roles."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

from state.errors import Invalid, Refusal, mistyped

Value: TypeAlias = str | bool | int | float
Kind = Literal["float", "int", "categorical"]
Scale = Literal["linear", "log", "one-minus-log"]


@dataclass(frozen=True)
class OwnHyperparameter:
    """One of them, by the name that it has in the configuration. `default` None: a value must be given first.

    `low` and `high` None: no range is known; `choices` of a categorical one likewise empty. `searched`: rounds vary it
    unless told otherwise. `about`: what the script itself says about it. `only_with`: "NAME=VALUE,VALUE", where it
    means something only with these values of another one. `stands_for`: the name in the command that it fills then, in
    the place of the one that is called so: the learning rate of one optimizer beside that of another, say.
    """

    name: str
    default: Value | None = None
    kind: Kind = "categorical"
    low: float | None = None
    high: float | None = None
    scale: Scale = "linear"
    choices: tuple[Value, ...] = ()
    searched: bool = False
    about: str = ""
    only_with: str = ""
    stands_for: str = ""

    @property
    def condition(self) -> tuple[str, tuple[str, ...]] | None:
        """Of which other one it takes which values to mean something; None where it always does."""
        name, _equals, values = self.only_with.partition("=")
        return (name.strip(), tuple(value.strip() for value in values.split(","))) if self.only_with else None

    @property
    def ranged(self) -> bool:
        """Whether it is known which values to try."""
        return bool(self.choices) if self.kind == "categorical" else self.low is not None and self.high is not None

    def table(self) -> dict[str, Any]:
        """The table of tunebook.toml, without what is left at its default; `read` reads it."""
        plain = {**dataclasses.asdict(self), "choices": list(self.choices)}
        left = {field.name: field.default for field in dataclasses.fields(self)} | {"choices": []}
        return {key: value for key, value in plain.items() if key != "name" and value != left[key]}


def read(name: str, table: Any, where: Callable[[str], str]) -> OwnHyperparameter:
    """One table of tunebook.toml. Refuses unknown keys, wrong types and ranges that make no sense, with the key, and
    `where` that stands."""
    about = f'hyperparameters."{name}"'
    if not isinstance(table, Mapping):
        raise mistyped(where(about), about, table, dict)
    known = {field.name for field in dataclasses.fields(OwnHyperparameter)} - {"name"}
    for key, value in table.items():
        dotted = f"{about}.{key}"
        if key not in known:
            raise Invalid(
                "{path}: unknown key {key}; known: {known}",
                path=where(dotted),
                key=dotted,
                known=sorted(known),
            )
        if (refusal := _mistyped(where(dotted), dotted, value)) is not None:
            raise refusal
    found = OwnHyperparameter(name, **{**table, "choices": tuple(table.get("choices", ()))})
    if (refusal := _senseless(where(about), about, found)) is not None:
        raise refusal
    return found


def check_together(listed: Sequence[OwnHyperparameter], where: Callable[[str], str]) -> None:
    """Refuse one that stands for another which there is not, or where one of the two always means something: which
    fills the command is told by their conditions."""
    entries = {entry.name: entry for entry in listed}
    for entry in listed:
        if not entry.stands_for:
            continue
        about = f'hyperparameters."{entry.name}".stands_for'
        other = entries.get(entry.stands_for)
        if other is None or other is entry or other.stands_for:
            raise Invalid(
                "{path}: {key} = {value} names no other hyperparameter there. There are: {names}",
                path=where(about),
                key=about,
                value=repr(entry.stands_for),
                names=[one.name for one in listed if not one.stands_for],
            )
        if lacking := [one.name for one in (other, entry) if one.condition is None]:
            raise Invalid(
                "{path}: {key} = {value}: where the one fills the command and where the other, only_with of both says, "
                "as optimizer=sgd and optimizer=adam. Without it: {names}",
                path=where(about),
                key=about,
                value=repr(entry.stands_for),
                names=lacking,
            )


def idle(condition: tuple[str, tuple[str, ...]] | None, values: Mapping[str, Any]) -> bool:
    """Whether what takes this condition means nothing with these values."""
    other, wanted = condition or ("", ())
    return values.get(other) is not None and str(written(values[other])) not in wanted


def written(value: Any) -> Any:
    """A value as a caveat and a condition have it, which is as a configuration has it; empty where there is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def fitting(entry: OwnHyperparameter, value: Value) -> Value | None:
    """The value as this hyperparameter takes it; None where it is of another kind, or no number at all."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if entry.kind == "categorical":
        return value if not entry.choices or any(same(value, choice) for choice in entry.choices) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if entry.kind == "int":
        return int(value) if value == int(value) else None
    return float(value)


def same(one: Value | None, other: Value | None) -> bool:
    """Whether two values are the same; true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _mistyped(path: str, key: str, value: Any) -> Refusal | None:
    """What is wrong with the value of a key; None where it is what it should be."""
    # Whole numbers of hundreds of digits are none of these; a value to start with may be one.
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    match key.rpartition(".")[2]:
        case "kind" if value not in get_args(Kind):
            return _unlisted(path, key, value, get_args(Kind))
        case "scale" if value not in get_args(Scale):
            return _unlisted(path, key, value, get_args(Scale))
        case "low" | "high" if not number:
            return mistyped(path, key, value, float)
        case "choices" if not (isinstance(value, list) and all(isinstance(item, Value) for item in value)):
            return mistyped(path, key, value, list)
        case "searched" if not isinstance(value, bool):
            return mistyped(path, key, value, bool)
        case "about" | "only_with" | "stands_for" if not isinstance(value, str):
            return mistyped(path, key, value, str)
        case "default" if not (isinstance(value, str | bool | int) or number):
            return Invalid(
                "{path}: {key} = {value}; wanted: a number, text in quotes, or true or false",
                path=path,
                key=key,
                value=repr(value),
            )
        case _:
            return None


def _unlisted(path: str, key: str, value: Any, known: Sequence[str]) -> Refusal:
    return Invalid("{path}: {key} = {value}; allowed: {known}", path=path, key=key, value=repr(value), known=[*known])


def _senseless(path: str, key: str, entry: OwnHyperparameter) -> Refusal | None:
    """What does not go together in a table; None where all does."""
    about = {"path": path, "key": key}
    if entry.default is not None and fitting(entry, entry.default) is None:
        return Invalid(
            "{path}: {key}: default = {value} is not of the kind {kind}",
            value=repr(entry.default),
            kind=entry.kind,
            **about,
        )
    if entry.condition is not None and not (entry.condition[0] and all(entry.condition[1])):
        return Invalid(
            "{path}: {key}: only_with = {value}; wanted: another hyperparameter and its values, as optimizer=sgd",
            value=repr(entry.only_with),
            **about,
        )
    if (entry.low is None) != (entry.high is None):
        return Invalid("{path}: {key}: low and high belong together", **about)
    if entry.searched and not entry.ranged:
        return Invalid("{path}: {key}: searched needs low and high, or choices", **about)
    if entry.low is None or entry.kind == "categorical":
        return None
    low, high = entry.low, cast("float", entry.high)
    if low >= high:
        return Invalid("{path}: {key}: low = {low:g} is not below high = {high:g}", low=low, high=high, **about)
    if entry.scale == "log" and low <= 0:
        return Invalid("{path}: {key}: low = {low:g} has no logarithm", low=low, **about)
    if entry.scale == "one-minus-log" and (high >= 1 or entry.kind == "int"):
        return Invalid("{path}: {key}: one-minus-log is for numbers below 1", **about)
    return None
