"""Projects of many rounds: those of the first weeks are found again, and do not push what matters off the screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rounds import instability, planning
from state import trials
from state.project import open_project
from state.store import open_store
from tests import prepared
from tests.screens import NARROW, lines, shown, wait_for, wait_for_text
from tests.test_cli import tunebook
from tui import so_far
from tui.app import Tunebook
from tui.pages.launch import LaunchPage
from tui.pages.round import RoundPage
from tui.widgets.table import Table

pytestmark = pytest.mark.usefixtures("quick_looks")
ROUNDS = 12


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with twelve rounds and a launch; most rounds are planned only."""
    project = prepared.prepare(tmp_path / "p")
    with open_store(project) as store:
        for number in range(3, ROUNDS + 1):
            planning.save(store, planning.propose(store, "minimise", trials=3, seed=number))
    return project.root


async def test_rounds_that_the_first_page_has_no_room_for_are_a_key_away(root: Path) -> None:
    """It names the last three; the others could only be gone to by whoever knew of the list of all that can be done,
    and nowhere stood when they were and what they came to."""
    app = Tunebook(root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, f"the last first: {ROUNDS}")
        assert "round-9:" not in shown(app)
        app.open("rounds")
        await wait_for_text(pilot, "round-12")
        await pilot.press("end")
        await wait_for(pilot, lambda: app.screen.query_one(Table).marked == "round-1")
        assert "reviewed" in next(line for line in lines(app) if "round-1 " in line)
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, RoundPage))
        await pilot.press("escape")
        await wait_for_text(pilot, "round-12")
        await pilot.press("up", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, LaunchPage))


def test_each_round_says_what_it_was_for_and_where_it_is(root: Path) -> None:
    with open_store(open_project(root)) as store:
        instability.start(store, "round-1-001", wanted="")
        trials.ask(store, "round-3", "pause")
        found = {one.name: one for one in so_far.listed(store)}
    assert [*found][:3] == ["round-1", "launch-1", "round-2"]
    states = [found[name].state for name in ("round-1", "launch-1", "round-2", "round-3", "round-4")]
    assert states == ["reviewed", "adopted", "at work", "paused", "planned"]
    assert found["round-13"].goal == "stability check"


def test_what_was_months_ago_does_not_push_what_is_now_off_the_screen(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a project of forty rounds, `status` wrote where it stands and what comes next above forty lines."""
    assert tunebook("status", "--project", root) == 0
    told = capsys.readouterr().out
    assert len(told.splitlines()) < NARROW[1]
    assert "Earlier: 4. With them: tunebook status --all" in told
    assert "baseline-1" not in told
    assert tunebook("status", "--all", "--project", root) == 0
    assert "baseline-1  baseline" in capsys.readouterr().out
    assert tunebook("status", "--json", "--project", root) == 0
    assert len(json.loads(capsys.readouterr().out)["batches"]) == ROUNDS + 2
