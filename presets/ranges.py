"""What may stand in the table of a hyperparameter: its range, and its value while it is fixed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from presets.language import Message, say

Scale = Literal["linear", "log", "one-minus-log"]
# What is left out in a table of the catalogue.
PLAIN: dict[str, Any] = {
    "opens_at": None,
    "low": None,
    "high": None,
    "scale": "linear",
    "kind": "float",
    "choices": (),
    "share_of": "",
    "unit": "",
}


def mistake(values: Mapping[str, Any]) -> tuple[str, Message] | None:
    """The field that is wrong, and why: choices that are none, or a range without numbers between its ends."""
    low, high = values["low"], values["high"]
    if values["kind"] == "categorical":
        if values["default"] not in values["choices"] or len(values["choices"]) < 2:
            return "choices", say(
                "choices = {choices}; wanted: two or more, the default among them", choices=repr(values["choices"])
            )
        return None
    if not (
        isinstance(low, int | float) and isinstance(high, int | float) and low < high and math.isfinite(high - low)
    ):
        return "high", say(
            "low = {low}, high = {high}; wanted: finite numbers, low below high", low=repr(low), high=repr(high)
        )
    if values["scale"] == "log" and low <= 0:
        return "low", say("low = {low}; wanted: more than 0 on a log scale", low=repr(low))
    if values["scale"] == "one-minus-log" and high >= 1:
        return "high", say("high = {high}; wanted: less than 1 on a one-minus-log scale", high=repr(high))
    return None


def outside(values: Mapping[str, Any]) -> bool:
    """Whether the value while it is fixed is neither in the range nor 0, by which several are switched off."""
    if values["kind"] == "categorical":
        return False
    default = values["default"]
    return default != 0 and not values["low"] <= default <= values["high"]
