"""The texts around a plot, one row each: what is drawn over what with the legend, and the values at the cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from presets.language import _
from tui.charts.canvas import Row, Span
from tui.charts.scale import number
from tui.charts.series import SHAPES, Cursor, Identity, Mark, Series, behind, identities
from tui.terminal import cut, printable, width

GAP = "  "
# A letter and three cells of the label: where not even that fits for all, the rest of the entries is counted.
LEAST_ENTRY = 5


def fits(titles: Sequence[str], entries: Sequence[Span], columns: int) -> bool:
    """Whether all entries stand whole beside the titles, which may be cut to half of the row."""
    text = _over(titles)
    return min(width(text), columns // 2) + sum(width(entry) + len(GAP) for entry, _style in entries) <= columns


def title(titles: Sequence[str], entries: Sequence[Span], columns: int, *, ascii_only: bool) -> Row:
    """The titles of y and x, then the entries of the legend as far as there is room, in exactly `columns` cells."""
    text = _over(titles)
    room = max(columns - sum(width(entry) + 2 for entry, _style in entries), columns // 2)
    text = cut(text, room, ascii_only=ascii_only)
    left = columns - width(text)
    longest = _longest([width(entry) for entry, _style in entries], left)
    shown = len(entries)
    if longest < LEAST_ENTRY:
        shown = max(left - len(f"{GAP}+{shown}"), 0) // (LEAST_ENTRY + len(GAP))
        longest = LEAST_ENTRY
    spans: list[Span] = [(text, "title")]
    spans += [(GAP + cut(entry, longest, ascii_only=ascii_only), style) for entry, style in entries[:shown]]
    if shown < len(entries):
        spans.append((f"{GAP}+{len(entries) - shown}", ""))
    used = sum(width(part) for part, _style in spans)
    if used > columns:
        return ((" " * columns, ""),)
    return tuple(span for span in (*spans, (" " * (columns - used), "")) if span[0])


def _over(titles: Sequence[str]) -> str:
    """What is drawn over what."""
    named = [one for one in titles if one]
    return printable(_("{y} vs {x}").format(y=named[0], x=named[1]) if len(named) > 1 else "".join(named))


def _longest(widths: Sequence[int], room: int) -> int:
    """The longest that an entry may be for all to fit, each after a gap; 0 where they cannot."""
    limits = range(max(widths, default=0), 0, -1)
    fits = (limit for limit in limits if sum(min(cells, limit) + len(GAP) for cells in widths) <= room)
    return next(fits, 0)


def entries(series: Sequence[Series], names: Mapping[str, Identity], words: Mapping[Mark, str]) -> list[Span]:
    """Letter and label of each series that has one, then the shapes of points that there are."""
    several, back = len(series) > 1, behind(series)
    found = [
        (f"{shape(one, names[one.id], series)} {printable(one.label)}", names[one.id].style)
        for one in series
        if one.label and one.id not in back and (several or one.kind == "line")
    ]
    marks = {mark for one in series if one.kind == "points" for mark in (one.marks or ("feasible",))}
    if several:
        marks.discard("feasible")
    return found + [(f"{SHAPES[mark]} {printable(words[mark])}", "") for mark in SHAPES if mark in marks]


def shape(series: Series, name: Identity, among: Sequence[Series], mark: Mark = "feasible") -> str:
    """The character of a series' points: that of the mark; of feasible ones its letter where there are other series."""
    if mark == "feasible" and (series.kind == "line" or len(among) > 1):
        return name.letter
    return SHAPES[mark]


def compared(series: Sequence[Series], cursor: Cursor | None) -> str:
    """The values of the other lines that are compared, each at its point nearest to the cursor; empty without any."""
    one = cursor.of(series) if cursor else None
    if cursor is None or one is None:
        return ""
    names, x = identities(each.id for each in series), one.x[cursor.index]
    found = []
    for other in series:
        if other.pinned and other.id != one.id and len(other.x):
            near = min(range(len(other.x)), key=lambda index: abs(other.x[index] - x))
            found.append(f"{names[other.id].letter} {number(other.y[near])}")
    return GAP.join(found)


def readout(
    series: Sequence[Series], cursor: Cursor | None, x_title: str, y_title: str, words: Mapping[Mark, str]
) -> str:
    """The point at the cursor in words: series, x, y, mark and name; empty without a cursor."""
    one = cursor.of(series) if cursor else None
    if cursor is None or one is None:
        return ""
    # Points that were drawn by their shape are named by it.
    lettered = len(series) > 1 and (one.kind == "line" or one.mark(cursor.index) == "feasible")
    letter = identities(each.id for each in series)[one.id].letter if lettered else ""
    id = one.point_id(cursor.index)
    # A line whose label the legend has no room for is named by its points.
    label = one.label or (id if one.kind == "line" else "")
    parts = [
        f"{letter} {label}",
        f"{x_title} {number(one.x[cursor.index])}",
        f"{y_title} {number(one.y[cursor.index])}",
        words[one.mark(cursor.index)] if one.kind == "points" else "",
        "" if id == label else id,
    ]
    return "  ".join(printable(part.strip()) for part in parts if part.strip())
