"""What trials took, by the clock and by what they say themselves."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from rounds import cost, launch_outlook, launching, outlook, planning, shortlist
from rounds.slots import Machine, machine
from rounds.standing import standing
from state import files, measurements, reconciling, repair, trial_progress, trials
from state.database import Store
from state.project import change
from state.store import open_store
from tests import own_pipelines, set_up, small_project
from tui import designing
from wizard import own


def test_device_hours_survive_that_the_store_is_built_again(tmp_path: Path) -> None:
    """The trial folders say how long each trial took."""
    project = small_project.project(tmp_path / "p", tmp_path)
    with open_store(project) as store:
        small_project.adopt(store, small_project.settings(tmp_path))
        (entry,) = trials.trials(store)
        assert cost.hours_spent(store, [entry]) == 0
        folder = project.trial_folder(entry.id)
        files.make_folder(folder)
        files.write_atomically(folder / "result.json", '{"status": "complete", "seconds": 36.0, "steps_done": 9}')
    repair.rebuild(project)
    with open_store(project) as store:
        reconciling.reconcile(store)
        (entry,) = trials.trials(store)
        assert entry.status == "complete"
        assert cost.hours_spent(store, [entry]) == pytest.approx(0.01)


def test_device_hours_count_what_was_measured_before_any_trial(tmp_path: Path) -> None:
    """Probes and checks, one that failed among them; looking through the data takes no device."""
    with set_up.set_up(tmp_path / "p", "initial") as store:
        before = standing(store).hours_spent
        assert before == pytest.approx(8 / 3600)
        folder = files.make_folder(store.project.folder / "measurements" / "length-1")
        files.write_atomically(folder / "result.json", '{"status": "failed", "message": "no", "seconds": 90.5}')
        assert standing(store).hours_spent == pytest.approx(before + 90.5 / 3600)
        measurements.record(store, "length-1", "length", {}, {"status": "complete", "seconds": 90.5})
        assert standing(store).hours_spent == pytest.approx(before + 90.5 / 3600)


def test_what_takes_longer_than_the_calendar_goes_has_a_cost_all_the_same(tmp_path: Path) -> None:
    """More trials of months than anybody lives to see are shown as what they cost."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        name = planning.save(store, planning.propose(store, trials=4)).name
        for entry in trials.trials(store, name):
            small_project.end(store, entry.id, 0.4, seconds=36.0)
        found = cost.estimate(store, planning.propose(store, trials=10_000, steps=25_000_000), 1, Machine(1))
        assert found.hours == pytest.approx(10_000 * 36 / 3600 * 25_000_000 / 30)
        assert str(found.until).startswith("999")
        assert "; device hours: " in designing.price(found, 10_000)


def test_trials_of_fewer_threads_than_were_timed_take_longer(tmp_path: Path) -> None:
    """After a baseline with all cores: those cores do no more work at once for being shared (P5)."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        values = small_project.settings(tmp_path / "data", runtime__device="cpu")
        del values["runtime.threads"]
        small_project.adopt(store, values)
        (baseline,) = trials.trials(store)
        trial_progress.mark_running(store, baseline.id, restart=False)
        small_project.end(store, baseline.id, 0.4, seconds=36.0, resumed=True)
        plan, cores = planning.propose(store, trials=20), 16
        found = outlook.outlook(store, plan, Machine(cores)).cost
        assert (found.at_once, found.threads) == (8, (16, 2))
        assert found.trial == pytest.approx(8 * 36)
        assert found.seconds is not None
        assert found.seconds >= 20 * 36
        assert found.hours == pytest.approx(20 * 8 * 36 / 3600)
        assert "timed with 16 threads a trial: with 2 it takes longer" in designing.price(found, 20)
        # One at a time has all of them.
        alone = outlook.outlook(store, plan, Machine(cores), 1).cost
        assert (alone.threads, alone.trial) == (None, pytest.approx(36))


def test_a_launch_has_its_runs_and_their_cost_before_it_starts(tmp_path: Path) -> None:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        name = planning.save(store, planning.propose(store, trials=4)).name
        for place, entry in enumerate(trials.trials(store, name)):
            small_project.end(store, entry.id, 0.4 + place, seconds=36.0)
        store.project = change(store.project, budget_hours=0.15, price_per_hour=2.0)
        leader = launching.propose(store, name)
        alone = launch_outlook.outlook(store, [leader], Machine(4))
        assert (alone.least, alone.most) == (6, 16)
        assert alone.cheapest.hours == pytest.approx(0.06)
        assert alone.cheapest.price == pytest.approx(0.12)
        # Of the budget 0.11 device hours are left.
        assert alone.cheapest.hours_left == pytest.approx(0.11)
        assert [message.text() for message in alone.short] == [
            "With the most runs it takes more device hours than the budget has left."
        ]
        three = launch_outlook.outlook(store, [leader, *shortlist.choose(store, leader, 3).rivals], Machine(4))
        assert (three.least, three.most) == (12, 22)
        assert "launch fewer candidates" in three.short[0].text()
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=5)
        store.project = change(store.project, budget_hours=0.0, deadline=soon.isoformat())
        hurried = launch_outlook.outlook(store, [leader], Machine(4))
        assert hurried.cheapest.late
        assert not hurried.cheapest.over
        assert "Even the fewest runs end after the deadline" in hurried.short[0].text()


def ran(
    store: Store,
    taken: float,
    starting: float = 0.0,
    count: int = 2,
    start_seconds: float | None = None,
    **how: Any,
) -> None:
    """The next round, each trial of which took so long by the clock, and `starting` of it until its first step, or by
    the lines of a script `start_seconds` before it."""
    told: dict[str, Any] = (
        {"first_step_seconds": starting} if start_seconds is None else {"start_seconds": start_seconds}
    )
    for entry in trials.trials(store, planning.save(store, planning.propose(store, trials=count, **how)).name):
        small_project.end(store, entry.id, 0.4, **told)
        took(store, entry.id, taken)


def took(store: Store, id: str, seconds: float) -> None:
    """Have a trial that has ended taken so long."""
    begin = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
    ends = [(begin + datetime.timedelta(seconds=after)).isoformat() for after in (0, seconds)]
    with store.transaction():
        store.database.conn.execute("UPDATE trials SET started_at = ?, ended_at = ? WHERE id = ?", [*ends, id])


def a_trial(store: Store, steps: int) -> float | None:
    return cost.estimate(store, planning.propose(store, trials=4, steps=steps), 1, machine(store.project)).trial


def test_the_start_of_a_trial_is_not_multiplied_by_its_steps(tmp_path: Path) -> None:
    """After a round of 30 steps that took 12 s, 9 of them to the first step: 10 times the steps take no 2 minutes."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data"))
        ran(store, 12.0, 9.0)
        assert a_trial(store, 30) == pytest.approx(12)
        assert a_trial(store, 300) == pytest.approx(9 + 10 * 3)
        # Two lengths say it better, evaluations included, which are as many in each.
        ran(store, 24.0, 9.0, steps=90)
        assert a_trial(store, 300) == pytest.approx(6 + 10 * 6)
        assert a_trial(store, 90) == pytest.approx(24)
        # What has run at this length is what counts, though a shorter round came after it.
        assert a_trial(store, 30) == pytest.approx(12)


def test_a_launch_of_a_shorter_candidate_is_priced_side_by_side(tmp_path: Path) -> None:
    """The best configuration takes the time of its own number of steps, the candidate that of its own."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.adopt(store, small_project.settings(tmp_path / "data", training__steps=300))
        (baseline,) = trials.trials(store)
        small_project.end(store, baseline.id, 0.5)
        took(store, baseline.id, 58.0)
        ran(store, 11.0, 9.0, steps=30)
        found = launch_outlook.outlook(store, [launching.propose(store, "round-1")], Machine(1)).cheapest
        assert found.hours == pytest.approx((3 * 58 + 3 * 11) / 3600)
        assert found.longest == pytest.approx(58)
        assert "the longest take 58 s each" in designing.price(found, 6)


def test_a_script_that_is_told_its_steps_takes_longer_for_more(tmp_path: Path) -> None:
    """The setting is what the command gets, whatever the script counts; where it gets none, a trial takes what one
    took."""
    own_pipelines.write_script(tmp_path)
    with open_store(own_pipelines.project(tmp_path / "p", tmp_path)) as store:
        small_project.adopt(store, own.values(store.project))
        ran(store, 5.0)
        assert a_trial(store, 50) == pytest.approx(5)
        assert a_trial(store, 100) == pytest.approx(10)
        # What its lines tell of its start is not multiplied.
        ran(store, 5.0, start_seconds=3.0)
        assert a_trial(store, 100) == pytest.approx(3 + 2 * 2)
        ran(store, 5.0)
        ran(store, 8.0, steps=100)
        assert a_trial(store, 200) == pytest.approx(2 + 4 * 3)
    arguments = "--lr {lr} --out {folder}"
    with open_store(own_pipelines.project(tmp_path / "q", tmp_path, "lr=0.1..1", arguments=arguments)) as store:
        small_project.adopt(store, own.values(store.project))
        for entry in trials.trials(store, planning.save(store, planning.propose(store, trials=2)).name):
            trial_progress.mark_ended(store, entry.id, {"status": "complete", "steps_done": 100, "seconds": 5.0})
        told = cost.estimate(store, planning.propose(store, trials=4), 1, machine(store.project))
        assert told.trial == pytest.approx(5)
