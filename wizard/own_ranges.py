"""Ranges and scales that names and values of a script's hyperparameters suggest, where nobody has said any."""

from __future__ import annotations

from state import pipeline, usual_names
from state.hyperparameters import Kind, OwnHyperparameter, Scale, Value
from state.usual_names import (
    ACCUMULATIONS,
    DECAYS,
    EPOCHS,
    MOMENTA,
    RATES,
    SHARES,
    WARMUPS,
    beside,
    called,
    leaf,
)

# Three decades around a rate that somebody chose; the review widens what is too narrow.
FACTOR = 30.0
DECAY_FROM_NOTHING = (1e-6, 1e-2)
# So much of a run is warmed up at most.
WARMUP = 0.2


def guess(key: str, value: Value | None) -> OwnHyperparameter:
    """A hyperparameter with the range that its name and its value suggest; none where they suggest nothing."""
    name = leaf(key)
    if isinstance(value, int) and not isinstance(value, bool) and _fraction(key, value):
        value = float(value)
    if key in pipeline.USUAL or name in (*EPOCHS, *ACCUMULATIONS) or beside(key):
        return OwnHyperparameter(key, value, _kind(value), choices=(False, True) if isinstance(value, bool) else ())
    if isinstance(value, bool):
        return OwnHyperparameter(key, value, choices=(False, True))
    if value is None or isinstance(value, str):
        return OwnHyperparameter(key, value)
    low, high, scale = _range(key, value)
    known = low is not None and high is not None
    return OwnHyperparameter(key, value, _kind(value), low, high, scale, searched=known and name in RATES)


def _fraction(key: str, value: int) -> bool:
    """Whether what is written as a whole number may be any other: a rate of 1, a dropout of 0."""
    return leaf(key) in (*RATES, *DECAYS) or (bool(called(key, (*MOMENTA, *SHARES))) and value in (0, 1))


def usual_scale(entry: OwnHyperparameter, low: float, high: float, *, whole: bool) -> Scale:
    """The scale of a range that was given without one: as somebody said it of the range before, where that is possible
    now, or as its name and its numbers suggest."""
    possible = {"log": low > 0, "one-minus-log": high < 1 and not whole, "linear": True}
    if entry.low is not None and entry.high is not None and possible[entry.scale]:
        before = _suggested(entry.name, entry.low, entry.high, whole=entry.kind == "int")
        if entry.scale != before:
            return entry.scale
    return _suggested(entry.name, low, high, whole=whole)


def _suggested(key: str, low: float, high: float, *, whole: bool) -> Scale:
    if called(key, MOMENTA):
        return "one-minus-log" if high < 1 and not whole else "linear"
    return "log" if low > 0 and not called(key, SHARES) else "linear"


def _range(key: str, value: float) -> tuple[float | None, float | None, Scale]:
    name = leaf(key)
    if not usual_names.possible(key, value):
        return None, None, "linear"
    if name in DECAYS and value == 0:
        return (*DECAY_FROM_NOTHING, "log")
    if name in (*RATES, *DECAYS) and value > 0:
        return float(f"{value / FACTOR:.2g}"), float(f"{value * FACTOR:.2g}"), "log"
    if called(key, MOMENTA) and 0 <= value < 1:
        # So close to 1 are averages of squares, and of weights.
        low, high = (0.9, 0.9999) if value >= 0.99 else (0.5, 0.999)
        return min(low, value), max(high, value), "one-minus-log"
    if called(key, SHARES) and 0 <= value < 1:
        return 0.0, max(0.5, value), "linear"
    if name in WARMUPS and isinstance(value, float) and 0 <= value < 1:
        # A share of the steps.
        return 0.0, max(WARMUP, value), "linear"
    if isinstance(value, int) and 1 < value < pipeline.MOST:
        return max(1, value // 4), value * 4, "log"
    if isinstance(value, float) and value > 0:
        return float(f"{value / 10:.2g}"), float(f"{value * 10:.2g}"), "log"
    return None, None, "linear"


def _kind(value: Value | None) -> Kind:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "categorical"
    return "int" if isinstance(value, int) else "float"
