"""The chart of the screens: a plot with a cursor that keys move, and redraws only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive

from tui.canvas import Row
from tui.keys import bindings
from tui.picture import Picture
from tui.plot import Axes, draw
from tui.series import COLOURS, Cursor, Series
from tui.theme import series_colours
from tui.walk import Walk

STYLES = ("title", "axis", "empty", "cursor", *(f"series-{colour}" for colour in range(COLOURS)))


class Chart(Picture, can_focus=True):
    """Series over an axis. `update` shows new data; reactives hold the cursor and which axes are logarithmic."""

    PREFIX = "chart"
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"chart--{style}" for style in STYLES}
    DEFAULT_CSS = f"""
    Chart {{
        height: 1fr;
        .chart--title {{ text-style: bold; }}
        .chart--cursor {{ text-style: reverse; }}
        &:focus .chart--title {{ text-style: bold reverse; }}
        {series_colours("chart")}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("chart")

    log_x: reactive[bool] = reactive(False, repaint=False, init=False)
    """Whether the x axis is logarithmic (where there are positive values)."""
    log_y: reactive[bool] = reactive(False, repaint=False, init=False)
    cursor: reactive[Cursor | None] = reactive(None, repaint=False, init=False)
    """The selected point; None before a key has moved it."""

    class Picked(Message):
        """The point at the cursor was asked for."""

        def __init__(self, chart: Chart, series: str, x: float, y: float, id: str) -> None:
            super().__init__()
            self.chart = chart
            self.series = series
            """The id of its series."""
            self.x = x
            self.y = y
            self.id = id
            """What the point is (a trial); empty where points have no names."""

        @property
        def control(self) -> Chart:
            return self.chart

    def __init__(
        self, axes: Axes, *, ascii_only: bool = False, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.set_reactive(Chart.log_x, axes.log_x)
        self.set_reactive(Chart.log_y, axes.log_y)
        self._axes = axes
        self._ascii_only = ascii_only
        self._series: tuple[Series, ...] = ()
        self._walk = Walk(())

    def update(self, series: Sequence[Series], axes: Axes | None = None) -> None:
        """Show these series; with other titles, words or range where `axes` are given. The kinds of axes stay."""
        self._series = tuple(series)
        self._axes = axes or self._axes
        self._redraw()

    def watch_log_x(self) -> None:
        self._redraw()

    def watch_log_y(self) -> None:
        self._redraw()

    def watch_cursor(self) -> None:
        self._redraw()

    def picture(self) -> tuple[Row, ...]:
        axes = replace(self._axes, log_x=self.log_x, log_y=self.log_y)
        return draw(self._series, axes, *self.size, cursor=self.cursor, ascii_only=self._ascii_only)

    def action_point(self, steps: int) -> None:
        """Move the cursor along its series."""
        dots = self.size.width * 2
        self.cursor = self._walk.along(self.cursor, steps, dots)

    def action_edge(self, end: int) -> None:
        """Move the cursor to the first (0) or the last (-1) point of its series."""
        self.cursor = self._walk.edge(self.cursor, end)

    def action_series(self, steps: int) -> None:
        """Move the cursor to another series."""
        self.cursor = self._walk.across(self.cursor, steps)

    def action_pick(self) -> None:
        """Post `Picked` for the point at the cursor."""
        one = self.cursor and self.cursor.of(self._series)
        if self.cursor and one:
            index = self.cursor.index
            self.post_message(self.Picked(self, one.id, one.x[index], one.y[index], one.point_id(index)))

    def action_toggle_log_x(self) -> None:
        """Make the x axis logarithmic, or linear."""
        self.log_x = not self.log_x

    def action_toggle_log_y(self) -> None:
        """Make the y axis logarithmic, or linear."""
        self.log_y = not self.log_y

    def _redraw(self) -> None:
        self._walk = Walk(self._series, log_x=self.log_x, log_y=self.log_y)
        self.redraw()
