"""Everything that can be done, found by typing; and the lines of a table, found likewise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.style import Style
from textual.events import Click

from rounds import reviewing
from state.project import Project
from state.store import open_store
from tests import prepared, watched_round
from tests.screens import NARROW, lines, shown, wait_for, wait_for_text
from tui.app import Tunebook
from tui.pages.decisions import DecisionsPage
from tui.pages.launch import LaunchPage
from tui.pages.palette import Palette
from tui.pages.round import RoundPage
from tui.widgets.controls import Choices
from tui.widgets.prompt import Prompt
from tui.widgets.table import Table

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = prepared.prepare(tmp_path / "p", "second")
    with watched_round.supervised(made):
        yield made


async def test_an_action_of_the_page_is_found_by_its_words_and_done_there(project: Project) -> None:
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        app.open("round round-2")
        await wait_for_text(pilot, "round-2-001")
        await pilot.press("colon", *"another met")
        await wait_for_text(pilot, "show another metric in the chart")
        assert "start no more trials" not in shown(app)
        await pilot.press("enter")
        await wait_for_text(pilot, "val/loss (log) vs step")
        assert isinstance(app.screen, RoundPage)


async def test_an_action_that_no_hint_names_is_found_too(project: Project) -> None:
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        app.open("design")
        await wait_for_text(pilot, "Goal:")
        await pilot.press("colon", *"number of")
        await wait_for_text(pilot, "type the number of trials")


async def test_a_place_is_gone_to_from_anywhere_and_escape_leads_back(project: Project) -> None:
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await pilot.press("ctrl+p", *"the decis", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, DecisionsPage))
        await pilot.press("escape")
        await wait_for_text(pilot, "Plan a round")
        await pilot.press("colon", *"nonsense")
        await wait_for_text(pilot, "Nothing here is called that.")
        assert isinstance(app.screen, Palette)
        await pilot.press("escape")
        await wait_for_text(pilot, "Plan a round")


async def test_a_launch_is_gone_to_by_that_word(project: Project) -> None:
    with open_store(project) as store:
        reviewing.review_batch(store, "round-2")
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await pilot.press("colon", *"launch of")
        await wait_for_text(pilot, "go to the launch of round-2")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, LaunchPage))


async def test_a_click_on_an_entry_that_has_gone_does_nothing(project: Project) -> None:
    """The list was shorter by the time the click was seen."""
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await pilot.press("colon", *"the decis")
        listed = app.screen.query_one(Choices)
        await wait_for(pilot, lambda: listed.option_count == 1)
        listed.post_message(Click(listed, 1, 7, 0, 0, 1, False, False, False, style=Style(meta={"option": 7})))
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, DecisionsPage))


async def test_a_table_shows_only_what_contains_what_is_typed_until_it_is_left(project: Project) -> None:
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        app.open("round round-2")
        await wait_for_text(pilot, "round-2-001")
        await pilot.press("slash", *"RUNN")
        await wait_for(pilot, lambda: "complete" not in shown(app))
        assert lines(app)[2].endswith("/RUNN")
        await pilot.press("enter")
        table = app.screen.query_one(Table)
        assert not app.screen.query_one(Prompt).display
        assert table.marked == "round-2-005"
        await pilot.press("slash", *"zzz")
        await wait_for_text(pilot, "No line contains that.")
        await pilot.press("escape", "escape")
        await wait_for_text(pilot, "A 001")
        assert isinstance(app.screen, RoundPage)
