"""An amount on the command line: a price, a power, a memory."""

from __future__ import annotations

import math
from typing import Any

import click

from presets.language import _


class Amount(click.ParamType):
    """A number that is not negative, and no infinity either."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. Refuses anything else."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            self.fail(_("{value!r} is no amount; allowed: a number, 0 or more, such as 2.5").format(value=value))
        return number
