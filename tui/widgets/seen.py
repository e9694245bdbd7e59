"""What there is to see of some work: the set-up's own, or a measurement that a person asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tui.charts.plot import Axes
from tui.charts.series import Series


@dataclass(frozen=True)
class Seen:
    """What is to be seen of some work: a sentence, why it failed or what to do, its figures, and a chart or none.

    `collect` records what it found, once it has ended.
    """

    what: str
    remark: str = ""
    figures: tuple[str, ...] = ()
    series: tuple[Series, ...] = ()
    axes: Axes | None = None
    running: str = ""
    collect: Callable[[], object] | None = None
