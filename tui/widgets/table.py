"""A table that keys walk through, line by line; an update sends only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive

from presets.language import _
from tui.charts.canvas import Row
from tui.charts.grid import Column, Line, View, draw, scrolled
from tui.charts.picture import Picture
from tui.charts.series import COLOURS
from tui.keys import bindings
from tui.terminal import printable
from tui.theme import STATUSES, series_colours, status_colours

STYLES = ("header", "cursor", "marked", "empty", "quiet", *STATUSES, *(f"series-{n}" for n in range(COLOURS)))


class Table(Picture, can_focus=True):
    """Lines with keys of their own. The mark stays on its line when others come or go."""

    PREFIX = "table"
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"table--{style}" for style in STYLES}
    DEFAULT_CSS = f"""
    Table {{
        height: auto;
        max-height: 100%;
        .table--header {{ text-style: underline; }}
        .table--cursor {{ text-style: reverse; }}
        .table--marked {{ text-style: bold; }}
        .table--quiet {{ text-style: dim; }}
        {series_colours("table")}
        {status_colours("table")}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("table")

    marked: reactive[str] = reactive("", repaint=False, init=False)
    """The key of the marked line; empty where there is none."""

    class Marked(Message):
        """Another line is marked, or none any more."""

        def __init__(self, table: Table, key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> Table:
            return self.table

    class Opened(Marked):
        """The marked line was asked for."""

    class Searched(Marked):
        """Lines that contain some text are asked for: the page has it typed, and `filter` shows them."""

    def __init__(self, *, pinned: int = 1, empty: str = "", ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pinned = pinned
        self._empty = empty
        self._ascii_only = ascii_only
        self._columns: tuple[Column, ...] = ()
        self._all: tuple[Line, ...] = ()
        self._lines: tuple[Line, ...] = ()
        self._wanted = ""
        self._places: dict[str, int] = {}
        self._view = View()

    def update(self, columns: Sequence[Column], lines: Sequence[Line]) -> None:
        """Show these lines; of cells, whatever a terminal would obey is spelled out."""
        self._columns = tuple(columns)
        self._all = tuple(
            replace(line, cells=tuple((printable(text), style) for text, style in line.cells)) for line in lines
        )
        self._show()

    @property
    def wanted(self) -> str:
        """What the lines that are shown contain; empty where all are shown."""
        return self._wanted

    def filter(self, wanted: str) -> bool:
        """Show only the lines with a text in one of their cells, whatever its case; whether there are any."""
        self._wanted = printable(wanted.strip())
        self._show()
        return bool(self._lines)

    def show_all(self) -> bool:
        """Show all lines again; whether only some were shown."""
        filtered = bool(self._wanted)
        self.filter("")
        return filtered

    def _show(self) -> None:
        before, place = len(self._lines), self._places.get(self.marked, 0)
        sought = self._wanted.casefold()
        self._lines = tuple(line for line in self._all if any(sought in text.casefold() for text, _style in line.cells))
        self._places = {line.key: number for number, line in enumerate(self._lines)}
        if self.marked not in self._places:
            self.marked = self._lines[min(place, len(self._lines) - 1)].key if self._lines else ""
        if len(self._lines) != before:
            self.refresh(layout=True)
        self.redraw()

    def picture(self) -> tuple[Row, ...]:
        width, height = self.size
        view = replace(self._view, marked=self._places.get(self.marked, -1), focused=self.has_focus)
        self._view = replace(view, top=scrolled(view, len(self._lines), max(height - 1, 1)), wanted=self._wanted)
        return draw(
            self._columns,
            self._lines,
            self._view,
            width,
            height,
            pinned=self._pinned,
            empty=_("No line contains that.") if self._all else self._empty,
            ascii_only=self._ascii_only,
        )

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The header and all lines, or what is said where there are none."""
        return 1 + max(len(self._lines), 1)

    def watch_marked(self) -> None:
        self.redraw()
        self.post_message(self.Marked(self, self.marked))

    def watch_has_focus(self, focused: bool) -> None:
        super().watch_has_focus(focused)
        self.redraw()

    def on_click(self, event: Click) -> None:
        """Mark the line under the pointer."""
        self._mark(self._view.top + event.y - 1)

    def action_move(self, lines: int) -> None:
        """Mark the line so many further on."""
        self._mark(self._places.get(self.marked, 0) + lines)

    def action_page(self, pages: int) -> None:
        """Mark the line a page further on."""
        self.action_move(pages * max(self.size.height - 2, 1))

    def action_edge(self, end: int) -> None:
        """Mark the first (0) or the last (-1) line."""
        self._mark(end % len(self._lines) if self._lines else 0)

    def action_shift(self, columns: int) -> None:
        """Show columns further to the right."""
        most = max(len(self._columns) - self._pinned - 1, 0)
        self._view = replace(self._view, shift=min(max(self._view.shift + columns, 0), most))
        self.redraw()

    def action_filter(self) -> None:
        """Post `Searched`."""
        self.post_message(self.Searched(self, self.marked))

    def action_open(self) -> None:
        """Post `Opened` for the marked line."""
        if self.marked:
            self.post_message(self.Opened(self, self.marked))

    def _mark(self, place: int) -> None:
        if self._lines:
            self.marked = self._lines[min(max(place, 0), len(self._lines) - 1)].key
