"""The guided tour: on every page of the way in the demonstration, left and taken up again with one key."""

from __future__ import annotations

import gettext
from pathlib import Path

import pytest
from textual.content import Content

from presets.language import LANGUAGES, LOCALE
from tests import prepared, watched_round
from tests.screens import NARROW, shown, wait_for, wait_for_text
from tui import demo, tour
from tui.app import Tunebook
from tui.pages.page import WAY
from tui.pages.places import page
from wizard import flow

pytestmark = pytest.mark.usefixtures("quick_looks")


def test_every_step_of_the_way_is_explained() -> None:
    """Home at each place of the guide's way, each question of the set-up, and the pages of a round."""
    wanted = {f"home {place}" for place in WAY} | {f"setup {step}" for step in flow.STEPS}
    assert wanted | {"design", "round", "review", "insights", "launch", "export"} <= set(tour.TEXTS)


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_line_begins_with_what_belongs_to_the_line_before(code: str) -> None:
    """At 80 columns: Chinese has no spaces to break at, and is cut wherever the line is full."""
    said = gettext.translation("tunebook", LOCALE, languages=[code], fallback=code == "en").gettext
    for place, told in tour.TEXTS.items():
        text = Content(f"{said(told.id)} {said('(T ends the tour.)')}")
        lines = [line.plain for line in text.wrap(NARROW[0] - 2)]
        assert 1 <= len(lines) <= 4, place
        assert not [line for line in lines if line[0] in "：，。；、）！？”"], place


@pytest.mark.parametrize(
    "place", ["design", "round round-1", "review round-1", "insights", "launch round-1", "look", "decisions", "export"]
)
def test_the_pages_know_their_texts(place: str) -> None:
    assert page(place).toured() in tour.TEXTS


async def test_the_demonstration_begins_with_the_tour(tmp_path: Path) -> None:
    app = Tunebook(demo.make_project(tmp_path / "demo").root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "A project begins with nine questions.")
        assert "Go on with the set-up" in shown(app)


async def test_the_tour_is_left_and_taken_up_again_and_stays_so(tmp_path: Path) -> None:
    project = prepared.prepare(tmp_path / "p", "second")
    with watched_round.supervised(project):
        app = Tunebook(project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Plan a round")
            assert "ends the tour" not in shown(app)
            await pilot.press("T")
            await wait_for_text(pilot, "Trials are processes of their own")
            app.open("round round-2")
            await wait_for_text(pilot, "A line is a trial")
            await pilot.press("T")
            await wait_for(pilot, lambda: "A line is a trial" not in shown(app))
            assert "The tour has ended." in shown(app)
            await pilot.press("T")
        again = Tunebook(project.root)
        async with again.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Trials are processes of their own")
