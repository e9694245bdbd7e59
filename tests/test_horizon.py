"""How many rounds budget and deadline leave, and when the final study is to begin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rounds import final, planning
from rounds.horizon import END, LAUNCH, Horizon, horizon
from rounds.outlook import outlook
from rounds.slots import Machine
from rounds.standing import standing
from state import launches, project, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project
from tests.screens import NARROW, shown, wait_for_text
from tui.app import Tunebook
from tui.horizon import lines, typed, written
from tui.main import main


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A baseline that took a minute, on the first of March at noon."""
    monkeypatch.setattr("rounds.cost.now", lambda: "2026-03-01T12:00:00+00:00")
    monkeypatch.setattr("rounds.horizon.slots.machine", lambda _project: Machine(2))
    made = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(made) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        small_project.end(opened, "baseline-1-001", 0.3)
        timed(opened, "baseline-1-001", "11:00", "11:01")
        yield opened


def timed(store: Store, id: str, begin: str, end: str) -> None:
    with store.transaction():
        store.database.execute(
            "UPDATE trials SET started_at = ?1, ended_at = ?2, "
            "spent = (julianday(?2) - julianday(?1)) * 86400 WHERE id = ?3",
            [*(f"2026-03-01T{at}:00+00:00" for at in (begin, end)), id],
        )


def told(store: Store, **settings: object) -> Horizon:
    store.project = project.change(store.project, **settings)
    return horizon(store, trials.trials(store))


def test_without_limits_improvement_is_open_ended(store: Store) -> None:
    assert told(store).phase == "open"
    assert standing(store).next.text() == "Choose the goal of the first round."


@pytest.mark.parametrize(
    ("count", "phase", "rounds"),
    [(END + 2 * 26, "explore", 2), (END + 51, "explore", 1), (END + 25, "last", 0), (LAUNCH, "end", 0), (0, "end", 0)],
)
def test_a_budget_is_counted_in_trials_of_the_best_configuration(
    store: Store, count: int, phase: str, rounds: int
) -> None:
    """A minute each, less the minute of the baseline; a round of 20 has a launch of 6, the end takes 16 and 6."""
    ahead = told(store, budget_hours=(count + 1.5) / 60)
    assert (ahead.phase, ahead.trials, ahead.rounds) == (phase, count, rounds)
    assert ahead.final_hours == pytest.approx(END / 60)
    assert standing(store).next.text() == (
        "Choose the goal of the first round." if phase == "explore" else ahead.message.text()
    )
    assert ahead.message.text().startswith("Not one trial more fits") == (count == 0)


@pytest.mark.parametrize(("threads", "longer"), [(0, 4), (1, 1)])
def test_after_a_baseline_that_had_the_whole_machine_trials_are_counted_as_a_round_will_run_here(
    store: Store, monkeypatch: pytest.MonkeyPatch, threads: int, longer: int
) -> None:
    """Four at once on eight cores, with a fourth of the threads that the baseline had: it counted four times as many
    as the plan of a round said, where the baseline had them all. Until a deadline they run side by side."""
    monkeypatch.setattr("rounds.horizon.slots.machine", lambda _project: Machine(8))
    small_project.adopt(store, small_project.settings(store.project.data, runtime__threads=threads))
    small_project.end(store, "baseline-2-001", 0.3)
    timed(store, "baseline-2-001", "11:00", "11:01")
    ahead = told(store, budget_hours=(400 + 2.5) / 60)
    assert ahead.trials == 400 // longer
    plan = planning.propose(store, "minimise", trials=20)
    assert outlook(store, plan, Machine(8)).cost.hours == pytest.approx(20 * longer / 60)
    ahead = told(store, budget_hours=0.0, deadline="2026-03-01T14:00:00+00:00")
    assert ahead.trials == 4 * 120 // longer


def tried(store: Store) -> int:
    """A round of as many trials as a final study begins with, a minute each; how many those are."""
    planning.save(store, planning.propose(store, "minimise", trials=16))
    for entry in trials.trials(store, "round-1"):
        small_project.end(store, entry.id, 0.5)
        timed(store, entry.id, "10:00", "10:01")
    return 16


def test_a_final_study_is_next_only_where_it_can_begin(store: Store) -> None:
    """After a baseline with a small budget the next step was a command that was refused."""
    ahead = told(store, budget_hours=(END + 1.5) / 60)
    assert "one round of 16 at most" in ahead.message.text()
    assert standing(store).command == ""
    taken = tried(store)
    phases = [told(store, budget_hours=(taken + n + 1.5) / 60).phase for n in (LAUNCH, LAUNCH + 1, END, END + 26)]
    assert phases == ["end", "final", "final", "explore"]


@pytest.mark.parametrize("what", ["data", "metric", "batch size"])
def test_what_a_final_study_cannot_learn_from_does_not_count(store: Store, what: str) -> None:
    """It was the next step, and its command refused it for want of trials."""
    taken = tried(store)
    budget = (taken + END + 1.5) / 60
    assert told(store, budget_hours=budget).phase == "final"
    best = launches.best(store)
    assert best is not None
    match what:
        case "data":
            for id, data in (("round-1-001", "old"), ("baseline-1-001", "new")):
                small_project.end(store, id, 0.5, data=data)
            for entry in trials.trials(store, "round-1"):
                small_project.end(store, entry.id, 0.5, data="old")
                timed(store, entry.id, "10:00", "10:01")
            timed(store, "baseline-1-001", "11:00", "11:01")
        case "metric":
            store.project = project.change(store.project, metric="loss")
        case _:
            small_project.adopt(store, {**best.settings, "training.batch_size": 16})
    ahead = told(store, budget_hours=budget)
    assert ahead.phase == "last"
    assert standing(store).command == ""
    with pytest.raises(Refusal, match="begins with 16 trials"):
        final.start(store)


def test_a_deadline_counts_as_many_trials_at_once_as_ran_so_far(store: Store) -> None:
    """Two at once fit twice as many; a date is the end of its day; the nearer of budget and deadline counts."""
    ahead = told(store, deadline="2026-03-01T14:00:00+00:00")
    assert (ahead.seconds_left, ahead.trials, ahead.rounds) == (7200, 120, 3)
    assert ahead.final_at is not None
    assert project.moment(ahead.final_at) == project.moment("2026-03-01T13:38:00+00:00")
    batch = planning.save(store, planning.propose(store, trials=2))
    for entry in trials.trials(store, batch.name):
        small_project.end(store, entry.id, 0.2)
        timed(store, entry.id, "11:10", "11:11")
    assert told(store).trials == 240
    assert told(store, budget_hours=1.05).trials == 60
    assert told(store, deadline="2026-02-01").trials == 0
    assert project.moment("2026-03-01") == project.moment("2026-03-02T00:00")


def test_what_lies_ahead_is_unknown_before_a_trial_was_timed(tmp_path: Path) -> None:
    made = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project.change(made, budget_hours=2.0)) as opened:
        assert horizon(opened, []).phase == "unknown"


def test_a_round_that_leaves_too_little_for_the_end_is_warned_of(store: Store) -> None:
    plan = planning.propose(store, trials=20)
    assert not outlook(store, plan, Machine(2)).short
    told(store, budget_hours=(LAUNCH + 16 + 1.5) / 60)
    (short,) = outlook(store, plan, Machine(2)).short
    assert "one round of 16 at most" in short.text()
    assert not outlook(store, planning.propose(store, trials=12), Machine(2)).short
    taken = tried(store)
    plan = planning.propose(store, trials=20)
    told(store, budget_hours=(taken + END + 12 + 1.5) / 60)
    (short,) = outlook(store, plan, Machine(2)).short
    assert short.text().endswith("the final study with its launch takes 22: plan at most 12.")
    assert not outlook(store, planning.propose(store, trials=12), Machine(2)).short
    told(store, budget_hours=(taken + END + 1.5) / 60)
    (short,) = outlook(store, plan, Machine(2)).short
    assert short.text() == "What is left until the end is enough for 22 trials: begin the final study."
    # Once it has begun it is not to begin, nor where too few trials are left for one.
    for count, begun in ((LAUNCH, False), (LAUNCH + 10, True)):
        if begun:
            planning.save(store, planning.propose(store, "minimise", trials=2), about={"search": "bayesian"})
        ahead = told(store, budget_hours=(taken + count + 1.5) / 60)
        assert (ahead.phase, ahead.trials) == ("end", count)
        words = f"What is left is enough for {count} trials: launch what is worth it, and export."
        plan = planning.propose(store, trials=count)
        assert [message.text() for message in outlook(store, plan, Machine(2)).short] == [words]


def test_budget_and_deadline_are_typed_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.horizon.now", lambda: "2026-03-01T12:00:00+00:00")
    assert typed("24 2026-12-24") == typed("2026-12-24 24") == (24.0, "2026-12-24")
    assert typed("  ") == (0.0, "")
    assert written(24.0, "2026-12-24") == "24 2026-12-24"
    assert typed(written(0.0, "2026-12-24T18:00")) == (0.0, "2026-12-24T18:00")
    for wrong in ("soon", "-1", "nan", "2026-13-01", "24 30", "2026-12-24 2026-12-25", "2026-02-27"):
        with pytest.raises(Refusal):
            typed(wrong)


def test_the_settings_take_dates_of_toml_and_refuse_what_is_none(store: Store) -> None:
    path = store.project.root / "tunebook.toml"
    text = path.read_text()
    for words, kept in (("2026-12-24", "2026-12-24"), ("2026-12-24T18:00:00", "2026-12-24T18:00:00")):
        path.write_text(text.replace('deadline = ""', f"deadline = {words}"))
        assert project.open_project(store.project.root).settings.deadline == kept
    path.write_text(text.replace('deadline = ""', 'deadline = "soon"'))
    with pytest.raises(Refusal, match="'soon'; wanted: a date"):
        project.open_project(store.project.root)


async def test_what_comes_next_is_not_said_again_as_what_is_left(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Home and status had the same sentence twice."""
    ahead = told(store, budget_hours=(END + 25.5) / 60)
    words = ahead.message.text()
    assert (ahead.phase, words.count(".")) == ("last", 2)
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "The baseline stands.")
        assert " ".join(shown(app).split()).count(words) == 1
    with pytest.raises(SystemExit):
        main(["status", "--project", str(store.project.root)])
    assert capsys.readouterr().out.count(words) == 1
    # Where something else comes next, it is told.
    planning.save(store, planning.propose(store, trials=2))
    async with Tunebook(store.project.root).run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "round-1")
        assert " ".join(shown(pilot.app).split()).count(words) == 1


def test_what_is_left_is_said_in_lines(store: Store) -> None:
    ahead = told(store, budget_hours=2.0, deadline="2026-03-01T15:00:00+00:00")
    text = "\n".join(lines(ahead))
    assert "Until the deadline: 3 h 0 min." in text
    assert "before the final study is to begin: 3." in text
    assert "take about 0.37 device hours" in text
