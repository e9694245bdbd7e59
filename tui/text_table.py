"""Tables as lines of text, aligned by cells: for what is read, not walked through."""

from __future__ import annotations

from collections.abc import Sequence

from tui.terminal import fit, printable, width

GAP = "  "


def lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The header and a line per row, each column as wide as its widest cell; numbers stand on the right."""
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(width(row[place]) for row in cells) for place in range(len(columns))]
    right = [bool(rows) and all(_numeric(row[place]) for row in rows) for place in range(len(columns))]
    return [
        GAP.join(
            " " * (cells_wide - width(cell)) + cell if to_right else fit(cell, cells_wide)
            for cell, cells_wide, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]


def folded(columns: Sequence[str], rows: Sequence[Sequence[str]], wide: int) -> list[list[str]]:
    """The table as lines, in parts one below the other where it is wider; each begins with the first column."""
    parts, start = [], 1
    while not parts or start < len(columns):
        end = start + 1
        part = _part(columns, rows, start, end)
        while end < len(columns) and max(map(width, more := _part(columns, rows, start, end + 1))) <= wide:
            part, end = more, end + 1
        parts.append(part)
        start = end
    return parts


def _part(columns: Sequence[str], rows: Sequence[Sequence[str]], start: int, end: int) -> list[str]:
    return lines([columns[0], *columns[start:end]], [[row[0], *row[start:end]] for row in rows])


def _numeric(cell: str) -> bool:
    return not cell.strip() or cell.strip()[0] in "-+.0123456789"
