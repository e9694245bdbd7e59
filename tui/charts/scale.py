"""The axes of a plot: linear and logarithmic scales, round limits, ticks at decades or round numbers, short labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

# A scale's arithmetic (high - low, low + k * step) must not overflow; values beyond this are treated as infinite.
LARGEST = 1e300
SMALLEST = 1e-300
# Values that differ by a smaller share than this are one value: their ticks could not be told apart.
SAME = 1e-9


def least(log: bool) -> float:
    """The least value that has a place on a scale of this kind."""
    return SMALLEST if log else -LARGEST


def admits(value: float, *, log: bool) -> bool:
    """Whether the value has a place on a scale of this kind: finite, and positive on a logarithmic one."""
    return least(log) <= value <= LARGEST


def clean(values: Sequence[float], *, log: bool) -> bool:
    """Whether every one of these values surely has a place (a sum shows any NaN or infinity)."""
    return not len(values) or (
        math.isfinite(sum(values)) and admits(min(values), log=log) and admits(max(values), log=log)
    )


@dataclass(frozen=True)
class Scale:
    """From `low` to `high`, linear or logarithmic. `low` < `high`; both are positive where `log`. `whole`: it counts
    something, so that there is nothing between its whole numbers."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def position(self, value: float) -> float:
        """0 at `low`, 1 at `high`; for a value that has a place."""
        return (self._transformed(value) - self._start) / self._length

    def _transformed(self, value: float) -> float:
        return math.log10(value) if self.log else value

    @cached_property
    def _start(self) -> float:
        return self._transformed(self.low)

    @cached_property
    def _length(self) -> float:
        return self._transformed(self.high) - self._start


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    value: float
    label: str


def extent(values: Sequence[float], *, log: bool = False) -> tuple[float, float] | None:
    """The least and the greatest value that has a place on a scale of this kind; None where there is none."""
    lows, highs = [], []
    # In chunks: the built-ins are fast, but a single NaN in a chunk needs the slow way.
    for start in range(0, len(values), 4096):
        chunk = values[start : start + 4096]
        if not clean(chunk, log=log):
            chunk = [value for value in chunk if admits(value, log=log)]
        if len(chunk):
            lows.append(min(chunk))
            highs.append(max(chunk))
    return (min(lows), max(highs)) if lows else None


def exact(low: float, high: float, *, log: bool = False) -> Scale:
    """A scale from `low` to `high` as they are; around the value where they are (nearly) one."""
    low, high = _apart(low, high, log)
    return Scale(low, high, log)


def padded(low: float, high: float, *, log: bool = False, share: float = 0.04) -> Scale:
    """A scale with some room on both sides, so that no marker sits on the edge."""
    scale = exact(low, high, log=log)
    if not log:
        room = (scale.high - scale.low) * share
        return Scale(max(scale.low - room, -LARGEST), min(scale.high + room, LARGEST))
    factor = 10 ** ((math.log10(scale.high) - math.log10(scale.low)) * share)
    return Scale(max(scale.low / factor, SMALLEST), min(scale.high * factor, LARGEST), log)


def rounded(low: float, high: float, most: int, *, log: bool = False) -> Scale:
    """A scale with round ends, about `most` ticks long: growing data seldom move it, so little is drawn anew."""
    low, high = _apart(low, high, log)
    step = _round_step((high - low) / max(most, 1))
    down, up = math.floor(low / step) * step, math.ceil(high / step) * step
    if log and (high >= 10 * low or down <= 0):
        down, up = _below(low), _above(high)
    # The floor or ceiling of a huge quotient may fall on the wrong side of the value.
    return Scale(max(min(down, low), least(log)), min(max(up, high), LARGEST), log)


def ticks(scale: Scale, most: int) -> tuple[Tick, ...]:
    """At most `most` ticks: decades (thinned out where there are many), else 1, 2, 5, else round numbers."""
    most = max(most, 1)
    if scale.log:
        decades = range(math.ceil(_log(scale.low)), math.floor(_log(scale.high)) + 1)
        fine = [value for value in _one_two_five(scale) if scale.low * (1 - SAME) <= value <= scale.high * (1 + SAME)]
        if len(decades) >= 2 and len(fine) > most:
            stride = -(-len(decades) // most)
            fine = [10.0**k for k in decades if k % stride == 0]
            # From a single label no value can be read.
            fine = [10.0 ** decades[0], 10.0 ** decades[-1]] if len(fine) < 2 <= most else fine
        if len(decades) >= 2 or 3 <= len(fine) <= most:
            return tuple(Tick(value, _power(value)) for value in fine)
    return _linear_ticks(scale, most)


def number(value: float) -> str:
    """A value as people read it: 0.4321, 1.2e-4, 12800, nan. Four significant digits, whole numbers in full."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e9:
        return str(int(value))
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:.4g}" if abs(value) < 9999.5 else f"{value:.0f}"
    return _scientific(value, 3)


def _apart(low: float, high: float, log: bool) -> tuple[float, float]:
    low, high = (min(max(value, least(log)), LARGEST) for value in (low, high))
    if high - low > SAME * max(abs(low), abs(high)) and high - low > SMALLEST:
        return low, high
    middle = low
    if log:
        return max(middle / 2, SMALLEST), min(middle * 2, LARGEST)
    room = abs(middle) / 2 if abs(middle) > SMALLEST else 1.0
    return max(middle - room, -LARGEST), min(middle + room, LARGEST)


def _round_step(step: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - SAME))


def _log(value: float) -> float:
    """The decimal logarithm, a whole number where the value is a power of ten but for rounding."""
    exponent = math.log10(value)
    return float(round(exponent)) if abs(exponent - round(exponent)) < SAME else exponent


def _below(value: float) -> float:
    """The greatest of 1, 2, 5 times a power of ten that is not above `value`."""
    power = 10.0 ** math.floor(_log(value))
    return next(factor * power for factor in (5, 2, 1, 0) if factor * power <= value * (1 + SAME)) or value


def _above(value: float) -> float:
    return _round_step(value)


def _one_two_five(scale: Scale) -> Iterator[float]:
    for k in range(math.floor(math.log10(scale.low)), math.floor(math.log10(scale.high)) + 1):
        yield from (factor * 10.0**k for factor in (1, 2, 5))


def _linear_ticks(scale: Scale, most: int) -> tuple[Tick, ...]:
    step = max(_round_step((scale.high - scale.low) / most), 1.0 if scale.whole else 0.0)
    first, last = math.ceil(scale.low / step - SAME), math.floor(scale.high / step + SAME)
    while last - first + 1 > most:
        step = _round_step(step * 1.5)
        first, last = math.ceil(scale.low / step - SAME), math.floor(scale.high / step + SAME)
    while last <= first and most >= 2 and not (scale.whole and step <= 1):
        # From a single label no value can be read: the ends of a finer grid.
        step = _round_step(step * 0.4)
        first, last = math.ceil(scale.low / step - SAME), math.floor(scale.high / step + SAME)
    marks = range(first, last + 1) if last - first + 1 <= most else (first, last)
    values = [k * step for k in marks]
    largest = max((abs(value) for value in values), default=0.0)
    return tuple(Tick(value, _on_grid(value, step, largest)) for value in values)


def _on_grid(value: float, step: float, largest: float) -> str:
    """The label of a multiple of `step` on an axis that reaches `largest`: only the digits that tell ticks apart."""
    place = math.floor(math.log10(step) + SAME)
    if abs(value) < step / 2:
        return "0"
    if largest >= 1e15 or (place < -5 and largest < 1e-2):
        return _scientific(value, max(math.floor(math.log10(abs(value)) + SAME) - place, 0))
    for suffix, unit in (("G", 9), ("M", 6), ("k", 3)):
        if largest >= max(10.0**unit, 1e4):
            return f"{value / 10.0**unit:.{max(unit - place, 0)}f}{suffix}"
    return f"{value:.{max(-place, 0)}f}"


def _power(value: float) -> str:
    """The label of 1, 2 or 5 times a power of ten on a logarithmic axis: 1e-4, 0.05, 1, 200, 1e4."""
    return f"{value:.6g}" if 0.00999 < value < 9999 else _scientific(value, 0)


def _scientific(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"
