"""Values at which every trial fails are named, and left out of what is searched next (G17)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import boundary, dismissing, failing, final, infeasible, insights, planning, reviewing, worth
from rounds.finding import Finding
from rounds.next_step import Retry, next_step
from rounds.plan import RoundPlan
from rounds.record import TrialRecord
from rounds.space import Domain
from state import trial_progress, trials
from state.database import Store
from state.hyperparameters import OwnHyperparameter
from state.project import Settings, create
from state.store import open_store
from tests import small_project, watched_round
from tests.rounds_made import BASE, record, searched
from tests.screens import NARROW, wait_for, wait_for_text
from tests.test_cli import tunebook
from tui.app import Tunebook
from tui.pages.review import ReviewPage
from tui.pages.round import RoundPage

HIDDEN = Domain("list", choices=(32, 64, 128, 512))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Store]:
    """A project on a command of the user's own, with a list of sizes."""
    entries = (
        OwnHyperparameter("lr", 0.1, "float", 0.01, 1.0, "log", searched=True),
        OwnHyperparameter("hidden", 64, "categorical", choices=(32, 64, 128, 512), searched=True),
    )
    settings = Settings(command="true {lr} {hidden} {folder}", hyperparameters=entries)
    with open_store(create(tmp_path / "own", settings)) as opened:
        small_project.adopt(opened, {"lr": 0.1, "hidden": 64})
        yield opened


def run(store: Store, plan: RoundPlan, fails: Callable[[Any], bool]) -> str:
    """A round that has ended; where `fails` says so of a configuration, memory ran out."""
    name = planning.save(store, plan).name
    for place, entry in enumerate(trials.trials(store, name)):
        out = fails(trials.trial_settings(store, entry))
        best = {"step": 1, f"val/{store.project.settings.metric}": 0.1 + 0.01 * place}
        how: dict[str, Any] = {"status": "infeasible", "reason": "out_of_memory"} if out else {"status": "complete"}
        result = {"best": {} if out else best, "final": {}, "steps_done": 1, "code": "c", "versions": {}, **how}
        trial_progress.mark_ended(store, entry.id, result)
    return name


def reviewed(store: Store, name: str) -> list[Finding]:
    return [finding for finding in reviewing.review_batch(store, name) if finding.check == failing.CHECK]


def hidden_of(plan: RoundPlan) -> tuple[Any, ...]:
    return next(d.domain.choices for d in plan.studies[0].dimensions if d.name == "hidden")


def test_a_value_at_which_memory_always_runs_out_is_left_out_of_what_comes_next(own: Store) -> None:
    name = run(own, planning.propose(own, "minimise", trials=20), lambda settings: settings["hidden"] == 512)
    (found,) = reviewed(own, name)
    count = len(found.figures["trials"])
    assert count >= 4
    assert found.message.text() == (
        f"No trial with hidden at 512 came to a result: {count} failed ({count} out of memory). Of the {20 - count} "
        "other trials, 0 failed."
    )
    assert found.action is not None
    assert found.action.message.text() == "Leave 512 out of hidden from the next round on: search 32, 64, 128."
    assert hidden_of(planning.propose(own, "minimise", trials=12)) == (32, 64, 128)
    assert hidden_of(next_step(own, name, found).plan(own)) == (32, 64, 128)  # pyright: ignore[reportAttributeAccessIssue]
    # It stays out: the next round has no trial of it to fail.
    run(own, planning.propose(own, "minimise", trials=12), lambda settings: False)
    assert hidden_of(planning.propose(own, "minimise", trials=12)) == (32, 64, 128)
    assert hidden_of(final.plan(own)) == (32, 64, 128)


@pytest.mark.parametrize("metric", ["val_loss", "distance"])
def test_no_gain_is_forecast_beyond_what_the_name_of_a_metric_allows(tmp_path: Path, metric: str) -> None:
    """A loss of 0.001 was to fall by a tenth more."""
    entries = (OwnHyperparameter("lr", 0.1, "float", 0.01, 1.0, "log", searched=True),)
    settings = Settings(command="true {lr} {folder}", metric=metric, direction="min", hyperparameters=entries)
    with open_store(create(tmp_path / "own", settings)) as store:
        small_project.adopt(store, {"lr": 0.1})
        name = planning.save(store, planning.propose(store, "minimise", trials=8)).name
        values = (0.9, 0.6, 0.4, 0.001, 0.7, 0.5, 0.8, 0.3)
        for entry, value in zip(trials.trials(store, name), values, strict=True):
            reached = {"step": 1, f"val/{metric}": value}
            result = {"status": "complete", "best": reached, "final": reached, "steps_done": 1, "code": "c"}
            trial_progress.mark_ended(store, entry.id, {**result, "versions": {}})
        (found,) = (f for f in reviewing.review_batch(store, name) if f.check == "points")
    assert (found.figures["gain"] <= 0.001) == (metric == "val_loss")


def test_so_is_one_that_was_compared_in_a_study_of_its_own(own: Store) -> None:
    plan = planning.propose(own, "understand", scientific={"hidden": None}, trials=16)
    assert len(plan.studies) == 4
    name = run(own, plan, lambda settings: settings["hidden"] == 512)
    (found,) = reviewed(own, name)
    assert found.key == "failing/hidden"
    again = planning.propose(own, "understand", scientific={"hidden": None}, trials=12)
    assert again.scientific["hidden"].choices == (32, 64, 128)
    # What a person asks for is asked.
    typed = planning.propose(own, "understand", scientific={"hidden": HIDDEN}, trials=12)
    assert typed.scientific["hidden"] == HIDDEN


def test_what_fails_at_both_ends_of_a_range_is_two_findings_each_to_be_dismissed(own: Store) -> None:
    """The `hidden` of the project as a range, of which the middle alone trains."""
    ranges = {"hidden": Domain("int", 1, 64)}
    plan = planning.propose(own, "minimise", ranges=ranges, trials=24)
    name = run(own, plan, lambda settings: not 16 <= settings["hidden"] <= 48)
    low, high = reviewed(own, name)
    assert [low.key, high.key] == ["failing/search/hidden/low", "failing/search/hidden/high"]
    assert dismissing.dismiss(own, name, high.key, "such large ones are not wanted") == high
    assert [*dismissing.in_force(own, name, [low, high])] == [high.key]
    assert next_step(own, name, dismissing.find(own, name, low.key)).ranges["hidden"].low > 10  # pyright: ignore[reportAttributeAccessIssue]


def listed(place: Callable[[Any, int], str], count: int = 20, seed: int = 0) -> tuple[RoundPlan, list[TrialRecord]]:
    """A round over a rate and a size; `place` says for what reason a trial fails, if it does."""
    key = "schedule.warmup_steps"
    ranges = {key: HIDDEN}
    planned = searched(count, seed, ranges=ranges, base={**BASE, key: 32})
    records = []
    for number, trial in enumerate(planned.trials, 1):
        reason = place(trial.values[key], number)
        changes: dict[str, Any] = {"status": "failed", "reason": reason} if reason else {}
        records.append(record(trial, number, None if reason else 0.1, **changes))
    return planned, records


def test_two_values_that_always_fail_are_named_together() -> None:
    planned, records = listed(lambda value, _n: "error" if value > 64 else "")
    (found,) = failing.check(planned, records)
    assert found.figures["values"] == [128, 512]
    # Nothing else is to be done about them.
    assert infeasible.check(planned, records, "min", failing.explained([found]))[0].action is None
    assert infeasible.check(planned, records, "min")[0].action is not None


@pytest.mark.parametrize(
    "place",
    [
        lambda value, n: "error" if value == 512 and n > 10 else "",
        lambda value, n: "device" if value == 512 else "",
        lambda value, n: "error",
    ],
)
def test_what_fails_elsewhere_too_or_by_the_machine_is_no_fault_of_a_value(place: Any) -> None:
    planned, records = listed(place)
    assert sum(trial.values["schedule.warmup_steps"] == 512 for trial in planned.trials[:10]) > 0
    assert failing.check(planned, records) == []


def test_chance_seldom_gives_a_value_that_fails() -> None:
    for share in (0.1, 0.3, 0.6, 0.9):
        random.seed(1)
        seen = 0
        for seed in range(200):
            planned, records = listed(lambda _v, _n, share=share: "error" if random.random() < share else "", 20, seed)
            seen += any(
                finding.figures["dimension"].startswith("schedule") for finding in failing.check(planned, records)
            )
        assert seen / 200 <= 0.05, share


def test_a_range_ends_where_all_beyond_ran_out_of_memory() -> None:
    key = "optimizer.weight_decay"
    planned = searched(20)
    records = [
        record(trial, n, None, reason="out_of_memory")
        if trial.values["adamw.weight_decay"] > 1e-3
        else record(trial, n, 0.1 + trial.u["adamw.weight_decay"])
        for n, trial in enumerate(planned.trials, 1)
    ]
    (found,) = failing.check(planned, records)
    assert found.action is not None
    kept = Domain.from_dict(found.action.payload["domain"])
    assert found.action.payload["key"] == key
    assert kept.low == 1e-6
    assert 7e-4 < kept.high < 1.5e-3
    # Widened at its lower end it still ends there.
    wider = next(finding for finding in boundary.check(planned, records, "min") if finding.verdict == "warn")
    assert wider.action is not None
    assert wider.action.payload["domain"]["low"] < 1e-6
    assert wider.action.payload["domain"]["high"] == kept.high


def lose(store: Store, name: str, kept: int) -> None:
    """The trials of a round as they end where the machine fails all but the first few."""
    for place, entry in enumerate(trials.trials(store, name)):
        if place < kept:
            small_project.end(store, entry.id, 0.3 - 0.01 * place)
        else:
            small_project.end(store, entry.id, None, "failed", reason="error", message="no such folder")


@pytest.fixture
def compared(tmp_path: Path) -> Iterator[Store]:
    """A round of 36 trials on the schedule, of which all but five failed."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data", training__steps=1000))
        schedules = Domain("list", choices=("constant", "linear", "cosine"))
        plan = planning.propose(opened, "compare", scientific={"schedule.name": schedules}, trials=36)
        lose(opened, planning.save(opened, plan).name, 5)
        yield opened


def test_most_trials_failed_and_nothing_is_said_but_to_try_them_again(compared: Store) -> None:
    findings = reviewing.review_batch(compared, "round-1")
    first = findings[0]
    assert (first.check, first.verdict) == ("complete", "fail")
    assert first.message.text().startswith("31 of the 36 trials that have ended failed (31 failed (error)), which says")
    assert first.action is not None
    assert first.action.code == "retry"
    assert {finding.action.code for finding in findings if finding.action} == {"retry", "find_bug"}
    assert insights.of_round(compared, "round-1") == []
    step = next_step(compared, "round-1", first)
    assert isinstance(step, Retry)
    assert len(step.trials) == 31
    assert {trials.trial(compared, id).status for id in step.trials} == {"failed"}


def test_a_round_that_mostly_failed_is_to_be_tried_again_before_anything_is_launched(
    compared: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its review said that nothing can be concluded, and status to launch what is worth it."""
    reviewing.review_batch(compared, "round-1")
    against = worth.against(compared, "round-1")
    assert against is not None
    assert against.text().startswith("By its review most trials of round-1 only failed")
    assert tunebook("status", "--project", compared.project.root) == 0
    out = capsys.readouterr().out
    assert "round-1 has been reviewed: most of its trials only failed." in out
    assert "try all that failed again. tunebook round retry --failed round-1" in out
    assert "unebook launch" not in out
    dismissing.dismiss(compared, "round-1", "complete", "the five that ran are enough")
    assert worth.against(compared, "round-1") is None


def states(store: Store) -> dict[str, int]:
    return Counter(entry.status for entry in trials.trials(store, "round-1"))


def test_by_command_they_are_tried_again_and_a_round_that_was_paused_for_them_runs(compared: Store) -> None:
    trials.ask(compared, "round-1", "pause")
    root = compared.project.root
    with watched_round.supervised(compared.project):
        assert tunebook("round", "review", "round-1", "--act", "complete", "--project", root) == 0
    assert states(compared) == {"complete": 5, "queued": 31}
    assert trials.batch(compared, "round-1").wanted == "run"


async def test_on_the_page_of_the_review_they_are_tried_again_by_one_key(compared: Store) -> None:
    trials.ask(compared, "round-1", "pause")
    app = Tunebook(compared.project.root)
    with watched_round.supervised(compared.project):
        async with app.run_test(size=NARROW) as pilot:
            await wait_for_text(pilot, "round-1")
            await app.push_screen(ReviewPage("round-1"))
            await wait_for_text(pilot, "Next: Once what made them fail is mended, try all that failed again.")
            await pilot.press("a")
            await wait_for_text(pilot, "Try 31 trials of round-1 again?")
            await pilot.press("enter")
            await wait_for(pilot, lambda: isinstance(app.screen, RoundPage))
            await wait_for_text(pilot, "5 of 36 ended")
    assert states(compared) == {"complete": 5, "queued": 31}


def test_few_trials_that_came_to_a_result_show_no_gain_from_nothing(tmp_path: Path) -> None:
    """Under half of the round failed, so that the rest counts, but of one study too little is left."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data", training__steps=1000))
        schedules = Domain("list", choices=("constant", "linear", "cosine"))
        name = planning.save(
            store, planning.propose(store, "compare", scientific={"schedule.name": schedules}, trials=36)
        ).name
        for place, entry in enumerate(trials.trials(store, name)):
            if entry.study == "name=linear" and place > 3:
                small_project.end(store, entry.id, None, "failed", reason="device")
            else:
                small_project.end(store, entry.id, 0.3 + 0.0001 * place)
        reviewing.review_batch(store, name)
        assert [one.key for one in insights.of_round(store, name) if one.key.startswith("no gain")] == []
