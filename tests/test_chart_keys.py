"""Looking closer at a chart: smoothing with the measured line behind, a part of the axis, and lines to compare."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_chart import OneChart
from tui.charts.chart import Chart
from tui.charts.legend import compared
from tui.charts.plot import Axes, draw
from tui.charts.series import Cursor, Series
from tui.charts.smooth import SHARES, smoothed
from tui.charts.window import cut, moved, whole, zoomed

LINE = Series("a", "first", range(1, 101), [1 / step for step in range(1, 101)], ids=["t1"] * 100)
OTHER = Series("b", "", range(1, 101), [2 / step for step in range(1, 101)], ids=["t2"] * 100)


def text(chart: Chart) -> str:
    return "\n".join("".join(part for part, _style in row) for row in chart.picture())


def styles(chart: Chart) -> set[str]:
    return {style for row in chart.picture() for _part, style in row}


def test_a_constant_stays_what_it_is_and_noise_is_less() -> None:
    """The mean is corrected for its beginning, so that it does not creep up from zero."""
    assert smoothed([3.0] * 50, 2) == pytest.approx([3.0] * 50)
    noise = [math.sin(12.9 * k) for k in range(400)]
    found = smoothed(noise, 1)
    assert max(found[100:]) - min(found[100:]) < 0.2 * (max(noise) - min(noise))


@pytest.mark.parametrize("strength", range(len(SHARES)))
def test_what_is_not_finite_stays_and_counts_for_nothing(strength: int) -> None:
    found = smoothed([1.0, math.nan, 1.0, math.inf, 1.0], strength)
    assert [math.isfinite(value) for value in found] == [True, False, True, False, True]
    assert found[4] == pytest.approx(1.0)
    assert smoothed([], strength) == []


def test_the_measured_line_is_drawn_behind_the_smoothed_one() -> None:
    series = Series("a", "", range(4), [1.0, 1.0, 1.0, 1.0], raw=[0.0, 2.0, 0.0, 2.0])
    rows = draw([series], Axes(), 40, 12, ascii_only=True)
    spans = {style: text for row in rows for text, style in row if style in ("faint", "series-0", "series-1")}
    assert "." in spans["faint"]
    # The scale holds both.
    assert any(part.strip().startswith("2") for part, _style in rows[1])
    with pytest.raises(ValueError, match="4 x and 1 raw"):
        Series("a", "", range(4), [0.0] * 4, raw=[1.0])


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.5, 2])), max_size=30),
)
def test_zooming_stays_within_the_whole_and_holds_the_point(
    low: float, length: float, steps: list[tuple[float, float]]
) -> None:
    everything = (low, low + length)
    window = None
    for place, factor in steps:
        start, end = window or everything
        around = start + place * (end - start)
        window = zoomed(window, everything, around, factor, log=False)
        if window is not None:
            room = length * 1e-6
            assert everything[0] - room <= window[0] < window[1] <= everything[1] + room
            assert window[0] - room <= around <= window[1] + room


def test_a_logarithmic_axis_is_halved_by_decades() -> None:
    found = zoomed(None, (1e-4, 1.0), 1e-4, 0.5, log=True)
    assert found == pytest.approx((1e-4, 1e-2))
    assert moved((1e-4, 1e-2), (1e-4, 1.0), 1.0, log=True) == pytest.approx((1e-2, 1.0))


def test_a_series_is_cut_with_all_its_parts_and_the_cursor_keeps_its_point() -> None:
    points = Series(
        "p", "", [3.0, 1.0, 2.0], [30, 10, 20], "points", ["best", "feasible", "infeasible"], ["x", "y", "z"]
    )
    inside, at = cut(points, (1.5, 3.0), Cursor("p", 2))
    assert (inside.x, inside.y, inside.marks, inside.ids) == ([3.0, 2.0], [30, 20], ["best", "infeasible"], ["x", "z"])
    assert at == Cursor("p", 1)
    assert cut(points, (1.5, 3.0), Cursor("p", 1))[1] is None
    inside, at = cut(LINE, (10, 19.5), Cursor("other", 3))
    assert list(inside.x) == list(range(10, 20))
    assert at == Cursor("other", 3)
    assert whole([], log=False) is None
    assert whole([Series("one", "", [1.0], [1.0])], log=False) is None


def test_compared_lines_are_read_at_the_same_place() -> None:
    pinned = replace(OTHER, pinned=True)
    assert compared([LINE, pinned], Cursor("a", 49)) == "B 0.04"
    assert compared([LINE, pinned], Cursor("b", 49)) == ""
    assert compared([LINE, OTHER], Cursor("a", 49)) == ""
    assert compared([LINE, pinned], None) == ""


async def test_a_part_from_zero_is_dropped_where_the_axis_becomes_logarithmic() -> None:
    """Its beginning has no place there, and was taken for the power of ten."""
    app = OneChart(Series("a", "", range(0, 2001, 20), [1 / (step + 1) for step in range(0, 2001, 20)]))
    async with app.run_test(size=(60, 16)) as pilot:
        app.chart.focus()
        await pilot.press("home", "home", "z")
        assert app.chart.window == pytest.approx((0.0, 1000.0))
        await pilot.press("x", "right", "z", "x", "left")
        assert app.chart.window is None


async def test_the_keys_smooth_zoom_and_compare() -> None:
    app = OneChart(LINE, OTHER, axes=Axes("step", "loss"))
    async with app.run_test(size=(80, 24)) as pilot:
        chart = app.chart
        chart.focus()
        await pilot.press("w")
        assert "loss, smoothed vs step" in text(chart)
        await pilot.press("w", "w")
        assert "smoothed" not in text(chart)
        await pilot.press("home", "home", "z", "z")
        assert chart.window == pytest.approx((1.0, 25.75))
        assert "A first  step 1  loss 1" in text(chart)
        await pilot.press("end")
        # The window goes with the cursor.
        assert chart.window == pytest.approx((75.25, 100.0))
        assert "step 100" in text(chart)
        await pilot.press("Z", "Z")
        assert chart.window is None
        await pilot.press("space")
        assert "faint" in styles(chart)
        assert "B t2" not in text(chart)
        await pilot.press("down", "space")
        assert "B t2" in text(chart)
        assert "step 100  loss 0.02  A 0.01" in text(chart)
        await pilot.press("space", "up", "space")
        assert "faint" not in styles(chart)


async def test_without_points_the_keys_do_nothing() -> None:
    app = OneChart(axes=Axes("step", "loss", empty="no data yet"))
    async with app.run_test(size=(80, 24)) as pilot:
        app.chart.focus()
        await pilot.press("w", "z", "Z", "space", "left", "enter")
        assert "no data yet" in text(app.chart)


async def test_a_million_points_are_smoothed_and_looked_at_closely() -> None:
    count = 1_000_000
    many = Series("m", "", range(count), [math.sin(k / 1e4) for k in range(count)])
    app = OneChart(many, axes=Axes("step", "loss"))
    async with app.run_test(size=(80, 24)) as pilot:
        app.chart.focus()
        await pilot.press("w", "end", *["z"] * 10)
        assert app.chart.window is not None
        assert app.chart.window[1] - app.chart.window[0] == pytest.approx(count / 1024, rel=0.01)
        assert "step 999999" in text(app.chart)
