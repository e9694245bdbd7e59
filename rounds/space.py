"""Search spaces: which values a hyperparameter may take, and how a coordinate in [0, 1) becomes one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from state.errors import Invalid

Kind = Literal["float", "int", "categorical", "list"]
Scale = Literal["linear", "log", "one-minus-log"]
KINDS, SCALES = get_args(Kind), get_args(Scale)
Choice = str | bool | int | float
# Where the values of a configuration lie in their ranges.
Places = tuple[float, ...]


class SpaceError(Invalid, ValueError):
    """A search space that cannot be used."""


@dataclass(frozen=True)
class Domain:
    """The values of one hyperparameter.

    float: low to high, evenly on the scale (one-minus-log: 1 - value is even on a log scale, for momentum and betas).
    int: low to high inclusive, linear or log. categorical: `choices` without an order. list: `choices` in their order.
    Raises SpaceError for a range that makes no sense.
    """

    kind: Kind
    low: float = 0.0
    high: float = 0.0
    scale: Scale = "linear"
    choices: tuple[Choice, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SpaceError("There is no kind of range {kind}: use one of {kinds}.", kind=repr(self.kind), kinds=KINDS)
        if self.is_range:
            _check_range(self)
        else:
            _check_choices(self)

    @property
    def is_range(self) -> bool:
        """Whether the values are numbers between two ends, rather than listed one by one."""
        return self.kind in ("float", "int")

    @property
    def ordered(self) -> bool:
        """Whether a larger coordinate means more of something, so that an edge has a meaning."""
        return self.kind != "categorical"

    @property
    def count(self) -> int | None:
        """Of how many values it consists; None for numbers with a fraction."""
        if self.kind == "int":
            return int(self.high) - int(self.low) + 1
        return None if self.is_range else len(self.choices)

    def value(self, u: float) -> Any:
        """The value at coordinate u in [0, 1]; non-decreasing in u where the domain is ordered."""
        if not self.is_range:
            return self.choices[min(int(u * len(self.choices)), len(self.choices) - 1)]
        low, high = self.low, self.high
        if self.kind == "int":
            return int(min(max(math.floor(_interpolate(low, high + 1, self.scale, u)), low), high))
        # Powers and logarithms may overstep the ends by a rounding error.
        return min(max(_interpolate(low, high, self.scale, u), low), high)

    def beyond(self, u: float) -> float:
        """The number at coordinate u of a range, also outside 0 to 1: how far a wider range would reach."""
        return _interpolate(self.low, self.high, self.scale, u)

    def reach(self, value: float) -> float:
        """The coordinate of a number on the scale of a range, also outside 0 to 1: what `beyond` takes."""
        return _place(self.low, self.high, self.scale, value) if self.low < self.high else 0.0

    def position(self, value: Any) -> float:
        """The coordinate of a value, in [0, 1]: of whole numbers and choices the middle of their share.

        Raises SpaceError for a value outside the domain.
        """
        if not self.contains(value):
            raise SpaceError("{value} is not in the range {domain}.", value=repr(value), domain=str(self))
        if not self.is_range:
            return (self._place(value) + 0.5) / len(self.choices)
        if self.kind == "int":
            left, right = (_locate(self.low, self.high + 1, self.scale, edge) for edge in (value, value + 1))
            return (left + right) / 2
        return _locate(self.low, self.high, self.scale, value)

    def middle(self, u: float) -> float:
        """The place of the value at a coordinate, which is the same for all coordinates of that value."""
        return self.position(self.value(u))

    def middles(self) -> list[float]:
        """The places of all values; empty for numbers with a fraction."""
        if not self.is_range:
            return [self.position(choice) for choice in self.choices]
        return [self.position(n) for n in range(int(self.low), int(self.high) + 1)] if self.kind == "int" else []

    def of_floats(self) -> Domain:
        """The same numbers as such with a fraction: 0 is typed where 0.0 is meant."""
        choices = tuple(float(c) if isinstance(c, int) and not isinstance(c, bool) else c for c in self.choices)
        return replace(self, low=float(self.low), high=float(self.high), choices=choices)

    def contains(self, value: Any) -> bool:
        """Whether the domain has this value."""
        if not self.is_range:
            return any(_same(value, choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and (self.kind == "float" or value == int(value))

    def to_dict(self) -> dict[str, Any]:
        """A mapping that JSON can keep; `from_dict` reads it."""
        if self.is_range:
            return {"kind": self.kind, "low": self.low, "high": self.high, "scale": self.scale}
        return {"kind": self.kind, "choices": list(self.choices)}

    @staticmethod
    def from_dict(mapping: Mapping[str, Any]) -> Domain:
        """The domain in a plain mapping. Raises SpaceError naming what is missing, unknown or wrong."""
        ranged = isinstance(mapping, Mapping) and mapping.get("kind") in ("float", "int")
        wanted = {"kind", "low", "high"} if ranged else {"kind", "choices"}
        _check_keys(mapping, wanted, wanted | ({"scale"} if ranged else set()))
        if not ranged:
            if not isinstance(mapping["choices"], list | tuple):
                raise SpaceError("'choices' is {found}; it must be a list.", found=repr(mapping["choices"]))
            return Domain(mapping["kind"], choices=tuple(mapping["choices"]))
        return Domain(mapping["kind"], mapping["low"], mapping["high"], mapping.get("scale", "linear"))

    def __str__(self) -> str:
        if not self.is_range:
            return "{" + ", ".join(str(choice) for choice in self.choices) + "}"
        return f"{self.low:.6g} .. {self.high:.6g} ({self.scale})"

    def _place(self, value: Any) -> int:
        return next(place for place, choice in enumerate(self.choices) if _same(value, choice))


@dataclass(frozen=True)
class Dimension:
    """One axis of a study: a `name` of its own ("sgd.learning_rate"), the configuration `key` that it sets
    ("optimizer.learning_rate"), its values, and its `number` in the Halton sequence."""

    name: str
    key: str
    domain: Domain
    number: int

    def __post_init__(self) -> None:
        if not isinstance(self.number, int) or self.number < 0:
            raise SpaceError("{name}: {number} is no dimension number.", name=self.name, number=repr(self.number))

    def to_dict(self) -> dict[str, Any]:
        """A mapping that JSON can keep; `from_dict` reads it."""
        return {"name": self.name, "key": self.key, "domain": self.domain.to_dict(), "number": self.number}

    @staticmethod
    def from_dict(mapping: Mapping[str, Any]) -> Dimension:
        """The dimension in a plain mapping. Raises SpaceError naming what is missing, unknown or wrong."""
        wanted = {"name", "key", "domain", "number"}
        _check_keys(mapping, wanted, wanted)
        return Dimension(mapping["name"], mapping["key"], Domain.from_dict(mapping["domain"]), mapping["number"])


def _interpolate(low: float, high: float, scale: Scale, u: float) -> float:
    if scale == "linear":
        return low * (1 - u) + high * u
    if scale == "one-minus-log":
        return 1 - _interpolate(1 - low, 1 - high, "log", u)
    # Far outside the range the exponential would overflow.
    return math.exp(min(max(math.log(low) * (1 - u) + math.log(high) * u, -700.0), 700.0))


def _locate(low: float, high: float, scale: Scale, value: float) -> float:
    """Where a value lies between low and high on the scale, 0 to 1."""
    return min(max(_place(low, high, scale, value), 0.0), 1.0)


def _place(low: float, high: float, scale: Scale, value: float) -> float:
    if scale == "one-minus-log":
        low, high, value, scale = 1 - low, 1 - high, 1 - value, "log"
    if scale == "log":
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)


def _same(value: Any, choice: Choice) -> bool:
    """Equality that tells True from 1."""
    return isinstance(value, bool) == isinstance(choice, bool) and value == choice


def _check_range(domain: Domain) -> None:
    low, high, scale = domain.low, domain.high, domain.scale
    if domain.choices:
        raise SpaceError("A range from low to high takes no list of choices.")
    if scale not in SCALES:
        raise SpaceError("There is no scale {scale}: use one of {scales}.", scale=repr(scale), scales=SCALES)
    for name, end in (("low", low), ("high", high)):
        if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
            raise SpaceError("'{name}' of a range is {end}; it must be a finite number.", name=name, end=repr(end))
        if domain.kind == "int" and end != int(end):
            raise SpaceError("'{name}' of a range of whole numbers is {end}.", name=name, end=repr(end))
    if low > high or (low == high and domain.kind == "float"):
        raise SpaceError("The range {low:g} .. {high:g} is empty: 'low' must be below 'high'.", low=low, high=high)
    if scale == "log" and low <= 0:
        raise SpaceError("A logarithmic range must lie above 0; this one starts at {low:g}.", low=low)
    if scale == "one-minus-log" and (domain.kind == "int" or high >= 1):
        raise SpaceError("A one-minus-log range is of numbers below 1; this one ends at {high:g}.", high=high)


def _check_choices(domain: Domain) -> None:
    if not domain.choices:
        raise SpaceError("The list of choices is empty.")
    for place, choice in enumerate(domain.choices):
        if not isinstance(choice, Choice) or (isinstance(choice, float) and not math.isfinite(choice)):
            raise SpaceError("The choice {choice} is neither text, a number, true nor false.", choice=repr(choice))
        if any(_same(choice, other) for other in domain.choices[:place]):
            raise SpaceError("The choice {choice} is listed twice.", choice=repr(choice))


def _check_keys(mapping: Mapping[str, Any], wanted: set[str], known: set[str]) -> None:
    if not isinstance(mapping, Mapping):
        raise SpaceError("{found} is not a table of settings.", found=repr(mapping))
    for key in sorted(wanted - mapping.keys()):
        raise SpaceError("'{key}' is missing from {found}.", key=key, found=repr(dict(mapping)))
    for key in mapping.keys() - known:
        raise SpaceError("{key} is unknown; known are {known}.", key=repr(key), known=sorted(known))
