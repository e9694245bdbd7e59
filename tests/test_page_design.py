"""The page on which a round is designed, and what it is designed with: every change is planned, and none by halves."""

from __future__ import annotations

import datetime
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from presets import catalogue, language
from rounds import cost, planning, slots, tunables
from rounds.plan import DesignError
from rounds.slots import Machine
from rounds.space import Domain
from state import decisions, launches, project, trials
from state.database import Store
from state.errors import Refusal
from state.project import FILE
from state.store import open_store
from tests import own_pipelines, small_project
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tests.watched_round import press, supervised, write
from tui import draft, tour
from tui.app import Tunebook
from tui.draft import Draft
from tui.pages.design import DesignPage
from tui.pages.round import RoundPage
from tui.terminal import width
from tui.widgets.controls import Field
from tui.widgets.prompt import Prompt
from tui.widgets.table import Table
from wizard import own


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    return small_project.settings(tmp_path / "data")


@asynccontextmanager
async def designing(
    store: Store, size: tuple[int, int] = NARROW, *, ascii_only: bool = False
) -> AsyncIterator[tuple[Pilot[None], DesignPage]]:
    """The page on a project, with the machine known."""
    app = Tunebook(store.project.root, ascii_only=ascii_only)
    async with app.run_test(size=size) as pilot:
        page = DesignPage()
        await app.push_screen(page)
        await wait_for(pilot, lambda: not page.query_one(Table).display or "at once" in shown(app))
        yield pilot, page


def line(page: DesignPage, name: str) -> str:
    """The line of the screen about a hyperparameter."""
    return next((row for row in lines(page.app) if row.strip().startswith(name)), "")


async def test_the_proposed_round_is_shown_with_roles_ranges_and_price(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    async with designing(store) as (_pilot, page):
        assert line(page, "sgd.learning_rate").split() == ["sgd.learning_rate", "scientific", "0.001", "..", "5", "log"]
        assert line(page, "sgd.momentum").split()[1] == "nuisance"
        assert line(page, "sgd.nesterov").split() == ["sgd.nesterov", "fixed", "true"]
        at_once = slots.at_once(slots.machine(page.book.project), "cpu")
        assert f"20 trials, {at_once} at once; how long one takes has not been measured yet" in shown(page.app)
        assert "Goal: understand  what the asked hyperparameter does over its range" in shown(page.app)
        assert "hyperparameters are fixed" in shown(page.app)


async def test_until_when_a_round_would_take_goes_on_with_the_clock(
    store: Store, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that was left open said of a time that was past that the round would have ended by then."""
    monkeypatch.setattr("tui.designing.TOLD_SECONDS", 0.1)
    small_project.adopt(store, values)
    limited_run(store, seconds=60)
    async with designing(store) as (pilot, page):
        await wait_for(pilot, lambda: ", until " in shown(page.app))

        def seen() -> int:
            assert page._ahead is not None
            told.add(page._ahead.cost.until)
            return len(told)

        # More often than the page is read as it comes up.
        told: set[str | None] = set()
        await wait_for(pilot, lambda: seen() > 3)


async def test_the_price_is_trials_by_measured_time_over_slots_of_what_the_budget_has_left(
    store: Store, values: dict[str, Any]
) -> None:
    deadline = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=5)).isoformat(timespec="minutes")
    given = {"budget_hours": 0.1, "price_per_hour": 3.0, "deadline": deadline}
    with open_store(project.change(store.project, **given)) as limited:
        small_project.adopt(limited, values)
        limited_run(limited, seconds=60)
        plan = planning.propose(limited, trials=20)
        price = cost.estimate(limited, plan, 2, Machine(2))
        assert (price.trial, price.seconds) == (60, 600)
        assert price.hours == pytest.approx(20 / 60)
        assert price.hours_left == pytest.approx(0.1 - 1 / 60)
        assert price.price == pytest.approx(1.0)
        assert price.seconds_left == pytest.approx(5 * 3600, abs=120)
        assert price.until is not None
        ends = datetime.datetime.fromisoformat(price.until) - datetime.datetime.now(datetime.UTC)
        assert ends.total_seconds() == pytest.approx(600, abs=60)
        async with designing(limited) as (pilot, page):

            def told() -> str:
                return " ".join(shown(page.app).split())

            at_once = slots.at_once(slots.machine(page.book.project), "cpu")
            assert f"20 trials of 1 min 0 s, {at_once} at once" in told()
            # What warns of it is found behind the page.
            await wait_for(pilot, lambda: "device hours: 0.33 (0.083 left of the budget)" in told(), told())
            assert re.search(r"price: 1\.00; until the deadline: [45] h \d+ min ! warn", told()), told()
            assert re.search(r"at once: \d+ min 0 s, until \d\d:\d\d; device hours", told())
            assert "more device hours than the budget has left" in told()


def limited_run(store: Store, seconds: int) -> None:
    """The baseline's trial, complete after so many seconds by the clock."""
    small_project.end(store, "baseline-1-001", 0.2)
    with store.transaction():
        store.database.execute(
            "UPDATE trials SET started_at = '2026-01-01T00:00:00+00:00', ended_at = ?, spent = ?",
            [f"2026-01-01T00:{seconds // 60:02d}:{seconds % 60:02d}+00:00", seconds],
        )


async def test_how_many_trials_run_at_once_is_part_of_the_design(store: Store, values: dict[str, Any]) -> None:
    """As round plan --slots says: the threads of a trial follow it, and the round keeps it."""
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        await pilot.press("t")
        await wait_for_text(pilot, "Trials at once (0: as the machine allows):")
        await press(pilot, *"1.5", "enter")
        await wait_for_text(pilot, "'1.5': type how many trials run at once, a whole number")
        cores = slots.machine(page.book.project).cores
        await press(pilot, *["backspace"] * 3, *str(cores), "enter")
        await wait_for_text(pilot, f"20 trials, {cores} at once")
        # It is a change of the design, which leaving would lose.
        await pilot.press("escape")
        await wait_for_text(pilot, "Leave this design?")
        await press(pilot, "escape", "t")
        await wait_for_text(pilot, "Trials at once")
        assert page.query_one(Prompt).query_one(Field).value == str(cores)
        with supervised(store.project):
            await press(pilot, "escape", "s")
            await wait_for(pilot, lambda: isinstance(page.app.screen, RoundPage))
    started = trials.batch(store, "round-1")
    assert (started.slots, started.wanted) == (cores, "run")
    assert {entry.overrides["runtime.threads"] for entry in trials.trials(store, "round-1")} == {1}


async def test_budget_and_deadline_are_set_where_their_line_is(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    limited_run(store, seconds=60)
    async with designing(store) as (pilot, page):
        await press(pilot, "b")
        await write(pilot, "soon")
        await wait_for_text(pilot, "'soon': no date")
        await write(pilot, "0.1 2999-12-24")
        await wait_for(pilot, lambda: "0.083 left of the budget" in " ".join(shown(page.app).split()))
        assert page.book.project.settings.deadline == "2999-12-24"
        await press(pilot, "b")
        await write(pilot, "  ")
        await wait_for(pilot, lambda: "of the budget" not in shown(page.app))
        assert page.book.project.settings.budget_hours == 0


async def test_a_role_is_changed_by_one_key_and_what_cannot_be_is_said(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        before = lines(page.app)
        await press(pilot, "r")
        await wait_for_text(pilot, "The round must ask about something")
        assert line(page, "sgd.learning_rate").split()[1] == "scientific"
        await press(pilot, "down", "r")
        assert line(page, "sgd.momentum").split()[1] == "scientific"
        assert "The round must ask about something" not in shown(page.app)
        await press(pilot, "r")
        assert line(page, "sgd.momentum").split() == ["sgd.momentum", "fixed", "0.9"]
        await press(pilot, "r", "up")
        assert lines(page.app) == before


async def test_a_range_is_typed_as_two_numbers_and_a_bad_one_stays_to_be_mended(
    store: Store, values: dict[str, Any]
) -> None:
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        await press(pilot, "e")
        await write(pilot, "0.5 0.01")
        await wait_for_text(pilot, "optimizer.learning_rate: The range 0.5 .. 0.01 is empty")
        assert line(page, "sgd.learning_rate").split()[2:] == ["0.001", "..", "5", "log"]
        await write(pilot, "0.01 0.5")
        assert line(page, "sgd.learning_rate").split()[2:] == ["0.01", "..", "0.5", "log"]
        # What is fixed is searched once it has a range; escape leaves everything as it was.
        await press(pilot, "end", "home", "down", "down", "down", "e")
        await press(pilot, "escape")
        assert line(page, "sgd.nesterov").split()[1] == "fixed"
        await press(pilot, "e")
        await write(pilot, "true, false")
        assert line(page, "sgd.nesterov").split() == ["sgd.nesterov", "nuisance", "true,", "false"]


async def test_the_marked_hyperparameter_is_shown_with_its_unit_and_the_source_of_its_range(
    store: Store, values: dict[str, Any]
) -> None:
    small_project.adopt(store, values)
    async with designing(store, NARROW) as (pilot, page):
        assert "Range of sgd.learning_rate: AlgoPerf Nesterov 2e-2 to 5" in shown(page.app)
        await press(pilot, "e")
        await write(pilot, "0.01 0.5")
        await wait_for_text(pilot, "Range of sgd.learning_rate: set for this round")
        await press(pilot, "down", "down", "down")
        await wait_for_text(pilot, "sgd.nesterov is fixed; range on offer: true, false (the variant")
        await press(pilot, "down")
        await wait_for_text(pilot, "schedule.warmup_steps (steps) is fixed; range on offer: 1 .. 3, log (Playbook")
        await press(pilot, "r")
        await wait_for_text(pilot, "Range of schedule.warmup_steps (steps): Playbook: swept over orders")
        await press(pilot, "e")
        assert "schedule.warmup_steps (steps): lowest and highest" in shown(page.app)
        assert "Range of schedule.warmup_steps (steps): Playbook: swept over orders" in shown(page.app)


async def test_the_number_of_trials_follows_the_keys_and_thin_studies_are_warned_of(
    store: Store, values: dict[str, Any]
) -> None:
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        await press(pilot, "plus", "plus", "minus")
        assert "21 trials, " in shown(page.app)
        await press(pilot, "n")
        await write(pilot, "many")
        await wait_for_text(pilot, "'many': type a whole number of trials.")
        await write(pilot, "0")
        await wait_for_text(pilot, "A round needs at least one trial")
        assert "21 trials, " in shown(page.app)
        await write(pilot, "3")
        await wait_for_text(pilot, "! 3 trials over")


async def test_optimizers_are_compared_each_with_hyperparameters_of_its_own(
    store: Store, values: dict[str, Any]
) -> None:
    small_project.adopt(store, values)
    async with designing(store, WIDE) as (pilot, page):
        await press(pilot, "g", "down", "down", "enter")
        await wait_for_text(pilot, "What does the round ask about?")
        await press(pilot, "enter")
        await write(pilot, "sgd, adam")
        await wait_for_text(pilot, "Goal: compare")
        assert "Asked: optimizer.name (sgd, adam)" in shown(page.app)
        assert line(page, "sgd.learning_rate").split()[1] == "nuisance"
        assert line(page, "adam.learning_rate").split()[1] == "nuisance"
        assert "Study optimizer=adam: 12 trials" in shown(page.app)
        # One question only: it stays the only scientific one.
        await press(pilot, "home", "r")
        await wait_for_text(pilot, "With this goal a round asks one thing")
        await press(pilot, "g", "end", "up", "up", "enter")
        await wait_for_text(pilot, "Asked: nothing")


async def test_the_goal_against_instability_brings_its_remedies(store: Store, values: dict[str, Any]) -> None:
    """The first is proposed with its reason, another can be chosen, and its values changed."""
    small_project.adopt(store, values)
    async with designing(store, WIDE) as (pilot, page):
        await press(pilot, "g", "end", "up", "up", "up", "enter")
        await wait_for_text(pilot, "Goal: stabilise")
        assert "Asked: schedule.warmup_steps (0, 3)" in shown(page.app)
        assert "First remedy: a warm-up" in shown(page.app)
        assert line(page, "sgd.learning_rate").split()[1:5] == ["nuisance", "0.0166667", "..", "0.5"]
        await press(pilot, "a")
        await wait_for_text(pilot, "Third remedy: another optimizer")
        await press(pilot, "down", "enter")
        await wait_for_text(pilot, "Asked: optimizer.name (sgd, adamw)")
        await press(pilot, "g", "end", "up", "up", "enter")
        await wait_for_text(pilot, "Asked: nothing")
        assert "remedy" not in shown(page.app).partition("Asked")[2]


@pytest.mark.parametrize("size", [(50, 14), (60, 15), NARROW])
async def test_a_question_is_seen_in_the_smallest_window(
    store: Store, values: dict[str, Any], size: tuple[int, int]
) -> None:
    small_project.adopt(store, values)
    tour.begin(store.project)
    async with designing(store, size) as (pilot, page):
        await press(pilot, "g")
        await wait_for_text(pilot, "What is the round for?")
        assert "understand" in shown(page.app).partition("What is the round for?")[2]
        await press(pilot, "end")
        await wait_for_text(pilot, "number of steps")
        await press(pilot, "escape")
        await wait_for_text(pilot, "sgd.learning_rate")


async def test_trials_are_listed_by_hand_and_kept_as_such(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    with supervised(store.project):
        async with designing(store) as (pilot, page):
            await press(pilot, "g", "end", "up", "enter")
            await wait_for_text(pilot, "Values of each trial")
            rate, listed = "optimizer.learning_rate", "optimizer.learning_rate=0.1, optimizer.momentum=0.5"
            await write(pilot, f"{listed}; {rate}")
            await wait_for_text(pilot, "write it as KEY=VALUE")
            await write(pilot, f"{listed}; {rate}=0.2")
            await wait_for_text(pilot, "Goal: trials by hand")
            assert "2 trials" in shown(page.app)
            assert "r role" not in lines(page.app)[-1]
            await press(pilot, "g", "end", "enter")
            await write(pilot, "99")
            await wait_for_text(pilot, "With 99 steps instead of 30")
            await press(pilot, "g", "enter")
            await wait_for(
                pilot, lambda: isinstance(page.focused, Field) and page.focused.value == f"{listed}; {rate}=0.2"
            )
            await press(pilot, "escape", "s")
            await wait_for(pilot, lambda: isinstance(page.app.screen, RoundPage))
            [batch] = trials.batches(store, "round")
            assert batch.plan["listed"]
            rates = [entry.overrides[rate] for entry in trials.trials(store, batch.name)]
            assert rates == [0.1, 0.2]
            lengths = [trials.trial_settings(store, e)["training.steps"] for e in trials.trials(store, batch.name)]
            assert lengths == [99, 99]


async def test_another_number_of_steps_holds_for_trials_by_hand_and_its_note_goes_where_it_does_not(
    store: Store, values: dict[str, Any]
) -> None:
    """The five proven points run as they are given."""
    small_project.adopt(store, values)
    async with designing(store, WIDE) as (pilot, page):
        await press(pilot, "g", "end", "enter")
        await write(pilot, "600")
        await wait_for_text(pilot, "With 600 steps instead of 30")
        await press(pilot, "g", "end", "up", "enter")
        await write(pilot, "lr=0.1; lr=0.01,weight_decay=0")
        await wait_for_text(pilot, "Goal: trials by hand")
        assert page._plan is not None
        assert page._plan.base["training.steps"] == 600
        assert "With 600 steps instead of 30" in shown(page.app)
        assert Draft(steps=600, notes=page._draft.notes).to_mind
        assert not Draft(steps=600, notes=page._draft.notes, warm_start=True).to_mind


async def test_long_notes_push_out_nothing_and_say_that_they_go_on(store: Store, values: dict[str, Any]) -> None:
    """What the design comes to stands first; the rest of the notes is a few keys away."""
    small_project.adopt(store, values)
    async with designing(store, NARROW) as (pilot, page):
        assert "lines more" not in shown(page.app)
        await press(pilot, "g", "end", "enter")
        await write(pilot, "600")
        await wait_for_text(pilot, "lines more: tab, then down")
        assert "Study joint: 20 trials over 3 hyperparameters" in shown(page.app)
        assert "hyperparameters are fixed" in shown(page.app)
        assert "length are not comparable" not in shown(page.app)
        await press(pilot, "tab", "end")
        await wait_for_text(pilot, "length are not comparable")


async def test_a_changed_design_is_not_left_without_a_question(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        await press(pilot, "plus", "escape")
        await wait_for_text(pilot, "Leave this design?")
        await press(pilot, "enter")
        assert page.app.screen is page
        assert "21 trials" in shown(page.app)
        await press(pilot, "escape", "down", "enter")
        await wait_for(pilot, lambda: page.app.screen is not page)
    async with designing(store) as (pilot, page):
        await press(pilot, "escape")
        await wait_for(pilot, lambda: page.app.screen is not page)


async def test_a_text_is_no_value_of_a_number(store: Store, values: dict[str, Any]) -> None:
    """It is refused where it is typed, and the design before stays."""
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        before = shown(page.app).splitlines()[2]
        await press(pilot, "e")
        await write(pilot, "abc")
        await wait_for_text(pilot, "optimizer.learning_rate: 'abc'; allowed: a number")
        await press(pilot, "escape")
        assert shown(page.app).splitlines()[2] == before


async def test_the_question_is_chosen_from_what_the_catalogue_knows(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        await press(pilot, "a", "end")
        await wait_for(pilot, lambda: "augmentation" in shown(page.app))
        await press(pilot, "home", "down", "down", "enter")
        assert "Asked: sgd.momentum (0.7 .. 0.995, one-minus-log)" in shown(page.app)
        assert line(page, "sgd.learning_rate").split()[1] == "nuisance"


async def test_the_round_is_kept_and_started_and_its_page_opens(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    with supervised(store.project):
        async with designing(store) as (pilot, page):
            await press(pilot, "n")
            await write(pilot, "12")
            await press(pilot, "enter")
            await wait_for_text(pilot, "Start it?")
            assert trials.batches(store, "round") == []
            await press(pilot, "enter")
            await wait_for(pilot, lambda: isinstance(page.app.screen, RoundPage))
            await wait_for_text(pilot, "0 of 12 ended")
            [batch] = trials.batches(store, "round")
            assert (batch.goal, batch.wanted) == ("understand", "run")
            assert planning.plan_of(store, batch.name).scientific.keys() == {"optimizer.learning_rate"}
            # The way back leads home, not to the design that is done with.
            await press(pilot, "escape")
            await wait_for_text(pilot, "Plan a round")


async def test_before_any_baseline_the_page_says_what_comes_first(store: Store) -> None:
    async with designing(store) as (pilot, page):
        assert "Nothing has been trained yet" in shown(page.app)
        await press(pilot, "o", "s", "plus", "g", "enter")
        assert "Nothing has been trained yet" in shown(page.app)
        assert trials.batches(store) == []
        assert [key for key in ("start", "override") if key in lines(page.app)[-1]] == []


async def test_an_unreasonable_baseline_takes_a_reason_which_is_recorded(store: Store, values: dict[str, Any]) -> None:
    small_project.batch(store, values, kind="baseline", wanted="")
    with supervised(store.project):
        async with designing(store) as (pilot, page):
            assert "There is no reasonable baseline yet" in shown(page.app)
            assert "o override" in lines(page.app)[-1]
            await press(pilot, "o")
            await write(pilot, "  ")
            assert page.query_one(Table).display is False
            await write(pilot, "the data are hard [/x]")
            await wait_for_text(pilot, "Goal: understand")
            await press(pilot, "s")
            await wait_for(pilot, lambda: isinstance(page.app.screen, RoundPage))
    decision = decisions.decision(store, "rounds")
    assert decision is not None
    assert decision.reason["values"] == {"words": "the data are hard [/x]"}
    assert launches.best(store) is not None


async def test_a_new_best_configuration_is_what_the_round_starts_from(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        await press(pilot, "down", "r", "r")
        assert line(page, "sgd.momentum").split()[-1] == "0.9"
        small_project.adopt(store, {**values, "optimizer.momentum": 0.75})
        await wait_for(pilot, lambda: line(page, "sgd.momentum").split()[-1] == "0.75")
        assert "The best configuration has changed, and this design starts from it now." in shown(page.app)


async def test_what_is_edited_in_the_file_of_the_project_holds_for_the_design_on_screen(tmp_path: Path) -> None:
    """It was started with the range of before, and showed that to the end."""
    own_pipelines.write_script(tmp_path / "code")
    values = ("lr=0.01..1", *own_pipelines.VALUES[1:])
    made = own_pipelines.project(tmp_path / "p", tmp_path / "code", *values)
    with open_store(made) as store:
        small_project.adopt(store, own.values(made))
        async with designing(store, WIDE) as (pilot, page):
            assert line(page, "lr").split()[2:5] == ["0.01", "..", "1"]
            await press(pilot, *"b12", "enter")
            await wait_for(pilot, lambda: page.book.project.settings.budget_hours == 12.0)
            assert "tunebook.toml has changed" not in shown(page.app)
            place = made.root / FILE
            place.write_text(place.read_text(encoding="utf-8").replace("low = 0.01", "low = 0.125"), encoding="utf-8")
            await wait_for(pilot, lambda: line(page, "lr").split()[2:5] == ["0.125", "..", "1"])
            assert "tunebook.toml has changed, and this design goes by it now." in shown(page.app)


async def test_what_is_never_searched_says_why(tmp_path: Path) -> None:
    """No range was known for it, it said, of epochs too that have one in tunebook.toml."""
    own_pipelines.write_script(tmp_path / "code")
    arguments = "--lr {lr} --batch-size {batch_size} --epochs {epochs} --out {folder}"
    values = ("lr=0.01..1", "batch_size=32", "epochs=4")
    made = own_pipelines.project(tmp_path / "p", tmp_path / "code", *values, arguments=arguments)
    with open_store(made) as store:
        small_project.adopt(store, own.values(made))
        async with designing(store, WIDE) as (pilot, page):
            told = set()
            for _key in range(3):
                told |= {row.strip() for row in lines(page.app)}
                await press(pilot, "down")
            assert "epochs is fixed: how long a trial trains is the same within a round." in told
            assert "training.batch_size is fixed: it is decided in the set-up, and never searched." in told


async def test_a_round_that_was_planned_elsewhere_is_gone_on_from_and_not_planned_again(
    store: Store, values: dict[str, Any]
) -> None:
    """Both sessions had the same trials in mind."""
    small_project.adopt(store, values)
    with supervised(store.project):
        async with designing(store) as (pilot, page):
            batch = planning.save(store, planning.propose(store))
            # Before the page has looked.
            page.action_start()
            assert trials.batches(store, "round") == [batch]
            await wait_for_text(pilot, "Planned meanwhile: round-1. This design goes on from there now.")
            await press(pilot, "s")
            await wait_for(pilot, lambda: isinstance(page.app.screen, RoundPage))
    first, second = ([entry.settings for entry in trials.trials(store, f"round-{n}")] for n in (1, 2))
    assert not [settings for settings in second if settings in first]


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=str)
@pytest.mark.parametrize("code", language.LANGUAGES)
async def test_the_page_fits_in_both_languages(
    store: Store, values: dict[str, Any], size: tuple[int, int], code: str
) -> None:
    small_project.adopt(store, values)
    language.set_language(code)
    try:
        app = Tunebook(store.project.root, ascii_only=code == "en")
        async with app.run_test(size=size) as pilot:
            page = DesignPage()
            await app.push_screen(page)
            await wait_for(pilot, lambda: page.query_one(Table).size.height > 3)
            seen = lines(app)
            assert all(width(row) <= size[0] for row in seen)
            assert sum("sgd." in row for row in seen) >= 3
            assert code == "zh_CN" or shown(app).isascii()
    finally:
        language.set_language("en")


def test_what_is_typed_is_a_range_or_values() -> None:
    key = "optimizer.learning_rate"
    assert draft.typed(key, "0.001 0.1", "sgd") == Domain("float", 0.001, 0.1, "log")
    assert draft.typed(key, "0.001 0.1 linear", "sgd") == Domain("float", 0.001, 0.1, "linear")
    assert draft.typed(key, "0.001, 0.1", "sgd") == Domain("list", choices=(0.001, 0.1))
    assert draft.typed(key, "0.001 0.1", "sgd", listed=True) == Domain("list", choices=(0.001, 0.1))
    assert draft.typed("schedule.name", "cosine linear", "sgd") == Domain("categorical", choices=("cosine", "linear"))
    for words in ("", "0.1 0.001", "0.001 0.1 cubic", "0 1 log"):
        with pytest.raises(Refusal):
            draft.typed(key, words, "sgd")
    for domain in (Domain("float", 1e-7, 5.0, "log"), Domain("categorical", choices=("a", "b"))):
        assert draft.typed("schedule.name", draft.written(domain), "sgd") == domain
    for domain in (Domain("float", 0.00123456789, 0.1, "log"), Domain("list", choices=(0.00123456789, 0.1))):
        assert draft.typed(key, draft.written(domain), "sgd") == domain
    listed = Draft(listed=({key: 0.00123456789, "training.steps": 30}, {key: 0.1}))
    assert draft.typed_trials(listed) == f"{key}=0.00123456789, training.steps=30; {key}=0.1"


def test_a_range_that_was_given_stays_when_the_role_changes(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    wished = Draft()
    entry = named(wished, store, "sgd.momentum")
    wished = draft.with_range(wished, entry, "0.8 0.9", "sgd")
    for role in ("scientific", "nuisance"):
        wished = draft.with_role(wished, named(wished, store, "sgd.momentum"), role)
        domain = named(wished, store, "sgd.momentum").domain
        assert domain is not None
        assert (domain.low, domain.high) == (0.8, 0.9)


async def test_a_range_that_was_given_is_offered_where_the_round_asks_about_another(
    store: Store, values: dict[str, Any]
) -> None:
    small_project.adopt(store, values)
    async with designing(store, WIDE) as (pilot, page):
        moved = draft.with_range(page._draft, named(page._draft, store, "sgd.momentum"), "0.5 0.6", "sgd")
        page._change(lambda: moved)
        await press(pilot, "a")
        await wait_for(pilot, lambda: "0.5 .. 0.6" in shown(page.app).partition("ask about?")[2], shown(page.app))
        page._take_about(page._draft, "optimizer.momentum")
        assert page._draft.asked["optimizer.momentum"] == draft.typed("optimizer.momentum", "0.5 0.6", "sgd")


def test_a_goal_keeps_as_many_questions_as_it_can_have(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    two = draft.with_role(Draft(), named(Draft(), store, "sgd.momentum"), "scientific")
    assert list(draft.with_goal(two, "improve").asked) == ["optimizer.learning_rate"]
    alone = draft.with_goal(two, "minimise")
    assert alone.plan(store).scientific == {}
    assert list(draft.with_goal(alone, "understand").asked) == ["optimizer.learning_rate"]
    one = draft.with_goal(two, "improve")
    asked = named(one, store, "sgd.learning_rate")
    with pytest.raises(DesignError, match="asks one thing"):
        draft.next_role(one, asked)


def named(wished: Draft, store: Store, name: str) -> draft.Tunable:
    """The hyperparameter of this name in the plan of a draft."""
    return next(entry for entry in draft.tunables(wished.plan(store)) if entry.name == name)


async def test_what_was_wrong_with_an_answer_is_taken_back_with_the_next_one(
    store: Store, values: dict[str, Any]
) -> None:
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        await press(pilot, "n")
        await write(pilot, "banana")
        await wait_for_text(pilot, "'banana'")
        await write(pilot, "9")
        await wait_for(pilot, lambda: "9 trials" in shown(page.app))
        assert "banana" not in shown(page.app)


def test_what_is_offered_for_pretrained_weights_is_the_range_of_fine_tuning(
    store: Store, values: dict[str, Any]
) -> None:
    """The range that is typed over is the one that the page names."""
    small_project.adopt(store, {**values, "model.pretrained": "hub"})
    base = planning.basis(store).settings
    offered = tunables.offers(store.project, base)["sgd.learning_rate"]
    from_scratch = catalogue.hyperparameter("optimizer.learning_rate", "sgd")
    assert offered.high is not None
    assert from_scratch.high is not None
    assert offered.high < from_scratch.high
    found = draft.proven(store, "", "optimizer.learning_rate", "sgd")
    assert found is not None
    assert (found.low, found.high) == (offered.low, offered.high)


async def test_what_a_round_costs_is_seen_while_something_is_asked(store: Store, values: dict[str, Any]) -> None:
    """Also where it takes three lines of a small window; and what only goes meanwhile makes room."""
    small_project.adopt(store, values)
    name = planning.save(store, planning.propose(store, trials=4)).name
    for entry in trials.trials(store, name):
        small_project.end(store, entry.id, 0.4, seconds=1234.5)
    project.change(store.project, budget_hours=24.0, deadline="2999-02-24", price_per_hour=2.5)
    async with designing(store) as (pilot, page):
        await press(pilot, "n")
        await write(pilot, "9999")
        await wait_for_text(pilot, "9999 trials of 20 min 34 s")
        await press(pilot, "g")
        await wait_for_text(pilot, "What is the round for?")
        assert re.search(r"until\s+the\s+deadline: .* ! warn", shown(page.app))
        assert "lines more" not in shown(page.app)


@pytest.mark.parametrize("typed", ["100000", "9" * 5000], ids=["too many", "no number"])
async def test_so_many_trials_are_refused_at_once(store: Store, values: dict[str, Any], typed: str) -> None:
    small_project.adopt(store, values)
    async with designing(store) as (pilot, page):
        await press(pilot, "n")
        page.query_one(Field).put(typed)
        await pilot.press("enter")
        await wait_for_text(pilot, "A round has 10000 trials" if len(typed) < 10 else "type a whole number of trials")


def test_a_round_is_not_extended_beyond_all_bounds(store: Store, values: dict[str, Any]) -> None:
    small_project.adopt(store, values)
    planning.save(store, planning.propose(store, trials=4))
    with pytest.raises(DesignError, match="10000 trials at most, not 100004"):
        planning.extend(store, "round-1", 100_000)
    with pytest.raises(DesignError, match=r"10000 trials at most, not 1e\+12\."):
        planning.propose(store, trials=10**12)
