"""The chart of the screens: a plot with a cursor that keys move, and redraws only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive

from presets.language import _
from tui.charts.canvas import Row
from tui.charts.picture import Picture
from tui.charts.plot import Axes, draw
from tui.charts.series import COLOURS, Cursor, Series
from tui.charts.smooth import SHARES, smoothed
from tui.charts.walk import Walk
from tui.charts.window import Window, cut, moved, whole, zoomed
from tui.keys import bindings
from tui.theme import series_colours

STYLES = ("title", "axis", "empty", "cursor", "faint", *(f"series-{colour}" for colour in range(COLOURS)))


class Chart(Picture, can_focus=True):
    """Series over an axis. `update` shows new data; reactives hold the cursor and which axes are logarithmic."""

    PREFIX = "chart"
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"chart--{style}" for style in STYLES}
    DEFAULT_CSS = f"""
    Chart {{
        height: 1fr;
        .chart--title {{ text-style: bold; }}
        .chart--cursor {{ text-style: reverse; }}
        .chart--faint {{ text-style: dim; }}
        &:focus .chart--title {{ text-style: bold reverse; }}
        {series_colours("chart")}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("chart")

    log_x: reactive[bool] = reactive(False, repaint=False, init=False)
    """Whether the x axis is logarithmic (where there are positive values); where that changes, all of it is shown."""
    log_y: reactive[bool] = reactive(False, repaint=False, init=False)
    cursor: reactive[Cursor | None] = reactive(None, repaint=False, init=False)
    """The selected point; None before a key has moved it."""

    window: reactive[Window | None] = reactive(None, repaint=False, init=False)
    """The part of the x axis that is looked at; None for all of it."""
    strength: reactive[int] = reactive(0, repaint=False, init=False)
    """How much lines are smoothed: an index of `smooth.SHARES`."""

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
        self._smooth: tuple[Series, ...] = ()
        self._pinned: dict[str, None] = {}
        self._walk = Walk(())

    def begin(self, axes: Axes) -> None:
        """Have another plot here: its kinds of axes as they are given, the whole of x, and no cursor."""
        self.log_x, self.log_y, self.window, self.cursor = axes.log_x, axes.log_y, None, None

    def update(self, series: Sequence[Series], axes: Axes | None = None) -> None:
        """Show these series; with other titles, words or range where `axes` are given. The kinds of axes stay."""
        self._series = tuple(series)
        self._axes = axes or self._axes
        self._redraw()

    def watch_log_x(self) -> None:
        # A part of a linear axis may begin at 0 or below, which the other kind has no place for.
        self.window = None
        self._redraw()

    def watch_log_y(self) -> None:
        self._redraw()

    def watch_cursor(self) -> None:
        one = self.cursor and self.cursor.of(self._series)
        all = whole(self._series, log=self.log_x)
        if self.cursor and one and self.window is not None and all is not None:
            self.window = moved(self.window, all, one.x[self.cursor.index], log=self.log_x)
        self.redraw()

    def watch_window(self) -> None:
        self.redraw()

    def watch_strength(self) -> None:
        self._redraw()

    def picture(self) -> tuple[Row, ...]:
        axes, series, cursor = replace(self._axes, log_x=self.log_x, log_y=self.log_y), self._smooth, self.cursor
        if self.strength:
            axes = replace(axes, y_title=_("{name}, smoothed").format(name=axes.y_title))
        if self._pinned:
            series = tuple(
                replace(one, pinned=True, label=one.label or self._called(one)) if one.id in self._pinned else one
                for one in series
            )
        if self.window is not None:
            axes = replace(axes, x_range=self.window)
            inside = [cut(one, self.window, cursor) for one in series]
            series = tuple(one for one, _at in inside)
            cursor = next((at for one, at in inside if at is not None and at.series == one.id), None)
        return draw(series, axes, *self.size, cursor=cursor, ascii_only=self._ascii_only)

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

    def action_zoom(self, factor: float) -> None:
        """Look at so much of what is looked at of the x axis, around the cursor, else around the end."""
        all = whole(self._series, log=self.log_x)
        if all is None:
            return
        one = self.cursor and self.cursor.of(self._series)
        around = one.x[self.cursor.index] if self.cursor and one else (self.window or all)[1]
        self.window = zoomed(self.window, all, around, factor, log=self.log_x)

    def action_smooth(self) -> None:
        """Smooth the lines more, and after the most not at all."""
        self.strength = (self.strength + 1) % len(SHARES)

    def action_pin(self) -> None:
        """Compare the line at the cursor with others that were chosen so; all others stand back."""
        if self.cursor is None:
            self.cursor = self._walk.start()
        one = self.cursor and self.cursor.of(self._series)
        if one and one.kind == "line":
            if one.id in self._pinned:
                del self._pinned[one.id]
            else:
                self._pinned[one.id] = None
            self.redraw()

    def action_toggle_log_x(self) -> None:
        """Make the x axis logarithmic, or linear."""
        self.log_x = not self.log_x

    def action_toggle_log_y(self) -> None:
        """Make the y axis logarithmic, or linear."""
        self.log_y = not self.log_y

    @staticmethod
    def _called(one: Series) -> str:
        """What a line without a label is called where it is compared."""
        return one.point_id(0) if len(one.x) else ""

    def _redraw(self) -> None:
        self._smooth = self._series
        if self.strength:
            self._smooth = tuple(
                replace(one, y=smoothed(one.y, self.strength), raw=one.y) if one.kind == "line" else one
                for one in self._series
            )
        self._walk = Walk(self._series, log_x=self.log_x, log_y=self.log_y)
        self.redraw()
