"""Tables that are read: what they look like where they are wider than their place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.terminal import width
from tui.text_table import folded, lines

COLUMNS = ("setting", "value", "meaning")
ROWS = [("training.steps", "300", "updates of the weights"), ("model.name", "resnet18", "")]


def test_a_last_column_goes_on_below_itself() -> None:
    assert lines(COLUMNS, ROWS, 44) == [
        "setting         value     meaning",
        "training.steps  300       updates of the",
        "                          weights",
        "model.name      resnet18",
    ]
    # Where that would leave too little of it, the table is as wide as it must be.
    assert lines(COLUMNS, ROWS, 36) == lines(COLUMNS, ROWS)


@given(
    rows=st.lists(st.tuples(*[st.text("ab 中,", max_size=40)] * 3), min_size=1, max_size=4),
    wide=st.integers(10, 100),
)
def test_no_word_is_lost_however_little_room_there_is(rows: list[tuple[str, str, str]], wide: int) -> None:
    for found in (lines(COLUMNS, rows, wide), [line for part in folded(COLUMNS, rows, wide) for line in part]):
        joined = "".join("".join(found).split())
        assert all(character in joined for row in rows for cell in row for character in cell if character != " ")
    fits = lines(COLUMNS, rows, wide)
    assert len(fits) == len(rows) + 1 or max(map(width, fits)) <= wide
