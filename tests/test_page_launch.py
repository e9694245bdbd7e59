"""A launch on the screen: the proposal, the runs, the verdict, and a decision with a reason."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from textual.pilot import Pilot

from rounds import cost, judging, launching, lineage, looking, planning, supervisor
from rounds.slots import Machine
from state import launches, trial_progress, trials
from state.database import Store
from state.errors import Refusal, said
from state.store import open_store
from tests import set_up, small_project, watched_round
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tests.watched_round import press
from tui.app import Tunebook
from tui.pages.home import Home
from tui.pages.launch import LaunchPage
from tui.pages.round import RoundPage
from tui.pages.trial import TrialPage
from tui.widgets.controls import Field, Reading

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project whose first round has ended, its fourth trial the best; nothing is run that a test does not enter."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened, watched_round.supervised(project):
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        batch = planning.save(opened, planning.propose(opened, trials=4), wanted="run")
        for entry, best in zip(trials.trials(opened, batch.name), [0.4, 0.5, None, 0.2], strict=True):
            small_project.end(opened, entry.id, best, "infeasible" if best is None else "complete")
        yield opened


def finish(store: Store, candidate: list[float], best: list[float]) -> None:
    """The runs of the launch end so, each side's in their order."""
    left = {"candidate": list(candidate), "best": list(best)}
    for entry in trials.trials(store, "launch-1"):
        if entry.status not in trials.ENDED:
            small_project.end(store, entry.id, left[entry.study].pop(0))


async def open_page(pilot: Pilot[Any], name: str) -> LaunchPage:
    """The page about a launch, or about what a round could launch, once the screens have come up."""
    await wait_for_text(pilot, "Plan a round")
    page = LaunchPage(name)
    await pilot.app.push_screen(page)
    return page


async def propose(pilot: Pilot[Any]) -> LaunchPage:
    page = await open_page(pilot, "round-1")
    await wait_for_text(pilot, "round-1-004 could become the best configuration.")
    return page


async def start(pilot: Pilot[Any]) -> LaunchPage:
    page = await propose(pilot)
    await pilot.press("s")
    await wait_for_text(pilot, "launch-1-006")
    return page


async def test_until_when_a_launch_would_take_goes_on_with_the_clock(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that was left open said of a time that was past that its runs would have ended by then."""
    monkeypatch.setattr("tui.designing.TOLD_SECONDS", 0.1)
    small_project.end(store, "baseline-1-001", 0.3)
    with store.transaction():
        timed = "UPDATE trials SET started_at = ?, ended_at = ?, spent = 60"
        store.database.execute(timed, ["2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00"])
    hours = itertools.count()
    monkeypatch.setattr(cost, "now", lambda: f"2026-03-01T{next(hours) % 24:02d}:30:00.000+00:00")
    app = Tunebook(store.project.root)
    async with app.run_test(size=WIDE) as pilot:
        await propose(pilot)
        told: set[str] = set()

        def seen() -> int:
            told.update(line for line in lines(app) if ", until " in line)
            return len(told)

        # More often than the page is read as it comes up.
        await wait_for(pilot, lambda: seen() > 8)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_what_is_proposed_is_shown_before_anything_runs(store: Store, size: tuple[int, int]) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=size) as pilot:
        await propose(pilot)
        await wait_for_text(pilot, "optimizer.learning_rate changes from 0.05 to")
        await wait_for_text(pilot, "that result is no evidence")
        await wait_for_text(pilot, "At least: 6 trials, ")
        await wait_for_text(pilot, "At most: 16 trials, ")
        await wait_for_text(pilot, "s start")
        assert "s start" in lines(app)[-1]
        await pilot.press("e")
        await wait_for_text(pilot, "(G16)")
        await pilot.press("escape")
        assert "adopt" not in lines(app)[-1]
        assert isinstance(app.focused, Reading)
        assert trials.batches(store, "launch") == []


async def test_a_clear_gain_is_adopted_with_one_key(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await start(pilot)
        assert trials.batch(store, "launch-1").wanted == "run"
        assert "waiting" not in shown(app)
        assert "adopt" not in lines(app)[-1]
        finish(store, [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
        await wait_for_text(pilot, "a adopt")
        await pilot.press("end")
        await wait_for_text(pilot, "Chance of such a gain without any difference")
        await pilot.press("a")
        await wait_for_text(pilot, "Adopted.")
        assert "a adopt" not in lines(app)[-1]
        await pilot.press("escape")
        await wait_for_text(pilot, "launch-1 was adopted.")
        assert "Best so far: launch-1, error_rate 0.2" in shown(app)
    assert [entry.decision for entry in launches.launches(store)] == ["adopt", "adopt"]


async def test_how_many_runs_are_made_at_once_is_typed_before_a_launch_and_while_it_runs(store: Store) -> None:
    """By command alone could it be said, and only once the launch ran."""
    app = Tunebook(store.project.root)
    with patch("rounds.slots.machine", lambda _project: Machine(4)):
        async with app.run_test(size=WIDE) as pilot:
            page = await propose(pilot)
            assert "6 trials, 2 at once" in shown(app)
            await press(pilot, "t", *"two", "enter")
            await wait_for_text(pilot, "'two': type how many trials run at once, a whole number")
            await press(pilot, *["backspace"] * 3, *"4", "enter")
            await wait_for_text(pilot, "6 trials, 4 at once")
            await press(pilot, "s")
            await wait_for_text(pilot, "launch-1: 4 at once from now on.")
            assert (trials.batch(store, "launch-1").slots, trials.batch(store, "launch-1").wanted) == (4, "run")
            await press(pilot, *"t1", "enter")
            await wait_for_text(pilot, "launch-1: 1 at once from now on.")
            # What somebody has stopped meanwhile stays so.
            trials.ask(store, "launch-1", "stop")
            await press(pilot, *"t0", "enter")
            await wait_for_text(pilot, "launch-1: as many trials at once as the machine allows.")
            assert (trials.batch(store, "launch-1").slots, trials.batch(store, "launch-1").wanted) == (0, "stop")
            finish(store, [0.60, 0.61, 0.62], [0.40, 0.41, 0.39])
            await wait_for(pilot, lambda: not page.check_action("slots", ()))


async def test_how_many_fresh_runs_are_made_is_typed_and_the_price_moves_with_it(store: Store) -> None:
    """By command alone could it be said (`--runs`): who knew three to be too few began with three, and waited twice."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=WIDE) as pilot:
        page = await propose(pilot)
        assert "At least: 6 trials, " in shown(app)
        for wrong in ("1", "0.5", "10001"):
            await press(pilot, "f", *["backspace"] * 3, *wrong, "enter")
            await wait_for_text(pilot, f"'{wrong}': type a whole number from 2 to 10000.")
            await press(pilot, "escape")
        await press(pilot, "f", *"5", "enter")
        await wait_for_text(pilot, "At least: 10 trials, ")
        assert "f: how many fresh runs of each side, now 5" in shown(app)
        # How many run at once is another wish, which leaves this one.
        await press(pilot, *"t1", "enter")
        await wait_for_text(pilot, "At least: 10 trials, ")
        await press(pilot, "s")
        await wait_for_text(pilot, "launch-1-010")
        assert not page.check_action("runs", ())
    assert trials.batch(store, "launch-1").plan["runs"] == 5
    assert len(trials.trials(store, "launch-1")) == 10


@pytest.mark.parametrize("at", ["round", "trial"])
async def test_any_trial_of_a_round_is_launched_where_it_stands(store: Store, at: str) -> None:
    """By command alone could it be said (`--trial`): the screens knew the best trial of a round, and those next to
    it."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await pilot.app.push_screen(RoundPage("round-1") if at == "round" else TrialPage("round-1-002"))
        await wait_for_text(pilot, "round-1-00")
        if at == "round":
            await press(pilot, "down")
        else:
            await wait_for_text(pilot, "c launch")
        await press(pilot, "c")
        await wait_for_text(pilot, "round-1-002 could become the best configuration.")
        assert "launch of round-1-002" in shown(app)
        # As by command: who names a trial means that one.
        assert "At least: 6 trials, " in shown(app)
        await press(pilot, "s")
        await wait_for_text(pilot, "launch-1-006")
        await press(pilot, "escape", "c")
        # Beside an undecided launch another trial may be named, but not the same.
        await wait_for_text(pilot, "There is nothing to launch here.")
    batch = trials.batch(store, "launch-1")
    assert (batch.plan["trial"], batch.plan.get("rivals")) == ("round-1-002", None)
    with pytest.raises(Refusal) as refused:
        launching.propose(store, "round-1", "round-1-002")
    assert str(refused.value)


async def test_what_has_no_result_is_not_offered_for_a_launch(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        page = TrialPage("round-1-003")
        await pilot.app.push_screen(page)
        await wait_for_text(pilot, "infeasible")
        assert not page.check_action("launch", ())
        assert not page.check_action("export", ())
        await press(pilot, "escape")
        await pilot.app.push_screen(RoundPage("round-1"))
        await wait_for_text(pilot, "round-1-001")
        assert "c" in pilot.app.screen.active_bindings
        await press(pilot, "down", "down")
        await wait_for(pilot, lambda: "c" not in pilot.app.screen.active_bindings)
        await press(pilot, "c")
        assert isinstance(pilot.app.screen, RoundPage)


async def test_going_against_the_verdict_takes_a_reason_and_escape_takes_it_back(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        page = await start(pilot)
        finish(store, [0.60, 0.61, 0.62], [0.40, 0.41, 0.39])
        await wait_for_text(pilot, "a adopt")
        await pilot.press("a")
        await wait_for_text(pilot, "Say why; it is recorded with the decision:")
        await pilot.press("escape")
        assert app.screen is page
        assert isinstance(app.focused, Reading)
        await pilot.press("a", "enter")
        await wait_for_text(pilot, "Say why.")
        assert isinstance(app.focused, Field)
        await pilot.press(*"half [/b] 一半", "enter")
        await wait_for_text(pilot, "Adopted. half [/b] 一半 (The runs suggest otherwise: ")
        assert shown(app).count("Reject: ") == 1
    assert launches.launches(store)[-1].reason["values"]["words"] == "half [/b] 一半"


async def test_what_another_session_decided_while_a_reason_was_typed_is_not_overruled_unseen(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await start(pilot)
        finish(store, [0.60, 0.61, 0.62], [0.40, 0.41, 0.39])
        await wait_for_text(pilot, "a adopt")
        await pilot.press("a", *"it is simpler")
        judging.decide(store, "launch-1", "reject")
        await pilot.press("enter")
        await wait_for_text(pilot, "was decided in another session while you typed")
        assert [entry.decision for entry in launches.launches(store)][-1] == "reject"
        await pilot.press("escape")
        await wait_for_text(pilot, "Rejected.")
        await wait_for_text(pilot, "n: run more of both, and decide anew by all runs together")
    assert len(launches.launches(store)) == 2


async def test_more_runs_of_both_sides_are_waited_for_and_judged_again(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=WIDE) as pilot:
        await start(pilot)
        finish(store, [0.36, 0.42, 0.30], [0.40, 0.43, 0.37])
        await wait_for_text(pilot, "n more")
        await pilot.press("n")
        await wait_for_text(pilot, "launch-1-010")
        await wait_for(pilot, lambda: "n more" not in lines(app)[-1])
        finish(store, [0.33, 0.35], [0.41, 0.40])
        await wait_for_text(pilot, "n more")
        await pilot.press("a")
        await wait_for_text(pilot, "Adopted.")


async def test_a_failed_run_is_tried_again_and_a_stopped_launch_goes_on(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=WIDE) as pilot:
        await start(pilot)
        await pilot.press("x")
        await wait_for_text(pilot, "s: go on with these runs")
        assert trials.batch(store, "launch-1").wanted == "stop"
        await pilot.press("s")
        await wait_for(pilot, lambda: "s: go on" not in shown(app))
        assert trials.batch(store, "launch-1").wanted == "run"
        finish(store, [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
        await wait_for_text(pilot, "a adopt")
        small_project.end(store, "launch-1-001", None, "failed", message="[/red] The process was killed by SIGKILL.")
        await wait_for_text(pilot, "Try it again first.")
        assert "a adopt" not in lines(app)[-1]
        await pilot.press("s")
        assert trials.trial(store, "launch-1-001").wanted == "retry"


async def test_what_was_remarked_about_every_run_is_said_once(store: Store) -> None:
    """It stood in each of twelve lines, three lines long."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=WIDE) as pilot:
        await start(pilot)
        for place, entry in enumerate(trials.trials(store, "launch-1")):
            remark = said("Lines of {file} that were not understood: {count}.", file="m.jsonl", count=place)
            more = remark if place else {"message": "[x] of its own"}
            small_project.end(store, entry.id, 0.2 + place / 100, **more)
        await wait_for_text(pilot, "5 of 6 runs, such as launch-1-002: Lines of m.jsonl that were not understood: 1.")
        assert shown(app).count("not understood") == 1
        assert shown(app).count("[x] of its own") == 1


async def test_a_launch_that_was_stopped_can_be_rejected_as_it_is_and_taken_up_again(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=WIDE) as pilot:
        await start(pilot)
        small_project.end(store, trials.trials(store, "launch-1")[0].id, 0.2)
        await pilot.press("x")
        await wait_for_text(pilot, "r: reject it as it is")
        assert "a adopt" not in lines(app)[-1]
        await pilot.press("r")
        await wait_for_text(pilot, "It was stopped before its end. Say why it is rejected")
        await pilot.press(*"dear", "enter")
        await wait_for_text(pilot, "hand: dear).")
        assert "s: go on with these runs" not in shown(app)
        await wait_for_text(pilot, "n: run more of both")
        await pilot.press("n")
        await pilot.press(*"time", "enter")
        await wait_for(pilot, lambda: trials.batch(store, "launch-1").wanted == "run")


async def test_a_launch_begun_elsewhere_is_shown_where_it_stands(store: Store) -> None:
    launching.start(store, launching.propose(store, "round-1"))
    finish(store, [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Launch: launch-1")
        await pilot.press("enter")
        await wait_for_text(pilot, "a adopt")
        judging.decide(store, "launch-1", "adopt")
        await wait_for(pilot, lambda: "a adopt" not in lines(app)[-1])


async def test_where_there_is_nothing_to_launch_the_page_says_why(store: Store) -> None:
    batch = planning.save(store, planning.propose(store, trials=1), wanted="run")
    (entry,) = trials.trials(store, batch.name)
    small_project.end(store, entry.id, None, "infeasible", reason="diverged")
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        for name, why in (("round-2", "round-2 has no trial with a usable result"), ("round-9", "There is no round-9")):
            await app.push_screen(LaunchPage(name))
            await wait_for_text(pilot, why)
            await pilot.press("s", "a", "escape")
            await wait_for(pilot, lambda: isinstance(app.screen, Home))


async def test_a_shortlist_is_shown_chosen_from_and_can_be_left_out(store: Store) -> None:
    batch = planning.save(store, planning.propose(store, trials=12), wanted="run")
    for place, entry in enumerate(trials.trials(store, batch.name)):
        small_project.end(store, entry.id, 0.3 + 0.01 * place)
    app = Tunebook(store.project.root)
    async with app.run_test(size=WIDE) as pilot:
        page = await open_page(pilot, batch.name)
        await wait_for_text(pilot, "On the shortlist beside it")
        assert "round-2-003 (0.32)" in shown(app)
        await press(pilot, *"o4", "enter")
        await wait_for_text(pilot, "'4': type a whole number from 1 to 3.")
        await press(pilot, "backspace", *"1", "enter")
        await wait_for_text(pilot, "It is the only candidate. One candidate, as you chose.")
        await press(pilot, *"o2", "enter")
        await wait_for_text(pilot, "As many candidates as were asked for")
        assert "o: how many candidates, now 2" in shown(app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is not page)
        await pilot.app.push_screen(LaunchPage(batch.name))
        await wait_for_text(pilot, "On the shortlist beside it")
        await pilot.press("s")
        await wait_for_text(pilot, "launch-1-012")
        assert "candidate 3, round-2-003" in shown(app)
        # What each of them changes, and not what the first one does, as if it were all.
        for number in (1, 2, 3):
            assert f"- candidate {number}, round-2-00{number}: optimizer.learning_rate changes from" in shown(app)
        left = {"candidate": 0.5, "candidate-2": 0.2, "candidate-3": 0.21, "best": 0.4}
        for entry in trials.trials(store, "launch-1"):
            small_project.end(store, entry.id, left[entry.study] + 0.001 * (entry.position % 3))
        await wait_for_text(pilot, "round-2-001: 0.501 on average, clearly worse, dropped")
        await wait_for_text(pilot, "round-2-002: 0.201 on average, goes on")
        await wait_for_text(pilot, "a: adopt")
        assert "- candidate 2, round-2-002: optimizer.learning_rate changes from" in shown(app)
        assert "- candidate 1, round-2-001: optimizer" not in shown(app)
        await pilot.press("a")
        await wait_for_text(pilot, "Adopted.")
    assert launches.launches(store)[-1].evidence["survivor"] == "candidate-2"


async def test_a_launch_of_which_nothing_runs_yet_says_what_it_waits_for(store: Store) -> None:
    """For ten seconds and more all of its runs were queued, and nothing was said; of one that was rejected as it was, a
    key asked how many run at once."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        page = await start(pilot)
        await wait_for_text(pilot, "Starting: the runs begin once torch is loaded.")
        trial_progress.mark_running(store, "launch-1-001", restart=False)
        await wait_for(pilot, lambda: "torch" not in shown(app))
        await press(pilot, "x")
        small_project.end(store, "launch-1-001", None, "stopped")
        await wait_for_text(pilot, "r: reject it as it is")
        assert page.check_action("slots", ())
        await press(pilot, *"rno", "enter")
        await wait_for_text(pilot, "Rejected.")
        assert not page.check_action("slots", ())


async def test_what_was_proposed_before_is_not_started_while_other_candidates_are_looked_for(store: Store) -> None:
    """Three candidates would have been run, where one had just been asked for."""
    batch = planning.save(store, planning.propose(store, trials=12), wanted="run")
    for place, entry in enumerate(trials.trials(store, batch.name)):
        small_project.end(store, entry.id, 0.3 + 0.01 * place)
    found = threading.Event()
    found.set()

    def machine(_each: int = 1) -> Machine:
        found.wait(60)
        return Machine(4)

    app = Tunebook(store.project.root)
    with patch("rounds.slots.machine", machine):
        async with app.run_test(size=WIDE) as pilot:
            await open_page(pilot, batch.name)
            await wait_for_text(pilot, "On the shortlist beside it")
            found.clear()
            await press(pilot, *"o1", "enter", "s")
            await wait_for_text(pilot, "Looking for the best trial")
            assert trials.batches(store, "launch") == []
            found.set()
            await wait_for_text(pilot, "One candidate, as you chose.")
            await press(pilot, "s")
            await wait_for_text(pilot, "launch-1-006")
    assert "rivals" not in trials.batch(store, "launch-1").plan


async def test_another_launch_waits_for_the_decision_about_the_one_before(store: Store) -> None:
    """From the review the same candidate was offered again, and nothing said that its launch was undecided."""
    launching.start(store, launching.propose(store, "round-1"))
    finish(store, [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await open_page(pilot, "round-1")
        await wait_for_text(pilot, "launch-1 waits for its decision first.")
        await wait_for_text(pilot, "a adopt")
        assert "best so far" in shown(app)
        await pilot.press("a")
        await wait_for_text(pilot, "Adopted.")
        # It is the best no more.
        await wait_for_text(pilot, "best before")
        assert "best so far" not in shown(app)
    assert len(trials.batches(store, "launch")) == 1


async def test_where_the_data_have_no_test_split_no_look_is_offered(store: Store) -> None:
    set_up.inspected(store, set_up.DIGITS)
    launching.start(store, launching.propose(store, "round-1"))
    finish(store, [0.20, 0.21, 0.19], [0.40, 0.41, 0.39])
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await open_page(pilot, "launch-1")
        await wait_for_text(pilot, "a adopt")
        await pilot.press("a")
        await wait_for_text(pilot, "Adopted.")
        assert "test split" not in shown(app)
    with pytest.raises(Refusal, match="The data have no test split"):
        looking.begin(store)


async def test_a_rejected_candidate_is_not_offered_again_but_its_launch_can_go_on(store: Store) -> None:
    launching.start(store, launching.propose(store, "round-1"))
    finish(store, [0.36, 0.42, 0.30], [0.40, 0.43, 0.37])
    judging.decide(store, "launch-1", "reject", "no time")
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await open_page(pilot, "round-1")
        await wait_for_text(pilot, "There is nothing to launch here.")
        await wait_for_text(pilot, "launch-1 has compared round-1-004")
        assert "s start" not in lines(app)[-1]
        assert "or n on its page" in shown(app)
        await pilot.press("colon", *"reopen")
        await wait_for_text(pilot, "go to the launch launch-1, to reopen it")
        await pilot.press("enter")
        await wait_for_text(pilot, "n: run more of both")
        assert "a adopt" not in lines(app)[-1]
        await pilot.press("n")
        await wait_for_text(pilot, "Say why it is to be decided anew")
        await pilot.press("enter")
        await wait_for_text(pilot, "launch-1 has been decided.")
        await pilot.press(*"there is time", "enter")
        await wait_for(pilot, lambda: trials.batch(store, "launch-1").wanted == "run")
    assert len(trials.trials(store, "launch-1")) == 10
    assert len(trials.batches(store, "launch")) == 1


async def test_a_launch_that_was_begun_elsewhere_takes_the_place_of_its_proposal(store: Store) -> None:
    """The page went on to offer the same launch, and started it once more."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        page = await propose(pilot)
        await pilot.press("c")
        await wait_for_text(pilot, "Say why repeating costs too much")
        launching.start(store, launching.propose(store, "round-1"))
        await wait_for_text(pilot, "launch-1-006")
        await wait_for_text(pilot, "launch-1 waits for its decision first.")
        assert isinstance(app.focused, Reading)
        await pilot.press("s", "c")
        await wait_for(pilot, lambda: page.of == "launch-1")
    assert len(trials.batches(store, "launch")) == 1


async def test_what_was_decided_elsewhere_is_proposed_no_more(store: Store) -> None:
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await propose(pilot)
        judging.decide_unrepeated(store, launching.propose(store, "round-1"), "adopt", "too dear")
        await wait_for_text(pilot, "round-1-004 is the best configuration itself")
        assert "s start" not in lines(app)[-1]


async def test_what_can_no_longer_be_decided_says_so_before_a_reason_is_typed(store: Store) -> None:
    """The keys were offered, and refused it once the reason had been given."""
    launching.start(store, launching.propose(store, "round-1"))
    judging.decide_unrepeated(store, launching.propose(store, "round-1", "round-1-001"), "adopt", "too dear")
    before, now = (link.configuration for link in lineage.line(store))
    app = Tunebook(store.project.root)
    async with app.run_test(size=WIDE) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await app.push_screen(LaunchPage("launch-1"))
        await wait_for_text(pilot, "The best configuration has changed since launch-1 began")
        finish(store, [0.60, 0.61, 0.62], [0.40, 0.41, 0.39])
        await wait_for_text(pilot, "Chance of such a gain")
        assert f"tunebook launch --back {before}" in shown(app)
        assert "tunebook launch --trial round-1-004" in shown(app)
        assert "r reject" not in lines(app)[-1]
        assert "r: reject" not in shown(app)
        # Nor is another begun with its candidate without a word.
        await app.push_screen(LaunchPage("round-1"))
        await wait_for_text(pilot, "round-1-004 could become the best configuration.")
        assert f"tunebook launch --back {before}" in shown(app)
        await pilot.press("escape")
        # Back to what it began with, it is decided by its runs.
        lineage.back(store, before, "launch-1 is to decide")
        await wait_for_text(pilot, "r: reject")
        await pilot.press("r")
        await wait_for_text(pilot, "Rejected.")
    assert now != before


async def test_a_launch_without_a_supervisor_says_so_and_goes_on_when_it_is_wished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went down with the machine is not started by looking."""
    started = []
    monkeypatch.setattr(supervisor, "ensure", started.append)
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        batch = planning.save(store, planning.propose(store, trials=2), wanted="run")
        for entry in trials.trials(store, batch.name):
            small_project.end(store, entry.id, 0.2)
        launching.start(store, launching.propose(store, batch.name))
        app = Tunebook(project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "launch-1 is to run, but no supervisor is at work: 0 of 6 trials have ended.")
            await app.push_screen(LaunchPage("launch-1"))
            await wait_for_text(pilot, "No supervisor is at work.")
            assert "s: go on with these runs" in shown(app)
            assert not started
            await pilot.press("s")
            assert started
            with watched_round.supervised(project):
                await wait_for(pilot, lambda: "No supervisor is at work." not in shown(app))
                assert "s: go on with these runs" not in shown(app)
