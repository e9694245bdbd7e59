"""What people wish of rounds and trials by commands: pause, stop, retry, and the order of the queue."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import cost, planning, slots, standing, wishes
from state import decisions, files, metrics, runs, trial_progress, trials
from state.database import Store, now
from state.errors import Refusal
from state.project import change
from state.store import open_store
from tests import small_project, watched_round
from tui.main import run
from tui.session import Session


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A round of four trials: one complete, one diverged, one that runs, one that waits."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened, watched_round.supervised(project):
        small_project.batch(opened, small_project.settings(tmp_path / "data"), [{}] * 4)
        small_project.end(opened, "round-1-001", 0.5)
        small_project.end(opened, "round-1-002", None, "infeasible")
        trial_progress.mark_running(opened, "round-1-003", restart=False)
        runs.remember_process(files.make_folder(project.trial_folder("round-1-003")), os.getpid())
        yield opened


def tunebook(store: Store, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of a command on the project."""
    session = Session(json=True)
    code = run([*words, "--json", "--project", str(store.project.root)], session)
    return code, json.loads(capsys.readouterr().out)


def test_a_round_is_paused_and_one_trial_stopped(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert tunebook(store, capsys, "round", "pause")[1]["wanted"] == "pause"
    code, answer = tunebook(store, capsys, "round", "stop", "round-1-003")
    assert (code, answer["wanted"]) == (0, "pause")
    assert [entry.wanted for entry in trials.trials(store)] == ["", "", "stop", ""]
    code, answer = tunebook(store, capsys, "round", "stop", "round-1-001")
    assert (code, answer["error"]) == (2, "round-1-001 has ended already.")


def test_a_round_ends_without_the_trial_that_was_stopped_alone(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing waits for it; it goes on when it is tried again."""
    small_project.adopt(store, small_project.settings(Path("data")))
    tunebook(store, capsys, "round", "stop", "round-1-003")
    trial_progress.mark_ended(store, "round-1-003", {"status": "stopped", "reason": "stopped", "steps_done": 3})
    small_project.end(store, "round-1-004", 0.4)
    assert "It has ended. Review it: tunebook round review round-1" in said(store, capsys, "round", "status")
    assert "round-1 has ended (stopped alone: 1).\nNext: Review it" in said(store, capsys, "status")
    trials.review(store, "round-1", [])
    told = "It has ended and was reviewed. See: tunebook round review round-1"
    assert told in said(store, capsys, "round", "status")
    code, answer = tunebook(store, capsys, "round", "run", "round-1")
    assert (code, answer["error"]) == (
        2,
        "round-1 has ended but for round-1-003, stopped alone. Try again: tunebook round retry round-1-003; or review "
        "it: tunebook round review round-1",
    )
    tunebook(store, capsys, "round", "retry", "round-1-003")
    assert "round-1 is at work: 3 of 4 trials have ended." in said(store, capsys, "status")


def test_every_command_without_a_name_takes_the_same_round_and_says_which(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where an older one waits to be run."""
    small_project.batch(store, small_project.settings(Path("data")), [{}], wanted="")
    for words in (("pause",), ("status",), ("stop",), ("status",), ("extend", "--trials", "1"), ("run",)):
        code = run(["round", *words, "--project", str(store.project.root)], Session())
        printed = capsys.readouterr()
        assert "No round is named: round-1 is meant." in printed.out, (words, code)
    assert "Planned and not run: round-2. Run one by its name." in printed.out


def test_the_planned_round_is_run_where_the_one_that_is_meant_is_over(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was looked at last, but has nothing to run."""
    settings = small_project.settings(Path("data"))
    for number in (3, 4):
        small_project.end(store, f"round-1-00{number}", 0.4)
    code, answer = tunebook(store, capsys, "round", "run")
    assert (code, answer["error"][:22]) == (2, "round-1 has ended. Rev")
    for _ in range(2):
        small_project.batch(store, settings, [{}], wanted="")
    small_project.wait_for(lambda: now() > trials.batch(store, "round-3").at, "the clock stands")
    trials.review(store, "round-1", [])
    code, answer = tunebook(store, capsys, "round", "run")
    assert (code, answer["error"]) == (
        2,
        "round-1 has ended. Planned and not run: round-2, round-3. Run one by its name: tunebook round run round-2",
    )
    tunebook(store, capsys, "round", "drop", "round-2")
    trials.review(store, "round-1", [])
    told = said(store, capsys, "round", "run")
    assert "No round is named: round-3 is meant." in told
    assert trials.batch(store, "round-3").wanted == "run"


def test_a_round_that_is_stopping_is_at_work(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert "It is stopping" in said(store, capsys, "round", "stop")
    assert "It is stopping" in said(store, capsys, "round", "stop")
    trial_progress.mark_ended(store, "round-1-003", {"status": "stopped", "reason": "stopped", "steps_done": 3})
    code, answer = tunebook(store, capsys, "round", "stop")
    assert (code, answer["error"]) == (2, "No round is running.")
    small_project.batch(store, small_project.settings(Path("data")), [{}], kind="launch")
    code, answer = tunebook(store, capsys, "round", "pause")
    words = "No round is running, but launch-1 is. Stop it: tunebook round stop launch-1"
    assert (code, answer["error"]) == (2, words)


def test_rounds_at_another_batch_size_are_marked_once_that_is_the_best(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = small_project.settings(Path("data"))
    small_project.adopt(store, settings)
    assert "Another batch size" not in said(store, capsys, "status")
    small_project.adopt(store, {**settings, "training.batch_size": 13})
    assert "not to be compared with later rounds: round-1\n" in said(store, capsys, "status")
    marked = tunebook(store, capsys, "status")[1]["batches"]
    assert [entry["comparable"] for entry in marked if entry["kind"] == "round"] == [False]


def test_more_at_once_than_the_cores_carry_is_warned_of(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The threads of a trial were settled when the round was planned."""
    cores = slots.machine(store.project).cores
    assert wishes.crowded(store, "round-1", cores) is None
    small_project.batch(store, {**small_project.settings(Path("data")), "runtime.threads": cores}, [{}] * 2)
    assert wishes.crowded(store, "round-2", 1) is None
    told = wishes.crowded(store, "round-2", 2)
    assert told is not None
    assert told.text().startswith(f"Each trial was planned with {cores} threads, and 2 at once share {cores} cores")
    # Without a number of its own, as in a sweep of the baseline, each has all of them: nothing was said of that.
    settings = {key: value for key, value in small_project.settings(Path("data")).items() if key != "runtime.threads"}
    small_project.batch(store, settings, [{}] * 2)
    assert wishes.crowded(store, "round-3", 2) == told
    assert wishes.crowded(store, "round-3", 1) is None
    # A launch is not planned with --slots.
    small_project.batch(store, settings, [{}] * 2, kind="launch")
    told = wishes.crowded(store, "launch-1", 2)
    assert told is not None
    assert told.text() == f"Each trial has {cores} threads, and 2 at once share {cores} cores: all become slower."


def test_why_a_trial_waits_is_said_by_the_status(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    trial_progress.note(store, "round-1-004", "Waiting: the disk is full.")
    assert "\nround-1-004: Waiting: the disk is full.\n" in said(store, capsys, "status")
    # Of a round that is stopped nothing is due.
    tunebook(store, capsys, "round", "stop", "round-1")
    assert "Waiting" not in said(store, capsys, "status")


def test_the_status_of_a_round_shows_what_a_trial_that_runs_has_come_to(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"step": step, "val/error_rate": value} for step, value in ((10, 0.5), (20, 0.25), (30, math.nan), (40, 0.375))
    ]
    path = store.project.trial_folder("round-1-003") / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    metrics.index_metrics(store, ["round-1-003"])
    answer = tunebook(store, capsys, "round", "status", "round-1")[1]
    (running,) = [entry for entry in answer["trials"] if entry["status"] == "running"]
    assert (running["best"], running["best_step"], running["steps_done"]) == (0.25, 20, 40)
    assert "0.25" in said(store, capsys, "round", "status", "round-1")


def test_a_trial_that_was_stopped_alone_before_it_began_is_tried_again_and_is_not_next(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    tunebook(store, capsys, "round", "stop", "round-1-004")
    code, answer = tunebook(store, capsys, "round", "next", "round-1-004")
    assert (code, answer["error"]) == (2, "Nothing of round-1-004 waits to be started.")
    assert tunebook(store, capsys, "round", "retry", "round-1-004")[0] == 0
    assert trials.trial(store, "round-1-004").wanted == "retry"
    assert tunebook(store, capsys, "round", "next", "round-1-004")[0] == 0


def test_a_launch_of_which_a_run_was_stopped_alone_is_to_be_run_on(store: Store) -> None:
    settings = small_project.settings(Path("data"))
    small_project.adopt(store, settings)
    small_project.batch(store, settings, [{}] * 2, kind="launch")
    small_project.end(store, "launch-1-001", 0.2)
    trials.ask(store, "launch-1-002", "stop")
    trial_progress.mark_ended(store, "launch-1-002", {"status": "stopped", "reason": "stopped", "steps_done": 3})
    trials.ask(store, "round-1", "stop")
    trial_progress.mark_ended(store, "round-1-003", {"status": "stopped", "reason": "stopped", "steps_done": 3})
    found = standing.standing(store)
    assert (found.step, found.batch, found.next.text()) == ("launch", "launch-1", "Run it on.")
    assert found.now.text() == "launch-1 has ended (stopped alone: 1)."


def test_only_what_went_wrong_is_tried_again(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = tunebook(store, capsys, "round", "retry", "round-1-002", "round-1-001")
    assert (code, answer["error"][:24]) == (2, "round-1-001 is complete;")
    assert trials.trial(store, "round-1-002").status == "infeasible"
    code, answer = tunebook(store, capsys, "round", "retry", "round-1-002")
    assert (code, answer["states"]["queued"]) == (0, 2)


def test_the_queue_is_put_in_another_order_and_a_rebuilt_store_knows_it(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    small_project.batch(store, small_project.settings(Path("data")), [{}] * 2)
    assert tunebook(store, capsys, "round", "next", "2")[1]["round"] == "round-2"
    waiting = ["round-2-001", "round-2-002", "round-1-003", "round-1-004"]
    assert [entry.id for entry in trials.unfinished(store)] == waiting
    assert tunebook(store, capsys, "round", "next", "round-1-004")[0] == 0
    assert [entry.id for entry in trials.unfinished(store)] == ["round-1-004", *waiting[:3]]
    code, answer = tunebook(store, capsys, "round", "next", "round-1-001")
    assert (code, answer["error"]) == (2, "Nothing of round-1-001 waits to be started.")
    assert tunebook(store, capsys, "round", "next", "round-9")[0] == 2
    store.project.store_path.unlink()
    with open_store(store.project) as again:
        assert next(entry.id for entry in trials.unfinished(again) if entry.status == "queued") == "round-1-004"


def test_doctor_removes_what_a_crash_left_once_nobody_is_at_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    folder = files.make_folder(project.trial_folder("round-1-001"))
    torn = [folder / "result.json.tmp", folder / ".config.toml.k3j2", project.folder / ".process.json.x"]
    for path in torn:
        path.write_text("half")
    kept = folder / "result.json"
    kept.write_text("{}")
    with open_store(project) as opened:
        with watched_round.supervised(project):
            assert tunebook(opened, capsys, "doctor", "--repair")[1]["repaired"] == []
        answer = tunebook(opened, capsys, "doctor")[1]
        assert {"leftovers": "warn", "logout": "ok"}.items() <= {
            c["name"]: c["verdict"] for c in answer["checks"]
        }.items()
        assert tunebook(opened, capsys, "doctor", "--repair")[1]["repaired"] == ["leftovers"]
    assert not any(path.exists() for path in torn)
    assert kept.exists()


def said(store: Store, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command says to a person."""
    assert run([*words, "--project", str(store.project.root)], Session()) == 0
    return capsys.readouterr().out


def test_a_wish_is_answered_with_what_comes_of_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert "It is pausing: what runs goes to its end" in said(store, capsys, "round", "pause")
    assert "It is stopping: what runs saves itself." in said(store, capsys, "round", "stop")
    trial_progress.mark_queued(store, "round-1-003")
    assert "It is stopped. Go on: tunebook round run round-1" in said(store, capsys, "round", "status")
    trials.ask(store, "round-1", "pause")
    assert "It is paused. Go on: tunebook round run round-1" in said(store, capsys, "round", "status")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Store]:
    """A round of six trials, stopped after two had ended and one had begun; no supervisor is at work."""
    with open_store(small_project.project(tmp_path / "q", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        planning.save(opened, planning.propose(opened, trials=6))
        trials.ask(opened, "round-1", "stop")
        for number in (1, 2):
            small_project.end(opened, f"round-1-00{number}", 0.5)
        trial_progress.mark_running(opened, "round-1-003", restart=False)
        trial_progress.mark_ended(opened, "round-1-003", {"status": "stopped", "reason": "stopped", "steps_done": 3})
        yield opened


def test_a_trial_whose_process_is_gone_is_not_said_to_run(alone: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A supervisor that is at work sees to it by itself."""
    trials.ask(alone, "round-1", "pause")
    trial_progress.mark_running(alone, "round-1-003", restart=False)
    told = said(alone, capsys, "round", "status")
    assert "1 lost" in told
    assert "1 running" not in told
    assert "round-1-003 does not run: its process is gone. It goes on when the round does." in told
    assert "It is paused." in told
    with watched_round.supervised(alone.project):
        told = said(alone, capsys, "round", "status")
    assert "1 running" in told
    assert "lost" not in told


def test_what_goes_on_with_a_launch_or_a_baseline_is_said_by_its_own_command(
    alone: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("launch", "baseline"):
        batch = small_project.batch(alone, small_project.settings(Path("data")), [{}] * 2, kind=kind, wanted="stop")
        first, second = (entry.id for entry in trials.trials(alone, batch.name))
        assert f"It is stopped. Go on: tunebook {kind}" in said(alone, capsys, "round", "stop", second)
        small_project.end(alone, first, 0.5)
        assert "It has ended. See: tunebook status" in said(alone, capsys, "round", "stop", second)
        with watched_round.supervised(alone.project):
            trials.ask(alone, batch.name, "run")
            told = said(alone, capsys, "round", "retry", second)
            trials.ask(alone, batch.name, "stop")
        assert f"It goes on in the background. Look again: tunebook round status {batch.name}" in told


def states(store: Store) -> list[str]:
    return [entry.status for entry in trials.trials(store, "round-1")]


def test_a_trial_of_a_stopped_round_is_stopped_at_once_without_a_supervisor(
    alone: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "2 complete, 2 stopped, 2 waiting" in said(alone, capsys, "round", "stop", "round-1-005")
    assert states(alone) == ["complete", "complete", "stopped", "queued", "stopped", "queued"]


def test_a_round_is_ended_early_and_keeps_what_has_ended(alone: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert "It has ended." in said(alone, capsys, "round", "end", "--reason", "enough was learnt")
    assert states(alone) == ["complete", "complete", *["stopped"] * 4]
    found = decisions.decision(alone, "round-1")
    assert found is not None
    assert (found.chosen, found.reason["values"]["words"]) == ("end", "enough was learnt")
    assert found.evidence[0]["values"] == {"n": 4}
    code, answer = tunebook(alone, capsys, "round", "end")
    assert (code, answer["error"]) == (2, "No trial of round-1 waits to be started.")
    with open_store(alone.project) as again:
        wishes.retry(again, ["round-1-006"])
        assert states(again)[-1] == "queued"
        wishes.ask(again, "round-1", "stop")


def test_trials_that_were_added_and_have_not_begun_are_taken_back(
    alone: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    planning.extend(alone, "round-1", 4)
    assert tunebook(alone, capsys, "round", "end", "--trials", "4")[0] == 0
    assert states(alone) == ["complete", "complete", "stopped", *["queued"] * 3, *["stopped"] * 4]
    code, answer = tunebook(alone, capsys, "round", "end", "--trials", "4")
    assert (code, answer["error"]) == (2, "Of round-1, 3 trials have not begun.")
    small_project.batch(alone, small_project.settings(Path("data")), [{}] * 2, wanted="")
    code, answer = tunebook(alone, capsys, "round", "end", "round-2")
    assert "tunebook round drop round-2" in answer["error"]


def test_a_round_that_takes_more_than_the_budget_has_left_is_warned_of_when_it_starts(
    alone: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four trials are left, of half an hour each, the third of which has done 3 of its 30 steps."""
    with alone.transaction():
        alone.database.execute(
            "UPDATE trials SET started_at = '2026-01-01T00:00:00+00:00', ended_at = '2026-01-01T00:30:00+00:00', "
            "spent = 1800 WHERE status = 'complete'"
        )
        alone.database.execute("UPDATE trials SET started_at = NULL WHERE status = 'stopped'")
    assert cost.over_budget(alone, "round-1") is None
    alone.project = change(alone.project, budget_hours=2.5)
    with watched_round.supervised(alone.project):
        told = said(alone, capsys, "round", "run")
    words = "warning: What is left of round-1 takes about 1.9 device hours, and the budget has 1.5 left. It runs all"
    assert words in told
    assert "It goes on in the background." in told
    alone.project = change(alone.project, budget_hours=3.0)
    assert cost.over_budget(alone, "round-1") is None


def test_a_round_that_taught_nothing_is_dropped_and_one_with_results_kept(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    small_project.batch(store, small_project.settings(Path("data")), [{}] * 2, wanted="")
    code, answer = tunebook(store, capsys, "round", "drop", "1")
    assert (code, answer["error"][:19]) == (2, "round-1 has results")
    assert "It was dropped." in said(store, capsys, "round", "drop", "2", "--reason", "planned in error")
    assert [batch.name for batch in trials.batches(store)] == ["round-1"]
    found = decisions.decision(store, "round-2")
    assert found is not None
    assert (found.chosen, found.reason["values"]["words"]) == ("drop", "planned in error")
    # Nothing is lost: its number is not given again, a rebuilt store knows of it, and it can be run after all.
    assert small_project.batch(store, small_project.settings(Path("data"))).name == "round-3"
    store.project.store_path.unlink()
    with open_store(store.project) as again:
        assert trials.batch(again, "round-2").wanted == "drop"
        code, answer = tunebook(again, capsys, "round", "drop", "2")
        assert (code, answer["error"]) == (2, "round-2 was dropped before.")
        wishes.run(again, "round-2")
        assert [batch.name for batch in trials.batches(again)] == ["round-1", "round-2", "round-3"]
        found = decisions.decision(again, "round-2")
        assert (found and found.chosen, found and found.reason["id"]) == ("keep", "It is run after all.")


def test_a_round_at_work_is_not_dropped(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    small_project.batch(store, small_project.settings(Path("data")), [{}] * 2)
    code, answer = tunebook(store, capsys, "round", "drop", "2")
    assert (code, answer["error"]) == (2, "round-2 is at work. Stop it first: tunebook round stop")
    assert tunebook(store, capsys, "round", "drop", "launch-7")[0] == 2


def test_doctor_starts_the_supervisor_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    small_project.digits(tmp_path / "data", 40)
    with open_store(project) as store:
        small_project.batch(store, small_project.settings(tmp_path / "data"))
        code, answer = tunebook(store, capsys, "doctor")
        checks = {check["name"]: check for check in answer["checks"]}
        assert (code, checks["supervisor"]["verdict"], checks["supervisor"]["repair"]) == (0, "warn", True)
        assert "supervisor" in tunebook(store, capsys, "doctor", "--repair")[1]["repaired"]
        small_project.wait_for(
            lambda: trials.trial(store, "round-1-001").status in trials.ENDED, "the trial was not run"
        )


def test_a_trial_that_was_stopped_on_its_way_is_known_to_have_begun_when_the_store_was_built_anew(
    tmp_path: Path,
) -> None:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.batch(store, small_project.settings(tmp_path / "data"), [{}] * 4, wanted="stop")
        for id, status in (("round-1-001", "complete"), ("round-1-004", "stopped")):
            folder = files.make_folder(store.project.trial_folder(id))
            files.write_atomically(folder / runs.RESULT, json.dumps({"status": status, "steps_done": 5}))
        store.project.store_path.unlink()
    with open_store(store.project) as again:
        with pytest.raises(Refusal, match="Of round-1, 2 trials have not begun"):
            wishes.end(again, "round-1", count=3)
        wishes.end(again, "round-1", count=2)
        assert [entry.wanted for entry in trials.trials(again)] == ["", "stop", "stop", ""]
