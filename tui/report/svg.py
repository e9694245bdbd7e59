"""A plot as SVG, from the same series and axes as those of the terminal. Colours are the page's: classes, no values.

Small enough for a phone; the page lets two stand side by side where it is wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from presets.language import bracketed
from tui.charts import scale
from tui.charts.plot import Axes, scales
from tui.charts.scale import Scale, admits, number
from tui.charts.series import SHAPES, Identity, Mark, Series, identities
from tui.terminal import printable, width

WIDTH, HEIGHT = 440, 270
# What the labels take around the plot.
LEFT, RIGHT, ABOVE, BELOW = 52, 14, 12, 40
LINE = 16
# An average digit at the size of the page's plots.
DIGIT = 6.6
# `plot.scales` reckons in rows of a terminal: as many as give six ticks.
ROWS = 18
TICKS = 6
# A line of more points than this many a column of pixels is drawn by its least and greatest in each.
PER_COLUMN = 2


def svg(series: Sequence[Series], axes: Axes, behind: Sequence[Series] = ()) -> str:
    """The plot as an `<svg>` element; a sentence in its place where nothing has a place on the axes."""
    fitting = scales([*series, *behind], axes, ROWS)
    if fitting is None:
        return f'<p class="empty">{escape(axes.empty)}</p>'
    names = identities(one.id for one in series)
    # Words about x may be many: what each of its numbers stands for.
    below = _lines(bracketed(axes.x_title, "log") if fitting[0].log and axes.x_title else axes.x_title)
    legend = list(_legend(series, names, axes, HEIGHT + LINE * max(len(below), 1)))
    height = HEIGHT + LINE * max(len(below) - 1, 0) + (LINE * len(legend) + 4 if legend else 0)
    title = " / ".join(printable(text) for text in (axes.y_title, axes.x_title) if text)
    drawing = Drawing(*fitting)
    body = [
        *_grid(drawing, axes, below),
        *(_line(drawing, one, "behind") for one in behind),
        *(_line(drawing, one, f"line {_colour(names[one.id])}") for one in series if one.kind == "line"),
        *_points(drawing, series, names),
        *legend,
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(body)}</svg>'
    )


class Drawing:
    """Where values lie on the picture."""

    def __init__(self, x: Scale, y: Scale) -> None:
        self.x, self.y = x, y

    def across(self, value: float) -> float:
        """Pixels from the left."""
        return LEFT + self.x.position(value) * (WIDTH - LEFT - RIGHT)

    def down(self, value: float) -> float:
        """Pixels from above."""
        return HEIGHT - BELOW - self.y.position(value) * (HEIGHT - ABOVE - BELOW)


def _grid(drawing: Drawing, axes: Axes, below: Sequence[str]) -> Iterator[str]:
    """Axes, ticks with their labels, and the titles."""
    floor, right = HEIGHT - BELOW, WIDTH - RIGHT
    for tick in scale.ticks(drawing.y, TICKS):
        at = drawing.down(tick.value)
        yield f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>'
        yield f'<text class="end" x="{LEFT - 6}" y="{at + 4:.1f}">{escape(tick.label)}</text>'
    for tick in _apart(drawing):
        at = drawing.across(tick.value)
        yield f'<path class="grid" d="M{at:.1f} {ABOVE}V{floor}"/>'
        yield f'<text class="middle" x="{at:.1f}" y="{floor + 16}">{escape(tick.label)}</text>'
    yield f'<path class="axis" d="M{LEFT} {ABOVE}V{floor}H{right}"/>'
    for place, line in enumerate(below):
        down = floor + 33 + LINE * place
        yield f'<text class="middle" x="{(LEFT + right) / 2}" y="{down}">{escape(line)}</text>'
    title = bracketed(axes.y_title, "log") if drawing.y.log and axes.y_title else axes.y_title
    middle = (ABOVE + floor) / 2
    yield f'<text class="middle" transform="translate(11 {middle}) rotate(-90)">{escape(_cut(title, floor))}</text>'


def _lines(text: str) -> list[str]:
    """The text in lines as wide as the plot."""
    found: list[str] = []
    for word in printable(text).split():
        longer = f"{found[-1]} {word}" if found else word
        if found and width(longer) * DIGIT <= WIDTH - LEFT - RIGHT:
            found[-1] = longer
        else:
            found.append(_cut(word, WIDTH - LEFT - RIGHT))
    return found


def _apart(drawing: Drawing) -> list[scale.Tick]:
    """As many ticks of x as have room for their labels."""
    for most in range(TICKS, 0, -1):
        found = list(scale.ticks(drawing.x, most))
        ends = [(drawing.across(tick.value), len(tick.label) * DIGIT / 2) for tick in found]
        if all(at + half + DIGIT < after - room for (at, half), (after, room) in pairwise(ends)):
            return found
    return []


def _line(drawing: Drawing, series: Series, style: str) -> str:
    """The line, broken where a value has no place."""
    pieces: list[str] = []
    pen = "M"
    for x, y in _thinned(drawing, series):
        if math.isnan(y):
            pen = "M"
            continue
        pieces.append(f"{pen}{_short_number(drawing.across(x))} {_short_number(drawing.down(y))}")
        pen = "L"
    if len(pieces) == 1:
        # A path of one point is not seen; a line of no length with round ends is.
        pieces.append("h0")
    return f'<path class="{style}" d="{"".join(pieces)}"/>' if pieces else ""


def _thinned(drawing: Drawing, series: Series) -> Iterator[tuple[float, float]]:
    """The points of a line that can be told apart; NaN where one has no place on the axes."""
    points = [
        (x, y if admits(y, log=drawing.y.log) else math.nan)
        for x, y in zip(series.x, series.y, strict=True)
        if admits(x, log=drawing.x.log)
    ]
    columns = WIDTH - LEFT - RIGHT
    if len(points) <= columns * PER_COLUMN:
        yield from points
        return
    per = -(-len(points) // columns)
    for start in range(0, len(points), per):
        chunk = points[start : start + per]
        kept = [point for point in chunk if not math.isnan(point[1])]
        if not kept:
            yield chunk[0]
            continue
        least, greatest = min(kept, key=lambda point: point[1]), max(kept, key=lambda point: point[1])
        yield from sorted({least, greatest})


def _points(drawing: Drawing, series: Sequence[Series], names: dict[str, Identity]) -> Iterator[str]:
    """Single points by their marks, the best last; one without a value stands on the axis."""
    for mark in SHAPES:
        for one in series:
            if one.kind != "points":
                continue
            for index, (x, y) in enumerate(zip(one.x, one.y, strict=True)):
                if one.mark(index) != mark or not admits(x, log=drawing.x.log):
                    continue
                placed = admits(y, log=drawing.y.log)
                down = drawing.down(y) if placed else HEIGHT - BELOW
                told = "  ".join(part for part in (one.point_id(index), number(x), number(y) if placed else "") if part)
                yield (
                    f'<g class="{_colour(names[one.id])}"><title>{escape(printable(told))}</title>'
                    f"{_shape(mark, drawing.across(x), down)}</g>"
                )


def _shape(mark: Mark, x: float, y: float) -> str:
    if mark == "infeasible":
        return f'<path class="cross" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0-8l-8 8"/>'
    if mark == "best":
        return f'<path class="star" d="{_star(x, y)}"/>'
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'


def _star(x: float, y: float) -> str:
    corners = []
    for corner in range(10):
        reach, turn = (7.5, 3.2)[corner % 2], math.pi * corner / 5
        corners.append(f"{x + reach * math.sin(turn):.1f} {y - reach * math.cos(turn):.1f}")
    return f"M{'L'.join(corners)}Z"


def _legend(series: Sequence[Series], names: dict[str, Identity], axes: Axes, down: float) -> Iterator[str]:
    """The names of lines and of several groups of points, then the marks that there are; rows from `down` on."""
    entries: list[tuple[str, str]] = []
    for one in series:
        if one.label and (one.kind == "line" or len(series) > 1):
            sample = '<path class="line" d="M0 -4h18"/>' if one.kind == "line" else _shape("feasible", 9, -4)
            entries.append((f'<g class="{_colour(names[one.id])}">{sample}</g>', one.label))
    marks = {one.mark(index) for one in series if one.kind == "points" for index in range(len(one.x))}
    if len(series) > 1:
        marks.discard("feasible")
    entries += [(_shape(mark, 9, -4), axes.words[mark]) for mark in SHAPES if mark in marks]
    row: list[str] = []
    used = 0.0
    for sample, label in entries:
        text = _cut(printable(label), WIDTH - LEFT - 40)
        wide = 30 + width(text) * DIGIT + 12
        if row and LEFT + used + wide > WIDTH:
            yield f'<g transform="translate(0 {down})">{"".join(row)}</g>'
            row, used, down = [], 0.0, down + LINE
        row.append(f'<g transform="translate({LEFT + used:.0f} 0)">{sample}<text x="24">{escape(text)}</text></g>')
        used += wide
    if row:
        yield f'<g transform="translate(0 {down})">{"".join(row)}</g>'


def _colour(name: Identity) -> str:
    return f"c{name.colour}"


def _cut(text: str, room: float) -> str:
    """The text in at most about so many pixels."""
    if width(text) * DIGIT <= room:
        return text
    while text and (width(text) + 1) * DIGIT > room:
        text = text[:-1]
    return text + "…"


def _short_number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
