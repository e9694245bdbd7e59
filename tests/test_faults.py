"""What can go wrong around a round: blows, foreign metrics, a locked store, a moved folder, clocks, a dropped line."""

from __future__ import annotations

import json
import math
import os
import pty
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rounds import attending, supervisor, trouble
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.warm import ForkServer
from state import database, files, metrics, runs, trial_progress, trials
from state.errors import Refusal
from state.metrics import index_metrics
from state.project import open_project
from state.store import open_store
from tests import chaos, small_project
from tests.small_project import wait_for

HOME = Path(__file__).parent.parent


def test_a_round_whose_processes_are_killed_at_random_comes_to_the_same(tmp_path: Path, digits: Path) -> None:
    """Some 20 s: whole rounds in real processes, fork servers and all. `make soak` does fifty."""
    calm = chaos.results(small_project.project(tmp_path / "calm", digits), digits, 0, 0)
    seed = int.from_bytes(os.urandom(4), "big")
    stormy = chaos.results(small_project.project(tmp_path / "stormy", digits), digits, 2, seed)
    assert stormy == calm, f"with the seed {seed}"


def test_metrics_that_are_torn_foreign_or_not_finite_cost_nothing_but_themselves(tmp_path: Path) -> None:
    lines: list[Any] = [
        {"step": 1, "val/loss": 0.5, "weird [/red] {x}": 2, "nested": {"a": 1}, "list": [1], "none": None},
        {"step": 2, "val/loss": "nan", "train/loss": "-inf", "note": "hello", "flag": True},
        {"step": 2**80, "val/loss": 1.0},
        {"step": -1, "val/loss": 1.0},
        {"step": "3", "val/loss": 1.0},
        {"val/loss": 1.0},
        [1, 2],
        "text",
        {"step": 3, "huge": 10**400, "\ud800": 1.0, "esc\x1b[31m": 1.0, "val/loss": 0.25},
    ]
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.batch(store, small_project.settings(tmp_path / "data"))
        path = files.make_folder(store.project.trial_folder("round-1-001")) / "metrics.jsonl"
        with path.open("wb") as file:
            for line in lines:
                file.write(json.dumps(line).encode() + b"\n")
            file.write(b'{"step": 4, "val/loss": 0.1}garbage\n\xff\xfe\n\n' + b"[" * 100_000 + b"\n")
            file.write(b'{"step": 5, "val/lo')
        index_metrics(store, ["round-1-001"])
        values = metrics.curve(store, "round-1-001", "val/loss")
        assert [step for step, _value in values] == [1, 2, 3]
        assert math.isnan(values[1][1])
        assert metrics.curve(store, "round-1-001", "weird [/red] {x}") == [(1, 2.0)]
        assert metrics.curve(store, "round-1-001", "train/loss") == [(2, -math.inf)]
        names = {row["name"] for row in store.rows("SELECT DISTINCT name FROM metrics")}
        assert names == {"val/loss", "train/loss", "weird [/red] {x}", "huge", "flag"}
        # The torn line is whole with the next look.
        with path.open("ab") as file:
            file.write(b'ss": 0.125}\n')
        assert index_metrics(store, ["round-1-001"]) == 1
        assert metrics.curve(store, "round-1-001", "val/loss")[-1] == (5, 0.125)
        assert trials.trial(store, "round-1-001").steps_done == 5


def test_many_points_are_indexed_in_little_memory(tmp_path: Path) -> None:
    million_points(tmp_path, 60_000)


def million_points(folder: Path, count: int) -> None:
    """Index a file of so many points in a process that may not use more than some memory beyond what it has."""
    with open_store(small_project.project(folder / "p", folder / "data")) as store:
        small_project.batch(store, small_project.settings(folder / "data"))
        path = files.make_folder(store.project.trial_folder("round-1-001")) / "metrics.jsonl"
        with path.open("w") as file:
            file.writelines(f'{{"step": {step}, "train/loss": {1 / step}}}\n' for step in range(1, count + 1))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert index_metrics(store, ["round-1-001"]) == count
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 150 * 2**20
        assert trials.trial(store, "round-1-001").steps_done == count
        assert store.rows("SELECT count(*) AS n FROM metrics")[0]["n"] == count


def test_a_result_that_is_nonsense_ends_its_trial_all_the_same(tmp_path: Path) -> None:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        small_project.batch(store, small_project.settings(tmp_path / "data"), [{}] * 3)
        nonsense: list[dict[str, Any]] = [
            {"status": "[/red]", "best": [1], "final": "x", "steps_done": "many", "message": {"a": 1}},
            {"status": "complete", "best": {"step": 2**80, "val/error_rate": "nan"}, "steps_done": 2**80},
            {},
        ]
        for entry, result in zip(trials.trials(store), nonsense, strict=True):
            trial_progress.mark_ended(store, entry.id, result)
        assert [(e.status, e.best, e.best_step, e.steps_done) for e in trials.trials(store)] == [
            ("failed", None, None, 0),
            ("complete", None, None, 0),
            ("failed", None, None, 0),
        ]


def test_a_store_that_another_program_holds_is_said_and_the_supervisor_outlives_it(
    tmp_path: Path, digits: Path, fork_server: ForkServer
) -> None:
    with open_store(small_project.project(tmp_path / "p", digits)) as store:
        small_project.batch(store, small_project.settings(digits))
        store.database.conn.execute("PRAGMA busy_timeout = 50")
        other = sqlite3.connect(store.project.store_path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        before = store.project.journal_path.read_bytes()
        with pytest.raises(Refusal, match="another program holds the store"):
            trials.ask(store, "round-1", "pause")
        assert store.project.journal_path.read_bytes() == before
        driven = Supervisor(store, Machine(1), fork_server)
        while fork_server.poll() != "ready":
            time.sleep(0.02)
        # It can note nothing, so it starts nothing twice.
        for _ in range(3):
            driven.tick()
        other.execute("ROLLBACK")
        other.close()
        wait_for(lambda: not driven.tick(), "the trial never ended")
        entry = trials.trial(store, "round-1-001")
        assert (entry.status, entry.restarts) == ("complete", 0)


def test_a_store_that_is_held_for_long_costs_no_trial_its_place(
    tmp_path: Path, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("LONGEST_PAUSE", "STORE_PAUSE"):
        monkeypatch.setattr(attending, pause, 0.0)
    with open_store(small_project.project(tmp_path / "p", digits)) as store:
        small_project.batch(store, small_project.settings(digits), [{}, {"training.seed": 1}])
        store.database.conn.execute("PRAGMA busy_timeout = 5")
        other = sqlite3.connect(store.project.store_path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        driven = Supervisor(store, Machine(1), fork_server)
        folder = store.project.trial_folder("round-1-001")

        def trained() -> bool:
            """Whether the one that could be started, and not be noted, has come to its end."""
            assert driven.tick()
            return runs.result(folder) is not None and not runs.alive(folder)

        wait_for(trained, "what was started never ended")
        for _ in range(3 * trouble.ATTEMPTS):
            assert driven.tick()
        assert (runs.result(folder) or {})["status"] == "complete"
        other.execute("ROLLBACK")
        other.close()
        wait_for(lambda: not driven.tick(), "the trials never ended")
        assert [(entry.status, entry.restarts) for entry in trials.trials(store)] == [("complete", 0)] * 2


def test_a_project_that_was_moved_while_nothing_ran_goes_on(
    tmp_path: Path, digits: Path, fork_server: ForkServer
) -> None:
    with open_store(small_project.project(tmp_path / "here", digits)) as store:
        small_project.batch(store, small_project.settings(digits), [{}, {"training.seed": 1}], slots=1)
        driven = Supervisor(store, Machine(1), fork_server)
        wait_for(
            lambda: driven.tick() and trials.trial(store, "round-1-001").status == "complete", "the first never ended"
        )
        trials.ask(store, "round-1", "stop")
        wait_for(lambda: not driven.tick() and not driven.slots, "it did not stop")
    (tmp_path / "here").rename(tmp_path / "there [red]")
    with open_store(open_project(tmp_path / "there [red]")) as store:
        trials.ask(store, "round-1", "run")
        driven = Supervisor(store, Machine(1), fork_server)
        wait_for(lambda: not driven.tick(), "the second never ended")
        assert [entry.status for entry in trials.trials(store)] == ["complete", "complete"]
        assert runs.result(store.project.trial_folder("round-1-002"))
    assert not (tmp_path / "here").exists()


def test_a_clock_that_is_set_back_changes_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as store:
        for at in ("2026-01-02T00:00:00.000+00:00", "2025-01-01T00:00:00.000+00:00"):
            monkeypatch.setattr(database, "now", lambda at=at: at)
            small_project.batch(store, small_project.settings(tmp_path / "data"))
        names = ["round-1", "round-2"]
        assert [batch.name for batch in trials.batches(store)] == names
        store.project.store_path.unlink()
    with open_store(store.project) as again:
        assert [batch.name for batch in trials.batches(again)] == names


def test_a_line_that_drops_ends_the_watching_and_neither_supervisor_nor_trial(tmp_path: Path, digits: Path) -> None:
    """`round run --wait` on a terminal that is closed: SIGHUP for all of its session."""
    project = small_project.project(tmp_path / "p", digits)
    with open_store(project) as store:
        overrides = {"training.steps": 120, "training.evaluate_every": 40}
        small_project.batch(store, small_project.settings(digits), [overrides], wanted="")
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "tui.main", "round", "run", "--wait", "--project", str(project.root)]
        # The terminal is its controlling one, as of a login; where the tests run under nohup, a hang-up is ignored.
        login = (
            "import fcntl, os, signal, sys, termios; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
            "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
        )
        watching = subprocess.Popen(
            [sys.executable, "-c", login, *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            cwd=HOME,
        )
        os.close(theirs)
        wait_for(lambda: trials.trial(store, "round-1-001").status == "running", "the trial never began")
        at_work = chaos.holder(project)
        os.close(ours)
        assert watching.wait(60) == -signal.SIGHUP
        assert at_work is not None
        assert chaos.holder(project) == at_work
        wait_for(lambda: trials.trial(store, "round-1-001").status == "complete", "the trial did not end")
        assert trials.trial(store, "round-1-001").restarts == 0
        os.kill(at_work, signal.SIGTERM)
        wait_for(lambda: not supervisor.alive(project), "the supervisor did not leave")
