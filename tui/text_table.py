"""Tables as lines of text, aligned by cells: for what is read, not walked through."""

from __future__ import annotations

from collections.abc import Sequence

from tui.terminal import fit, printable, width
from tui.wrapping import broken

GAP = "  "
# In fewer cells than these a last column is not broken into lines.
LEAST = 16


def lines(columns: Sequence[str], rows: Sequence[Sequence[str]], wide: int | None = None) -> list[str]:
    """The header and a line per row, each column as wide as its widest cell; numbers stand on the right.

    `wide`: in how many cells the table is to fit, if need be with a last column that goes on below itself.
    """
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(width(row[place]) for row in cells) for place in range(len(columns))]
    right = [bool(rows) and all(_numeric(row[place]) for row in rows) for place in range(len(columns))]
    before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    if wide is not None and before + widths[-1] > wide and wide - before >= max(LEAST, width(cells[0][-1])):
        widths[-1], right[-1] = wide - before, False
    found: list[str] = []
    for row in cells:
        first, *more = broken(row[-1], widths[-1])
        shown = [
            " " * (cells_wide - width(cell)) + cell if to_right else fit(cell, cells_wide)
            for cell, cells_wide, to_right in zip((*row[:-1], first), widths, right, strict=True)
        ]
        found.append(GAP.join(shown).rstrip())
        found.extend(" " * before + line for line in more)
    return found


def folded(columns: Sequence[str], rows: Sequence[Sequence[str]], wide: int, named: int = 1) -> list[list[str]]:
    """The table as lines, in parts where it is wider; each begins with the `named` first columns and goes on with
    whole ones."""
    parts, start = [], named
    while not parts or start < len(columns):
        end = start + 1
        part = _part(columns, rows, named, start, end, wide)
        while end < len(columns) and max(map(width, more := _part(columns, rows, named, start, end + 1))) <= wide:
            part, end = more, end + 1
        parts.append(part)
        start = end
    return parts


def _part(
    columns: Sequence[str], rows: Sequence[Sequence[str]], named: int, start: int, end: int, wide: int | None = None
) -> list[str]:
    cells = [[*row[:named], *row[start:end]] for row in (columns, *rows)]
    return lines(cells[0], cells[1:], wide)


def _numeric(cell: str) -> bool:
    return not cell.strip() or cell.strip()[0] in "-+.0123456789"
