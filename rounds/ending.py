"""How a process ended that left no result, and why: what is known of it, and what the log and the machine say."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from presets.language import Message, say
from state import files, outcome, runs

EXIT = runs.EXIT
# How many lines from the end of its log a trial that failed is told with.
TOLD_LINES = 3
READ_LINES = 40
DISK_FULL = tuple(os.strerror(number).lower() for number in files.DISK_FULL)


@dataclass(frozen=True)
class Ending:
    """How a process ended that left no result: its exit code, or the signal that killed it."""

    code: int | None = None
    signal: int | None = None


@dataclass(frozen=True)
class Cause:
    """Why. `reason`: rebooted, disk_full, out_of_memory, killed or error; `again`: whether to go on with it may help,
    since a process that ended by itself would do so again."""

    reason: str
    message: Message
    again: bool

    @property
    def status(self) -> str:
        """What becomes of a trial that is given up for it: where it did not fit, its setting cannot be run (P10)."""
        return "infeasible" if self.reason == "out_of_memory" and not self.again else "failed"


def write(folder: Path, status: int) -> None:
    """Write how a child of ours ended (`status` of waitpid) as the fork server does for its children."""
    code = None if _signal(status) else status >> 8
    files.write_atomically(folder / EXIT, json.dumps({"code": code, "signal": _signal(status)}))


def known(folder: Path) -> Ending | None:
    """How the process ended, where whoever started it could tell."""
    noted = files.read_json(folder / EXIT)
    return Ending(noted.get("code"), noted.get("signal")) if noted else None


def cause(folder: Path, out_of_memory: bool, disk_full: bool = False) -> Cause:
    """Why a process left no result. `out_of_memory`: whether the kernel killed one of this control group since then,
    `disk_full`: whether the disk was full when it was found dead, where it could not even say so in its log."""
    ended = known(folder) or Ending()
    if runs.rebooted(folder):
        return Cause("rebooted", say("The machine was restarted."), True)
    log = "\n".join(runs.log_tail(folder, READ_LINES)).lower()
    if ended.signal is None and (disk_full or any(text in log for text in DISK_FULL)):
        return Cause("disk_full", say("The disk was full."), True)
    if out_of_memory and ended.signal in (None, signal.SIGKILL):
        message = say(
            "Memory ran out and the kernel killed the process. "
            "Run fewer trials at once, or choose a smaller batch size or model."
        )
        return Cause("out_of_memory", message, True)
    if ended.signal is not None:
        return Cause("killed", say("The process was killed by {signal}.", signal=_name(ended.signal)), True)
    if ended.code is None:
        return Cause("killed", say("The process was killed; nothing says by whom."), True)
    if outcome.out_of_memory(log):
        message = say("The memory of the device ran out. Choose a smaller batch size or model.")
        return Cause("out_of_memory", message, False)
    message = say("The process ended without a result, with exit code {code}.", code=ended.code)
    return Cause("error", message, False)


def last_lines(folder: Path) -> str:
    """The last lines that the process printed, in one."""
    lines = [line.strip() for line in runs.log_tail(folder, READ_LINES) if line.strip()]
    return " / ".join(lines[-TOLD_LINES:])


def oom_kills() -> int:
    """How often the kernel killed a process for memory in the control groups of this one; 0 where nobody counts."""
    total = 0
    for line in _lines(Path("/proc/self/cgroup")):
        _number, controllers, inside = line.split(":", 2)
        if controllers == "":
            top, counter = Path("/sys/fs/cgroup"), "memory.events"
        elif "memory" in controllers.split(","):
            top, counter = Path("/sys/fs/cgroup/memory"), "memory.oom_control"
        else:
            continue
        group = top / inside.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top):
                counts = (entry.split() for entry in _lines(folder / counter))
                total += sum(int(count[1]) for count in counts if count[0] == "oom_kill")
    return total


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _signal(status: int) -> int | None:
    return (status & 0x7F) or None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
