"""Plots as rows of text: what small plots look like, and that no data can break one."""

from __future__ import annotations

import math
import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presets import language
from tui.charts.plot import Axes, draw
from tui.charts.scale import exact, number, rounded, ticks
from tui.charts.series import COLOURS, Cursor, Mark, Series, identities
from tui.charts.walk import Walk
from tui.terminal import width

AXES = Axes("step", "loss")
CROSSING = [Series("a", "a", [0, 50, 100], [1.0, 0.5, 0.0]), Series("b", "b", [0, 50, 100], [0.0, 0.5, 1.0])]
RATES = Series(
    "r",
    "round 1",
    [1e-4, 1e-3, 1e-2, 1e-1],
    [0.5, 0.3, 0.1, math.nan],
    "points",
    ["feasible", "feasible", "best", "infeasible"],
    ["t1", "t2", "t3", "t4"],
)


def text(*arguments, **options) -> list[str]:
    return ["".join(part for part, _style in row) for row in draw(*arguments, **options)]


def test_two_lines_cross_and_the_later_one_wins_the_cell() -> None:
    assert text(CROSSING, AXES, 30, 9) == [
        "loss vs step  A a  B b        ",
        "1⢼⠉⠓⠲⠤⣄⣀                ⢀⣠⠤⠴⠚B",
        " ⢸     ⠈⠉⠓⠲⠤⣄⣀    ⢀⣠⠤⠴⠚⠉⠉     ",
        " ⢸          ⢀⣀⡤⠴⠚⠉⠉⣀          ",
        " ⢸     ⣀⣠⠴⠒⠋⠉      ⠈⠙⠒⠦⢤⣀⡀    ",
        "0⢼⣠⠤⠖⠚⠉⠁                 ⠉⠓⠲⠤A",
        " ⠈⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋",
        "  0             50         100",
        "                              ",
    ]


def test_the_title_is_in_the_language_of_the_screens() -> None:
    """It said vs and log in Chinese, too."""
    language.set_language("zh_CN")
    try:
        title = text([RATES], Axes("步", "损失", log_x=True), 40, 9)[0]
    finally:
        language.set_language("en")
    assert title.startswith("损失 对 步（对数）")
    assert text([RATES], Axes("step", "loss", log_x=True), 40, 9)[0].startswith("loss vs step (log)")


def test_in_ascii_each_line_is_drawn_with_its_letter() -> None:
    assert text(CROSSING, AXES, 30, 9, ascii_only=True) == [
        "loss vs step  A a  B b        ",
        "1+AAAAA                   BBBB",
        " |    AAAAAAA      BBBBBBBB   ",
        " |          BBBBBBBB          ",
        " |    BBBBBBB      AAAAAAAA   ",
        "0+BBBBB                   AAAA",
        " ++-------------+------------+",
        "  0             50         100",
        "                              ",
    ]


def test_nan_and_infinity_are_gaps() -> None:
    gapped = Series("a", "a", [0, 20, 40, 60, 80, 100], [1, 1, math.nan, math.inf, 0, 0])
    assert text([gapped], AXES, 30, 8) == [
        "loss vs step  A a             ",
        "1⢼⠉⠉⠉⠉⠉⠉                      ",
        " ⢸                            ",
        " ⢸                            ",
        "0⢼                      ⣀⣀⣀⣀⣀A",
        " ⠈⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋",
        "  0             50         100",
        "                              ",
    ]


def test_logarithmic_axes_have_ticks_at_decades_and_a_power_law_is_straight() -> None:
    falling = Series("a", "a", [1e-4, 1e-3, 1e-2, 1e-1], [1, 1e-1, 1e-2, 1e-3])
    assert text([falling], Axes("rate", "loss", log_x=True, log_y=True), 40, 10) == [
        "loss (log) vs rate (log)  A a           ",
        "   1⢼⠙⠒⠦⢤⣀⡀                             ",
        "    ⢸     ⠉⠙⠒⠦⢤⣀⡀                       ",
        "    ⢸           ⠉⠙⠒⠦⢤⣀⡀                 ",
        "0.01⢼                 ⠉⠉⠓⠲⠤⣄⣀           ",
        "    ⢸                       ⠈⠉⠓⠲⠤⣄⣀     ",
        "    ⢸                             ⠈⠉⠓⠲⠤A",
        "    ⠈⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋",
        "     1e-4      1e-3        0.01      0.1",
        "                                        ",
    ]


def test_points_have_shapes_and_one_without_a_value_lies_on_the_axis() -> None:
    assert text([RATES], Axes("rate", "error", log_x=True), 56, 9) == [
        "error vs rate (log)  x infeasible  o feasible  * best   ",
        "0.5⢼  o                                                 ",
        "   ⢸                                                    ",
        "   ⢸                  o                                 ",
        "   ⢸                                                    ",
        "  0⢼                                 *                  ",
        "   ⠈⠉⠉⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉x⠉⠉",
        "     1e-4            1e-3           0.01            0.1 ",
        "                                                        ",
    ]


def test_the_cursor_marks_its_point_and_its_place_on_the_axis_and_reads_its_values() -> None:
    rows = text([RATES], Axes("rate", "error", log_x=True), 56, 9, cursor=Cursor("r", 1))
    assert rows[6].index("^") == rows[3].index("o")
    assert rows[8].rstrip() == "round 1  rate 0.001  error 0.3  feasible  t2"
    picked = [part for row in draw([RATES], AXES, 56, 9, cursor=Cursor("r", 2)) for part in row if part[1] == "cursor"]
    assert picked == [("*", "cursor"), ("^", "cursor")]


def test_the_cursor_on_a_line_is_a_plus() -> None:
    rows = text(CROSSING, AXES, 30, 9, cursor=Cursor("b", 1))
    assert rows[3][16] == "+"
    assert rows[8].rstrip() == "B b  step 50  loss 0.5"


def test_a_cursor_without_a_point_is_not_drawn() -> None:
    for cursor in (Cursor("gone", 0), Cursor("a", 99), Cursor("a", -1)):
        assert draw(CROSSING, AXES, 30, 9, cursor=cursor) == draw(CROSSING, AXES, 30, 9)


def test_the_axis_has_its_planned_range_until_data_go_beyond_it() -> None:
    plan = Axes("step", "loss", x_range=(0, 100))
    assert text([Series("a", "a", [0, 10], [1.0, 0.5])], plan, 30, 7) == [
        "loss vs step  A a             ",
        "1.0⢼⢳⡀                        ",
        "   ⢸ ⢧                        ",
        "0.5⢼ ⠈⢧A                      ",
        "   ⠈⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠋",
        "    0            50        100",
        "                              ",
    ]
    assert text([Series("a", "a", [0, 200], [1.0, 0.5])], plan, 30, 7)[5].split() == ["0", "100", "200"]


def test_data_that_grow_inside_the_planned_range_change_few_cells() -> None:
    def grown(points: int) -> list[str]:
        xs = list(range(0, points * 10, 10))
        return text([Series("a", "a", xs, [1 / (1 + x / 100) for x in xs])], Axes("s", "l", x_range=(0, 1000)), 80, 20)

    before, after = grown(50), grown(51)
    assert sum(a != b for one, two in zip(before, after, strict=True) for a, b in zip(one, two, strict=True)) <= 3


def test_one_point_is_a_dot_with_its_letter() -> None:
    assert text([Series("a", "a", [5], [0.3])], AXES, 30, 7)[1:4] == [
        "0.5⢼                          ",
        "   ⢸             ⠄A           ",
        "  0⢼                          ",
    ]


@pytest.mark.parametrize("series", [[], [Series("a", "a", [], [])], [Series("a", "a", [1, 2], [math.nan, math.inf])]])
def test_nothing_to_draw_is_said_in_the_given_words(series: list[Series]) -> None:
    rows = text(series, Axes("step", "loss", empty="还没有数据"), 30, 7)
    assert [row.strip() for row in rows[1:]] == ["", "", "还没有数据", "", "", ""]


def test_the_smallest_plot_has_the_line_its_ticks_and_the_readout() -> None:
    assert text([Series("a", "a", [0, 1], [0, 1])], AXES, 10, 3, cursor=Cursor("a", 1)) == [
        "1⢼⣀⡤⠤⠤⠖⠒⠋+",
        "  0       ",
        "a  step 1⋯",
    ]


def test_points_of_several_series_are_told_apart_by_letter() -> None:
    several = [Series("s", "sgd", [1], [0.5], "points"), Series("m", "adam", [2], [0.4], "points")]
    rows = text(several, AXES, 40, 9)
    assert rows[0].rstrip() == "loss vs step  A sgd  B adam"
    assert "o" not in "".join(rows[1:6])
    assert {letter for row in rows[1:6] for letter in row} >= {"A", "B"}


def test_the_best_point_is_never_hidden() -> None:
    marks: list[Mark] = ["best", "feasible", "infeasible"]
    hidden = [Series("a", "a", [1, 1, 1], [1, 1, 1], "points", marks), Series("b", "b", [1], [1], "points")]
    assert "*" in "".join(text(hidden, AXES, 30, 9)[1:6])


def test_a_long_legend_is_shortened_and_what_is_left_out_is_counted() -> None:
    many = [Series(str(i), f"a very long label {i}", [0, 1], [0, i]) for i in range(20)]
    legend = text(many, AXES, 60, 8)[0]
    assert legend.startswith("loss vs step")
    assert legend.count("⋯") + int(legend.rpartition("+")[2]) == len(many)
    assert text(many[:3], AXES, 60, 8)[0] == "loss vs step  A a very long⋯  B a very long⋯  C a very long⋯"
    # With room above, it has a row of its own before it is shortened.
    title, legend, *_plot = text(many[:2], AXES, 50, 9)
    assert (title.rstrip(), legend.rstrip()) == ("loss vs step", "  A a very long label 0  B a very long label 1")
    title, legend, *_plot = text(many, AXES, 60, 9)
    assert legend.count("⋯") + int(legend.rpartition("+")[2]) == len(many)
    assert text(many[:1], AXES, 60, 9)[0].rstrip() == "loss vs step  A a very long label 0"


def test_data_in_titles_and_labels_cannot_break_the_row() -> None:
    rows = text([Series("a", "\x1b[31m[/red]\n中文", [0, 1], [0, 1])], Axes("st\nep", "lo\tss"), 60, 8)
    assert rows[0].startswith(r"lo\tss vs st\nep  A \x1b[31m[/red]\n中文")
    assert {width(row) for row in rows} == {60}


def test_a_million_points_keep_their_extremes() -> None:
    random.seed(0)
    ys = [1 + random.random() for _ in range(1_000_000)]
    ys[250_000], ys[750_000] = 9.0, -7.0
    rows = [row[4:] for row in text([Series("a", "", range(1_000_000), ys)], AXES, 84, 24)]
    # One spike each way, in its own column and nothing else in the row.
    assert [(len(row.rstrip()), row.strip()) for row in (rows[3], rows[17])] == [(21, "⡇"), (60, "⢸")]


def test_a_series_with_parts_of_unequal_length_is_refused() -> None:
    with pytest.raises(ValueError, match="Series 'a' has 2 x and 1 y"):
        Series("a", "a", [1, 2], [1])
    with pytest.raises(ValueError, match="Series 'a' has 1 x and 2 ids"):
        Series("a", "a", [1], [1], ids=["t1", "t2"])


def test_a_logarithmic_axis_without_a_positive_value_is_drawn_linear() -> None:
    rows = text([Series("a", "a", [0, 1], [-1, 0])], Axes("step", "loss", log_y=True), 30, 8)
    assert rows[0].startswith("loss vs step")
    assert "A" in "".join(rows[1:])


def test_no_character_of_a_plot_is_of_ambiguous_width() -> None:
    rows = text([*CROSSING, RATES], AXES, 30, 12, cursor=Cursor("a", 1))
    assert {unicodedata.east_asian_width(character) for row in rows for character in row} <= {"N", "Na"}


def test_in_ascii_every_character_is_ascii() -> None:
    assert "".join(text([*CROSSING, RATES], AXES, 30, 12, cursor=Cursor("a", 1), ascii_only=True)).isascii()


def test_colours_and_letters_stay_when_series_are_added() -> None:
    names = [f"trial-{i}" for i in range(40)]
    everyone = identities(names)
    for count in range(1, 40):
        few = identities(names[:count])
        assert few == {name: everyone[name] for name in names[:count]}


def test_the_first_series_all_have_different_colours_and_letters() -> None:
    found = identities(f"trial-{i}" for i in range(COLOURS)).values()
    assert len({name.colour for name in found}) == len({name.letter for name in found}) == COLOURS


def test_the_cursor_visits_points_in_order_of_x_and_leaves_gaps_out() -> None:
    line = Series("a", "a", [3, 1, 2, math.nan], [0, 0, math.nan, 0])
    points = Series("b", "b", line.x, line.y, "points")
    assert Walk([line]).path(line) == (1, 0)
    assert Walk([points]).path(points) == (1, 2, 0)
    growing = Series("a", "a", [-1, 0, 2], [1, 1, 1])
    assert Walk([growing], log_x=True).path(growing) == (2,)


def test_the_cursor_starts_at_the_best_point_and_stops_at_the_ends() -> None:
    walk = Walk([RATES])
    assert walk.along(None, 1, 80) == Cursor("r", 2)
    assert walk.along(Cursor("r", 2), 1, 80) == walk.along(Cursor("r", 3), 1, 80) == Cursor("r", 3)
    assert walk.along(Cursor("r", 0), -1, 80) == walk.edge(Cursor("r", 2), 0) == Cursor("r", 0)


def test_the_cursor_passes_points_that_share_their_x() -> None:
    walk = Walk([Series("a", "a", [1, 1, 1, 2], [0, 1, 2, 3], "points")])
    visited = [Cursor("a", 0)]
    while (further := walk.along(visited[-1], 1, 80)) != visited[-1]:
        assert further is not None
        visited.append(further)
    assert [cursor.index for cursor in visited] == [0, 1, 2, 3]


def test_the_cursor_crosses_to_the_nearest_point_of_the_next_series() -> None:
    walk = Walk([Series("a", "", [0, 10], [1, 1]), Series("none", "", [], []), Series("b", "", [1, 8, 30], [1, 1, 1])])
    assert walk.across(Cursor("a", 1), 1) == Cursor("b", 1)
    assert walk.across(Cursor("b", 2), 1) == Cursor("a", 1)


def test_a_long_series_is_walked_by_columns() -> None:
    walk = Walk([Series("a", "", range(10_000), range(10_000))])
    assert walk.along(Cursor("a", 0), 1, 100) == Cursor("a", 100)


def test_without_points_there_is_no_cursor() -> None:
    for walk in (Walk([]), Walk([Series("a", "", [], [])])):
        assert walk.along(Cursor("a", 0), 1, 80) is walk.across(None, 1) is walk.edge(None, 0) is None


@pytest.mark.parametrize(
    ("low", "high", "most", "log", "labels"),
    [
        (0, 1, 6, False, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 12345, 6, False, ["0", "5k", "10k"]),
        (0, 2.5e6, 6, False, ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]),
        (-5, 5, 5, False, ["-4", "-2", "0", "2", "4"]),
        (0, 1e-6, 5, False, ["0", "5e-7", "1e-6"]),
        (1e-5, 1e-1, 6, True, ["1e-5", "1e-4", "1e-3", "0.01", "0.1"]),
        (1e-9, 1, 5, True, ["1e-8", "1e-6", "1e-4", "0.01", "1"]),
        (8, 512, 8, True, ["10", "20", "50", "100", "200", "500"]),
        (0.2, 0.7, 4, True, ["0.2", "0.4", "0.6"]),
        (1e-300, 1e300, 5, True, ["1e-242", "1e-121", "1", "1e121", "1e242"]),
    ],
)
def test_ticks_are_decades_or_round_numbers(low: float, high: float, most: int, log: bool, labels: list[str]) -> None:
    assert [tick.label for tick in ticks(exact(low, high, log=log), most)] == labels


@pytest.mark.parametrize("most", [2, 3, 4])
@pytest.mark.parametrize(
    ("low", "high"), [(0.2, 3.5), (0.9, 3043.7), (1.02, 6087.0), (0.1, 4999.0), (-3.1, -0.2), (0.31, 0.39)]
)
@pytest.mark.parametrize("log", [False, True])
def test_every_axis_has_two_labels_that_differ(low: float, high: float, most: int, log: bool) -> None:
    for made in (rounded(low, high, most, log=log and low > 0), exact(low, high, log=log and low > 0)):
        labels = {tick.label for tick in ticks(made, most)}
        assert 2 <= len(labels) <= most, (made, labels)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.43214, "0.4321"), (1.23456e-4, "1.235e-4"), (12800, "12800"), (3.1e12, "3.1e12"), (-0.0, "0"), (1e-3, "0.001")],
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert number(value) == shown


anything = st.floats() | st.integers(-(10**6), 10**6).map(float)
marks = st.sampled_from(["feasible", "infeasible", "best"])


@st.composite
def any_series(draw_from, id: str) -> Series:
    xs = draw_from(st.lists(anything, max_size=30))
    ys = draw_from(st.lists(anything, min_size=len(xs), max_size=len(xs)))
    if draw_from(st.booleans()):
        return Series(id, draw_from(st.text(max_size=20)), sorted(xs), ys)
    return Series(
        id,
        draw_from(st.text(max_size=20)),
        xs,
        ys,
        draw_from(st.sampled_from(["line", "points"])),
        draw_from(st.lists(marks, min_size=len(xs), max_size=len(xs))),
    )


@given(
    series=st.integers(0, 3).flatmap(lambda n: st.tuples(*(any_series(str(i)) for i in range(n)))),
    axes=st.builds(
        Axes,
        st.text(max_size=8),
        st.text(max_size=8),
        st.none() | st.tuples(anything, anything),
        st.booleans(),
        st.booleans(),
        st.text(max_size=8),
    ),
    columns=st.integers(1, 120),
    rows=st.integers(1, 40),
    cursor=st.none() | st.builds(Cursor, st.sampled_from("012"), st.integers(0, 30)),
    ascii_only=st.booleans(),
)
def test_any_data_at_any_size_give_rows_of_exactly_that_size(
    series: tuple[Series, ...], axes: Axes, columns: int, rows: int, cursor: Cursor | None, ascii_only: bool
) -> None:
    shown = text(series, axes, columns, rows, cursor=cursor, ascii_only=ascii_only)
    assert [width(row) for row in shown] == [columns] * rows


@given(st.floats(-1e305, 1e305), st.floats(-1e305, 1e305), st.integers(1, 40), st.booleans())
def test_a_rounded_scale_holds_its_data_and_has_at_most_the_ticks_asked_for(
    a: float, b: float, most: int, log: bool
) -> None:
    low, high = min(a, b), max(a, b)
    scale = rounded(low, high, most, log=log)
    assert scale.low < scale.high
    held = [value for value in (low, high) if (1e-300 if log else -1e300) <= value <= 1e300]
    assert all(-1e-6 <= scale.position(value) <= 1 + 1e-6 for value in held)
    shown = ticks(scale, most)
    assert len(shown) <= most
    assert all(-1e-6 <= scale.position(tick.value) <= 1 + 1e-6 for tick in shown)


def test_letters_stand_in_the_order_of_their_values() -> None:
    """Also where all lines end in one row, and whichever was drawn first."""
    for values in ((0.8889, 0.7889), (0.7889, 0.8889)):
        series = [Series(f"{n}", f"{n}", [0.0, 1.0], [0.0, value]) for n, value in enumerate(values)]
        rows = ["".join(text for text, _ in row) for row in draw(series, Axes(), 40, 8, ascii_only=True)]
        place = {letter: next(n for n, row in enumerate(rows[1:6]) if row.rstrip().endswith(letter)) for letter in "AB"}
        assert (place["A"] < place["B"]) == (values[0] > values[1]), rows


def test_letters_of_the_lines_that_the_legend_names_come_before_the_others() -> None:
    series = [Series(f"{n}", "best" if n == 11 else "", [0.0, 1.0], [0.0, 1 + n / 1000]) for n in range(12)]
    rows = ["".join(text for text, _ in row) for row in draw(series, Axes(), 40, 8)]
    assert any(row.rstrip().endswith("L") for row in rows[1:6]), rows
