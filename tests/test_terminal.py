"""Text in a terminal: widths in cells, cuts that fit, and data that cannot command the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.terminal import cut, fit, printable, width


@pytest.mark.parametrize(
    ("text", "cells"), [("", 0), ("abc", 3), ("中文", 4), ("e\N{COMBINING ACUTE ACCENT}", 1), ("⠿✓", 2)]
)
def test_width_counts_cells_and_not_characters(text: str, cells: int) -> None:
    assert width(text) == cells


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        ("learning", 8, "learning"),
        ("learning", 7, "learni⋯"),
        ("学习率", 5, "学习⋯"),
        ("学习率", 4, "学⋯"),
        ("a b", 2, "a⋯"),
        ("learning", 1, "⋯"),
        ("learning", 0, ""),
    ],
)
def test_cut_keeps_the_start_and_says_that_something_is_missing(text: str, cells: int, shown: str) -> None:
    assert cut(text, cells) == shown


def test_cut_uses_full_stops_in_ascii() -> None:
    assert cut("learning", 7, ascii_only=True) == "lear..."
    assert cut("learning", 2, ascii_only=True) == ".."


def test_the_ellipsis_is_not_of_ambiguous_width() -> None:
    assert unicodedata.east_asian_width(cut("long", 1)) == "N"


@given(st.text(), st.integers(min_value=-3, max_value=40))
def test_cut_never_takes_more_cells_than_it_has(text: str, cells: int) -> None:
    assert width(cut(printable(text), cells)) <= max(cells, 0)


@given(st.text(), st.integers(min_value=0, max_value=40), st.booleans())
def test_fit_takes_exactly_its_cells(text: str, cells: int, ascii_only: bool) -> None:
    assert width(fit(printable(text), cells, ascii_only=ascii_only)) == cells


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [/red] 中文 text", "plain [/red] 中文 text"),
        ("two\nlines\tand\r", r"two\nlines\tand\r"),
        ("\x1b[31mred\x1b]52;c;eA==\x07", r"\x1b[31mred\x1b]52;c;eA==\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("invoice\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", r"invoice\u202egpj.exe"),
        ("zero\N{ZERO WIDTH SPACE}width", r"zero\u200bwidth"),
        ("caf\udce9", r"caf\udce9"),
        ("全角\u3000空格", "全角\u3000空格"),
    ],
)
def test_data_cannot_command_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_printable_text_has_no_controls_and_can_be_encoded(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(st.characters()))
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert printable(printable(text)) == printable(text)
