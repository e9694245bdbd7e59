"""The scroll bar of whole cells: it says that something lies beyond, however little."""

from __future__ import annotations

import itertools

from tui.theme import WholeCells


def drawn(size: int, whole: int, window: int, position: float) -> str:
    """The bar from top to bottom: `#` where the thumb is."""
    segments = WholeCells.render_bar(size, whole, window, position).segments
    return "".join("#" if segment.style and segment.style.reverse else "." for segment in segments)


def test_one_line_below_shows() -> None:
    """Eight findings in seven lines: a thumb that is rounded up would fill the bar wherever it stands."""
    assert drawn(7, 8, 7, 0) == "######."
    assert drawn(7, 8, 7, 1) == ".######"


def test_an_end_is_reached_only_where_nothing_lies_beyond() -> None:
    for size, more in itertools.product(range(3, 40), (1, 2, 5, 50, 1000)):
        for position in {0, 1, more // 2, more - 1, more}:
            bar = drawn(size, size + more, size, position)
            assert len(bar) == size
            assert "#" in bar
            assert bar.strip(".").replace("#", "") == ""
            assert (bar[-1] == ".") == (position < more) or (size - bar.count("#") == 1 and bar[-1] == ".")
            assert bar[0] == "#" or position > 0


def test_without_anything_beyond_there_is_no_thumb() -> None:
    assert drawn(7, 7, 7, 0) == "......."
    assert drawn(1, 9, 1, 3) == "#"
