"""The list of decisions: every one with its reason, found by what it contains, and made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from presets.language import say, stored
from rounds import judging, launching, lineage, planning
from state import decisions, launches, trials
from state.database import Store
from state.project import Settings, create
from state.store import open_store
from tests import own_pipelines, set_up, small_project
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tests.watched_round import press
from tui import decided
from tui.app import Tunebook
from tui.pages.decisions import DecisionsPage
from tui.pages.home import Home
from tui.pages.setup import SetupPage
from tui.widgets.controls import Choices, Field
from wizard import baseline, flow

pytestmark = pytest.mark.usefixtures("quick_looks")

WORDS = "[/red] \x1b[2J\n因为 🦊 {x}"


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_last_decision_is_marked_and_each_stands_with_reason_evidence_and_settings(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    with set_up.set_up(tmp_path / "p", "steps") as store:
        flow.answer(store, "steps", 77, WORDS)
        app = Tunebook(store.project.root)
        async with app.run_test(size=size) as pilot:
            await wait_for_text(pilot, "Decisions")
            await pilot.press("j", "enter")
            await wait_for_text(pilot, "number of steps: 77")
            assert isinstance(app.focused, Choices)
            assert "Chosen: 77" in shown(app)
            assert r"\x1b[2J\n因为 🦊 {x}" in shown(app)
            assert "UTC" in shown(app)
            for _page in range(4):
                await pilot.press("d")
            await wait_for_text(pilot, "training.steps = 77")
            await pilot.press("home")
            await wait_for_text(pilot, "Chosen: use")


async def test_a_decision_is_found_by_a_word_in_it_and_escape_shows_all_again(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "initial") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Decisions")
            await pilot.press("j", "enter")
            await wait_for_text(pilot, "batch size: 64")
            page = app.screen
            await pilot.press("slash", *"OPTIMIZER.name")
            assert isinstance(app.focused, Field)
            assert "filter" not in lines(app)[-1]
            await wait_for(pilot, lambda: app.screen.query_one(Choices).option_count == 1)
            await pilot.press("enter")
            assert isinstance(app.focused, Choices)
            assert "optimizer.name = sgd" in shown(app)
            await pilot.press("slash", *" [/b]{")
            await wait_for_text(pilot, "No decision contains that.")
            await pilot.press("enter", "c", "enter", "j")
            await pilot.press("escape")
            assert app.screen is page
            await wait_for_text(pilot, "batch size: 64")
            await pilot.press("escape")
            assert isinstance(app.screen, Home)


async def test_a_decision_is_made_anew_and_the_old_one_stays_readable(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "initial") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Decisions")
            await pilot.press("j", "enter")
            await wait_for_text(pilot, "metric: error_rate")
            await pilot.press("home", "j", "c")
            await wait_for_text(pilot, "By what should tuning judge")
            await pilot.press("j", "enter")
            await wait_for_text(pilot, "Start with this configuration?")
            await pilot.press("escape")
            await wait_for_text(pilot, "metric: balanced_error")
            assert "metric: error_rate  (replaced since)" in shown(app)
            assert app.screen.query_one(Choices).highlighted == 1
            await pilot.press("c")
            await wait_for_text(pilot, "By what should tuning judge")
        made = decisions.decision(store, "metric")
    assert made is not None
    assert made.chosen == "balanced_error"


def complete(store: Store) -> None:
    """The baseline has ended well and was accepted."""
    small_project.end(
        store,
        baseline.plan(store).name + "-001",
        0.1,
        validation={"examples": 360, "correct": 324, "per_class": [36] * 10},
    )
    flow.answer(store, "baseline", "accept")


@pytest.mark.parametrize("size", [NARROW, (60, 20)])
async def test_what_a_decision_made_anew_has_made_outdated_is_said_where_one_comes_to(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """The next question came without a word, or the list without one. Of another batch size, what is to be tuned again
    is said as well (G9)."""
    with set_up.set_up(tmp_path / "p", "baseline") as store:
        complete(store)
        app = Tunebook(store.project.root)
        async with app.run_test(size=size) as pilot:

            def told() -> str:
                return " ".join(shown(app).split())

            await wait_for_text(pilot, "Plan a round")
            page = DecisionsPage()
            await app.push_screen(page)
            await wait_for_text(pilot, "batch size: 64")
            # What is decided as it was makes nothing outdated.
            await pilot.press("home", *"jjjjjj", "c")
            await wait_for_text(pilot, "Start with this configuration?")
            await pilot.press("enter")
            await wait_for(pilot, lambda: app.screen is page)
            await wait_for(pilot, lambda: "Decided anew: first configuration. All other decisions stand." in told())
            await pilot.press("home", *"jjjjj", "c")
            await wait_for_text(pilot, "How many examples should a")
            await pilot.press("up", "enter")
            await wait_for_text(pilot, "How many steps should a run take?")
            opened = "Decided anew: batch size. Open again because of it: number of steps, baseline."
            await wait_for(pilot, lambda: opened in told())
            assert "Before, it was 64. Another size is another experiment: tune again, first optimizer." in told()
            await pilot.press("enter")
            await wait_for_text(pilot, "Next the first configuration is run.")
            # These were open before.
            await wait_for(pilot, lambda: "Open again" not in told())
        (*_rest, made) = (entry for entry in decisions.decisions(store) if entry.step == "batch_size")
    assert made.chosen == 32


async def test_a_script_of_ones_own_at_another_batch_size_says_what_to_tune_again(tmp_path: Path) -> None:
    own_pipelines.write_script(tmp_path / "code")
    with open_store(own_pipelines.project(tmp_path / "p", tmp_path / "code")) as store:
        for step, answer in (("metric", "held-out"), ("initial", "use"), ("batch_size", "32")):
            flow.answer(store, step, answer)
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Go on with the set-up")
            await app.push_screen(SetupPage("batch_size"))
            await wait_for_text(pilot, "How many examples should a training step take")
            await press(pilot, *"t16", "enter")
            await wait_for_text(pilot, "Decided anew: batch size.")
            assert "Before, it was 32. Another size is another experiment" in " ".join(shown(app).split())


async def test_what_is_no_question_of_the_set_up_says_how_it_can_be_changed(tmp_path: Path) -> None:
    """What trains is the first decision in every project, and what the probe chose comes with the batch size."""
    with set_up.set_up(tmp_path / "p", "probe") as store:
        for step in ("pipeline", "runtime"):
            decisions.decide(
                store,
                step,
                question=stored(say("What trains?")),
                options=[],
                recommended=None,
                chosen="built-in",
                reason=stored(say("given")),
                evidence=[],
                settings={},
            )
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Go on")
            page = DecisionsPage()
            await app.push_screen(page)
            await wait_for_text(pilot, "how to run: built-in")
            await pilot.press("end", "c")
            await wait_for_text(pilot, "That is decided with the batch size")
            await pilot.press("k", "c")
            await wait_for_text(pilot, "What trains is decided with the project")
            assert app.screen is page


async def test_launches_stand_among_the_decisions(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "baseline") as store:
        complete(store)
        (launch,) = launches.launches(store)
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Plan a round")
            await app.push_screen(DecisionsPage())
            await wait_for_text(pilot, f"{launch.batch}: adopted")
            assert "Clearly better than chance" in shown(app)
            await pilot.press("c")
            # The last of all decisions was said to be followed by later ones.
            await wait_for_text(pilot, "It is the best configuration already. To go back to an earlier one, mark")


def launched(store: Store, tmp_path: Path, candidate: float, best: float) -> str:
    """A launch whose runs came to about these values, and its name."""
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    planning.save(store, planning.propose(store, trials=1))
    small_project.end(store, "round-1-001", 0.1)
    launch = launching.start(store, launching.propose(store, "round-1")).name
    for entry in trials.trials(store, launch):
        level = candidate if entry.study == "candidate" else best
        small_project.end(store, entry.id, level + 0.01 * (entry.position % 3))
    return launch


async def test_how_a_rejection_is_taken_back_is_said_where_it_stands(tmp_path: Path) -> None:
    """Whoever pressed the key for it was told that it cannot be."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        launch = launched(store, tmp_path, candidate=0.5, best=0.4)
        judging.decide(store, launch, "reject", "no gain")
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Plan a round")
            await app.push_screen(DecisionsPage())
            await wait_for_text(pilot, "launch-1: rejected")
            await pilot.press("c")
            await wait_for_text(pilot, "It is taken back on its own page: there n runs more of both")


async def test_a_launch_stands_with_its_runs_and_the_way_back_as_such(tmp_path: Path) -> None:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        launch = launched(store, tmp_path, candidate=0.1, best=0.4)
        judging.decide(store, launch, "adopt")
        lineage.back(store, launches.launches(store)[0].candidate, "it broke in use")
        app = Tunebook(store.project.root)
        async with app.run_test(size=WIDE) as pilot:
            await wait_for_text(pilot, "Plan a round")
            await app.push_screen(DecisionsPage())
            await wait_for_text(pilot, "baseline-1: back to an earlier best configuration")
            await pilot.press("k")
            await wait_for_text(pilot, "candidate: launch-1-001 0.1  launch-1-003 0.11")


async def test_a_candidate_that_was_rejected_is_not_said_to_stand_in_place_of_the_best(tmp_path: Path) -> None:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        launch = launched(store, tmp_path, candidate=0.4, best=0.1)
        judging.decide(store, launch, "reject")
        (*_first, made) = launches.launches(store)
        told = [*decided.details(store, made)]
        assert f"Candidate {made.candidate}, beside {made.previous}" in told
        judging.decide(store, launch, "adopt", "it is smaller")
        (*_first, made) = launches.launches(store)
        assert f"Configuration {made.candidate}, in place of {made.previous}" in [*decided.details(store, made)]


async def test_before_the_first_decision_the_page_says_that_there_is_none(tmp_path: Path) -> None:
    project = create(tmp_path / "p", Settings(name="p", task="image-classification", data="gone"))
    app = Tunebook(project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Go on with the set-up")
        await app.push_screen(DecisionsPage())
        await wait_for_text(pilot, "Nothing has been decided yet.")
        await pilot.press("c", "enter", "d", "slash", "x", "escape", "escape")
        await wait_for(pilot, lambda: isinstance(app.screen, Home))


async def test_one_made_elsewhere_appears_and_the_mark_stays(tmp_path: Path) -> None:
    with set_up.set_up(tmp_path / "p", "initial") as store:
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "Go on with the set-up")
            await app.push_screen(DecisionsPage())
            await wait_for_text(pilot, "batch size: 64")
            await pilot.press("home")
            flow.answer(store, "initial", "use")
            await wait_for_text(pilot, "first configuration: use")
            assert app.screen.query_one(Choices).highlighted == 0
