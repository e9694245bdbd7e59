"""The hyperparameters of a pipeline of the user's own, as tunebook.toml lists them: values, ranges, roles."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from state.errors import Refusal

Value: TypeAlias = "str | bool | int | float"
Kind = Literal["float", "int", "categorical"]
Scale = Literal["linear", "log", "one-minus-log"]


@dataclass(frozen=True)
class OwnHyperparameter:
    """One of them, by the name that it has in the configuration. `default` None: a value must be given first.

    `low` and `high` None: no range is known; `choices` of a categorical one likewise empty. `searched`: rounds vary it
    unless told otherwise. `about`: what the script itself says about it.
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

    @property
    def ranged(self) -> bool:
        """Whether it is known which values to try."""
        return bool(self.choices) if self.kind == "categorical" else self.low is not None and self.high is not None

    def table(self) -> dict[str, Any]:
        """The table of tunebook.toml, without what is left at its default; `read` reads it."""
        plain = {**dataclasses.asdict(self), "choices": list(self.choices)}
        left = {field.name: field.default for field in dataclasses.fields(self)} | {"choices": []}
        return {key: value for key, value in plain.items() if key != "name" and value != left[key]}


def read(name: str, table: Any, path: Path) -> OwnHyperparameter:
    """One table of tunebook.toml. Refuses unknown keys, wrong types and ranges that make no sense, with the key."""
    place = f'hyperparameters."{name}"'
    if not isinstance(table, Mapping):
        raise Refusal("{path}: {key} = {value!r} is not a table.", path=str(path), key=place, value=table)
    known = {field.name for field in dataclasses.fields(OwnHyperparameter)} - {"name"}
    for key, value in table.items():
        if key not in known:
            raise Refusal(
                "{path}: unknown key {key}; known: {known}",
                path=str(path),
                key=f"{place}.{key}",
                known=", ".join(sorted(known)),
            )
        if wanted := _wrong(key, value):
            raise Refusal(
                "{path}: {key} = {value!r} has the wrong type; wanted: {wanted}",
                path=str(path),
                key=f"{place}.{key}",
                value=value,
                wanted=wanted,
            )
    found = OwnHyperparameter(name, **{**table, "choices": tuple(table.get("choices", ()))})
    if problem := _senseless(found):
        raise Refusal("{path}: {key}: {problem}", path=str(path), key=place, problem=problem)
    return found


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


def _wrong(key: str, value: Any) -> str:
    """What the key's value should be; empty where it is that."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    match key:
        case "kind":
            return "" if value in get_args(Kind) else ", ".join(get_args(Kind))
        case "scale":
            return "" if value in get_args(Scale) else ", ".join(get_args(Scale))
        case "low" | "high":
            return "" if number else "number"
        case "choices":
            listed = isinstance(value, list) and all(isinstance(item, str | bool | int | float) for item in value)
            return "" if listed else "list"
        case "searched":
            return "" if isinstance(value, bool) else "true, false"
        case "about":
            return "" if isinstance(value, str) else "str"
        case _:
            return "" if isinstance(value, str | bool) or number else "str, bool, number"


def _senseless(entry: OwnHyperparameter) -> str:
    if entry.default is not None and fitting(entry, entry.default) is None:
        return f"default = {entry.default!r} is not of the kind {entry.kind}"
    if (entry.low is None) != (entry.high is None):
        return "low and high belong together"
    if entry.searched and not entry.ranged:
        return "searched needs low and high, or choices"
    if entry.low is None or entry.kind == "categorical":
        return ""
    low, high = entry.low, cast("float", entry.high)
    if low >= high:
        return f"low = {low:g} is not below high = {high:g}"
    if entry.scale == "log" and low <= 0:
        return f"low = {low:g} has no logarithm"
    if entry.scale == "one-minus-log" and (high >= 1 or entry.kind == "int"):
        return "one-minus-log is for numbers below 1"
    return ""
