"""What is sent of an update: a terminal that obeys it shows what a terminal shows that gets all of it."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import Any, cast

import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.strip import Strip

from tui.painted import Painted

SIZE = Size(40, 6)
STYLES = [
    Style(color="default", bgcolor="default"),
    Style(color="red", bgcolor="default"),
    Style(bold=True, color="default"),
    Style(reverse=True),
    Style(underline=True),
    Style(bgcolor="blue"),
    Style(color="#9988FF"),
]
WORDS = ["a", " ", "   ", "round-1", "漢字", "、", "é", "          ", "0.25", "漢"]
SENT = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[(K)|\x1b\[([\d;]*)m|([^\x1b])")

# Reversed, underlined, on blue.
ON_BLANKS = re.compile(r"(?<!\d)(7|4|44)(?!\d)")


class Shown:
    """A terminal that knows no more than what is sent here: places, styles, erasing to the end of a row."""

    def __init__(self) -> None:
        self.cells = [[("?", "")] * SIZE.width for _ in range(SIZE.height)]

    def obey(self, sent: str) -> None:
        """Take what was sent; nothing in it may be anything else."""
        assert SENT.sub("", sent) == ""
        row = column = 0
        style = ""
        for down, right, erase, shown, character in SENT.findall(sent):
            if down:
                row, column = int(down) - 1, int(right) - 1
            elif erase:
                assert not style
                self._put(row, column, [(" ", "")] * (SIZE.width - column))
            elif character:
                self._put(row, column, [(character, style), *[("", style)] * (cell_len(character) - 1)])
                column += cell_len(character)
            else:
                style = "" if shown in ("", "0") else shown

    def _put(self, row: int, column: int, cells: list[tuple[str, str]]) -> None:
        line = self.cells[row]
        if not line[column][0]:
            line[column - 1] = (" ", "")
        end = column + len(cells)
        if end < len(line) and not line[end][0]:
            line[end] = (" ", "")
        line[column:end] = cells

    @property
    def seen(self) -> list[list[tuple[str, str]]]:
        """The cells, with the style of a blank only where it is seen."""
        return [
            [(one, "" if one == " " and not ON_BLANKS.search(style) else style) for one, style in row]
            for row in self.cells
        ]


def strip(dice: random.Random, cells: int) -> Strip:
    """Words in styles, in exactly so many cells."""
    segments = [Segment(dice.choice(WORDS), dice.choice(STYLES)) for _ in range(cells)]
    return Strip(segments).adjust_cell_length(cells, dice.choice(STYLES))


def whole(dice: random.Random) -> LayoutUpdate:
    """An update of everything."""
    return LayoutUpdate([[strip(dice, 15), strip(dice, SIZE.width - 15)] for _ in range(SIZE.height)], SIZE.region)


def part(dice: random.Random) -> ChopsUpdate:
    """An update of a region, of pieces between the same cuts in each row."""
    cuts = sorted({0, SIZE.width, *dice.sample(range(SIZE.width), 3)})
    region = Region(dice.choice(cuts[:-1]), dice.randrange(SIZE.height), 1, 1)
    spans = [(region.y, region.x, SIZE.width)]
    chops = [{start: strip(dice, end - start) for start, end in pairwise(cuts)} for _ in range(SIZE.height)]
    return ChopsUpdate(chops, spans, [cuts[1:]] * SIZE.height)


@pytest.mark.parametrize("seed", range(20))
def test_a_terminal_shows_the_same_as_after_everything(seed: int) -> None:
    """Whole paints and parts of them in any order: the cells are those that a paint of everything gives."""
    dice = random.Random(seed)
    kept, shown, whole_way = Painted(), Shown(), Shown()
    screen = cast("Screen[Any]", object())
    for turn in range(60):
        update = whole(dice) if turn == 0 or dice.random() < 0.2 else part(dice)
        shown.obey(kept.paint(screen, SIZE, update, ColorSystem.TRUECOLOR))
        whole_way.obey(Painted().paint(screen, SIZE, update, ColorSystem.TRUECOLOR))
        assert shown.seen == whole_way.seen


def test_what_is_there_is_not_sent_again() -> None:
    """The same update twice costs nothing; on another page, or after a forget, all of it is sent."""
    update = whole(random.Random(1))
    kept = Painted()
    page, other = (cast("Screen[Any]", object()) for _ in range(2))
    first = kept.paint(page, SIZE, update, ColorSystem.TRUECOLOR)
    assert kept.paint(page, SIZE, update, ColorSystem.TRUECOLOR) == ""
    assert kept.paint(other, SIZE, update, ColorSystem.TRUECOLOR) == first
    kept.forget()
    assert kept.paint(other, SIZE, update, ColorSystem.TRUECOLOR) == first
