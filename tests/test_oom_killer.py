"""Memory that really runs out: the kernel kills in a control group of the test's own, where one can be made."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from state import trials
from state.project import open_project
from state.store import open_store
from tests.small_project import wait_for

MIB = 2**20
LIMIT = 300 * MIB
# Takes memory, four mebibytes after the other, until it is killed, or has more than there is by far.
GREEDY = """\
import json, sys, time
held = []
for step in range(1, 501):
    held.append(bytearray(b"x") * 4_000_000)
    time.sleep(0.01)
    if step % 10 == 0:
        with open(sys.argv[1] + "/metrics.jsonl", "a") as file:
            file.write(json.dumps({"step": step, "accuracy": step / 500}) + "\\n")
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with little memory and no swap; skips where this user can make none."""
    name = f"tunebook-test-{os.getpid()}"
    old, new = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    folder, limits = (old / name, {"memory.limit_in_bytes": LIMIT, "memory.swappiness": 0})
    if not old.is_dir():
        folder, limits = (new / name, {"memory.max": LIMIT, "memory.swap.max": 0})
    try:
        folder.mkdir()
        for file, value in limits.items():
            (folder / file).write_text(str(value))
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip(f"no control group with a limit of memory can be made here: {error}")
    yield folder
    wait_for(lambda: not (folder / "cgroup.procs").read_text(), "somebody is left in the group", seconds=60)
    folder.rmdir()


def inside(group: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command, and all that it starts, in the group."""
    script = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
    return subprocess.run(
        ["sh", "-c", script, "sh", str(group), *command], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_trial_that_the_kernel_kills_for_memory_is_said_to_have_been_and_tried_once_more(
    group: Path, tmp_path: Path
) -> None:
    (tmp_path / "greedy.py").write_text(GREEDY)
    root, ours = str(tmp_path / "p"), [sys.executable, "-P", "-m", "tui.main"]
    command = shlex.join([sys.executable, str(tmp_path / "greedy.py"), "{folder}", "{lr}"])
    named = ["--command", command, "--metric", "accuracy", "--direction", "max", "--set", "lr=0.1", "--yes"]
    made = subprocess.run([*ours, "new", root, *named], capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 0, made.stderr
    ended = inside(group, *ours, "baseline", "--project", root)
    assert ended.returncode == 1, ended
    assert "failed  out_of_memory: Memory ran out and the kernel killed the process." in ended.stdout
    with open_store(open_project(Path(root))) as store:
        [entry] = trials.trials(store, "baseline-1")
    assert (entry.status, entry.reason, entry.restarts) == ("failed", "out_of_memory", 1)
    assert 0 < entry.steps_done < 500


def test_what_the_group_leaves_is_the_memory_there_is(group: Path) -> None:
    """By those who train and by those who start them."""
    code = (
        "from state.machine import memory_limit; from training.machine import available_memory; "
        "print(memory_limit(), available_memory())"
    )
    asked = inside(group, sys.executable, "-c", code)
    assert asked.returncode == 0, asked.stderr
    limit, available = map(int, asked.stdout.split())
    assert limit == LIMIT
    assert 0 < available < LIMIT
