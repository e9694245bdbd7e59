"""What the terminal shows, cell by cell, so that of an update only what differs is sent.

Textual paints a page several times while it comes up, and a whole list when one entry changes its place: over a slow
line that is what one waits for. A new page, or a new size, is painted whole, which also mends what another program
wrote into the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

from rich.cells import cell_len, split_graphemes
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.screen import Screen
from textual.strip import Strip

Cell: TypeAlias = tuple[str, str]
"""A character, empty for the second half of a wide one, and how it is shown: the parameters of SGR."""
PLAIN: Cell = (" ", "")
# A change of place costs some 8 bytes: fewer equal cells between two changes are sent again.
GAP = 10
# Blank cells up to the end of a row are erased from so many on.
TAIL = 4
RESET = "\x1b[0m"
ERASE = "\x1b[K"


class Difference(CompositorUpdate):
    """An update of which only what differs is sent. It is made when it is sent: not all are."""

    def __init__(self, painted: Painted, screen: Screen[object], update: LayoutUpdate | ChopsUpdate) -> None:
        self._painted = painted
        self._screen = screen
        self._update = update

    def render_segments(self, console: Console) -> str:
        # As Textual does: without colours there are still bold and reversed.
        system = COLOR_SYSTEMS[console.color_system or "truecolor"]
        return self._painted.paint(self._screen, self._screen.app.size, self._update, system)


class Painted:
    """The cells that were sent; None where it is not known what the terminal shows."""

    def __init__(self) -> None:
        self._screen: Screen[object] | None = None
        self._size = Size(0, 0)
        self._rows: list[list[Cell | None]] = []

    def forget(self) -> None:
        """Paint everything next time: the terminal showed something else meanwhile."""
        self._screen = None

    def paint(self, screen: Screen[object], size: Size, update: LayoutUpdate | ChopsUpdate, system: ColorSystem) -> str:
        """What to send for an update, which then counts as sent."""
        if screen is not self._screen or size != self._size:
            self._screen, self._size = screen, size
            self._rows = [[None] * size.width for _ in range(size.height)]
        fresh: dict[int, list[Cell | None]] = {}
        for row, column, cells in _pieces(update, system):
            if row < size.height and column < size.width:
                after = fresh.setdefault(row, list(self._rows[row]))
                _put(after, column, cells[: size.width - column])
        sent = []
        for row, after in fresh.items():
            sent += [
                _sent(row, start, after[start:end], after[end:]) for start, end in _changes(self._rows[row], after)
            ]
            self._rows[row] = after
        return "".join(sent)


def _pieces(update: LayoutUpdate | ChopsUpdate, system: ColorSystem) -> Iterator[tuple[int, int, list[Cell]]]:
    """Row, column and cells of what an update paints."""
    if isinstance(update, LayoutUpdate):
        for row, strips in enumerate(update.strips, update.region.y):
            yield row, update.region.x, list(chain.from_iterable(_cells(strip, system) for strip in strips))
        return
    for row, first, last in update.spans:
        for end, (column, strip) in zip(update.chop_ends[row], update.chops[row].items(), strict=False):
            if strip is not None and column <= last and end > first:
                yield row, column, _cells(strip, system)[: max(min(end, last) - column, 0)]


def _cells(strip: Strip, system: ColorSystem) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        shown, on_blank = _shown(style, system) if style else ("", False)
        blank = (" ", shown) if on_blank else PLAIN
        if text.isascii():
            cells += [blank if character == " " else (character, shown) for character in text]
            continue
        for start, end, room in split_graphemes(text)[0]:
            cells.append(blank if text[start:end] == " " else (text[start:end], shown))
            cells += [("", shown)] * (room - 1)
    return cells


@lru_cache(maxsize=4096)
def _shown(style: Style, system: ColorSystem) -> tuple[str, bool]:
    """The parameters of SGR, without the colours that are there after a reset, and whether a blank shows the style."""
    colour, background = (None if one is None or one.is_default else one for one in (style.color, style.bgcolor))
    bare = style.without_color.update_link(None) + Style(color=colour, bgcolor=background)
    before = bare.render("x", color_system=system).partition("x")[0]
    on_blank = background or style.reverse or style.underline or style.underline2 or style.strike or style.overline
    return before.removeprefix("\x1b[").removesuffix("m"), bool(on_blank)


def _put(row: list[Cell | None], column: int, cells: Sequence[Cell]) -> None:
    """Paint over a row. Of a wide character that is cut by an edge a blank is left, as terminals do."""
    placed: list[Cell | None] = list(cells)
    if not placed:
        return
    end = column + len(placed)
    # A cell that is not known is sent again when something paints it.
    if column and _wide(row[column - 1]):
        row[column - 1] = None
    if end < len(row) and (beyond := row[end]) is not None and not beyond[0]:
        row[end] = None
    if _wide(placed[-1]):
        placed[-1] = PLAIN
    row[column:end] = placed


def _wide(cell: Cell | None) -> bool:
    return cell is not None and cell_len(cell[0]) == 2


def _changes(before: Sequence[Cell | None], after: Sequence[Cell | None]) -> list[tuple[int, int]]:
    """The stretches (start, end) that are to be sent: whole characters, and few stretches."""
    found: list[tuple[int, int]] = []
    for column, (old, new) in enumerate(zip(before, after, strict=True)):
        if new is None or old == new:
            continue
        start = column
        while start and (cell := after[start]) is not None and not cell[0]:
            start -= 1
        end = column + 1
        while end < len(after) and (cell := after[end]) is not None and not cell[0]:
            end += 1
        if found and start - found[-1][1] <= GAP and None not in after[found[-1][1] : start]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _sent(row: int, column: int, cells: Sequence[Cell | None], beyond: Sequence[Cell | None]) -> str:
    """The bytes for a stretch of a row; blanks that end the row are erased."""
    painted = [cell or PLAIN for cell in cells]
    tail = 0
    if all(cell == PLAIN for cell in beyond):
        while tail < len(painted) and painted[-1 - tail] == PLAIN:
            tail += 1
        if tail + len(beyond) < TAIL:
            tail = 0
    parts = [f"\x1b[{row + 1};{column + 1}H"]
    present = ""
    for character, shown in painted[: len(painted) - tail]:
        # A plain blank looks the same in a style that blanks do not show.
        if shown != present and not ((character, shown) == PLAIN and not _reaches_blanks(present)):
            parts.append((RESET if present else "") + (f"\x1b[{shown}m" if shown else ""))
            present = shown
        parts.append(character)
    if present:
        parts.append(RESET)
    if tail:
        parts.append(ERASE)
    return "".join(parts)


def _reaches_blanks(shown: str) -> bool:
    """Whether a blank would show it: anything but bold, dim, italic and a colour of the text."""
    return bool(shown) and not all(
        part in ("1", "2", "3") or (len(part) == 2 and part[0] in "39") for part in shown.split(";")
    )
