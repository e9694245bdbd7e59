"""Three growing curves on a real terminal: `python -m tests.live_chart UPDATES` shows so many updates and leaves."""

from __future__ import annotations

import math
import sys

from textual.app import App, ComposeResult

from tui.charts.chart import Chart
from tui.charts.plot import Axes
from tui.charts.series import Series

POINTS = 100


class LiveChart(App[None]):
    """One more point per curve at each update, each painted before the next."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, updates: int) -> None:
        super().__init__()
        self._updates = updates
        self._points = 1

    def compose(self) -> ComposeResult:
        yield Chart(Axes("step", "val/loss", x_range=(0, 10 * POINTS)))

    def on_ready(self) -> None:
        self._grow()

    def _grow(self) -> None:
        if self._points > self._updates:
            self.exit()
            return
        self.query_one(Chart).update([curve(rate, self._points) for rate in (0.02, 0.05, 0.1)])
        self._points += 1
        self.call_after_refresh(self._grow)


def curve(rate: float, points: int) -> Series:
    """A loss that falls at this rate, with a ripple, evaluated every ten steps."""
    values = [2.2 * math.exp(-k * rate) + 0.1 + 0.03 * math.sin(7 * k * rate) for k in range(points)]
    return Series(f"{rate}", f"learning_rate {rate}", range(0, 10 * points, 10), values)


if __name__ == "__main__":
    LiveChart(int(sys.argv[1])).run()
