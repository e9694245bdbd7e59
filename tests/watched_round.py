"""A round to look at: a process in the supervisor's place that leaves the trials as they are, and trials that go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from textual.pilot import Pilot

from rounds import supervisor
from state import files
from state.database import Store
from state.metrics import index_metrics
from state.project import Project

# Takes the lock of a supervisor, says so, and keeps it until its standard input is closed.
HOLD = """
import sys
from pathlib import Path
from state.files import holding
with holding(Path(sys.argv[1])) as held:
    print(held, flush=True)
    sys.stdin.read()
"""


@contextmanager
def supervised(project: Project) -> Iterator[None]:
    """While it lasts, the project has a supervisor that does nothing."""
    command = [sys.executable, "-c", HOLD, str(project.folder / supervisor.LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield


def advance(store: Store, id: str, *measured: Mapping[str, Any]) -> None:
    """Append lines of metrics to a trial as its process would, and index them as the supervisor does."""
    folder = files.make_folder(store.project.trial_folder(id))
    for line in measured:
        files.append_line(folder / "metrics.jsonl", dict(line))
    index_metrics(store, [id])


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys, each when the one before has had its effect."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


async def write(pilot: Pilot[Any], text: str) -> None:
    """Type a text in place of what stands in the focused field, and enter."""
    field: Any = pilot.app.focused
    field.value = text
    await press(pilot, "enter")
