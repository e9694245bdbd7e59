"""What the simulations of the statistics share: a row of the table, and a share with its error."""

from __future__ import annotations

import math

Row = tuple[str, str, str, str]


def percent(count: int, times: int) -> str:
    """A share with twice its standard error."""
    share = count / times
    return f"{share:.1%} ± {2 * math.sqrt(max(share * (1 - share), 1 / times) / times):.1%}"
