"""A table as rows of text: the header, and as many lines as fit; the first columns stay, the others move sideways.

Style keys: "" (text), header, cursor, marked, empty, and whatever the cells bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tui.charts.canvas import Row, Span
from tui.terminal import cut, fit, printable, width

GAP = "  "
# A column of which less than this is left is not begun.
LEAST_CELLS = 4


@dataclass(frozen=True)
class Column:
    """A column: its title, whether its cells end flush (numbers), and its least width, which keeps it from moving."""

    title: str
    right: bool = False
    least: int = 0


@dataclass(frozen=True)
class Line:
    """A line of the table: a key of its own, and a text with its style for each column."""

    key: str
    cells: tuple[Span, ...]


@dataclass(frozen=True)
class View:
    """What of a table is seen: the first line, how many columns are left out after the pinned ones, the marked line
    (-1: none), whether keys move the mark, and what the lines were searched for."""

    top: int = 0
    shift: int = 0
    marked: int = -1
    focused: bool = False
    wanted: str = ""


def widths(columns: Sequence[Column], lines: Sequence[Line]) -> list[int]:
    """The width of each column: that of its widest cell, hidden lines included, so that scrolling moves nothing."""
    return [
        max(column.least, width(column.title), *(width(line.cells[place][0]) for line in lines))
        if lines
        else max(column.least, width(column.title))
        for place, column in enumerate(columns)
    ]


def scrolled(view: View, lines: int, body: int) -> int:
    """The first line to show so that the marked one is among the `body` that fit, moved as little as can be."""
    top = min(view.top, view.marked) if view.marked >= 0 else view.top
    return max(min(max(top, view.marked - body + 1), lines - body), 0)


def draw(
    columns: Sequence[Column],
    lines: Sequence[Line],
    view: View,
    cells: int,
    rows: int,
    *,
    pinned: int = 1,
    empty: str = "",
    ascii_only: bool = False,
) -> tuple[Row, ...]:
    """The table as `rows` rows of exactly `cells` cells each. Cells of lines are expected to be printable."""
    if cells < 1 or rows < 1:
        return ()
    wide = widths(columns, lines)
    order = [place for place in range(len(columns)) if place < pinned or place >= pinned + view.shift]
    places, hidden = _fitting(order, wide, cells)
    shown = lines[view.top : view.top + rows - 1]
    header = _spans([(columns[place].title, "header") for place in places], places, columns, wide, cells, ascii_only)
    tag = _tag(view, len(lines) > rows - 1, hidden, len(lines))
    if tag:
        tag = cut(tag, cells, ascii_only=ascii_only)
        room = cells - width(tag)
        text = cut("".join(part for part, _ in header).rstrip(), max(room - 1, 0), ascii_only=ascii_only)
        header = ((fit(text, room) + tag, "header"),)
    drawn: list[Row] = [header]
    for number, line in enumerate(shown, view.top):
        spans = _spans([line.cells[place] for place in places], places, columns, wide, cells, ascii_only)
        if number == view.marked:
            spans = (("".join(text for text, _ in spans), "cursor" if view.focused else "marked"),)
        drawn.append(spans)
    if not lines and rows > 1:
        drawn.append(((fit(printable(empty), cells, ascii_only=ascii_only), "empty"),))
    return (*drawn, *([((" " * cells, ""),)] * (rows - len(drawn))))


def _fitting(order: Sequence[int], wide: Sequence[int], cells: int) -> tuple[list[int], bool]:
    """The columns that there is room for, the last of them perhaps cut, and whether any is cut or left out."""
    places, used = [], 0
    for place in order:
        if places and cells - used < min(wide[place], LEAST_CELLS):
            return places, True
        places.append(place)
        used += wide[place] + len(GAP)
    return places, used - len(GAP) > cells


def _spans(
    texts: Sequence[Span],
    places: Sequence[int],
    columns: Sequence[Column],
    wide: Sequence[int],
    cells: int,
    ascii_only: bool,
) -> Row:
    """The cells of a row in their columns, in exactly `cells` cells; spans of one style are joined."""
    spans: list[Span] = []
    left = cells
    for (text, style), place in zip(texts, places, strict=True):
        room = min(wide[place], left)
        fitted = (
            " " * (room - width(text)) + text
            if columns[place].right and width(text) <= room
            else fit(text, room, ascii_only=ascii_only)
        )
        fitted += GAP[: left - room]
        left -= width(fitted)
        spans.append((fitted, style))
    spans.append((" " * left, spans[-1][1] if spans else ""))
    return tuple(
        ("".join(text for text, _ in group), style) for style, group in groupby(spans, key=lambda span: span[1])
    )


def _tag(view: View, more_lines: bool, more_columns: bool, total: int) -> str:
    """The end of the header: what was searched for, columns to the left and right, the place among the lines."""
    parts = [
        f"/{view.wanted}" if view.wanted else "",
        "<" if view.shift else "",
        ">" if more_columns else "",
        f"{view.marked + 1}/{total}" if more_lines and view.marked >= 0 else "",
    ]
    return " ".join(part for part in parts if part)
