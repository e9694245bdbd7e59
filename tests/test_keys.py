"""The tables of keys and of looks, and the line of hints that is made from the keys."""

from __future__ import annotations

import unicodedata

import pytest
from rich.color import Color, ColorSystem
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from tui.charts.chart import Chart
from tui.charts.plot import Axes
from tui.charts.series import COLOURS
from tui.keys import GROUPS, KEYS, NAMES, Hinted, bindings, help_rows, hints
from tui.terminal import width
from tui.theme import SERIES_ANSI, SERIES_ON_DARK, SERIES_ON_LIGHT, STATUSES, VERDICTS, Look
from tui.widgets.hint import Hint, fitting

LOOKS = [*STATUSES.values(), *VERDICTS.values()]


class Focus(App[None]):
    """Two widgets to focus and the line of hints."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS = bindings("everywhere")

    def compose(self) -> ComposeResult:
        yield Chart(Axes())
        yield Input()
        yield Hint()


async def test_the_hints_follow_the_focus() -> None:
    app = Focus()
    async with app.run_test(size=(80, 24)) as pilot:
        hint = app.query_one(Hint)
        assert hint.render().plain == "left/right/up/down move  enter open  z/Z zoom  esc back  ? help  q quit"
        app.query_one(Input).focus()
        await pilot.pause()
        # Letters are typed there, so that other keys must do.
        assert hint.render().plain == "esc back  f1 help  ctrl+q quit"


def test_hints_that_do_not_fit_are_left_out_whole_and_those_of_everywhere_last() -> None:
    found = hints({key.id: key.keys for key in KEYS})
    assert [entry.keys for entry in fitting(found, 200)][-3:] == ["esc", "?", "q"]
    for cells in range(0, 100):
        shown = fitting(found, cells)
        assert sum(width(f"{entry.keys} {entry.name}  ") for entry in shown) - 2 <= cells
    assert [entry.name for entry in fitting(found, 30)] == ["back", "help", "quit"]
    assert fitting([Hinted("q", "quit", "everywhere")], 3) == []


def test_one_key_has_one_meaning_in_a_place() -> None:
    for group in GROUPS:
        keys = [key for row in KEYS if row.group in (group, "everywhere") for key in row.keys]
        assert len(keys) == len(set(keys))
    assert len({key.id for key in KEYS}) == len(KEYS)
    assert {key.group for key in KEYS} <= set(GROUPS)


def test_no_action_hangs_on_a_key_that_terminals_swallow() -> None:
    for key in KEYS:
        assert not key.keys[0].startswith(("f1", "ctrl+", "alt+")), key.id


def test_the_help_has_every_key_that_is_bound() -> None:
    for group in GROUPS:
        bound = {one.key for one in Binding.make_bindings(bindings(group))}
        [(_title, rows)] = help_rows([group])
        named = {name for key in rows for name in key.names}
        assert named == {NAMES.get(key, key) for key in bound}


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.word.id)
def test_a_look_is_one_cell_in_every_terminal_and_has_an_ascii_form(look: Look) -> None:
    assert unicodedata.east_asian_width(look.glyph) in ("N", "Na")
    assert width(look.glyph) == width(look.ascii) == 1
    assert look.badge(ascii_only=True).isascii()
    Color.parse(look.colour)


@pytest.mark.parametrize("looks", [STATUSES, VERDICTS], ids=["statuses", "verdicts"])
def test_looks_differ_without_colour(looks: dict[str, Look]) -> None:
    for form in ("glyph", "ascii", "word"):
        assert len({getattr(look, form) for look in looks.values()}) == len(looks)


@pytest.mark.parametrize("colours", [SERIES_ON_DARK, SERIES_ON_LIGHT], ids=["dark", "light"])
def test_colours_of_series_stay_apart_in_sixteen_colours(colours: tuple[str, ...]) -> None:
    fallen_back = {Color.parse(colour).downgrade(ColorSystem.STANDARD).number for colour in colours}
    assert len(fallen_back) == len(colours)


def test_colours_of_series_stay_apart_for_the_colour_blind() -> None:
    for colours in (SERIES_ON_DARK, SERIES_ON_LIGHT):
        assert min(_distance(a, b, eye) for eye in EYES.values() for a in colours for b in colours if a < b) > 20


def test_there_are_as_many_colours_of_the_terminal_as_of_a_theme() -> None:
    assert len(set(SERIES_ANSI)) == len(SERIES_ON_DARK) == len(SERIES_ON_LIGHT) == COLOURS


# Severity 1 matrices of Machado, Oliveira and Fernandes (2009), for linear RGB.
EYES = {
    "ordinary": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
Matrix = tuple[tuple[float, ...], ...]


def _distance(one: str, other: str, eye: Matrix) -> float:
    """CIELAB distance of two colours as this eye sees them."""
    a, b = (_lab(_times(eye, _linear(colour))) for colour in (one, other))
    return sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5


def _linear(colour: str) -> list[float]:
    values = [part / 255 for part in Color.parse(colour).get_truecolor()]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def _times(matrix: Matrix, vector: list[float]) -> list[float]:
    return [min(max(sum(a * b for a, b in zip(row, vector, strict=True)), 0.0), 1.0) for row in matrix]


def _lab(rgb: list[float]) -> tuple[float, float, float]:
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    ratios = [sum(a * b for a, b in zip(row, rgb, strict=True)) / w for row, w in zip(to_xyz, white, strict=True)]
    x, y, z = (ratio ** (1 / 3) if ratio > 0.008856 else 7.787 * ratio + 16 / 116 for ratio in ratios)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
