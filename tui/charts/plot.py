"""A plot as rows of text: series, axes and a size give spans of (text, style key). It knows nothing of the screen.

The rows, from above: title and legend, plot, axis, ticks, readout; a small plot does without the outer ones. Lines are
drawn in braille with a letter at their end, points by shape, so that nothing is said by colour alone.
Style keys: "" (text), title, axis, empty, cursor, series-0 … series-5, faint.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from presets.language import _, bracketed
from tui.charts import axis, legend, scale
from tui.charts.canvas import Canvas, Row, Span, merged
from tui.charts.scale import Scale, admits
from tui.charts.series import SHAPES, Cursor, Identity, Mark, Series, behind, bounds, identities
from tui.terminal import cut, fit, printable, width

# The y axis with its labels is left out where the plot would have less than this.
LEAST_COLUMNS = 8
ROWS_PER_TICK = 3
# An axis that is longer than any plot has ticks.
SHORT = 100
# In ASCII, the letter of what was measured behind a smoothed line.
RAW = "."


@dataclass(frozen=True)
class Axes:
    """What the axes are, and the texts of the plot."""

    x_title: str = ""
    y_title: str = ""
    x_range: tuple[float, float] | None = None
    """The planned range of x, so that growing data do not move the axis; data beyond it widen it."""
    log_x: bool = False
    log_y: bool = False
    empty: str = ""
    """What to say where there is nothing to draw."""
    words: Mapping[Mark, str] = field(default_factory=lambda: {mark: mark for mark in SHAPES})


@dataclass(frozen=True)
class Layout:
    """How many rows each part takes; the plot has at least one. The legend stands beside the title, or below it."""

    title: int
    legend: int
    plot: int
    axis: int
    ticks: int
    readout: int


def layout(rows: int, *, long_legend: bool = False) -> Layout:
    """The parts for this height: ticks from 2 rows, the readout from 3, title and legend from 5, the axis from 6, and
    from 9 a row for a legend that is cut beside the title."""
    ticks, readout, title, line, more = (int(rows >= enough) for enough in (2, 3, 5, 6, 9))
    below = more if long_legend else 0
    return Layout(title, below, rows - ticks - readout - title - line - below, line, ticks, readout)


def scales(series: Sequence[Series], axes: Axes, plot_rows: int) -> tuple[Scale, Scale] | None:
    """The scales of x and y; None where no point has a place. An axis without a positive value is drawn linear."""
    lines = all(one.kind == "line" for one in series)
    log_x = axes.log_x and bounds((one.x for one in series), log=True) is not None
    log_y = axes.log_y and bounds((one.y for one in series), log=True) is not None
    xs = bounds((one.x for one in series), log=log_x)
    ys = bounds(chain((one.y for one in series), (one.raw for one in series)), log=log_y)
    if xs is None or (ys is None and lines):
        return None
    planned = [value for value in axes.x_range or () if admits(value, log=log_x)]
    # Markers need some room at the edges. Those without a value have a place on x all the same: the axis.
    fitted = scale.exact if lines else scale.padded
    low, high = ys or (0.0, 1.0)
    across = fitted(min(*xs, *planned), max(*xs, *planned), log=log_x)
    up = scale.rounded(low, high, _most_ticks(plot_rows), log=log_y)
    return _counting(across, (one.x for one in series)), _counting(up, (one.y for one in series))


def _counting(fitted: Scale, values: Iterable[Sequence[float]]) -> Scale:
    """The scale, marked where all values are whole numbers: steps, numbers of trials, places in a list. On a long one
    no tick falls between them anyway."""
    short = fitted.high - fitted.low < SHORT
    whole = short and all(float(value).is_integer() for part in values for value in part if math.isfinite(value))
    return replace(fitted, whole=whole)


def draw(
    series: Sequence[Series],
    axes: Axes,
    columns: int,
    rows: int,
    *,
    cursor: Cursor | None = None,
    ascii_only: bool = False,
) -> tuple[Row, ...]:
    """The plot as `rows` rows of exactly `columns` cells each; made for 10 by 3 and more."""
    if columns < 1 or rows < 1:
        return ()
    parts = layout(rows)
    fitting = scales(series, axes, parts.plot)
    names = identities(one.id for one in series)
    logs = (fitting[1].log, fitting[0].log) if fitting else (False, False)
    named = zip((axes.y_title, axes.x_title), logs, strict=True)
    titles = [bracketed(text, _("log")) if log else text for text, log in named]
    entries = legend.entries(series, names, axes.words)
    if not legend.fits(titles, entries, columns):
        parts = layout(rows, long_legend=True)
        fitting = scales(series, axes, parts.plot)
    drawn: list[Row] = []
    if parts.title:
        beside = [] if parts.legend else entries
        drawn.append(legend.title(titles, beside, columns, ascii_only=ascii_only))
    if parts.legend:
        drawn.append(legend.title((), entries, columns, ascii_only=ascii_only))
    if fitting is None:
        drawn += _nothing(axes.empty, columns, parts.plot + parts.axis + parts.ticks, ascii_only)
    else:
        drawn += _body(series, names, *fitting, columns, parts, cursor, ascii_only)
    if parts.readout:
        text = legend.readout(series, cursor, axes.x_title, axes.y_title, axes.words)
        if others := legend.compared(series, cursor):
            text = f"{text}  {others}"
        drawn.append(((fit(text, columns, ascii_only=ascii_only), ""),))
    return tuple(drawn)


def _most_ticks(plot_rows: int) -> int:
    return max(plot_rows // ROWS_PER_TICK, 2)


def _nothing(text: str, columns: int, rows: int, ascii_only: bool) -> list[Row]:
    shown = cut(printable(text), columns, ascii_only=ascii_only)
    centred = fit(" " * ((columns - width(shown)) // 2) + shown, columns)
    return [((centred if row == rows // 2 else " " * columns, "empty"),) for row in range(rows)]


def _body(
    series: Sequence[Series],
    names: Mapping[str, Identity],
    x: Scale,
    y: Scale,
    columns: int,
    parts: Layout,
    cursor: Cursor | None,
    ascii_only: bool,
) -> list[Row]:
    """Plot, axis and ticks; the y axis and its labels stand to the left of the plot."""
    y_ticks = scale.ticks(y, _most_ticks(parts.plot))
    gutter = max((len(tick.label) for tick in y_ticks), default=0) + 1
    if not parts.ticks or columns - gutter < LEAST_COLUMNS:
        gutter = 0
    canvas = Canvas(columns - gutter, parts.plot, x, y, ascii_only=ascii_only)
    on_axis = _draw_series(canvas, series, names)
    if (selected := cursor.of(series) if cursor else None) and cursor:
        on_axis |= _draw_cursor(
            canvas,
            selected,
            cursor.index,
            legend.shape(selected, names[selected.id], series, selected.mark(cursor.index)),
        )
    places = axis.places(canvas)
    rows = [before + cells for before, cells in zip(axis.left(y_ticks, canvas, gutter), canvas.cells, strict=True)]
    if parts.axis:
        line = axis.below(places, canvas, gutter)
        for column, cell in on_axis.items():
            line[gutter + column] = cell
        rows.append(line)
    if parts.ticks:
        rows.append(axis.labels(places, canvas, gutter))
    return [merged(row) for row in rows]


def _draw_series(canvas: Canvas, series: Sequence[Series], names: Mapping[str, Identity]) -> dict[int, Span]:
    """Draw lines, then points, the best last; points that have no value are given back, by column, for the axis.

    What was measured lies behind what was smoothed, and what stands back behind what is compared.
    """
    back = behind(series)
    lines = sorted((one for one in series if one.kind == "line"), key=lambda one: one.id not in back)
    for one in lines:
        if len(one.raw):
            canvas.line(one.x, one.raw, RAW, "faint")
    ends = []
    for one in lines:
        name = names[one.id]
        style = "faint" if one.id in back else name.style
        end = canvas.line(one.x, one.y, name.letter, style)
        if end is not None:
            value = next(y for y in reversed(one.y) if admits(y, log=canvas.y.log))
            ends.append((one.id in back, not one.label, End(*end, value, (name.letter, style))))
    # Letters that matter have the first choice of a free place: of what is compared, then of what the legend names.
    _draw_letters(canvas, [end for *_order, end in sorted(ends, key=lambda end: end[:2])])
    on_axis: dict[int, Span] = {}
    for mark in SHAPES:
        for one in series:
            if one.kind == "points" and mark in (one.marks or ("feasible",)):
                cell = (legend.shape(one, names[one.id], series, mark), names[one.id].style)
                on_axis |= _draw_points(canvas, one, mark, cell)
    return on_axis


@dataclass(frozen=True)
class End:
    """Where a line ends: the cell, the value, and the letter that is to stand behind it."""

    column: int
    row: int
    value: float
    letter: Span


def _draw_letters(canvas: Canvas, ends: Sequence[End]) -> None:
    """Each line's letter after its end; above or below where another letter is, in the order of their values."""
    taken: dict[tuple[int, int], float] = {}
    for end in ends:
        column = min(end.column + 1, canvas.columns - 1)
        for row in (end.row, end.row - 1, end.row + 1):
            beside = [(other, value) for (at, other), value in taken.items() if at == column]
            in_order = all(
                other != row and (value >= end.value or row < other) and (value <= end.value or row > other)
                for other, value in beside
            )
            if 0 <= row < canvas.rows and in_order:
                taken[column, row] = end.value
                canvas.put(column, row, end.letter)
                break


def _draw_points(canvas: Canvas, series: Series, mark: Mark, cell: Span) -> dict[int, Span]:
    on_axis: dict[int, Span] = {}
    for index, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
        if series.mark(index) != mark or not admits(x, log=canvas.x.log):
            continue
        if admits(y, log=canvas.y.log):
            canvas.put(canvas.column(x), canvas.row(y), cell)
        else:
            on_axis[canvas.column(x)] = cell
    return on_axis


def _draw_cursor(canvas: Canvas, series: Series, index: int, shape: str) -> dict[int, Span]:
    """The selected point, a line's as `+`; and what shows its place on the axis, by column."""
    x, y = series.x[index], series.y[index]
    if not admits(x, log=canvas.x.log):
        return {}
    if not admits(y, log=canvas.y.log):
        return {canvas.column(x): (shape, "cursor")}
    canvas.put(canvas.column(x), canvas.row(y), ("+" if series.kind == "line" else shape, "cursor"))
    return {canvas.column(x): ("^", "cursor")}
