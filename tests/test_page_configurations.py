"""Configurations side by side: which there are, in what they differ, and with which one they are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from state import launches, trials
from state.store import open_store
from tests import prepared, set_up, watched_round
from tests.screens import NARROW, WIDE, lines, shown, wait_for_text
from tui import contenders, main
from tui.app import Tunebook
from tui.pages.configurations import ConfigurationsPage
from tui.pages.trial import TrialPage
from tui.session import Session

pytestmark = pytest.mark.usefixtures("quick_looks")


def test_the_best_comes_first_and_each_says_what_became_of_it(tmp_path: Path) -> None:
    project = prepared.prepare(tmp_path / "p", "second")
    with open_store(project) as store:
        found = contenders.contenders(store)
        best = launches.best(store)
        assert best is not None
        assert found[0].settings == best.settings
        assert [(one.name, one.what.text()) for one in found] == [
            ("launch-1", "the best now"),
            ("round-2-002", "best of round-2 so far"),
            ("round-1-001", "best of round-1"),
            ("baseline-1", "the best once"),
        ]
        own = [one.best for one in trials.trials(store, "launch-1") if one.study == "candidate" and one.best]
        assert found[0].value == pytest.approx(sum(own) / len(own))
        assert [one.selected for one in found] == [False, True, True, False]
        assert [one.counted for one in found] == ["3", "1, best", "1, best", "3"]


def test_a_launch_without_a_decision_is_undecided(tmp_path: Path) -> None:
    with open_store(prepared.prepare(tmp_path / "p", "launch")) as store:
        assert {one.name: one.what.text() for one in contenders.contenders(store)}["launch-1"] == "undecided"


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_marked_one_is_set_against_the_best_or_another(tmp_path: Path, size: tuple[int, int]) -> None:
    project = prepared.prepare(tmp_path / "p", "second")
    with watched_round.supervised(project):
        app = Tunebook(project.root)
        async with app.run_test(size=size) as pilot:
            await wait_for_text(pilot, "Configurations")
            app.open("configurations")
            await wait_for_text(pilot, "launch-1 has:")
            await pilot.press("end")
            await wait_for_text(pilot, "launch-1  baseline-1")
            assert "optimizer.learning_rate  0.0776142         0.1" in shown(app)
            assert "model.name = test_resnet" in shown(app)
            await pilot.press("space", "home")
            await wait_for_text(pilot, "baseline-1   launch-1")
            assert "optimizer.learning_rate         0.1  0.0776142" in shown(app)
            (line,) = (line for line in lines(app) if "the best once" in line)
            assert "reference" in line
            await pilot.press("j", "j")
            await wait_for_text(pilot, "One run, the best of several")
            await pilot.press("enter")
            await wait_for_text(pilot, "round-1-001")
            assert isinstance(app.screen, TrialPage)


async def test_before_the_baseline_it_says_that_there_is_none(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "metric") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Go on with the set-up")
            app.open("configurations")
            await wait_for_text(pilot, "There is no configuration yet")
            await pilot.press("space", "enter", "d", "u")
            assert isinstance(app.screen, ConfigurationsPage)


def test_the_command_lists_them_and_says_in_what_two_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = prepared.prepare(tmp_path / "p", "second")

    def said(*words: str, code: int = 0) -> str:
        given = ["configurations", *words, "--project", str(project.root)]
        assert main.run(given, Session(json="--json" in words)) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    listed = said().splitlines()
    assert listed[2].startswith("launch-1")
    assert listed[2].endswith("reference")
    assert [line.split()[0] for line in listed[2:]] == ["launch-1", "round-2-002", "round-1-001", "baseline-1", "Of"]
    assert "optimizer.learning_rate  0.0776142" in said("baseline-1")
    assert "One run, the best of several" in said("round-1-001")
    assert "optimizer.learning_rate  0.1" in said("launch-1", "--against", "baseline-1")
    assert "The same as launch-1" in said("launch-1")
    answer = json.loads(said("baseline-1", "--json"))
    assert answer["against"] == "launch-1"
    (one,) = answer["configurations"]
    assert "optimizer.learning_rate" in one["differences"]
    assert one["settings"]["optimizer.learning_rate"] == 0.1
    assert "There is no configuration nobody; there are: launch-1" in said("nobody", code=2)


def test_the_command_says_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with set_up.set_up(tmp_path / "p", "metric") as store:
        root = store.project.root
    assert main.run(["configurations", "--project", str(root)], Session()) == 0
    assert "There is no configuration yet" in capsys.readouterr().out
