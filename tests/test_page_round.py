"""The pages of a round at work and of one trial: they follow the store, say what is wrong, and send few bytes."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.events import Paste
from textual.pilot import Pilot

from presets import language
from rounds import bayesian, final, planning, reviewing, supervisor
from state import files, trial_progress, trials
from state.database import Store
from state.project import change
from state.store import open_store
from tests import small_project
from tests.screens import NARROW, WIDE, lines, shown, wait_for, wait_for_text
from tests.sent import bytes_sent
from tests.watched_round import advance, press, supervised, write
from tui import app as app_module
from tui.app import Tunebook
from tui.charts.chart import Chart
from tui.charts.series import Cursor
from tui.pages.design import DesignPage
from tui.pages.review import ReviewPage
from tui.pages.round import MORE_TRIALS, RoundPage
from tui.pages.trial import TrialPage
from tui.terminal import width
from tui.widgets.controls import Field
from tui.widgets.growing import Curves
from tui.widgets.table import Table
from tui.widgets.trial_table import ranked, value_columns

COUNT = 6
UNREADABLE = "{path}: cannot be read: {reason}."


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with a best configuration and a planned round."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        planning.save(opened, planning.propose(opened, trials=COUNT))
        yield opened


def trial(number: int) -> str:
    return f"round-1-{number:03d}"


def at_work(store: Store) -> None:
    """Two trials have ended, one diverged, one runs, two wait."""
    trials.ask(store, "round-1", "run")
    for number in range(1, 5):
        trial_progress.mark_running(store, trial(number), restart=False)
    small_project.end(store, trial(1), 0.25)
    small_project.end(store, trial(2), 0.125)
    advance(store, trial(3), {"step": 10, "val/error_rate": 0.9}, {"step": 20, "val/error_rate": "nan"})
    diverged = {"status": "infeasible", "reason": "diverged", "message": "The loss became nan [/red] at step 12."}
    trial_progress.mark_ended(store, trial(3), {**diverged, "steps_done": 12})
    advance(store, trial(4), {"step": 10, "val/error_rate": 0.5})


@asynccontextmanager
async def watching(
    store: Store, page: RoundPage | TrialPage, size: tuple[int, int] = NARROW, *, ascii_only: bool = False
) -> AsyncIterator[Pilot[None]]:
    """A page of the project, while a supervisor that does nothing is alive."""
    app = Tunebook(store.project.root, ascii_only=ascii_only)
    with supervised(store.project):
        async with app.run_test(size=size) as pilot:
            await app.push_screen(page)
            await pilot.pause()
            yield pilot


def line(pilot: Pilot[None], number: int) -> list[str]:
    """The words of the screen's line about a trial."""
    found = (row.split() for row in lines(pilot.app))
    return next((words for words in found if words[1:2] == [f"{number:03d}"]), [])


async def test_the_table_has_every_trial_with_its_state_and_its_best_value(store: Store) -> None:
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        assert line(pilot, 1)[:6] == ["A", "001", "✓", "complete", "30", "0.25"]
        assert line(pilot, 2)[:6] == ["B", "002", "✓", "complete", "30", "0.125*"]
        assert line(pilot, 3)[2:4] == ["✗", "infeasible"]
        # A trial that runs has the best value so far.
        assert line(pilot, 4)[2:6] == ["»", "running", "10", "0.5"]
        assert line(pilot, 5)[2:6] == ["◦", "queued", "0", "-"]
        header = lines(pilot.app)[1]
        assert header.split("  ")[:2] == [" running", "3 of 6 ended"]
        assert "1 infeasible" in header
        assert "1 at once" in header
        assert "left" in header


async def test_e_explains_why_a_round_runs_so_as_on_other_pages(store: Store) -> None:
    """On the one page that is looked at longest, the key did nothing."""
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        await wait_for_text(pilot, "A 001")
        await pilot.press("e")
        await wait_for_text(pilot, "Evenly spread points (P6)")
        await pilot.press("escape")
        await wait_for_text(pilot, "A 001")


async def test_a_round_of_which_nothing_runs_yet_says_what_it_waits_for(store: Store) -> None:
    """For ten seconds and more it was said to run, and all of its trials were queued."""
    trials.ask(store, "round-1", "run")
    async with watching(store, RoundPage("round-1")) as pilot:
        await wait_for(pilot, lambda: "starting: its trials begin once torch is loaded" in lines(pilot.app)[1])
        trial_progress.mark_running(store, trial(1), restart=False)
        await wait_for(pilot, lambda: lines(pilot.app)[1].startswith(" running"))
        trial_progress.mark_queued(store, trial(1))
        trial_progress.note(store, trial(1), "Waiting: only 1 MiB is free.")
        await wait_for(pilot, lambda: "0 of 6 ended" in lines(pilot.app)[1] and " running" in lines(pilot.app)[1])
        trial_progress.note(store, trial(1), "")
        # What a trial said of its being stopped is nothing that it waits for.
        small_project.end(store, trial(2), None, "stopped", message="Stopped when asked to; run it again to go on.")
        await wait_for(pilot, lambda: "starting: its trials begin once torch is loaded" in lines(pilot.app)[1])


async def test_between_two_trials_a_round_runs_and_does_not_start(store: Store) -> None:
    """Whenever one had ended, all of the round was said to be starting until the next began."""
    trials.ask(store, "round-1", "run")
    async with watching(store, RoundPage("round-1")) as pilot:
        await wait_for(pilot, lambda: "starting: its trials begin" in lines(pilot.app)[1])
        small_project.end(store, trial(1), 0.5)
        await wait_for(pilot, lambda: "1 of 6 ended" in lines(pilot.app)[1])
        assert lines(pilot.app)[1].startswith(" running")


async def test_a_round_that_is_paused_is_still_to_run_and_one_that_was_stopped_to_learn_from(store: Store) -> None:
    """As the status says of both."""
    at_work(store)
    small_project.end(store, trial(4), 0.5)
    trials.ask(store, "round-1", "pause")
    async with watching(store, RoundPage("round-1")) as pilot:
        await wait_for(pilot, lambda: "[run]" in lines(pilot.app)[0])
        trials.ask(store, "round-1", "stop")
        await wait_for(pilot, lambda: "[learn]" in lines(pilot.app)[0])


async def test_of_a_last_trial_that_has_made_its_steps_no_time_is_said_to_be_left(store: Store) -> None:
    """It was "about 0 ms left" for as long as its process took to end."""
    trials.ask(store, "round-1", "run")
    *others, last = (entry.id for entry in trials.trials(store, "round-1"))
    for id in (*others, last):
        trial_progress.mark_running(store, id, restart=False)
    for id in others:
        small_project.end(store, id, 0.25)
    advance(store, last, {"step": 10, "val/error_rate": 0.5})
    async with watching(store, RoundPage("round-1")) as pilot:
        await wait_for(pilot, lambda: " left" in lines(pilot.app)[1])
        advance(store, last, {"step": 30, "val/error_rate": 0.5})
        await wait_for(pilot, lambda: " left" not in lines(pilot.app)[1])
        assert "1 at once" in lines(pilot.app)[1]


async def test_the_chart_has_the_letters_of_the_table_the_best_labelled_and_the_infeasible_marked(
    store: Store,
) -> None:
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        title = next(row for row in lines(pilot.app) if row.strip().startswith("val/error_rate vs step"))
        assert title.split("  ")[1:] == ["A 001", "B 002", "x infeasible", "* best"]
        chart = pilot.app.screen.query_one(Chart)
        picture = "".join(chart.render_line(y).text for y in range(1, chart.size.height - 2))
        assert {"A", "B", "D", "x", "*"} <= set(picture)


async def test_the_marked_trial_says_what_became_of_it_and_the_cursor_stands_on_its_curve(store: Store) -> None:
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        await wait_for_text(pilot, "round-1-001: sgd.learning_rate=")
        await press(pilot, "down")
        assert pilot.app.screen.query_one(Chart).cursor == Cursor(trial(2), 2)
        await press(pilot, "down")
        assert "round-1-003: The loss became nan [/red] at step 12." in shown(pilot.app)


async def test_the_page_follows_what_another_process_writes(store: Store) -> None:
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        advance(store, trial(4), {"step": 20, "val/error_rate": 0.375})
        await wait_for(pilot, lambda: line(pilot, 4)[4:6] == ["20", "0.375"])
        small_project.end(store, trial(4), 0.0625)
        await wait_for(pilot, lambda: line(pilot, 4)[2:6] == ["✓", "complete", "30", "0.0625*"])
        assert line(pilot, 2)[5] == "0.125"


async def test_how_many_run_at_once_is_typed_and_changes_nothing_else_that_is_wished(store: Store) -> None:
    """Only by command could it be said."""
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        await pilot.press("t")
        await wait_for_text(pilot, "Trials at once (0: as the machine allows)")
        await press(pilot, *"two", "enter")
        await wait_for_text(pilot, "'two': type how many trials run at once, a whole number; 0: as the machine")
        assert trials.batch(store, "round-1").slots == 0
        await press(pilot, *["backspace"] * 3, *"1", "enter")
        await wait_for_text(pilot, "round-1: 1 at once from now on.")
        assert (trials.batch(store, "round-1").slots, trials.batch(store, "round-1").wanted) == (1, "run")
        # What somebody has paused meanwhile stays so.
        trials.ask(store, "round-1", "pause")
        await press(pilot, *"t9999", "enter")
        await wait_for_text(pilot, "9999 at once are wished; this machine has room for")
        assert (trials.batch(store, "round-1").slots, trials.batch(store, "round-1").wanted) == (9999, "pause")
        await press(pilot, *"t0", "enter")
        await wait_for_text(pilot, "round-1: as many trials at once as the machine allows.")
        assert trials.batch(store, "round-1").slots == 0
        for number in range(3, COUNT + 1):
            small_project.end(store, trial(number), 0.5)
        await wait_for(pilot, lambda: not pilot.app.screen.check_action("slots", ()))
    # What was wished is in the journal: the store that is built from it says the same.
    store.record("request", target="round-1", wanted=None, slots=2)
    store.project.store_path.unlink()
    with open_store(store.project) as rebuilt:
        assert (trials.batch(rebuilt, "round-1").slots, trials.batch(rebuilt, "round-1").wanted) == (2, "pause")


async def test_a_wish_while_another_program_holds_the_store_is_refused_and_can_be_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The screen answered no key for the ten seconds that others wait."""
    monkeypatch.setattr(app_module, "WRITE_SECONDS", 0.01)
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        with small_project.held(store):
            await pilot.press("p")
            await wait_for_text(pilot, "another program holds the store")
        assert trials.batch(store, "round-1").wanted == "run"
        await pilot.press("p")
        await wait_for(pilot, lambda: trials.batch(store, "round-1").wanted == "pause")


async def test_keys_wish_and_the_hints_are_of_what_can_be_wished(store: Store) -> None:
    async with watching(store, RoundPage("round-1")) as pilot:
        hints = lines(pilot.app)[-1]
        assert "go on" in hints
        assert "pause" not in hints
        assert lines(pilot.app)[1].startswith(" planned")
        # What cannot be wished now is not.
        await press(pilot, "p", "x", "v")
        assert trials.batch(store, "round-1").wanted == ""
        for key, wanted, said in (
            ("g", "run", " starting"),
            ("p", "pause", " paused"),
            ("g", "run", " starting"),
            ("x", "stop", " stopped"),
            ("g", "run", " starting"),
        ):
            await press(pilot, key)
            assert trials.batch(store, "round-1").wanted == wanted
            assert lines(pilot.app)[1].startswith(said)
        assert "pause" in lines(pilot.app)[-1]
        trial_progress.mark_running(store, trial(1), restart=False)
        await press(pilot, "p")
        assert lines(pilot.app)[1].startswith(" pausing")
        await press(pilot, "x")
        assert lines(pilot.app)[1].startswith(" stopping")


async def test_why_a_trial_came_to_nothing_and_what_one_lacks_is_told_in_the_language_of_the_screens(
    store: Store,
) -> None:
    """From the store: a process wrote it in English; a trial that is tried again has nothing to say."""
    at_work(store)
    values = {"path": "train.csv", "reason": "No such file"}
    words = {"message": "train.csv: cannot be read: No such file.", "said": {"id": UNREADABLE, "values": values}}
    small_project.end(store, trial(1), None, "failed", reason="data", **words)
    trial_progress.note(store, trial(4), "Stopped when asked to.", {"id": "Stopped when asked to.", "values": {}})
    language.set_language("zh_CN")
    try:
        async with watching(store, RoundPage("round-1"), WIDE) as pilot:
            await wait_for_text(pilot, f"{trial(1)}：train.csv：无法读取：No such file。")
        async with watching(store, TrialPage(trial(4)), WIDE) as pilot:
            await wait_for_text(pilot, "已应要求停止。")
    finally:
        language.set_language("en")
    trials.ask(store, trial(1), "retry")
    assert (trials.trial(store, trial(1)).message, trials.trial(store, trial(1)).said) == ("", None)


async def test_what_is_typed_replaces_the_number_on_offer_and_a_minus_takes_trials_back(store: Store) -> None:
    async with watching(store, RoundPage("round-1")) as pilot:
        await press(pilot, "plus")
        assert MORE_TRIALS in shown(pilot.app)
        await press(pilot, "2", "enter")
        await wait_for_text(pilot, f"0 of {COUNT + 2} ended")
        await press(pilot, "plus", "minus", "2", "enter")
        await wait_for(
            pilot, lambda: all(trials.stopped_alone(entry) for entry in trials.trials(store, "round-1")[COUNT:])
        )
        assert not any(trials.stopped_alone(entry) for entry in trials.trials(store, "round-1")[:COUNT])
        # Whoever moves the cursor edits what is on offer.
        await press(pilot, "plus", "end", "0")
        assert pilot.app.screen.query_one(Field).value == MORE_TRIALS + "0"


async def test_a_stopped_round_is_reviewed_and_ended_early_by_keys(store: Store) -> None:
    at_work(store)
    trials.ask(store, "round-1", "stop")
    trial_progress.mark_ended(store, trial(4), {"status": "stopped", "reason": "stopped", "steps_done": 10})
    async with watching(store, RoundPage("round-1"), WIDE) as pilot:
        assert "review" in lines(pilot.app)[-1]
        await press(pilot, "v")
        assert isinstance(pilot.app.screen, ReviewPage)
        await press(pilot, "escape", "E")
        await wait_for_text(pilot, "End round-1 early? Trials that are not run any more: 3.")
        await press(pilot, "enter")
        await wait_for(pilot, lambda: all(map(trials.over, trials.trials(store, "round-1"))))
        assert lines(pilot.app)[1].startswith(" ended")


async def test_a_round_that_the_budget_does_not_suffice_for_says_so_when_it_starts(store: Store) -> None:
    small_project.end(store, "baseline-1-001", 0.5, seconds=3600)
    change(store.project, budget_hours=2.0)
    async with watching(store, RoundPage("round-1"), WIDE) as pilot:
        await press(pilot, "g")
        await wait_for_text(pilot, "What is left of round-1 takes about 6 device hours, and the budget has 1 left.")


async def test_trials_are_added_as_many_as_are_typed(store: Store) -> None:
    async with watching(store, RoundPage("round-1")) as pilot:
        await press(pilot, "plus")
        await write(pilot, "-0")
        await wait_for_text(pilot, "'-0': type a whole number of trials.")
        # While a number is typed, letters are no wishes.
        await press(pilot, "g")
        assert trials.batch(store, "round-1").wanted == ""
        await write(pilot, "3")
        await wait_for_text(pilot, "0 of 9 ended")
        assert len(trials.trials(store, "round-1")) == COUNT + 3
        await press(pilot, "plus", "escape")
        assert isinstance(pilot.app.screen, RoundPage)
        assert pilot.app.focused is pilot.app.screen.query_one(Table)


async def test_while_the_points_of_a_final_study_are_chosen_the_page_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes a while; until it is over no other lot is chosen."""
    chosen, propose = threading.Event(), bayesian.propose

    def slow(*given: Any) -> list[dict[str, float]]:
        assert chosen.wait(60)
        return propose(*given)

    fixed: Any = {"optimizer.momentum": "fixed", "optimizer.weight_decay": "fixed"}
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        batch = planning.save(store, planning.propose(store, trials=16, roles=fixed))
        for entry in trials.trials(store, batch.name):
            small_project.end(store, entry.id, 0.1 + (entry.u["sgd.learning_rate"] - 0.6) ** 2)
        reviewing.review_batch(store, batch.name)
        study = final.start(store, 1, wanted="")
        monkeypatch.setattr(bayesian, "propose", slow)
        async with watching(store, RoundPage(study.name)) as pilot:
            await press(pilot, "plus")
            await write(pilot, "2")
            await wait_for_text(pilot, "The points of the new trials are being chosen.")
            await press(pilot, "down")
            assert "are being chosen" not in shown(pilot.app)
            await press(pilot, "plus")
            await write(pilot, "3")
            await wait_for_text(pilot, "The points of the new trials are being chosen.")
            chosen.set()
            await wait_for_text(pilot, "0 of 3 ended")
            await wait_for(pilot, lambda: "are being chosen" not in shown(pilot.app))
        assert len(trials.trials(store, study.name)) == 3


async def test_a_final_study_says_what_it_leaves_out_before_it_begins(tmp_path: Path) -> None:
    """SGD's weight decay, which begins at 0, outside of the range that the rounds searched."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        batch = planning.save(store, planning.propose(store, "minimise", trials=20))
        for entry in trials.trials(store, batch.name):
            small_project.end(store, entry.id, 0.1 + (entry.u["sgd.learning_rate"] - 0.6) ** 2)
        study = final.start(store, 1, wanted="")
        async with watching(store, RoundPage(study.name)) as pilot:
            await wait_for_text(pilot, "sgd.weight_decay is searched in 1e-07 .. 0.001 (log)")


async def test_only_what_went_wrong_is_offered_to_be_tried_again(store: Store) -> None:
    """`r retry` stood below trials that were complete, and was refused there; so did `X`, `n` and `c` of others."""
    at_work(store)
    async with watching(store, RoundPage("round-1"), WIDE) as pilot:
        offered: dict[int, set[str]] = {}
        for number in range(1, COUNT + 1):
            offered[number] = {key for key in "rncX" if key in pilot.app.screen.active_bindings}
            assert ("r retry" in lines(pilot.app)[-1]) == ("r" in offered[number])
            await press(pilot, "down")
        # Two are complete, one diverged, one runs, two wait.
        assert [*offered.values()] == [{"c"}, {"c"}, {"r"}, {"X"}, {"n", "X"}, {"n", "X"}]
        await press(pilot, "home", "r")
        assert trials.trial(store, trial(1)).status == "complete"
        await press(pilot, "down", "down", "r")
        assert line(pilot, 3)[2:4] == ["◦", "queued"]
        assert trials.trial(store, trial(3)).wanted == "retry"


async def test_the_marked_trial_is_put_first_or_stopped_alone(store: Store) -> None:
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        waiting = [e.id for e in trials.trials(store, "round-1") if e.status == "queued"]
        for _ in range(int(waiting[-1][-3:]) - 1):
            await press(pilot, "down")
        await press(pilot, "n")
        assert trials.unfinished(store)[0].id == waiting[-1]
        await press(pilot, "X")
        assert trials.trial(store, waiting[-1]).wanted == "stop"
        assert trials.batch(store, "round-1").wanted != "stop"
        # One alone waits now.
        await wait_for(pilot, lambda: "n next" not in lines(pilot.app)[-1])


async def test_a_whole_round_is_put_before_the_trials_of_another(store: Store) -> None:
    """By keys only its trials could be, one after the other, from the last to the first."""
    at_work(store)
    planning.save(store, planning.propose(store, trials=COUNT))
    async with watching(store, RoundPage("round-1")) as pilot:
        # Nothing else waits to be started.
        assert "N" not in pilot.app.screen.active_bindings
    async with watching(store, RoundPage("round-2")) as pilot:
        await press(pilot, "N")
        await wait_for_text(pilot, "round-2: what waits of it is started before all others.")
        first = [entry.batch for entry in trials.unfinished(store)][:COUNT]
        assert first == ["round-2"] * COUNT


async def test_a_reason_of_several_lines_that_is_pasted_stays_whole(store: Store) -> None:
    """All but its first line was dropped without a word, and the reason went so into the record."""
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        await press(pilot, "E")
        pilot.app.post_message(Paste("\n  the card is wanted\r\nfor something else\n"))
        await wait_for_text(pilot, "the card is wanted for something else")
        # What is pasted takes the place of what is offered.
        await press(pilot, "escape", "plus")
        pilot.app.post_message(Paste("3\n"))
        await wait_for(pilot, lambda: pilot.app.screen.query_one(Field).value == "3")


async def test_where_the_page_cannot_be_seen_only_what_leaves_it_works(store: Store) -> None:
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        await press(pilot, "plus")
        await pilot.resize_terminal(40, 24)
        await wait_for_text(pilot, "Tunebook needs 50 x 14; this window")
        await press(pilot, "3", "q", "enter", "escape", "x", "d", "colon", "question_mark")
        assert trials.batch(store, "round-1").wanted == "run"
        assert len(trials.trials(store, "round-1")) == COUNT
        assert isinstance(pilot.app.screen, RoundPage)
        await pilot.resize_terminal(*NARROW)
        await wait_for_text(pilot, "3 of 6 ended")
        await press(pilot, "x")
        assert trials.batch(store, "round-1").wanted == "stop"
        await pilot.resize_terminal(100, 10)
        await wait_for_text(pilot, "Tunebook needs 50 x 14; this window has 100 x 10.")
        await press(pilot, "escape")
        await wait_for(pilot, lambda: not isinstance(pilot.app.screen, RoundPage))
        await press(pilot, "q")
        assert not pilot.app.is_running


async def test_a_review_is_offered_when_all_have_ended(store: Store) -> None:
    async with watching(store, RoundPage("round-1")) as pilot:
        assert "review" not in lines(pilot.app)[-1]
        for number in range(1, COUNT + 1):
            small_project.end(store, trial(number), 0.5 / number)
        await wait_for(pilot, lambda: "v review" in lines(pilot.app)[-1])
        assert lines(pilot.app)[1].startswith(" ended  6 of 6 ended")
        assert "[learn]" in lines(pilot.app)[0]
        assert "go on" not in lines(pilot.app)[-1]


async def test_the_baseline_is_watched_like_a_round_but_not_extended_or_reviewed(store: Store) -> None:
    small_project.end(store, "baseline-1-001", 0.25)
    async with watching(store, RoundPage("baseline-1")) as pilot:
        assert line(pilot, 1)[2:6] == ["✓", "complete", "30", "0.25*"]
        assert not {"review", "add"} & set(lines(pilot.app)[-1].split())
        await press(pilot, "v", "plus")
        assert isinstance(pilot.app.screen, RoundPage)
        assert pilot.app.focused is pilot.app.screen.query_one(Table)


async def test_the_metrics_take_turns(store: Store) -> None:
    at_work(store)
    advance(store, trial(4), {"step": 11, "train/loss": 2.0, "grad_norm": 3.0})
    async with watching(store, RoundPage("round-1")) as pilot:
        # Those that were recorded; no trial here has a validation loss.
        for title in ("train/loss (log)", "grad_norm (log)", "val/error_rate"):
            await press(pilot, "m")
            assert any(row.strip().startswith(f"{title} vs step") for row in lines(pilot.app))


@pytest.mark.parametrize("before", ["balanced_error", "loss"])
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=str)
async def test_the_pages_stay_while_another_metric_is_decided(
    store: Store, before: str, size: tuple[int, int], quick_looks: None
) -> None:
    """In another session, say; the trials go on with what they record."""
    store.project = change(store.project, metric=before)
    at_work(store)
    advance(store, trial(4), {"step": 20, f"val/{before}": 0.5})
    own = "val/error_rate vs step"
    for page in (RoundPage("round-1"), TrialPage(trial(4))):
        change(store.project, metric=before)
        async with watching(store, page, size) as pilot:
            assert isinstance(pilot.app, Tunebook)
            change(store.project, metric="error_rate")
            trials.put_first(store, [trial(5)])
            await wait_for(pilot, lambda app=pilot.app: app.project.settings.metric == "error_rate")
            seen = ""
            for _view in range(4):
                await press(pilot, "m")
                seen += shown(pilot.app)
            assert own in seen


async def test_enter_opens_the_trial_from_the_table_and_from_the_chart(store: Store) -> None:
    at_work(store)
    async with watching(store, RoundPage("round-1")) as pilot:
        await press(pilot, "down", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, TrialPage))
        assert "round-1-002" in lines(pilot.app)[0]
        await press(pilot, "escape", "tab", "right", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, TrialPage))


async def test_without_a_supervisor_the_pages_say_so_and_start_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials.ask(store, "round-1", "run")
    app = Tunebook(store.project.root)
    started = []
    monkeypatch.setattr(supervisor, "ensure", started.append)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "round-1 is to run, but no supervisor is at work: 0 of 6 trials have ended.")
        await wait_for_text(pilot, "Run round-1 on   no supervisor is at work; g on its page starts one")
        await press(pilot, "enter")
        await wait_for_text(pilot, "no supervisor is at work (g starts one)")
        assert "g go on" in lines(app)[-1]
        assert not started
        await press(pilot, "g")
        assert started
        with supervised(store.project):
            await wait_for(pilot, lambda: lines(app)[1].startswith(" starting"))


async def test_home_leads_to_a_round_that_rests_and_promises_no_curves(store: Store) -> None:
    """Of a paused one it said: trials and curves, as they come."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        # What runs goes to its end, and is to be seen.
        trial_progress.mark_running(store, trial(1), restart=False)
        trials.ask(store, "round-1", "pause")
        await wait_for_text(pilot, "Watch round-1   trials and curves, as they come")
        small_project.end(store, trial(1), 0.5)
        await wait_for_text(pilot, "Run round-1 on   it is paused; g on its page goes on")


async def test_a_supervisor_that_is_coming_up_is_not_said_to_be_missing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads for seconds before it takes its lock: whoever had just started the round read that none was at work.
    One that ends before that is missing."""
    trials.ask(store, "round-1", "run")
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
    slow.chmod(0o755)
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await app.push_screen(RoundPage("round-1"))
        await wait_for_text(pilot, "no supervisor is at work (g starts one)")
        with monkeypatch.context() as changed:
            changed.setattr(sys, "executable", str(slow))
            await press(pilot, "g")
        started = supervisor._started[store.project.root]
        try:
            await wait_for(pilot, lambda: lines(app)[1].startswith(" starting"))
            assert "g go on" not in lines(app)[-1]
            assert not supervisor.alive(store.project)
        finally:
            started.kill()
        await wait_for_text(pilot, "no supervisor is at work (g starts one)")
        assert "g go on" in lines(app)[-1]


async def test_a_round_that_there_is_none_of_is_a_failure_and_no_empty_page(store: Store) -> None:
    async with watching(store, RoundPage("round-7")) as pilot:
        await wait_for_text(pilot, "There is no round-7 in this project.")
        await press(pilot, "g", "p", "x", "plus", "r", "v", "m", "enter")
        assert "There is no round-7 in this project." in shown(pilot.app)
    async with watching(store, TrialPage("round-1-099")) as pilot:
        await wait_for_text(pilot, "There is no trial round-1-099 in this project.")


async def test_a_trial_is_shown_with_result_differences_curves_and_log(store: Store) -> None:
    at_work(store)
    folder = store.project.trial_folder(trial(2))
    (folder / "log.txt").write_text("starting [/b] \x1b[31m\nlast line\n", encoding="utf-8")
    details = {"device": "AMD [x]", "precision": "float32", "seconds": 12.0, "peak_memory": 2**28}
    small_project.end(store, trial(2), 0.125, **details)
    async with watching(store, TrialPage(trial(2)), WIDE) as pilot:
        text = shown(pilot.app)
        assert "✓ complete" in text
        assert "best val/error_rate 0.125 at step 30, at the end 0.125" in text
        assert "on AMD [x], float32" in text
        assert "256 MiB" in text
        seed = trials.trial(store, trial(2)).overrides["training.seed"]
        assert f"seed {seed}" in text
        rows = [row.split() for row in lines(pilot.app)]
        [rate] = [row for row in rows if row[:1] == ["optimizer.learning_rate"]]
        assert float(rate[1]) == 0.05
        assert float(rate[2]) == pytest.approx(trials.trial(store, trial(2)).settings["sgd.learning_rate"], rel=1e-4)
        assert not any(row[:1] == ["training.seed"] for row in rows)
        assert r"starting [/b] \x1b[31m" in text
        assert "last line" in text
        # At this width all curves are side by side.
        assert len([chart for chart in pilot.app.screen.query(Chart) if chart.size.width]) == 3


async def test_a_trial_that_came_to_nothing_is_tried_again_where_its_log_is_read(store: Store) -> None:
    """Its page showed why it had failed, and the key was on another."""
    trials.ask(store, "round-1", "run")
    small_project.end(store, trial(2), 0.2)
    async with watching(store, TrialPage(trial(2))) as pilot:
        await wait_for_text(pilot, "✓ complete")
        assert "r retry" not in lines(pilot.app)[-1]
    small_project.end(store, trial(3), None, "failed", message="no such folder")
    async with watching(store, TrialPage(trial(3))) as pilot:
        await wait_for_text(pilot, "r retry")
        await press(pilot, "r")
        await wait_for_text(pilot, "queued")
        await wait_for(pilot, lambda: "r retry" not in lines(pilot.app)[-1])


async def test_any_trial_of_a_round_is_checked_on_its_page(store: Store) -> None:
    """By keys only the best of a round could be; `tunebook round check --trial` takes any. Nothing runs unasked."""
    at_work(store)
    async with watching(store, TrialPage(trial(2))) as pilot:
        assert "s stable?" in lines(pilot.app)[-1]
        await press(pilot, "s")
        await wait_for_text(pilot, f"short trials from {trial(2)} on, the last evaluated at every step?")
        await press(pilot, "escape")
        assert len(trials.batches(store)) == 2
        await press(pilot, "s", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, RoundPage))
        assert trials.batches(store)[-1].plan["trial"] == trial(2)
        check = trials.trials(store, trials.batches(store)[-1].name)[0]
    small_project.end(store, check.id, 0.25)
    async with watching(store, TrialPage(check.id)) as pilot:
        # Its short runs are no candidates, and no evidence of a rate of their own.
        assert "stable?" not in lines(pilot.app)[-1]
        assert "launch" not in lines(pilot.app)[-1]
        await pilot.app.push_screen(ReviewPage(check.batch))
        await wait_for_text(pilot, "enter choose")
        assert "launch" not in lines(pilot.app)[-1]


async def test_the_curves_of_a_trial_take_turns_where_there_is_little_room(store: Store) -> None:
    at_work(store)
    advance(store, trial(4), {"step": 11, "train/loss": 2.0, "grad_norm": 3.0})
    async with watching(store, TrialPage(trial(4))) as pilot:
        assert "nothing measured yet" not in shown(pilot.app)
        assert "» running" in shown(pilot.app)
        titles = []
        for _turn in range(3):
            [chart] = [chart for chart in pilot.app.screen.query(Chart) if chart.size.width]
            assert chart.has_focus
            titles.append(chart.render_line(0).text.split(" vs ")[0])
            await press(pilot, "m")
        assert titles == ["loss (log)", "val/error_rate", "grad_norm (log)"]


async def test_a_trial_that_waits_has_nothing_to_show_and_says_so(store: Store) -> None:
    async with watching(store, TrialPage(trial(5))) as pilot:
        for text in ("queued", "It waits for its turn.", "nothing measured yet", "It has printed nothing yet."):
            assert text in shown(pilot.app)
        # Of one that is over nothing more is to come.
        small_project.end(store, trial(5), 0.25)
        await wait_for_text(pilot, "It has printed nothing.")


async def test_a_running_trial_shows_what_it_prints(store: Store) -> None:
    at_work(store)
    folder = files.make_folder(store.project.trial_folder(trial(4)))
    async with watching(store, TrialPage(trial(4)), WIDE) as pilot:
        (folder / "log.txt").write_text("step 11 of 30\n", encoding="utf-8")
        await wait_for_text(pilot, "step 11 of 30")


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=str)
@pytest.mark.parametrize("code", language.LANGUAGES)
async def test_the_pages_fit_in_both_languages_and_in_ascii(store: Store, size: tuple[int, int], code: str) -> None:
    at_work(store)
    language.set_language(code)
    try:
        for page in (RoundPage("round-1"), TrialPage(trial(3))):
            async with watching(store, page, size, ascii_only=code == "en") as pilot:
                await wait_for(pilot, lambda: pilot.app.screen.query(Chart).first().size.height > 5)
                assert all(width(row) <= size[0] for row in lines(pilot.app))
                assert code == "zh_CN" or shown(pilot.app).isascii()
    finally:
        language.set_language("en")


def test_curves_are_read_on_and_anew_when_a_trial_begins_again(store: Store) -> None:
    at_work(store)
    curves = Curves()

    def now() -> tuple[tuple[int, ...], tuple[float, ...]]:
        entry = trials.trial(store, trial(4))
        curve = curves.read(store, [entry], "val/error_rate")[entry.id]
        return curve.steps, curve.values

    assert now() == ((10,), (0.5,))
    advance(store, trial(4), {"step": 20, "val/error_rate": "inf"})
    assert now() == ((10, 20), (0.5, math.inf))
    path = store.project.trial_folder(trial(4)) / "metrics.jsonl"
    path.rename(path.with_suffix(".old"))
    advance(store, trial(4), {"step": 10, "val/error_rate": 0.25})
    assert now() == ((10,), (0.25,))


def test_the_curve_of_a_trial_that_was_tried_again_is_that_of_the_last_try(store: Store) -> None:
    """Also where nobody looked between the two ends."""
    at_work(store)
    curves = Curves()

    def now() -> tuple[float, ...]:
        return curves.read(store, [trials.trial(store, trial(4))], "val/error_rate")[trial(4)].values

    def end() -> None:
        trial_progress.mark_ended(
            store, trial(4), {"status": "failed", "reason": "error", "message": "", "steps_done": 10}
        )

    end()
    assert now() == (0.5,)
    trials.ask(store, trial(4), "retry")
    path = store.project.trial_folder(trial(4)) / "metrics.jsonl"
    path.rename(path.with_suffix(".old"))
    trial_progress.mark_running(store, trial(4), restart=False, anew=True)
    advance(store, trial(4), {"step": 10, "val/error_rate": 0.25})
    end()
    assert now() == (0.25,)


def test_the_best_come_first_and_what_has_no_value_is_not_among_them(store: Store) -> None:
    at_work(store)
    listed = trials.trials(store, "round-1")
    assert [entry.id for entry in ranked(listed, "min")] == [trial(2), trial(1)]
    assert [entry.id for entry in ranked(listed, "max")] == [trial(1), trial(2)]


def test_hyperparameters_of_several_optimizers_share_a_column(store: Store) -> None:
    planning.save(store, planning.propose(store, "compare", optimizers=["sgd", "adam"], trials=20))
    listed = trials.trials(store, "round-2")
    columns = value_columns(listed)
    assert set(columns["learning_rate"]) == {"sgd.learning_rate", "adam.learning_rate"}
    assert columns["beta1"] == ("adam.beta1",)


async def test_a_round_is_designed_run_and_watched_to_its_end(tmp_path: Path, digits: Path) -> None:
    """The whole way on real data: the supervisor, its trials, and their curves on the screen."""
    with open_store(small_project.project(tmp_path / "p", digits)) as store:
        small_project.adopt(store, small_project.settings(digits))
        app = Tunebook(store.project.root)
        async with app.run_test(size=NARROW) as pilot:
            await app.push_screen(DesignPage())
            await wait_for_text(pilot, "20 trials")
            await press(pilot, "n")
            await write(pilot, "2")
            await press(pilot, "s")
            await wait_for_text(pilot, "of 2 ended")
            await wait_for(pilot, lambda: "v review" in lines(app)[-1])
            ended = trials.trials(store, "round-1")
            assert {entry.status for entry in ended} <= {"complete", "infeasible"}
            await press(pilot, "enter")
            await wait_for_text(pilot, "The end of its log:")


def sent(updates: int, rows: int, columns: int) -> int:
    """Bytes that the terminal gets from the start to the end of so many updates."""
    found = bytes_sent(["-m", "tests.live_round", str(updates)], columns, rows)
    assert found is not None
    return found


def test_an_update_of_a_round_with_four_running_trials_sends_less_than_two_kilobytes() -> None:
    """The budget is 4 kB a second, and there is at most one update a second."""
    assert 100 < (sent(31, 24, 80) - sent(1, 24, 80)) / 30 < 2000


async def test_a_round_that_never_ran_is_dropped_with_a_reason_and_can_be_run_after_all(store: Store) -> None:
    async with watching(store, RoundPage("round-1")) as pilot:
        assert "[run]" in lines(pilot.app)[0]
        await press(pilot, "D")
        await wait_for_text(pilot, "Drop round-1? Say why")
        await press(pilot, "escape")
        assert trials.batch(store, "round-1").wanted == ""
        await press(pilot, "D")
        await write(pilot, "the wrong range")
        await wait_for(pilot, lambda: lines(pilot.app)[1].startswith(" dropped  0 of 6 ended"))
        assert trials.batch(store, "round-1").wanted == "drop"
        # All that can be done with it is to run it after all.
        await wait_for(pilot, lambda: "D drop" not in lines(pilot.app)[-1] and "g go on" in lines(pilot.app)[-1])
        assert "+ add" not in lines(pilot.app)[-1]
        await press(pilot, "g")
        await wait_for(pilot, lambda: trials.batch(store, "round-1").wanted == "run")


async def test_a_metric_whose_own_name_says_where_it_was_measured_is_labelled_so(store: Store) -> None:
    """The curve of val/auc was called val/val/auc."""
    store.project = change(store.project, metric="val/auc", direction="max")
    trials.ask(store, "round-1", "run")
    trial_progress.mark_running(store, trial(1), restart=False)
    advance(store, trial(1), {"step": 10, "val/val/auc": 0.5}, {"step": 20, "val/val/auc": 0.75})
    async with watching(store, RoundPage("round-1"), WIDE) as pilot:
        await wait_for_text(pilot, "val/auc")
        assert "val/val" not in shown(pilot.app)
