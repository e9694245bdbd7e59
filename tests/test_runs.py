"""Run folders: a detached process is found again, stopped, and known to be dead when it is."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rounds import trial_folder
from state import files, runs
from state.errors import Refusal

SLEEPER = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"]


def wait_for(condition: Callable[[], object], message: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.01)


def reap(pid: int) -> None:
    """Take the exit status of a child of the test: until then it is a zombie."""
    os.waitpid(pid, 0)


def test_a_started_process_lives_in_a_session_of_its_own_and_writes_its_log(tmp_path: Path) -> None:
    pid = runs.start(SLEEPER, tmp_path / "run")
    try:
        wait_for(lambda: runs.log_tail(tmp_path / "run") == ["here"], "it printed nothing")
        assert os.getsid(pid) == pid
        assert runs.alive(tmp_path / "run")
        with pytest.raises(Refusal, match="at work here already"):
            runs.start(SLEEPER, tmp_path / "run")
    finally:
        assert runs.stop(tmp_path / "run", hard=True)
        reap(pid)
    assert not runs.alive(tmp_path / "run")
    assert not runs.stop(tmp_path / "run")


def test_a_killed_process_is_known_to_be_dead_even_as_a_zombie(tmp_path: Path) -> None:
    pid = runs.start(SLEEPER, tmp_path)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not runs.alive(tmp_path), "the zombie was taken for alive")
    reap(pid)


def test_another_process_with_the_same_pid_is_not_taken_for_it(tmp_path: Path) -> None:
    files.write_atomically(
        tmp_path / runs.PROCESS, f'{{"pid": {os.getpid()}, "started": "1", "boot": "{runs.boot()}"}}'
    )
    assert not runs.alive(tmp_path)


def test_a_missing_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no such program"):
        runs.start(["/no/such/program"], tmp_path)


def test_a_held_lock_is_seen_by_others_and_freed_by_death(tmp_path: Path) -> None:
    path = tmp_path / runs.LOCK
    code = (
        "import sys, time; from pathlib import Path; from state import files\n"
        "with files.holding(Path(sys.argv[1]), 'me') as held: print(held, flush=True); time.sleep(600)"
    )
    pid = runs.start([sys.executable, "-c", code, str(path)], tmp_path)
    wait_for(lambda: files.lock_held(path), "the lock was never taken")
    with files.holding(path) as held:
        assert not held
    os.kill(pid, signal.SIGKILL)
    reap(pid)
    assert not files.lock_held(path)


def test_a_number_in_a_lock_that_is_another_process_here_is_nobody_to_stop(tmp_path: Path) -> None:
    """As a process in a container has a number of its own there, which here is somebody else's."""
    theirs, other = tmp_path / "theirs", tmp_path / "other"
    stranger = runs.start(SLEEPER, other)
    code = (
        "import sys, time; from pathlib import Path; from state import files\n"
        "with files.holding(Path(sys.argv[1]), sys.argv[2]) as held: print(held, flush=True); time.sleep(600)"
    )
    holder = runs.start([sys.executable, "-c", code, str(theirs / runs.LOCK), f"{stranger}\n"], theirs)
    wait_for(lambda: runs.log_tail(theirs) == ["True"], "the lock was never taken")
    (theirs / runs.PROCESS).unlink()
    try:
        trial_folder.adopt(theirs)
        assert runs.process(theirs) is None
        (theirs / runs.LOCK).write_text(f"{holder}\n", encoding="utf-8")
        trial_folder.adopt(theirs)
        assert (found := runs.process(theirs)) is not None
        assert found.pid == holder
    finally:
        for pid in (holder, stranger):
            os.kill(pid, signal.SIGKILL)
            reap(pid)


def test_who_only_asks_whether_a_lock_is_held_holds_none_and_need_not_be_let_write(tmp_path: Path) -> None:
    """As another one asks at the same moment, in a folder on a disk that is read alone."""
    path = tmp_path / runs.LOCK
    path.touch()
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'rb'); fcntl.lockf(file, fcntl.LOCK_SH)\n"
        "open(sys.argv[2], 'x'); time.sleep(600)"
    )
    pid = runs.start([sys.executable, "-c", code, str(path), str(tmp_path / "asked")], tmp_path)
    wait_for((tmp_path / "asked").exists, "nobody asked")
    assert not files.lock_held(path)
    os.kill(pid, signal.SIGKILL)
    reap(pid)
    kept = os.open
    with pytest.MonkeyPatch.context() as patch:
        # As a read-only disk answers, to root too.
        patch.setattr(os, "open", lambda name, flags, *mode: _read_only(kept, name, flags, *mode))
        assert not files.lock_held(path)


def _read_only(open_: Callable[..., int], name: str, flags: int, *mode: int) -> int:
    if flags & (os.O_RDWR | os.O_WRONLY):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)
    return open_(name, flags, *mode)
