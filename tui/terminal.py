"""Text as a terminal shows it: its width in cells, cutting it to a width, and making data safe to show.

Data (class names, paths, messages of other programs) goes through `printable` before it is shown, never through markup.
"""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len, set_cell_size

# U+2026, the usual ellipsis, is of ambiguous width: two cells in many Chinese terminals, which breaks the row.
ELLIPSIS = "\N{MIDLINE HORIZONTAL ELLIPSIS}"
ASCII_ELLIPSIS = "..."


def width(text: str) -> int:
    """Cells that printable text takes, by the same table as Textual's layout: 1 for `a`, 2 for `中`."""
    return cell_len(text)


def cut(text: str, cells: int, *, ascii_only: bool = False) -> str:
    """The text in at most `cells` cells, ending in an ellipsis where something was left out."""
    if width(text) <= cells:
        return text
    ellipsis = ASCII_ELLIPSIS if ascii_only else ELLIPSIS
    if cells <= len(ellipsis):
        return ellipsis[: max(cells, 0)]
    return _start(text, cells - len(ellipsis)) + ellipsis


def fit(text: str, cells: int, *, ascii_only: bool = False) -> str:
    """The text in exactly `cells` cells: cut as by `cut`, or filled with spaces on the right."""
    shown = cut(text, cells, ascii_only=ascii_only)
    return shown + " " * (cells - width(shown))


def printable(text: str) -> str:
    r"""The text on one line, with what a terminal would obey or not show spelled out: `\n`, `\x1b`, `\u202e`.

    That is control characters, so escape sequences too, marks that turn the direction of writing, invisible format
    characters, lone surrogates (file names that are not UTF-8), private and unassigned characters.
    """
    if text.isprintable():
        return text
    return "".join(character if _shows(character) else repr(character)[1:-1] for character in text)


def _shows(character: str) -> bool:
    # Python calls every space but U+0020 unprintable; the ideographic one is ordinary in Chinese.
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _start(text: str, cells: int) -> str:
    """The longest start of the text that fits; `set_cell_size` puts a space where half a wide character would be."""
    start = set_cell_size(text, cells)
    return start if text.startswith(start) else start[:-1]
