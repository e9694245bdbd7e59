"""The device hours that the budget rests on: what the processes of trials took, and nothing else."""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import trial_folder
from rounds.attending import Supervisor
from rounds.slots import Machine, Slot
from rounds.standing import standing
from rounds.warm import ForkServer
from state import files, runs, trial_progress, trials
from state.database import Store
from state.store import open_store
from tests import own_pipelines, small_project
from tests.small_project import wait_for

ID = "round-1-001"
DAY = 24 * 3600.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A round on a script that waits."""
    code = tmp_path / "code"
    own_pipelines.write_script(code, "import time\n\nprint('on the way', flush=True)\ntime.sleep(600)\n")
    made = own_pipelines.project(tmp_path / "p", code, arguments="--out {folder}")
    with open_store(made) as opened:
        small_project.batch(opened, {}, [{}, {"training.seed": 1}])
        yield opened
    for noted in made.folder.glob("trials/*/process.json"):
        while runs.stop(noted.parent, hard=True):
            pass


def seconds(store: Store) -> float:
    return standing(store).hours_spent * 3600


def begun_before(store: Store, id: str, ago: float, lived: float | None = None) -> None:
    """Have the process of a trial begun so many seconds ago; of one that is gone, have it written for the last time so
    long after its beginning."""
    folder = store.project.trial_folder(id)
    began = datetime.datetime.now(datetime.UTC).timestamp() - ago
    noted = files.read_json(folder / runs.TRY) or {}
    files.write_atomically(folder / runs.TRY, json.dumps({**noted, "began": runs.moment(began)}))
    if lived is not None:
        for path in folder.iterdir():
            os.utime(path, (began + lived, began + lived))


def begin(store: Store, id: str = ID) -> Path:
    """A trial with a process at work, without anybody who looks after it."""
    folder = store.project.trial_folder(id)
    anew = trial_folder.begins_anew(store, trials.trial(store, id))
    trial_folder.prepare(store, trials.trial(store, id), Slot("cpu"))
    runs.start([sys.executable, "-c", "import time; print('on the way', flush=True); time.sleep(600)"], folder)
    trial_progress.mark_running(store, id, restart=False, anew=anew)
    wait_for(lambda: runs.log_tail(folder), "it prints nothing")
    return folder


def kill(folder: Path) -> None:
    process = runs.process(folder)
    assert process is not None
    process.kill()
    wait_for(lambda: not runs.alive(folder), "it lives on")


def test_a_trial_that_lives_counts_until_now_and_one_that_died_unseen_until_its_last_sign(store: Store) -> None:
    """Also in a store that is built again, before and after."""
    folder = begin(store)
    begun_before(store, ID, DAY)
    assert seconds(store) == pytest.approx(DAY, abs=30)
    store.project.store_path.unlink()
    with open_store(store.project) as again:
        assert trials.trial(again, ID).status == "running"
        assert seconds(again) == pytest.approx(DAY, abs=30)
    kill(folder)
    begun_before(store, ID, DAY, lived=60)
    with open_store(store.project) as again:
        # The store was built while it ran: what it had spent by then.
        again.project.store_path.unlink()
    with open_store(store.project) as again:
        assert seconds(again) == pytest.approx(60, abs=0.1)


def test_a_trial_that_was_found_dead_ended_with_its_last_sign(store: Store) -> None:
    kill(begin(store))
    begun_before(store, ID, DAY, lived=60)
    assert seconds(store) == pytest.approx(60, abs=0.1)
    trials.ask(store, ID, "stop")
    trials.ask(store, "round-1", "pause")
    driven = Supervisor(store, Machine(1), ForkServer(store.project.folder))
    wait_for(lambda: driven.tick() is not None and trials.trial(store, ID).status == "stopped", "it is not stopped")
    entry = trials.trial(store, ID)
    began = datetime.datetime.fromisoformat(runs.began_at(store.project.trial_folder(ID)))
    assert entry.ended_at is not None
    assert (datetime.datetime.fromisoformat(entry.ended_at) - began).total_seconds() == pytest.approx(60, abs=0.1)
    assert seconds(store) == pytest.approx(60, abs=0.1)


def test_a_trial_that_was_lost_and_waits_counts_no_time_that_goes_on(store: Store) -> None:
    """Killed while its round is paused, and then stopped: no process is left. What it took stays as it begins anew."""
    driven = Supervisor(store, Machine(1), ForkServer(store.project.folder))
    folder = store.project.trial_folder(ID)
    wait_for(lambda: driven.tick() and runs.log_tail(folder), "it does not begin")
    begun_before(store, ID, 100)
    trials.ask(store, "round-1", "pause")
    kill(folder)
    wait_for(lambda: driven.tick() is not None and trials.trial(store, ID).status == "queued", "it is not missed")
    trials.ask(store, "round-1", "stop")
    driven.tick()
    spent = seconds(store)
    assert spent == pytest.approx(100, abs=30)
    wait_for(lambda: runs.moment(folder.stat().st_mtime + 0.5) < runs.moment(_now()), "no time passes")
    assert seconds(store) == spent
    begin(store)
    assert seconds(store) >= spent


def _now() -> float:
    return datetime.datetime.now(datetime.UTC).timestamp()


@pytest.mark.parametrize("built_again", [False, True])
def test_what_an_earlier_try_took_is_kept(store: Store, built_again: bool) -> None:
    folder = begin(store)
    kill(folder)
    begun_before(store, ID, DAY, lived=60)
    trial_folder.finish(store, ID, {"status": "failed", "reason": "killed"}, runs.moment(_now() - DAY + 60))
    assert seconds(store) == pytest.approx(60, abs=0.1)
    trials.ask(store, ID, "retry")
    assert seconds(store) == pytest.approx(60, abs=0.1)
    begin(store)
    begun_before(store, ID, 40)
    if built_again:
        store.project.store_path.unlink()
    with open_store(store.project) as again:
        assert seconds(again) == pytest.approx(100, abs=30)


def test_a_full_disk_between_two_tries_loses_no_hours(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one's folder is set aside then, and the next is not there."""
    kill(begin(store))
    begun_before(store, ID, DAY, lived=60)
    trial_folder.finish(store, ID, {"status": "failed", "reason": "killed"}, runs.moment(_now() - DAY + 60))
    trials.ask(store, ID, "retry")

    def refuse(*_given: Any, **_named: Any) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as full:
        full.setattr(runs, "note_try", refuse)
        with pytest.raises(OSError, match="No space"):
            trial_folder.prepare(store, trials.trial(store, ID), Slot("cpu"))
    begin(store)
    assert seconds(store) == pytest.approx(60, abs=30)


def test_a_store_of_before_keeps_what_its_trials_took(store: Store) -> None:
    """By their clock, and by what they said where they had been interrupted."""
    values = ("complete", "2026-01-01T00:00:00.000+00:00", "2026-01-01T00:01:00.000+00:00")
    with store.transaction():
        for id, result in ((ID, "{}"), ("round-1-002", '{"resumed": 1, "seconds": 7.5}')):
            store.database.conn.execute(
                "UPDATE trials SET status = ?, started_at = ?, ended_at = ?, result = ? WHERE id = ?",
                [*values, result, id],
            )
        store.database.conn.execute("ALTER TABLE trials DROP COLUMN spent")
        store.database.conn.execute("DELETE FROM _sqlite_migrations WHERE name = 'm009_spent'")
    with open_store(store.project) as again:
        assert seconds(again) == pytest.approx(67.5, abs=0.01)
