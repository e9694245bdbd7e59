"""The folder of one trial before and after its process: its configuration, what it occupied, and how it was lost."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from presets.language import Message, restored, say
from rounds.slots import Slot
from state import configurations, document, files, pipeline, run_command, runs, trials
from state.database import Store
from state.trials import Trial
from training.config import check, flat, unflat

EXIT = "exit.json"
SLOT = "slot.json"


@dataclass(frozen=True)
class Ending:
    """How a process ended that left no result: its exit code, or the signal that killed it."""

    code: int | None = None
    signal: int | None = None


def prepare(store: Store, entry: Trial, slot: Slot) -> bool:
    """Make the folder ready for a process; returns whether that continues a run which was lost.

    A trial that was stopped goes on in its folder; one that is tried again after it ended begins in an empty folder. A
    command of the user's own begins anew in any case, and what it left is set aside. Raises ConfigError for a
    configuration that training would refuse, Refusal where the disk does or the command cannot be filled.
    """
    folder = store.project.trial_folder(entry.id)
    stopped = (runs.result(folder) or {}).get("status") == "stopped"
    if entry.wanted == "retry" and not stopped:
        set_aside(folder)
    text = configuration(store, entry)
    files.make_folder(folder)
    lost = (folder / runs.PROCESS).exists() and not stopped
    for old in (EXIT, runs.RESULT):
        (folder / old).unlink(missing_ok=True)
    files.write_atomically(folder / "config.toml", text)
    files.write_atomically(folder / SLOT, json.dumps(dataclasses.asdict(slot)))
    if store.project.settings.command:
        _prepare_command(store, entry, slot, folder)
    return lost


def _prepare_command(store: Store, entry: Trial, slot: Slot, folder: Path) -> None:
    """What `state.run_command` needs to run the user's command as this trial."""
    own = pipeline.own(store.project)
    set_aside(folder / run_command.OUTPUT)
    (folder / run_command.METRICS).unlink(missing_ok=True)
    output = files.make_folder(folder / run_command.OUTPUT)
    asked = {
        "command": pipeline.fill(own, trials.trial_settings(store, entry), output, folder / "input"),
        "named": pipeline.named_files(own),
        "program": pipeline.program(own),
        "directory": str(own.directory),
        "metric": store.project.settings.metric,
        "direction": store.project.settings.direction,
        "device": slot.device,
    }
    files.write_atomically(folder / run_command.COMMAND, json.dumps(asked, ensure_ascii=False, indent=1))


def configuration(store: Store, entry: Trial) -> str:
    """The `config.toml` of a trial: every setting, with the reason for its value as a comment; checked where the
    built-in training reads it."""
    base = configurations.configuration(store, trials.batch(store, entry.batch).configuration)
    settings = trials.trial_settings(store, entry)
    if not store.project.settings.command:
        settings = flat(check(unflat(settings)))
    reasons = {key: restored(reason).text() for key, reason in base.reasons.items()}
    own = {key: f"Chosen for {entry.id}." for key in entry.overrides}
    return document.compose(settings, {**reasons, **own}, f"Trial {entry.id}").as_string()


def set_aside(folder: Path) -> None:
    """Keep what an earlier try of a trial left under the next free number, `round-1-007.1` say."""
    if not folder.exists():
        return
    number = 1
    while (target := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    folder.rename(target)


def slot(folder: Path) -> Slot:
    """The slot that the process in a folder was started in; a core of the CPU where none was noted."""
    noted = files.read_json(folder / SLOT)
    return Slot(**noted) if noted else Slot("cpu")


def adopt(folder: Path) -> None:
    """Note which process lives in the folder, where its starter died before it could: the holder of the lock says."""
    if runs.process(folder) is None and files.lock_held(folder / runs.LOCK):
        holder = (folder / runs.LOCK).read_text(encoding="utf-8", errors="replace").strip()
        if holder.isdecimal():
            runs.remember_process(folder, int(holder))


def finish(store: Store, id: str, result: Mapping[str, Any]) -> None:
    """End a trial whose process left no result: the result is written in its place, for the folder is the truth."""
    folder = files.make_folder(store.project.trial_folder(id))
    files.write_atomically(folder / runs.RESULT, json.dumps(result, ensure_ascii=False))
    trials.mark_ended(store, id, result)


def write_ending(folder: Path, status: int) -> None:
    """Write how a child of ours ended (`status` of waitpid) as the fork server does for its children."""
    code = None if _signal(status) else status >> 8
    files.write_atomically(folder / EXIT, json.dumps({"code": code, "signal": _signal(status)}))


def ending(folder: Path) -> Ending | None:
    """How the process ended, where whoever started it could tell."""
    noted = files.read_json(folder / EXIT)
    return Ending(noted.get("code"), noted.get("signal")) if noted else None


def cause(folder: Path, out_of_memory: bool) -> Message:
    """Why a process left no result. `out_of_memory`: whether the kernel killed one of this control group since then."""
    known = ending(folder) or Ending()
    noted = files.read_json(folder / runs.PROCESS) or {}
    if noted.get("started") and float(noted["started"]) < psutil.boot_time():
        return say("The machine was restarted.")
    if out_of_memory and known.signal in (None, signal.SIGKILL):
        return say(
            "Memory ran out and the kernel killed the process. "
            "Run fewer trials at once, or choose a smaller batch size or model."
        )
    if known.signal is not None:
        return say("The process was killed by {signal}.", signal=_name(known.signal))
    if known.code is not None:
        return say("The process ended without a result, with exit code {code}.", code=known.code)
    return say("The process was killed; nothing says by whom.")


def last_line(folder: Path) -> str:
    """The last line that the process printed."""
    return next((line.strip() for line in reversed(runs.log_tail(folder)) if line.strip()), "")


def disk_free(path: Path) -> int:
    """Bytes that may still be written where `path` is, or will be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


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
