"""A widget that is drawn as rows of text, and of which only the cells that changed are sent again.

Textual sends a widget's dirty region whole: of a table of its own far more than the one cell that changed.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tui.charts.canvas import Row, changes


class Picture(Widget):
    """Draws what `picture` gives; `redraw` after what it shows has changed.

    A style key of a row is a component class, `chart--axis` say for the key `axis` where `PREFIX` is `chart`.
    """

    ALLOW_SELECT = False
    PREFIX = ""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: tuple[Row, ...] = ()
        self._rows_size: Size | None = None

    def picture(self) -> tuple[Row, ...]:
        """The rows, as many and as wide as the widget's size."""
        # Every kind of picture has its own; Textual's metaclass admits no ABC that would say so.
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw anew and repaint the stretches that changed. Where it is not seen, it is drawn when it is."""
        if self._rows_size != self.size or not (self.is_on_screen and self.screen.is_current):
            self._rows_size = None
            self.refresh()
            return
        before = self._rows
        self._draw()
        if stretches := changes(before, self._rows):
            self.refresh(*(Region(column, row, cells, 1) for row, column, cells in stretches))

    def render_line(self, y: int) -> Strip:
        if self._rows_size != self.size:
            self._draw()
        if y >= len(self._rows):
            return Strip.blank(self.size.width, self.rich_style)
        return Strip([Segment(text, self._style(key)) for text, key in self._rows[y]], self.size.width)

    def _draw(self) -> None:
        self._rows = self.picture()
        self._rows_size = self.size

    def _style(self, key: str) -> Style:
        return self.get_component_rich_style(f"{self.PREFIX}--{key}") if key else self.rich_style
