"""The table of the screens: its picture, what of it is seen, what its keys do, and that only changes are painted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.geometry import Region

from tests.screens import wait_for
from tests.watched_round import press
from tui.charts.grid import Column, Line, View, draw, scrolled, widths
from tui.terminal import printable, width
from tui.widgets.table import Table

COLUMNS = (Column("name"), Column("value", right=True), Column("remark"))


def rows(count: int, remark: str = "r") -> list[Line]:
    return [Line(f"k{n}", ((f"line {n}", ""), (str(n), "complete"), (remark, ""))) for n in range(count)]


def texts(lines: Sequence[Line], view: View | None = None, cells: int = 30, height: int = 6) -> list[str]:
    picture = draw(COLUMNS, lines, view or View(), cells, height, empty="nothing here")
    return ["".join(text for text, _style in row) for row in picture]


def test_numbers_end_flush_and_columns_are_as_wide_as_their_widest_cell() -> None:
    assert texts(rows(11), View(top=9), 24, 3) == [
        "name     value  remark  ",
        "line 9       9  r       ",
        "line 10     10  r       ",
    ]
    assert widths((Column("a", least=4), Column("b")), []) == [4, 1]


def test_an_empty_table_says_so() -> None:
    assert [row.rstrip() for row in texts([])] == ["name  value  remark", "nothing here", "", "", "", ""]


def test_what_is_not_seen_is_hinted_at_in_the_header() -> None:
    assert texts(rows(9), View(marked=2), 26, 4)[0] == "name    value  remark  3/9"
    assert texts(rows(2), None, 16, 4)[0] == "name    value  >"
    assert texts(rows(2), View(shift=1), 16, 4)[:2] == ["name    remark <", "line 0  r       "]


@pytest.mark.parametrize("wanted", ["line", "没有这样的试验名字", "没" * 20])
def test_what_was_searched_for_takes_the_cells_that_it_takes(wanted: str) -> None:
    """A Chinese character has two."""
    for cells in (1, 9, 26, 60):
        assert {width(row) for row in texts(rows(2), View(wanted=wanted), cells, 4)} == {cells}
    assert texts(rows(2), View(wanted=wanted), 60, 4)[0].rstrip().endswith(f"/{wanted}")


def test_the_marked_line_is_shown_without_colour() -> None:
    styles = [[style for _text, style in row] for row in draw(COLUMNS, rows(2), View(marked=1, focused=True), 30, 4)]
    assert styles[2] == ["cursor"]
    assert "complete" in styles[1]
    assert [style for _text, style in draw(COLUMNS, rows(2), View(marked=1), 30, 4)[2]] == ["marked"]


def test_the_view_moves_as_little_as_it_must() -> None:
    assert scrolled(View(top=0, marked=4), 20, 5) == 0
    assert scrolled(View(top=0, marked=5), 20, 5) == 1
    assert scrolled(View(top=7, marked=3), 20, 5) == 3
    assert scrolled(View(top=18, marked=-1), 20, 5) == 15
    assert scrolled(View(top=3, marked=1), 2, 5) == 0


@given(
    st.lists(st.lists(st.text(max_size=12), min_size=3, max_size=3), max_size=6),
    st.integers(1, 40),
    st.integers(1, 8),
    st.integers(0, 3),
    st.booleans(),
)
def test_every_picture_fills_its_size_exactly(
    cells: list[list[str]], wide: int, high: int, shift: int, ascii_only: bool
) -> None:
    lines = [Line(str(n), tuple((printable(text), "") for text in row)) for n, row in enumerate(cells)]
    view = View(shift=min(shift, 1), marked=len(lines) - 1, focused=True)
    picture = draw(COLUMNS, lines, view, wide, high, ascii_only=ascii_only)
    assert [sum(width(text) for text, _style in row) for row in picture] == [wide] * high


class OneTable(App[None]):
    """A table, and the messages that it sends."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[str] = []
        self.opened: list[str] = []

    def compose(self) -> ComposeResult:
        yield Table(empty="nothing")

    def on_mount(self) -> None:
        self.table.update(COLUMNS, rows(30))

    @property
    def table(self) -> Table:
        return self.query_one(Table)

    def on_table_marked(self, message: Table.Marked) -> None:
        self.marked.append(message.key)

    def on_table_opened(self, message: Table.Opened) -> None:
        self.opened.append(message.key)

    def text(self) -> list[str]:
        return [self.table.render_line(y).text for y in range(self.table.size.height)]


async def test_keys_mark_lines_and_enter_opens_the_marked_one() -> None:
    app = OneTable()
    async with app.run_test(size=(40, 10)) as pilot:
        await press(pilot, "down", "j", "up", "enter")
        assert app.table.marked == "k1"
        assert app.opened == ["k1"]
        await press(pilot, "end", "down", "pageup", "home", "up", "pagedown", "k")
        assert app.marked == ["k0", "k1", "k2", "k1", "k29", "k21", "k0", "k8", "k7"]


async def test_the_mark_stays_on_its_line_and_else_in_its_place() -> None:
    app = OneTable()
    async with app.run_test(size=(40, 10)) as pilot:
        await press(pilot, "down", "down")
        app.table.update(COLUMNS, rows(40)[1:])
        assert app.table.marked == "k2"
        assert app.text()[2].startswith("line 2")
        app.table.update(COLUMNS, rows(40)[5:])
        assert app.table.marked == "k6"
        app.table.update(COLUMNS, [])
        assert app.table.marked == ""
        await press(pilot, "down", "end", "pagedown", "enter")
        assert app.opened == []
        app.table.update(COLUMNS, rows(1))
        await pilot.pause()
        assert app.table.marked == "k0"
        assert app.table.size.height == 2


async def test_only_what_changed_is_painted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = OneTable()
    async with app.run_test(size=(40, 10)) as pilot:
        await wait_for(pilot, lambda: app.table.has_focus)
        regions: list[Region] = []
        monkeypatch.setattr(app.table, "refresh", lambda *given, **_named: regions.extend(given))
        before = app.text()
        lines = rows(30)
        app.table.update(COLUMNS, [*lines[:3], Line("k3", (("line 3", ""), ("77", "complete"), ("r", ""))), *lines[4:]])
        after = app.text()
        monkeypatch.undo()
    changed = {(x, y) for y in range(10) for x in range(len(before[y])) if before[y][x] != after[y][x]}
    painted = set(chain.from_iterable(((x, y) for x in r.column_range for y in r.line_range) for r in regions))
    assert changed
    assert changed == painted


async def test_data_are_no_markup_and_no_commands() -> None:
    app = OneTable()
    async with app.run_test(size=(60, 10)) as pilot:
        app.table.update(COLUMNS, [Line("[/x]", (("[/red] \x1b[31m", ""), ("中文", ""), ("a\nb", "")))])
        await pilot.pause()
        assert app.text()[1].split("  ")[0] == r"[/red] \x1b[31m"
        assert r"a\nb" in app.text()[1]
        assert all(width(row) == 60 for row in app.text())
