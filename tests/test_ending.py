"""How a trial was lost: the cause is named by what the system, the log and the exit status say."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from rounds import ending
from rounds.stalling import LEAST_SECONDS, Steps
from state import files, runs


def cause(folder: Path, code: int | None = None, number: int | None = None, oom: bool = False) -> ending.Cause:
    (folder / ending.EXIT).write_text(json.dumps({"code": code, "signal": number}))
    return ending.cause(folder, oom)


def test_what_happened_to_a_process_is_told_apart(tmp_path: Path) -> None:
    assert "SIGSEGV" in cause(tmp_path, number=signal.SIGSEGV).message.text()
    assert "SIGSEGV" in cause(tmp_path, number=signal.SIGSEGV, oom=True).message.text()
    killed = cause(tmp_path, number=signal.SIGKILL, oom=True)
    assert (killed.reason, killed.again, killed.status) == ("out_of_memory", True, "failed")
    assert "the kernel killed" in killed.message.text()
    crashed = cause(tmp_path, code=7)
    assert (crashed.reason, crashed.again) == ("error", False)
    assert "exit code 7" in crashed.message.text()
    (tmp_path / ending.EXIT).unlink()
    assert "nothing says by whom" in ending.cause(tmp_path, False).message.text()
    assert ending.oom_kills() >= 0


def test_a_machine_that_was_restarted_is_known_by_its_boot_whatever_its_clock_says(tmp_path: Path) -> None:
    runs.remember_process(tmp_path, os.getpid())
    noted = files.read_json(tmp_path / runs.PROCESS) or {}
    assert cause(tmp_path, code=1).reason == "error"
    files.write_atomically(tmp_path / runs.PROCESS, json.dumps({**noted, "boot": "another"}))
    found = cause(tmp_path, code=1)
    assert (found.reason, found.again) == ("rebooted", True)
    assert runs.process(tmp_path) is None


@pytest.mark.parametrize(
    ("line", "reason", "again", "status"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "out_of_memory", False, "infeasible"),
        (
            "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory",
            "out_of_memory",
            False,
            "infeasible",
        ),
        # Of a part of a GPU, and of the driver by way of JAX.
        (
            'RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "a.cpp":1154',
            "out_of_memory",
            False,
            "infeasible",
        ),
        ("INTERNAL: CUDA error: Failed call: CUDA_ERROR_OUT_OF_MEMORY", "out_of_memory", False, "infeasible"),
        ("OSError: [Errno 28] No space left on device: 'result.json'", "disk_full", True, "failed"),
        ("OSError: [Errno 122] Disk quota exceeded", "disk_full", True, "failed"),
        ("KeyError: 'label'", "error", False, "failed"),
    ],
)
def test_a_process_that_died_of_its_own_is_known_by_its_log(
    tmp_path: Path, line: str, reason: str, again: bool, status: str
) -> None:
    (tmp_path / runs.LOG).write_text(f"beginning\n\nTraceback [/red] {{x}}\n{line}\n")
    found = cause(tmp_path, code=1)
    assert (found.reason, found.again, found.status) == (reason, again, status)
    assert ending.last_lines(tmp_path) == f"beginning / Traceback [/red] {{x}} / {line}"


def test_a_process_is_found_again_after_the_clock_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noted of a process is by the ticks since the machine started, so that no clock counts."""
    runs.remember_process(tmp_path, os.getpid())
    monkeypatch.setattr("psutil.Process.create_time", lambda self: 1.0)
    found = runs.process(tmp_path)
    assert found is not None
    assert found.pid == os.getpid()


def test_a_trial_without_new_steps_is_stalled_after_long_and_not_before() -> None:
    steps = Steps()
    assert steps.stalled("a", 0, 0.0) is None
    for second in range(1, 11):
        assert steps.stalled("a", second, float(second)) is None
    assert steps.stalled("a", 10, 10.0 + LEAST_SECONDS) is None
    assert steps.stalled("a", 10, 11.0 + LEAST_SECONDS) == LEAST_SECONDS + 1
    assert steps.stalled("a", 11, 12.0 + LEAST_SECONDS) is None


def test_a_trial_whose_steps_take_minutes_is_given_time_and_one_that_begins_anew_too() -> None:
    steps = Steps()
    for step in range(6):
        assert steps.stalled("a", step, step * 60.0) is None
    # Twenty times the minute that its steps take.
    assert steps.stalled("a", 5, 300.0 + 1199.0) is None
    assert steps.stalled("a", 5, 300.0 + 1201.0) == 1201.0
    assert steps.stalled("a", 2, 300.0 + 1202.0) is None
    steps.forget("a")
    assert steps.stalled("a", 2, 1e6) is None
