"""The chart on a screen: what it shows, what its keys do, and how few bytes an update costs."""

from __future__ import annotations

import math
from itertools import chain

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot

from tests.live_chart import POINTS, curve
from tests.sent import bytes_sent
from tui.charts.canvas import changes
from tui.charts.chart import Chart
from tui.charts.plot import Axes, draw
from tui.charts.series import COLOURS, Cursor, Series
from tui.keys import bindings
from tui.terminal import width
from tui.widgets.hint import Hint

AXES = Axes("step", "loss", x_range=(0, 1000), empty="no data yet")
TRIALS = Series(
    "rates",
    "round 1",
    [1e-3, 1e-2, 1e-1],
    [0.3, 0.1, math.nan],
    "points",
    ["feasible", "best", "infeasible"],
    ["t1", "t2", "t3"],
)


class OneChart(App[None]):
    """A chart with the line of hints, and the messages of the chart."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS = bindings("everywhere")

    def __init__(self, *series: Series, axes: Axes = AXES) -> None:
        super().__init__()
        self.series = series
        self.axes = axes
        self.picked: list[tuple[str, float, float, str]] = []

    def compose(self) -> ComposeResult:
        yield Chart(self.axes)
        yield Hint()

    def on_mount(self) -> None:
        self.chart.update(self.series)

    @property
    def chart(self) -> Chart:
        return self.query_one(Chart)

    def on_chart_picked(self, message: Chart.Picked) -> None:
        self.picked.append((message.series, message.x, message.y, message.id))


def shown(chart: Chart) -> list[str]:
    return [chart.render_line(y).text for y in range(chart.size.height)]


def curves(points: int) -> list[Series]:
    return [curve(rate, points) for rate in (0.02, 0.05, 0.1)]


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


async def test_the_chart_shows_the_plot_of_its_series_in_its_size() -> None:
    app = OneChart(*curves(20))
    async with app.run_test(size=(80, 24)):
        plot = draw(curves(20), AXES, 80, 23)
        assert shown(app.chart) == ["".join(text for text, _ in row) for row in plot]


async def test_the_chart_follows_the_size_of_the_terminal() -> None:
    app = OneChart(*curves(20))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert [width(row) for row in shown(app.chart)] == [100] * 29


async def test_without_data_the_chart_says_so_and_shows_them_when_they_come() -> None:
    app = OneChart()
    async with app.run_test(size=(60, 12)) as pilot:
        assert "no data yet" in "".join(shown(app.chart))
        await press(pilot, "right", "down", "enter", "home", "x", "y")
        assert app.chart.cursor is None
        assert app.picked == []
        app.chart.update(curves(3))
        assert "no data yet" not in "".join(shown(app.chart))


async def test_keys_move_the_cursor_and_the_readout_follows() -> None:
    app = OneChart(*curves(20))
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "right")
        assert app.chart.cursor == Cursor("0.02", 19)
        await press(pilot, "left", "h")
        assert app.chart.cursor == Cursor("0.02", 17)
        assert shown(app.chart)[-1].startswith("A learning_rate 0.02  step 170  loss ")
        await press(pilot, "down")
        assert app.chart.cursor == Cursor("0.05", 17)
        await press(pilot, "k", "home")
        assert app.chart.cursor == Cursor("0.02", 0)
        await press(pilot, "end")
        assert app.chart.cursor == Cursor("0.02", 19)


async def test_a_line_without_a_label_is_named_beside_its_letter() -> None:
    lines = [Series(f"t{n}", "", [1.0, 2.0], [0.1 * n, 0.2 * n], ids=(f"00{n}",) * 2) for n in (1, 2)]
    app = OneChart(*lines)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "right")
        assert shown(app.chart)[-1].startswith("A 001  step 2  loss 0.2")
        assert shown(app.chart)[-1].count("001") == 1


async def test_enter_asks_for_the_point_at_the_cursor() -> None:
    app = OneChart(TRIALS, axes=Axes("learning_rate", "error", log_x=True))
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "enter")
        assert app.picked == []
        await press(pilot, "right", "enter", "right", "enter")
        assert app.picked[0] == ("rates", 1e-2, 0.1, "t2")
        assert app.picked[1][3] == "t3"


async def test_x_and_y_make_an_axis_logarithmic_and_linear_again() -> None:
    app = OneChart(*curves(20))
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "y")
        assert shown(app.chart)[0].startswith("loss (log) vs step ")
        await press(pilot, "x")
        assert shown(app.chart)[0].startswith("loss (log) vs step (log) ")
        await press(pilot, "x", "y")
        assert shown(app.chart)[0].startswith("loss vs step ")


async def test_the_cursor_keeps_its_point_when_data_come() -> None:
    app = OneChart(*curves(20))
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "right")
        app.chart.update(curves(40))
        assert app.chart.cursor == Cursor("0.02", 19)
        app.chart.update(curves(5))
        assert shown(app.chart)[-1].strip() == ""
        await press(pilot, "right")
        assert app.chart.cursor == Cursor("0.02", 4)


async def test_only_the_stretches_that_changed_are_painted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = OneChart(*curves(50))
    async with app.run_test(size=(80, 24)):
        regions: list[Region] = []
        monkeypatch.setattr(app.chart, "refresh", lambda *given: regions.extend(given))
        before = shown(app.chart)
        app.chart.update(curves(51))
        after = shown(app.chart)
    changed = {(x, y) for y in range(23) for x in range(80) if before[y][x] != after[y][x]}
    painted = set(
        chain.from_iterable(((x, y) for x in region.column_range for y in region.line_range) for region in regions)
    )
    assert changed <= painted
    assert len(painted) < 30


async def test_a_chart_that_is_not_seen_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    app = OneChart(*curves(20))
    async with app.run_test(size=(80, 24)) as pilot:
        app.chart.display = False
        await pilot.pause()
        drawn = []
        monkeypatch.setattr(
            "tui.charts.chart.draw", lambda *given, **named: drawn.append(given) or draw(*given, **named)
        )
        app.chart.update(curves(30))
        await pilot.pause()
        assert drawn == []
        app.chart.display = True
        await pilot.pause()
        assert "".join(text for text, _ in draw(curves(30), AXES, 80, 23)[5]) == shown(app.chart)[5]


async def test_data_are_no_markup_and_no_commands() -> None:
    app = OneChart(Series("a", "[/red] \x1b[31m \n中文 [bold]", [0, 1], [0, 1]))
    async with app.run_test(size=(80, 24)):
        assert r"A [/red] \x1b[31m \n中文 [bold]" in shown(app.chart)[0]


@pytest.mark.parametrize("name", ["textual-dark", "textual-light", "ansi-dark", "ansi-light"])
async def test_each_series_has_its_colour_in_every_theme(name: str) -> None:
    app = OneChart(*curves(20))
    async with app.run_test(size=(80, 24)) as pilot:
        app.theme = name
        await pilot.pause()
        styles = [app.chart.get_component_rich_style(f"chart--series-{number}") for number in range(COLOURS)]
        assert len({style.color for style in styles}) == COLOURS


def test_equal_pictures_do_not_differ_and_a_change_is_one_stretch_of_its_row() -> None:
    before = (((" 12", "axis"), ("abc", "series-1")), (("中文", ""),))
    assert changes(before, before) == []
    assert changes(before, (((" 12", "axis"), ("aXY", "series-1")), (("中文", ""),))) == [(0, 4, 2)]
    assert changes(before, (((" ", ""), ("12", "axis"), ("abc", "series-1")), (("文中", ""),))) == [(1, 0, 4)]
    assert changes(before, (((" 12", "axis"), ("ab", "series-1"), ("c", "cursor")), (("中文", ""),))) == [(0, 5, 1)]


def sent(updates: int) -> int:
    """Bytes that the terminal gets from the start to the end of so many updates, at 80 by 24."""
    found = bytes_sent(["-m", "tests.live_chart", str(updates)], 80, 24)
    assert found is not None
    return found


def test_an_update_of_three_curves_sends_less_than_a_kilobyte_and_a_half() -> None:
    assert (sent(POINTS) - sent(1)) / (POINTS - 1) < 1500
