"""An amount that a person types: a price, a power, a memory."""

from __future__ import annotations

import math
from typing import Any

import click

from presets.language import error_text
from state.errors import Invalid, Refusal

# Of a whole number; more is no count, but a slip.
DIGITS = 15


def amount(text: str) -> float:
    """The number. Refuses what is none, and what is negative or infinite."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise Invalid("{value!r} is no amount; allowed: a number, 0 or more, such as 2.5", value=text)
    return number


def whole(words: str) -> int | None:
    """A whole number as it is typed; None where that is none, or more than anything here can be."""
    return int(words) if words.isdecimal() and len(words) <= DIGITS else None


class Amount(click.ParamType):
    """An option that takes an amount."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. Refuses anything else."""
        try:
            return amount(str(value))
        except Refusal as refused:
            self.fail(error_text(refused))
