"""What was interrupted between two acts that belong together, by a kill, a held store or a full disk: no trial is run
twice, given up without its doing, or left at work unseen."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rounds import attending, cost, ending, supervisor, trial_folder, trouble, wishes
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.warm import ForkServer
from state import files, repair, runs, trial_progress, trials
from state.database import Store
from state.errors import Damaged
from state.project import Project
from state.store import open_store
from tests import small_project
from tests.small_project import wait_for
from training import serve

ID = "round-1-001"
# A process that ends when its folder has a file `end`, as one takes its time that has a GPU to give back.
LINGERING = "import pathlib, time\nwhile not pathlib.Path('{folder}/end').exists():\n    time.sleep(0.01)"


@pytest.fixture
def project(tmp_path: Path, digits: Path) -> Iterator[Project]:
    with small_project.alone(tmp_path / "p", digits) as made:
        yield made


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    with open_store(project) as opened:
        yield opened


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be done is tried again at once."""
    for pause in ("LONGEST_PAUSE", "STORE_PAUSE"):
        monkeypatch.setattr(attending, pause, 0.0)


@contextlib.contextmanager
def held(store: Store) -> Iterator[None]:
    """Another program holds the store, and nobody waits for it."""
    store.wait_at_most(0.005)
    with small_project.held(store):
        yield


def linger(folder: Path) -> None:
    """A process that lives in a trial's folder until it is let go."""
    runs.start([sys.executable, "-c", LINGERING.format(folder=folder)], folder)


def let_go(folder: Path) -> None:
    (folder / "end").touch()
    wait_for(lambda: not runs.alive(folder), "it never ended")


def end(driven: Supervisor) -> None:
    wait_for(lambda: not driven.tick(), "the trials never ended")


def test_a_second_try_that_ended_while_the_store_was_held_is_not_run_once_more(
    store: Store, digits: Path, fork_server: ForkServer
) -> None:
    small_project.batch(store, small_project.settings(digits))
    driven, folder = Supervisor(store, Machine(1), fork_server), store.project.trial_folder(ID)
    end(driven)
    trials.ask(store, ID, "retry")
    with held(store):
        wait_for(lambda: driven.tick() and (folder.with_name(f"{ID}.1")).exists(), "it was not tried again")
        wait_for(lambda: driven.tick() and runs.result(folder) and not runs.alive(folder), "it never ended")
        for _ in range(5):
            driven.tick()
    end(driven)
    assert not folder.with_name(f"{ID}.2").exists()
    entry = trials.trial(store, ID)
    assert (entry.status, entry.wanted) == ("complete", "")


def test_a_second_try_of_a_stopped_trial_goes_on_wherever_its_start_was_interrupted(
    store: Store, digits: Path, fork_server: ForkServer
) -> None:
    small_project.batch(store, small_project.settings(digits))
    folder = files.make_folder(store.project.trial_folder(ID))
    files.write_atomically(folder / runs.RESULT, json.dumps({"status": "stopped"}))
    (folder / "mark").touch()
    trial_progress.mark_ended(store, ID, {"status": "stopped"})
    trials.ask(store, ID, "retry")
    driven = Supervisor(store, Machine(1), fork_server)
    # Its supervisor dies when all is ready for the process.
    trial_folder.prepare(store, trials.trial(store, ID), attending.Slot("cpu"))
    end(driven)
    assert (folder / "mark").exists()
    assert not folder.with_name(f"{ID}.1").exists()


@pytest.mark.parametrize("clock", [-3600.0, 3600.0])
def test_whether_a_result_is_of_the_second_try_does_not_hang_on_the_clock(
    store: Store, digits: Path, clock: float
) -> None:
    small_project.batch(store, small_project.settings(digits))
    folder = files.make_folder(store.project.trial_folder(ID))
    first = {"status": "failed", "steps_done": 1}
    files.write_atomically(folder / runs.RESULT, json.dumps(first))
    trial_progress.mark_ended(store, ID, first)
    trials.ask(store, ID, "retry")
    trial_folder.prepare(store, trials.trial(store, ID), attending.Slot("cpu"))
    files.write_atomically(folder / runs.RESULT, json.dumps({"status": "complete", "steps_done": 30}))
    at = time.time() + clock
    os.utime(folder / runs.RESULT, (at, at))
    store.project.store_path.unlink()
    with open_store(store.project) as again:
        entry = trials.trial(again, ID)
        assert (entry.status, entry.wanted, entry.steps_done) == ("complete", "", 30)


@pytest.mark.parametrize("target", [ID, "round-1"])
def test_what_was_started_and_not_noted_is_stopped_where_that_is_wished(
    store: Store, digits: Path, fork_server: ForkServer, target: str
) -> None:
    """A supervisor died between starting a process and noting it."""
    small_project.batch(store, small_project.settings(digits, training__steps=100_000))
    first, folder = Supervisor(store, Machine(1), fork_server), store.project.trial_folder(ID)
    with held(store):
        wait_for(lambda: first.tick() and runs.alive(folder), "it was not started")
    assert trials.trial(store, ID).status == "queued"
    trials.ask(store, target, "stop")
    assert supervisor.has_work(store.project)
    end(Supervisor(store, Machine(1), fork_server))
    assert not runs.alive(folder)
    assert trials.trial(store, ID).status == "stopped"
    assert not supervisor.has_work(store.project)


def test_what_was_started_and_not_noted_keeps_no_slot_once_it_is_stopped(
    store: Store, digits: Path, fork_server: ForkServer
) -> None:
    steps = {"training.steps": 100_000}
    small_project.batch(store, small_project.settings(digits), [steps, {}], slots=1)
    driven, folder = Supervisor(store, Machine(1), fork_server), store.project.trial_folder(ID)
    with held(store):
        wait_for(lambda: driven.tick() and runs.alive(folder), "it was not started")
    trials.ask(store, ID, "stop")
    end(driven)
    assert not runs.alive(folder)
    assert [entry.status for entry in trials.trials(store)] == ["stopped", "complete"]
    assert not driven.slots


def test_without_a_supervisor_too_whoever_stops_a_trial_ends_what_was_not_noted(store: Store, digits: Path) -> None:
    small_project.batch(store, small_project.settings(digits, training__steps=100_000))
    folder = store.project.trial_folder(ID)
    linger(files.make_folder(folder))
    wishes.ask(store, ID, "stop")
    wait_for(lambda: not runs.alive(folder), "it was left at work")
    wait_for(lambda: trials.trial(store, ID).status == "stopped", "it was not noted")
    wait_for(lambda: not supervisor.alive(store.project), "the supervisor did not leave", 60)


@pytest.mark.parametrize("reason", ["device", "disk_full"])
def test_what_goes_on_waits_until_its_process_has_ended(
    store: Store, digits: Path, fork_server: ForkServer, reason: str
) -> None:
    """A GPU is given back some time after the result is written."""
    small_project.batch(store, small_project.settings(digits))
    folder = files.make_folder(store.project.trial_folder(ID))
    linger(folder)
    driven = Supervisor(store, Machine(1), fork_server)
    wait_for(lambda: driven.tick() and trials.trial(store, ID).status == "running", "it was not noted")
    files.write_atomically(folder / runs.RESULT, json.dumps({"status": "failed", "reason": reason}))
    for _ in range(3):
        driven.tick()
    let_go(folder)
    # As the fork server says it where there is no result.
    if runs.result(folder) is None:
        ending.write(folder, 256)
    end(driven)
    entry = trials.trial(store, ID)
    assert (entry.status, entry.message, entry.restarts) == ("complete", "", 1)


def test_one_that_goes_on_is_not_given_up_for_that_the_store_could_not_note_it(
    store: Store, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result that says why is there until it is noted."""
    monkeypatch.setattr(attending, "ENDING_SECONDS", 0.0)
    small_project.batch(store, small_project.settings(digits))
    folder = files.make_folder(store.project.trial_folder(ID))
    trial_progress.mark_running(store, ID, restart=True)
    files.write_atomically(folder / runs.RESULT, json.dumps({"status": "failed", "reason": "disk_full"}))
    driven = Supervisor(store, Machine(1), fork_server)
    with held(store):
        for _ in range(3):
            driven.tick()
    end(driven)
    entry = trials.trial(store, ID)
    assert (entry.status, entry.message) == ("complete", "")


def test_a_gpu_is_not_left_alone_for_one_failure_that_the_store_could_not_note(
    store: Store, digits: Path, fork_server: ForkServer
) -> None:
    small_project.batch(store, small_project.settings(digits))
    folder = files.make_folder(store.project.trial_folder(ID))
    for _ in range(attending.GOES_ON["device"]):
        trial_progress.mark_running(store, ID, restart=True)
    files.write_atomically(folder / runs.RESULT, json.dumps({"status": "failed", "reason": "device"}))
    files.write_atomically(folder / trial_folder.SLOT, json.dumps({"device": "cuda", "gpu": "GPU-1"}))
    driven = Supervisor(store, Machine(1), fork_server)
    with held(store):
        for _ in range(3):
            driven.tick()
    driven.tick()
    assert driven.faults.in_a_row == {"GPU-1": 1}


def test_that_the_kernel_killed_for_memory_is_said_whenever_it_can_be_noted(
    store: Store, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_project.batch(store, small_project.settings(digits))
    folder = files.make_folder(store.project.trial_folder(ID))
    trial_progress.mark_running(store, ID, restart=True)
    ending.write(folder, signal.SIGKILL)
    files.append_line(folder / "metrics.jsonl", {"step": 1, "train/loss": 1.0})
    driven = Supervisor(store, Machine(1), fork_server)
    monkeypatch.setattr(ending, "oom_kills", lambda: driven.oom_kills + 1 if driven.oom_kills < 1 else 1)
    driven.oom_kills = 0
    with held(store):
        for _ in range(3):
            driven.tick()
    end(driven)
    assert trials.trial(store, ID).reason == "out_of_memory"


def test_what_goes_wrong_for_long_fills_no_log(
    store: Store, digits: Path, fork_server: ForkServer, caplog: pytest.LogCaptureFixture
) -> None:
    small_project.batch(store, small_project.settings(digits))
    trial_progress.mark_running(store, ID, restart=False)
    linger(files.make_folder(store.project.trial_folder(ID)))
    trials.ask(store, ID, "stop")
    files.write_atomically(store.project.trial_folder(ID) / runs.RESULT, json.dumps({"status": "complete"}))
    driven = Supervisor(store, Machine(1), fork_server)
    with held(store):
        for _ in range(100):
            driven.tick()
    assert 0 < len(caplog.records) < 10


def test_a_supervisor_waits_for_a_store_that_is_held_when_it_begins(project: Project, digits: Path) -> None:
    """Some 16 s, for SQLite waits for 10."""
    with open_store(project) as store:
        small_project.batch(store, small_project.settings(digits), wanted="")
        # As a session that was killed in the middle of recording leaves it: the journal is ahead.
        files.append_line(
            project.journal_path,
            {"kind": "request", "at": "2026-01-01", "by": "x", "target": "round-1", "wanted": "run", "slots": None},
        )
        with held(store):
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rounds.supervisor", "--project", str(project.root)],
                stdin=subprocess.DEVNULL,
            )
            time.sleep(16)
            assert process.poll() is None
    with open_store(project) as store:
        wait_for(lambda: trials.trial(store, ID).status == "complete", "it was not seen to", 90)
    process.terminate()
    assert process.wait(60) == 0


def test_a_supervisor_leaves_a_damaged_store_so_that_it_can_be_built_again(project: Project, digits: Path) -> None:
    """While it is at work nobody may, and no wish can be recorded that would end it."""
    with open_store(project) as store:
        small_project.batch(store, small_project.settings(digits))
        trial_progress.mark_running(store, ID, restart=False)
        linger(files.make_folder(project.trial_folder(ID)))
        driven = Supervisor(store, Machine(1), ForkServer(project.folder))
        assert driven.tick()
        for suffix, head in (("", 4096), ("-wal", 32)):
            # What SQLite keeps of it in shared memory stays as it is.
            path = project.store_path.with_name(project.store_path.name + suffix)
            with open(path, "r+b") as file:
                file.seek(head)
                file.write(b"\xff" * (path.stat().st_size - head))
        # Pages that it has read are read anew.
        store.database.execute("PRAGMA shrink_memory")
        deadline = time.monotonic() + 10
        with pytest.raises(Damaged, match="tunebook doctor --repair"):
            supervisor._loop(driven, lambda: time.monotonic() > deadline)
    repair.rebuild(project)
    with open_store(project) as store:
        assert trials.trial(store, ID).status == "running"


def test_a_restart_of_the_machine_is_no_fault_of_a_trial_however_often_it_happens(
    store: Store, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "ENDING_SECONDS", 0.0)
    small_project.batch(store, small_project.settings(digits))
    driven, folder = Supervisor(store, Machine(1), fork_server), store.project.trial_folder(ID)
    for _ in range(4):
        lost = trial_folder.prepare(store, trials.trial(store, ID), attending.Slot("cpu"))
        trial_progress.mark_running(store, ID, restart=lost)
        files.write_atomically(folder / runs.PROCESS, json.dumps({"pid": 1, "started": "1", "boot": "another"}))
        wait_for(lambda: driven.tick() and trials.trial(store, ID).status != "running", "it was not seen", 20)
        assert trials.trial(store, ID).message.startswith("It was lost: The machine was restarted. It begins again")
    end(driven)
    entry = trials.trial(store, ID)
    assert (entry.status, entry.restarts) == ("complete", 0)


# Says that it is ready, and dies of the first request, as one that the kernel kills when memory is short.
DYING = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[-1])
listener.listen()
connection = listener.accept()[0]
connection.recv(1000)
connection.sendall(b'{"ready": true}\\n')
connection.recv(1)
"""


def test_a_trial_is_not_given_up_for_fork_servers_that_die(store: Store, tmp_path: Path, digits: Path) -> None:
    """After the third it is started without one."""
    small_project.batch(store, small_project.settings(digits))
    driven = Supervisor(store, Machine(1), ForkServer(tmp_path, (sys.executable, "-c", DYING)))
    end(driven)
    assert trials.trial(store, ID).status == "complete"
    driven.close()


def test_trials_wait_while_there_is_no_room_for_another_process(
    store: Store, tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object, **_options: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    small_project.batch(store, small_project.settings(digits), [{}, {"training.seed": 1}])
    driven = Supervisor(store, Machine(1), ForkServer(tmp_path, ("false",)))
    wait_for(lambda: driven.server.poll() == "unavailable", "the server did not end")
    with monkeypatch.context() as full:
        full.setattr(subprocess, "Popen", refuse)
        for _ in range(3 * trouble.ATTEMPTS):
            driven.tick()
        assert "Resource temporarily unavailable" in trials.trial(store, ID).message
    end(driven)
    assert [entry.status for entry in trials.trials(store)] == ["complete"] * 2


def test_a_fork_server_that_cannot_fork_says_so_and_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refuse)
    with socket.socket(socket.AF_UNIX) as listener:
        answer = serve.answer(serve.Server(listener), b'{"config": "c", "output": "o"}', 0.0)
    assert files.passes(answer["error"])


def test_the_time_in_which_nothing_ran_is_none_of_a_trials(store: Store, digits: Path, fork_server: ForkServer) -> None:
    """Of two that were begun days ago, one is lost before it has saved anything, and begins today; the other ended an
    hour after its beginning, and nobody saw it till now."""
    small_project.batch(store, small_project.settings(digits), [{}, {"training.seed": 1}])
    begun = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=3)
    for entry in trials.trials(store):
        trial_folder.prepare(store, entry, attending.Slot("cpu"))
        trial_progress.mark_running(store, entry.id, restart=False)
        with store.transaction():
            store.database.execute("UPDATE trials SET started_at = ?", [begun.isoformat(timespec="milliseconds")])
    result = store.project.trial_folder("round-1-002") / runs.RESULT
    files.write_atomically(result, json.dumps({"status": "complete", "seconds": 3500.0}))
    at = begun.timestamp() + 3600
    os.utime(result, (at, at))
    end(Supervisor(store, Machine(1), fork_server))
    lost, unseen = (cost.seconds(entry) for entry in trials.trials(store))
    assert lost is not None
    assert lost < 600
    assert unseen == pytest.approx(3600, abs=1)
    store.project.store_path.unlink()
    with open_store(store.project) as again:
        ended = [datetime.datetime.fromisoformat(str(entry.ended_at)) for entry in trials.trials(again)]
        assert (ended[1] - begun).total_seconds() == pytest.approx(3600, abs=1)
