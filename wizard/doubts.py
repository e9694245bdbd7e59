"""What cannot be, or is hardly meant, of the values and ranges of a script's hyperparameters, by their usual names.

A script may mean something else by a name: what is doubtful is told, and not refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from presets.language import Message, say
from state import usual_names
from state.hyperparameters import OwnHyperparameter
from wizard import quantity

# A log range of more powers of ten than this is rather two that were mistyped: of 20 trials, two or three are in each.
WIDE = 7


def about(values: Mapping[str, Any], entries: Mapping[str, OwnHyperparameter]) -> Iterator[Message]:
    """The doubts about values at the start, and about what is to be tried of each hyperparameter."""
    for key in dict.fromkeys((*values, *entries)):
        start, entry = _number(values.get(key)), entries.get(key, OwnHyperparameter(key))
        ends = () if entry.kind == "categorical" else (entry.low, entry.high)
        tried = [one for one in map(_number, (values.get(key), *ends, *entry.choices)) if one is not None]
        if impossible := [one for one in dict.fromkeys(tried) if not usual_names.possible(key, one)]:
            yield _impossible(key, ", ".join(map(quantity.setting, impossible)))
        elif entry.kind != "categorical" and entry.searched and entry.low is not None and entry.high is not None:
            yield from _range(key, start, entry.low, entry.high, log=entry.scale == "log")


def _range(key: str, start: float | None, low: float, high: float, *, log: bool) -> Iterator[Message]:
    ends = {"name": key, "low": quantity.setting(low), "high": quantity.setting(high)}
    # At 0 several are switched off, which no log range holds.
    if start and not low <= start <= high:
        yield say(
            "{name} starts with {value}, outside of the range that rounds search, {low} .. {high}; another range is "
            "{name}=LOW..HIGH.",
            value=quantity.setting(start),
            **ends,
        )
    if log and (powers := math.log10(high / low)) > WIDE:
        yield say(
            "{name}: {low} .. {high} spans {powers:.0f} powers of ten, so that few trials come near a good value.",
            powers=powers,
            **ends,
        )


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        # A whole number of more than 308 digits.
        return None


def _impossible(key: str, values: str) -> Message:
    name, told = usual_names.leaf(key), {"name": key, "values": values}
    if name in usual_names.RATES:
        return say("{name}: {values}. A learning rate lies above 0; is that what is meant?", **told)
    if name in usual_names.DECAYS:
        return say("{name}: {values}. A weight decay is no less than 0; is that what is meant?", **told)
    return say("{name}: {values}. By its name it is no less than 0 and less than 1; is that what is meant?", **told)
