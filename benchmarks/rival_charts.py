"""The three growing curves of `tests.live_chart` in two other chart widgets.

    python -m benchmarks.rival_charts NAME N

NAME: textual-plot or textual-plotext. Shows N updates, each painted before the next, and leaves.
"""

from __future__ import annotations

import sys
from typing import Any

from textual.app import App, ComposeResult

from tests.live_chart import POINTS, curve

RATES = (0.02, 0.05, 0.1)


class Rival(App[None]):
    """One more point for each curve at each update."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, name: str, updates: int) -> None:
        super().__init__()
        self._rival = name
        self._updates = updates
        self._points = 1

    def compose(self) -> ComposeResult:
        widget: Any
        if self._rival == "textual-plot":
            from textual_plot import PlotWidget  # pyright: ignore[reportMissingImports]

            widget = PlotWidget()
        else:
            from textual_plotext import PlotextPlot  # pyright: ignore[reportMissingImports]

            widget = PlotextPlot()
        yield widget

    def on_ready(self) -> None:
        self._grow()

    def _grow(self) -> None:
        if self._points > self._updates:
            self.exit()
            return
        widget: Any = next(iter(self.screen.children))
        series = [curve(rate, self._points) for rate in RATES]
        if self._rival == "textual-plot":
            from textual_plot import HiResMode  # pyright: ignore[reportMissingImports]

            widget.clear()
            widget.set_xlimits(0, 10 * POINTS)
            for one, colour in zip(series, ("blue", "yellow", "magenta"), strict=True):
                widget.plot(list(one.x), list(one.y), line_style=colour, hires_mode=HiResMode.BRAILLE)
        else:
            widget.plt.clear_data()
            widget.plt.xlim(0, 10 * POINTS)
            for one in series:
                widget.plt.plot(list(one.x), list(one.y), marker="braille")
            widget.refresh()
        self._points += 1
        self.call_after_refresh(self._grow)


if __name__ == "__main__":
    Rival(sys.argv[1], int(sys.argv[2])).run()
