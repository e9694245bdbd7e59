"""Where lines may be broken: between words, and in Chinese between any two characters but before a closing mark, after
an opening one, and between a number and what it counts.

The layout of Textual breaks at spaces only, of which Chinese has none: before a long clause half a line stayed empty.
"""

from __future__ import annotations

import re
from itertools import pairwise

from rich.cells import cell_len, chop_cells

# Scripts without spaces, and what is as wide as their characters: ideographs, kana, their punctuation, full width.
_WIDE = (
    "\u2e80-\u303e\u3041-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6\U00020000-\U0003ffff"
)
_OPENING = f"[{re.escape('([{（［｛《「『【〈〔“‘')}]"
_CLOSING = f"[{re.escape(',.:;!?)]}%，。、：；！？）］｝》」』】〉〕”’…—～％·')}]"
# A wide character, with the number before it that it counts, or a run of others; and what neither is parted from.
_SEGMENT = re.compile(
    rf"\s*{_OPENING}*(?:(?:[\d.]+ )?[{_WIDE}]|(?:(?!{_OPENING}+[{_WIDE}])[^\s{_WIDE}])+){_CLOSING}*\s*|\s+|\S\s*"
)
_HAS_WIDE = re.compile(f"[{_WIDE}]")
_WORD = re.compile(r"\s*\S+\s*")


def has_wide(text: str) -> bool:
    """Whether any of the text is in a script without spaces."""
    return _HAS_WIDE.search(text) is not None


def broken(text: str, cells: int) -> list[str]:
    """The lines of a text that fit into so many cells each."""
    places = [0, *divide(text, cells), len(text)]
    return [text[start:end].rstrip() for start, end in pairwise(places)] if text else [""]


def divide(text: str, cells: int, fold: bool = True) -> list[int]:
    """The offsets at which a text is broken so that each line fits into so many cells, as `rich` divides lines. What
    fits nowhere is folded, or with `fold` off left to be cut off. A window of next to no columns has room for one."""
    cells = max(cells, 1)
    breaks: list[int] = []
    taken = 0
    for match in (_SEGMENT if has_wide(text) else _WORD).finditer(text):
        segment, start = match[0], match.start()
        needed = cell_len(segment.rstrip())
        if taken + needed <= cells:
            taken += cell_len(segment)
        elif needed <= cells or not fold:
            if start:
                breaks.append(start)
            taken = cell_len(segment)
        else:
            if start:
                breaks.append(start)
            *folded, last = chop_cells(segment, cells)
            for piece in folded:
                start += len(piece)
                breaks.append(start)
            taken = cell_len(last)
    return breaks
