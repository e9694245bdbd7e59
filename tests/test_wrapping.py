"""Lines are broken where a reader of Chinese or of English expects it, and always fit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich._wrap import divide_line
from rich.cells import cell_len
from textual.content import Content

from tui.wrapping import divide

PIECES = st.sampled_from([*"中文，。（）“”【】a1%. -([{)]", "val/error_rate", "0.0667", "，而且", "😀", "  "])


def lines(text: str, cells: int) -> list[str]:
    offsets = [0, *divide(text, cells), len(text)]
    return [text[start:end] for start, end in pairwise(offsets)]


@pytest.mark.parametrize(
    ("text", "cells", "expected"),
    [
        ("最好的 3 次试验中有 2 次，后期相差很大", 24, ["最好的 3 次试验中有 ", "2 次，后期相差很大"]),
        ("最好的 3 次试验，后期相差很大", 20, ["最好的 3 次试验，后", "期相差很大"]),
        # No line begins with a closing mark, and none ends with an opening one.
        ("一二三四五，六", 10, ["一二三四", "五，六"]),
        ("一二三四（五六）", 10, ["一二三四", "（五六）"]),
        ("一二三“五六”七", 7, ["一二三", "“五六”", "七"]),
        # Words of Latin letters stay whole, and so do numbers with their unit.
        ("学习率 optimizer.learning_rate 太高", 22, ["学习率 ", "optimizer.learning_rat", "e 太高"]),
        ("提升0.0222，在噪声内", 12, ["提升0.0222，", "在噪声内"]),
        ("共占37%的差异", 6, ["共占", "37%的", "差异"]),
        ("no wide ones here", 8, ["no wide ", "ones ", "here"]),
        ("", 5, [""]),
    ],
)
def test_lines_are_broken_where_they_may_be(text: str, cells: int, expected: list[str]) -> None:
    assert lines(text, cells) == expected


@given(st.lists(PIECES, max_size=30).map("".join), st.integers(2, 40))
def test_every_line_fits_and_nothing_is_lost(text: str, cells: int) -> None:
    found = lines(text, cells)
    assert "".join(found) == text
    assert all(cell_len(line.rstrip()) <= cells for line in found)


@given(st.text(st.sampled_from("ab1.,()[]% -"), max_size=60), st.integers(1, 30))
def test_without_wide_characters_lines_are_those_of_the_library(text: str, cells: int) -> None:
    assert divide(text, cells) == divide_line(text, cells)


def test_the_layout_of_the_screens_breaks_by_it() -> None:
    import tui.app  # noqa: F401  (its import puts it in place)

    text = "最好的 3 次试验中有两次，后期各次评估相差很大"
    assert Content(text).wrap(20)[0].plain.rstrip() == "最好的 3 次试验中有"


@pytest.mark.parametrize("cells", [-1, 0, 1])
def test_a_window_of_next_to_no_columns_breaks_nothing(cells: int) -> None:
    """A pane that is drawn together leaves a text no cell beside its padding."""
    assert lines("up, k", cells) == ["u", "p", ",", " ", "k"]
    assert "".join(lines("up 中文", cells)) == "up 中文"
