"""A disk that fills up while a round runs: nothing is lost, trials wait and say so, and go on to the same results."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rounds import attending, room, trouble
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.warm import ForkServer
from state import files, metrics, run_command, runs, trial_progress, trials
from state.database import Store
from state.errors import Refusal, Unavailable
from state.store import open_store
from tests import small_project
from tests.small_project import wait_for

# Of a trial some 8 MB: three best checkpoints, the last one, and for a moment another.
SIZE, SPARE = 40 * 2**20, 5 * 2**20
STEPS = {"training.steps": 120, "training.evaluate_every": 40, "training.seed": 1}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MB; skipped where nobody may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(path)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def queue(store: Store, digits: Path) -> None:
    small_project.batch(store, small_project.settings(digits), [STEPS])


def outcome(store: Store) -> Any:
    entry = trials.trial(store, "round-1-001")
    assert (entry.status, entry.message) == ("complete", "")
    return entry.best, entry.best_step, entry.final, metrics.curve(store, entry.id, "val/loss")


def tick(driven: Supervisor) -> None:
    """One look of a supervisor, which outlives that the store's disk is full."""
    with contextlib.suppress(Refusal):
        driven.tick()


def recorded(store: Store) -> tuple[bytes, Any]:
    """What the journal holds, and how much of it the tables know."""
    return store.project.journal_path.read_bytes(), store.rows("SELECT * FROM meta")


def fill(path: Path, left: int) -> None:
    """Leave so many bytes of the disk free."""
    # What a trial writes meanwhile may take it.
    with contextlib.suppress(OSError), open(path, "wb") as ballast:
        ballast.write(b"\0" * max(room.disk_free(path.parent) - left, 0))


def test_a_round_goes_on_when_a_full_disk_has_room_again(
    disk: Path, tmp_path: Path, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LEAST_DISK", 2 * 2**20)
    with open_store(small_project.project(tmp_path / "roomy", digits)) as roomy:
        queue(roomy, digits)
        driven = Supervisor(roomy, Machine(2), fork_server)
        wait_for(lambda: not driven.tick(), "the undisturbed trial never ended")
        undisturbed = outcome(roomy)

    with open_store(small_project.project(disk / "p", digits)) as store:
        queue(store, digits)
        fill(disk / "ballast", SPARE)
        driven = Supervisor(store, Machine(2), fork_server)

        def waits() -> bool:
            tick(driven)
            entry = trials.trial(store, "round-1-001")
            return entry.status == "queued" and entry.message.startswith("Waiting: only ")

        # It begins, runs into the full disk in the middle of a checkpoint, and waits with what it has saved.
        wait_for(waits, "the trial never waited for room")
        assert not list(disk.glob("p/.tunebook/trials/*/checkpoints/*.tmp"))

        # Not one byte left: a wish cannot be recorded, says why, and leaves no half of it behind.
        fill(disk / "more", 0)
        said, before = "", recorded(store)
        for _ in range(200):
            before = recorded(store)
            try:
                trials.ask(store, "round-1", "pause")
            except Refusal as refusal:
                said = str(refusal)
                break
        assert "the disk is full" in said
        assert recorded(store) == before

        for name in ("ballast", "more"):
            (disk / name).unlink()
        trials.ask(store, "round-1", "run")
        wait_for(lambda: tick(driven) or trials.trial(store, "round-1-001").status == "complete", "it never went on")
        assert outcome(store) == undisturbed
        assert runs.result(store.project.trial_folder("round-1-001")) is not None


@pytest.mark.parametrize("before", [False, True])
def test_a_line_of_metrics_that_the_disk_cuts_off_is_written_again_when_there_is_room(
    disk: Path, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """Not one byte is left while a trial runs: the page of its file fills up in the middle of a line, and neither a
    result nor a word in the log can be written. With room again it comes to its end, every line whole, also where it
    was lost `before`."""
    monkeypatch.setattr(room, "LEAST_DISK", 2 * 2**20)
    with open_store(small_project.project(disk / "p", digits)) as store:
        steps = {"training.steps": 400, "training.evaluate_every": 1, "training.seed": 1}
        small_project.batch(store, small_project.settings(digits), [steps])
        if before:
            trial_progress.mark_running(store, "round-1-001", restart=True)
            trial_progress.mark_queued(store, "round-1-001")
        driven = Supervisor(store, Machine(2), fork_server)
        path = store.project.trial_folder("round-1-001") / "metrics.jsonl"
        wait_for(lambda: tick(driven) or (path.exists() and path.stat().st_size > 2000), "it wrote no metrics")
        fill(disk / "ballast", 0)
        wait_for(lambda: not runs.alive(path.parent), "it ran on without its metrics")
        assert not path.read_bytes().endswith(b"\n")
        # Nor can the store take note of its end.
        for _ in range(3):
            tick(driven)
        assert trials.trial(store, "round-1-001").status == "running"
        (disk / "ballast").unlink()
        wait_for(lambda: tick(driven) or trials.trial(store, "round-1-001").status == "complete", "it never went on")
        assert [step for step, _loss in metrics.curve(store, "round-1-001", "train/loss")] == list(range(1, 401))
        assert path.read_bytes().count(b"\n") == len(path.read_bytes().splitlines())


def test_a_trial_that_waits_is_not_given_up_where_not_even_that_can_be_noted(
    disk: Path, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one byte is left before it begins; with room again it begins."""
    monkeypatch.setattr(room, "LEAST_DISK", 2 * 2**20)
    monkeypatch.setattr(attending, "LONGEST_PAUSE", 0.0)
    with open_store(small_project.project(disk / "p", digits)) as store:
        queue(store, digits)
        fill(disk / "ballast", 0)
        with contextlib.suppress(Refusal):
            for _ in range(1000):
                # What the store has of free pages is used up too.
                trial_progress.note(store, "round-1-001", "x" * 4000)
                trials.put_first(store, ["round-1-001"] * 500)
        driven = Supervisor(store, Machine(2), fork_server)
        for _ in range(2 * trouble.ATTEMPTS):
            tick(driven)
        assert trials.trial(store, "round-1-001").status == "queued"
        (disk / "ballast").unlink()
        wait_for(lambda: tick(driven) or trials.trial(store, "round-1-001").status == "complete", "it never began")


@pytest.mark.parametrize("left", ["inodes", "bytes"])
def test_a_trial_that_cannot_be_written_down_waits_however_long_that_takes(
    disk: Path, digits: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """No file can be made, though the disk has room (as for whoever has used up a quota); with that again it begins."""
    monkeypatch.setattr(room, "LEAST_DISK", 0 if left == "bytes" else 2 * 2**20)
    for pause in ("LONGEST_PAUSE", "STORE_PAUSE"):
        monkeypatch.setattr(attending, pause, 0.0)
    if left == "inodes":
        subprocess.run(["mount", "-o", "remount,nr_inodes=200", str(disk)], check=True)
    with open_store(small_project.project(disk / "p", digits)) as store:
        queue(store, digits)
        trials.ask(store, "round-1-001", "retry")
        files.make_folder(store.project.trial_folder("round-1-001"))
        ballast = files.make_folder(disk / "ballast")
        if left == "bytes":
            fill(ballast / "bytes", 0)
        else:
            with contextlib.suppress(OSError):
                for number in range(1000):
                    (ballast / str(number)).touch()
        driven = Supervisor(store, Machine(2), fork_server)
        while fork_server.poll() != "ready":
            time.sleep(0.02)
        for _ in range(4 * trouble.ATTEMPTS):
            tick(driven)
        entry = trials.trial(store, "round-1-001")
        assert entry.status == "queued"
        assert left == "bytes" or "the disk is full" in entry.message
        shutil.rmtree(ballast)
        wait_for(lambda: tick(driven) or trials.trial(store, "round-1-001").status == "complete", "it never began")
        assert not list((disk / "p").glob(".tunebook/trials/round-1-001.*"))


def ended_on_a_full_disk(disk: Path) -> Path:
    """The folder of a command of one's own whose disk filled up while it ran; it has ended, and its result waits."""
    folder = disk / "t"
    elsewhere = disk.parent / "elsewhere"
    elsewhere.mkdir()
    output = files.make_folder(folder / run_command.OUTPUT)
    (output / "metrics.jsonl").symlink_to(elsewhere / "metrics.jsonl")
    code = f"""
import json, pathlib, time
def say(step):
    with open({str(elsewhere / "metrics.jsonl")!r}, "a") as file:
        file.write(json.dumps({{"step": step, "score": step / 10, "note": "x" * 3000}}) + "\\n")
say(1)
say(2)
while not pathlib.Path({str(elsewhere / "full")!r}).exists():
    time.sleep(0.01)
for step in range(3, 10):
    say(step)
    time.sleep(0.2)
"""
    (elsewhere / "script.py").write_text(code)
    asked = {
        "command": [sys.executable, str(elsewhere / "script.py")],
        "named": [str(elsewhere / "script.py")],
        "program": sys.executable,
        "directory": str(elsewhere),
        "metric": "score",
        "direction": "max",
        "device": "cpu",
    }
    files.write_atomically(folder / run_command.COMMAND, json.dumps(asked))
    runs.start([sys.executable, "-P", "-m", "state.run_command", str(folder)], folder)
    wait_for(lambda: (folder / run_command.METRICS).exists(), "it wrote nothing", 20)
    fill(disk / "ballast", 0)
    (elsewhere / "full").touch()
    wait_for(lambda: (elsewhere / "metrics.jsonl").read_text().count("\n") == 9, "the command did not end")
    time.sleep(2)
    assert runs.result(folder) is None
    assert runs.alive(folder)
    return folder


def require_whole(folder: Path) -> None:
    """Its result is there, and so is every line."""
    result = runs.wait(folder)
    assert result is not None
    assert (result["status"], result["best"]["val/score"], result["steps_done"]) == ("complete", 0.9, 9)
    lines = (folder / run_command.METRICS).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 10))
    assert not (folder / run_command.RESERVE).exists()


def test_a_command_of_ones_own_outlives_a_full_disk_and_its_result_waits_for_room(disk: Path) -> None:
    """It writes nothing itself while the disk is full; not one of its values is lost, and it is not run again."""
    folder = ended_on_a_full_disk(disk)
    (disk / "ballast").unlink()
    require_whole(folder)


@pytest.mark.parametrize("kept", [True, False])
def test_a_result_that_waits_for_room_answers_a_stop(disk: Path, kept: bool) -> None:
    """It takes the room that was reserved for it; where not even that is there, it ends without."""
    folder = ended_on_a_full_disk(disk)
    if not kept:
        (folder / run_command.RESERVE).unlink()
        fill(disk / "more", 0)
    assert runs.stop(folder)
    try:
        wait_for(lambda: not runs.alive(folder), "it waits on", 15)
    finally:
        runs.stop(folder, hard=True)
    if kept:
        require_whole(folder)
    else:
        assert runs.result(folder) is None


def test_that_the_fork_server_finds_no_room_is_said_as_what_passes(disk: Path, fork_server: ForkServer) -> None:
    subprocess.run(["mount", "-o", "remount,nr_inodes=2", str(disk)], check=True)
    while fork_server.poll() != "ready":
        time.sleep(0.02)
    (disk / "t").mkdir()
    with pytest.raises(Unavailable, match="No space left"):
        fork_server.start(disk / "config.toml", disk / "t", disk / "cache", {})
