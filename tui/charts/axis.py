"""The axes around a plot, as cells: labels and line to the left, line and labels below.

Lines are drawn with braille dots: the box characters are of ambiguous width, two cells in many Chinese terminals.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tui.charts.canvas import BLANK, Canvas, Span
from tui.charts.scale import Tick, ticks

STYLE = "axis"
# (unicode, ASCII)
UPRIGHT = ("⢸", "|")
UPRIGHT_TICK = ("⢼", "+")
CORNER = ("⠈", "+")
FLAT = ("⠉", "-")
FLAT_TICK = ("⠋", "+")
# A label and the space around it.
CELLS_PER_TICK = 7


def left(marks: Sequence[Tick], canvas: Canvas, gutter: int) -> list[list[Span]]:
    """What stands to the left of each row of the plot, `gutter` cells: the label right-aligned, then the axis."""
    labels = {canvas.row(tick.value): tick.label for tick in marks}
    rows = []
    for row in range(canvas.rows):
        line = (UPRIGHT_TICK if row in labels else UPRIGHT)[canvas.ascii_only]
        label = labels.get(row, "").rjust(gutter - 1)
        rows.append([(character, STYLE) for character in label + line] if gutter else [])
    return rows


def below(places: Sequence[tuple[Tick, int]], canvas: Canvas, gutter: int) -> list[Span]:
    """The axis below the plot, with the corner that `left` stands on."""
    at = {canvas.column(tick.value) for tick, _ in places}
    line = [((FLAT_TICK if column in at else FLAT)[canvas.ascii_only], STYLE) for column in range(canvas.columns)]
    corner = [BLANK] * (gutter - 1) + [(CORNER[canvas.ascii_only], STYLE)] if gutter else []
    return corner + line


def labels(places: Sequence[tuple[Tick, int]], canvas: Canvas, gutter: int) -> list[Span]:
    """The labels below the axis."""
    row = [BLANK] * (gutter + canvas.columns)
    for tick, start in places:
        row[gutter + start : gutter + start + len(tick.label)] = [(character, STYLE) for character in tick.label]
    return row


def places(canvas: Canvas) -> list[tuple[Tick, int]]:
    """As many ticks of x as there is room for, each with the column where its label begins."""
    for most in range(max(canvas.columns // CELLS_PER_TICK, 1), 0, -1):
        found = [(tick, _start(tick, canvas)) for tick in ticks(canvas.x, most)]
        apart = all(start + len(tick.label) < after for (tick, start), (_, after) in pairwise(found))
        if apart and all(len(tick.label) <= canvas.columns for tick, _ in found):
            return found
    return []


def _start(tick: Tick, canvas: Canvas) -> int:
    """The label stands centred under its tick, moved where it would leave the plot."""
    centred = canvas.column(tick.value) - (len(tick.label) - 1) // 2
    return max(min(centred, canvas.columns - len(tick.label)), 0)
