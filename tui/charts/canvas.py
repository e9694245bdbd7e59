"""The area of a plot as a grid of terminal cells: braille dots (2 by 4 in a cell) or, in ASCII, one letter a cell.

A cell shows one series only, the one drawn last: dots of two colours cannot share a cell.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import le
from typing import TypeAlias

from tui.charts.scale import LARGEST, Scale, admits, clean, least
from tui.terminal import width

Span: TypeAlias = tuple[str, str]
"""A piece of a row: the text and its style key."""
Row: TypeAlias = tuple[Span, ...]

BLANK: Span = (" ", "")
REVERSED = ("cursor", "title")
"""Style keys that a screen may show in reverse video."""
BRAILLE = 0x2800
# Unicode numbers the dots of a braille cell down the left column, then the right one; the lowest pair came later.
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
# By side, first and last dot: the pattern of a vertical run in a cell.
RUNS = [[[sum(side[first : last + 1]) for last in range(4)] for first in range(4)] for side in DOTS]


@dataclass(frozen=True)
class Stretch:
    """The values of a line in one column of dots, between two gaps: where they begin, reach and end (0 is the top)."""

    column: int
    first: int
    top: int
    bottom: int
    last: int
    joined: bool
    """Whether the line comes here from the stretch before, without a gap between."""


class Canvas:
    """Cells of one character and a style key each, with the scales that say where a value lies."""

    def __init__(self, columns: int, rows: int, x: Scale, y: Scale, *, ascii_only: bool = False) -> None:
        self.columns = columns
        self.rows = rows
        self.x = x
        self.y = y
        self.ascii_only = ascii_only
        self.cells = [[BLANK] * columns for _ in range(rows)]
        self._across, self._down = (1, 1) if ascii_only else (2, 4)

    def column(self, x: float) -> int:
        """The cell column of a value that has a place; beyond the scale it is the edge."""
        return self._dot_column(x) // self._across

    def row(self, y: float) -> int:
        """The cell row of a value that has a place, 0 at the top."""
        return self._dot_row(y) // self._down

    def put(self, column: int, row: int, cell: Span) -> None:
        self.cells[row][column] = cell

    def line(self, xs: Sequence[float], ys: Sequence[float], letter: str, style: str) -> tuple[int, int] | None:
        """Draw a line over what is there, in ASCII with its letter; gives the cell of its end (column, row).

        Points without a place (NaN, infinite, not positive on a logarithmic scale) are gaps; None where all are.
        """
        line = self.stretches(xs, ys)
        dots: dict[tuple[int, int], int] = {}
        for column, top, bottom in _runs(line):
            self._dot(dots, column, top, bottom)
        for (column, row), pattern in dots.items():
            self.put(column, row, (letter if self.ascii_only else chr(BRAILLE + pattern), style))
        return (line[-1].column // self._across, line[-1].last // self._down) if line else None

    def stretches(self, xs: Sequence[float], ys: Sequence[float]) -> list[Stretch]:
        """A line of any number of points, in order of x, as few stretches: what can be seen of each column."""
        xs, ys = _in_order(xs, ys, log=self.x.log)
        found: list[Stretch] = []
        joined = False
        start, stop = bisect_left(xs, least(self.x.log)), bisect_right(xs, LARGEST)
        while start < stop:
            column = self._dot_column(xs[start])
            end = bisect_right(xs, column, start, stop, key=self._dot_column)
            for values in _between_gaps(ys[start:end], log=self.y.log):
                if len(values):
                    first, top, bottom, last = (
                        self._dot_row(value) for value in (values[0], max(values), min(values), values[-1])
                    )
                    found.append(Stretch(column, first, top, bottom, last, joined))
                joined = len(values) > 0
            start = end
        return found

    def _dot_column(self, x: float) -> int:
        return _place(self.x.position(x), self.columns * self._across)

    def _dot_row(self, y: float) -> int:
        dots = self.rows * self._down
        return dots - 1 - _place(self.y.position(y), dots)

    def _dot(self, dots: dict[tuple[int, int], int], x: int, top: int, bottom: int) -> None:
        column, side = divmod(x, self._across)
        for row in range(top // self._down, bottom // self._down + 1):
            above = row * self._down
            run = RUNS[side][max(top - above, 0)][min(bottom - above, self._down - 1)]
            dots[column, row] = dots.get((column, row), 0) | run


def merged(cells: Sequence[Span]) -> Row:
    """Cells as a row of few spans; a blank takes its neighbour's style, since a change of style costs bytes to send."""
    styled: list[Span] = []
    style = next((key for text, key in cells if text != " " and key not in REVERSED), "")
    for text, key in cells:
        if text != " " or style in REVERSED:
            style = key
        styled.append((text, style))
    return tuple(("".join(text for text, _ in group), key) for key, group in groupby(styled, key=lambda span: span[1]))


def changes(before: Sequence[Row], after: Sequence[Row]) -> list[tuple[int, int, int]]:
    """Where two pictures of one size differ: row, first cell and number of cells, one stretch a row."""
    found = []
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
            continue
        one, two = _cells(old), _cells(new)
        if one is None or two is None:
            found.append((number, 0, sum(width(text) for text, _ in new)))
        elif different := [column for column, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]:
            found.append((number, different[0], different[-1] - different[0] + 1))
    return found


def _cells(row: Row) -> list[Span] | None:
    """The row cell by cell; None where some character does not take one cell."""
    if any(width(text) != len(text) for text, _ in row):
        return None
    return [
        # A blank looks the same in any style but those in reverse video.
        BLANK if character == " " and style not in REVERSED else (character, style)
        for text, style in row
        for character in text
    ]


def _place(position: float, size: int) -> int:
    return min(max(round(position * (size - 1)), 0), size - 1)


def _in_order(xs: Sequence[float], ys: Sequence[float], *, log: bool) -> tuple[Sequence[float], Sequence[float]]:
    """Both in order of x. Steps come in order, which the built-ins confirm quickly; a NaN is never in order."""
    if not len(xs) or (xs[0] == xs[0] and all(map(le, xs, islice(xs, 1, None)))):
        return xs, ys
    pairs = sorted(((a, b) for a, b in zip(xs, ys, strict=True) if admits(a, log=log)), key=lambda pair: pair[0])
    return [a for a, _ in pairs], [b for _, b in pairs]


def _between_gaps(values: Sequence[float], *, log: bool) -> Iterator[Sequence[float]]:
    """The stretches of values that have a place; an empty one for each gap."""
    if clean(values, log=log):
        yield values
        return
    for placed, group in groupby(values, key=lambda value: admits(value, log=log)):
        yield list(group) if placed else ()


def _runs(line: Sequence[Stretch]) -> Iterator[tuple[int, int, int]]:
    """Vertical runs of dots (column, top, bottom) that make up the line."""
    before = None
    for here in line:
        if before is not None and here.joined:
            yield from _segment(before.column, before.last, here.column, here.first)
        yield here.column, here.top, here.bottom
        before = here


def _segment(x0: int, y0: int, x1: int, y1: int) -> Iterator[tuple[int, int, int]]:
    slope = (y1 - y0) / (x1 - x0)
    for x in range(x0, x1 + 1):
        ends = [round(y0 + slope * (edge - x0)) for edge in (max(x - 0.5, x0), min(x + 0.5, x1))]
        yield x, min(ends), max(ends)
