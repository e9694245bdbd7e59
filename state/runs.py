"""Run folders: a process that lives in a folder of its own, detached from whoever started it.

Trials, probes and inspections are all run so. The folder is the whole contract: `run.lock` is held while the process
lives, `process.json` says which one it is, `log.txt` is what it printed, `result.json` is how it ended.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from state import files, logout
from state.errors import AtWork, NotFound

LOCK = "run.lock"
PROCESS = "process.json"
RESULT = "result.json"
# How a process died that left no result, written by whoever collected it.
EXIT = "exit.json"
LOG = "log.txt"
# For which wish the folder was made ready.
TRY = "try.json"
# The variable that names the folder to whoever lives in it, and to all that they start.
FOLDER = "TUNEBOOK_RUN"
# How long what is killed is waited for: a process may hang in the kernel.
ORPHAN_SECONDS = 2.0


def start(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> int:
    """Start a command in a session of its own, its output in the folder's log; returns its pid.

    It goes on when the terminal closes, and after logging out where anything can make it. Refuses where a process
    already lives in the folder.
    """
    files.make_folder(folder)
    if alive(folder):
        raise AtWork("{path}: a process is at work here already.", path=str(folder))
    try:
        with open(folder / LOG, "ab") as log:
            process = subprocess.Popen(
                logout.wrapped(list(command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {}), FOLDER: str(folder)},
                start_new_session=True,
            )
    except FileNotFoundError:
        raise NotFound("{command}: no such program.", command=command[0]) from None
    except OSError as error:
        raise files.refusal(error, folder) from None
    # Who wants its exit status asks for it by its pid; the next Popen must not take it away from them (its cleanup of
    # processes that nobody holds any more).
    process.returncode = 0
    remember_process(folder, process.pid)
    return process.pid


def remember_process(folder: Path, pid: int) -> None:
    """Note which process lives in the folder: a pid alone is reused, so its start goes with it."""
    noted = {"pid": pid, "started": started(pid), "boot": boot()}
    files.write_atomically(folder / PROCESS, json.dumps(noted))


def started(pid: int) -> str:
    """When a process started, as a text that never changes while it lives: on Linux by the ticks since the machine
    started, since the clock may be set meanwhile. Empty where there is no such process, or only a zombie of it."""
    try:
        # After the name, in brackets, which may hold anything: the 3rd field is the state, the 22nd the start (proc 5).
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        pass
    try:
        found = psutil.Process(pid)
        return "" if found.status() == psutil.STATUS_ZOMBIE else f"{found.create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""


@functools.cache
def boot() -> str:
    """What tells one run of the machine from the next; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def rebooted(folder: Path) -> bool:
    """Whether the machine was restarted since a process began in the folder."""
    noted = files.read_json(folder / PROCESS) or {}
    return noted.get("boot", boot()) != boot()


def process(folder: Path) -> psutil.Process | None:
    """The process that lives in the folder; None when it is gone (a zombie is gone)."""
    pid = _living(folder)
    try:
        return None if pid is None else psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _living(folder: Path) -> int | None:
    """The pid of the process noted in the folder; None where it has gone."""
    noted = files.read_json(folder / PROCESS) or {}
    try:
        pid = int(noted["pid"])
        lives = noted["boot"] == boot() and noted["started"] == started(pid) != ""
    except (KeyError, ValueError, TypeError):
        return None
    return pid if lives else None


def has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open; False where there is no such process, or we may not see what it has."""
    try:
        return any(Path(found.path) == path.resolve() for found in psutil.Process(pid).open_files())
    except psutil.Error:
        return False


def alive(folder: Path) -> bool:
    """Whether somebody is at work in the folder: the process noted there lives, or the lock is held."""
    # In this order: asking for a lock takes it for an instant, and a process that is just starting would find it taken.
    return _living(folder) is not None or files.lock_held(folder / LOCK)


def stop(folder: Path, *, hard: bool = False) -> bool:
    """Ask the process in the folder to end (SIGTERM: it saves first), or kill its group; False when it is gone."""
    found = process(folder)
    if found is None:
        return False
    try:
        if hard:
            os.killpg(os.getpgid(found.pid), signal.SIGKILL)
        else:
            found.send_signal(signal.SIGTERM)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
    return True


def end_orphans(folder: Path) -> None:
    """Kill what the process that lived in the folder has started and left behind: at its death only its children may
    end, not what these have started. The folder's name in their environment tells them from all others."""
    if not (folder / PROCESS).exists():
        return
    until = time.monotonic() + ORPHAN_SECONDS
    while (left := _orphans(folder)) and time.monotonic() < until:
        for orphan in left:
            with contextlib.suppress(psutil.Error):
                orphan.kill()
        time.sleep(0.02)


def _orphans(folder: Path) -> list[psutil.Process]:
    everything = psutil.process_iter(["environ"])
    return [found for found in everything if (found.info["environ"] or {}).get(FOLDER) == str(folder)]


def result(folder: Path) -> dict[str, Any] | None:
    """How the run ended; None while it has not, or when it was killed."""
    return files.read_json(folder / RESULT)


def note_try(folder: Path, at: str, *, anew: bool, spent: float) -> None:
    """Note for which wish a run begins, by the time of that, and that it begins now; `anew`: whether it goes on with
    nothing of an earlier, `spent`: the device seconds that all earlier ones took."""
    noted = {"queued_at": at, "anew": anew, "began": moment(time.time()), "spent": spent}
    files.write_atomically(folder / TRY, json.dumps(noted))


def of_try(folder: Path, at: str) -> bool | None:
    """Whether what is in the folder is of the wish of that time; None where nothing says."""
    noted = files.read_json(folder / TRY)
    return None if noted is None else noted.get("queued_at") == at


def began_anew(folder: Path) -> bool:
    """Whether the run in the folder goes on with nothing of an earlier one."""
    return bool((files.read_json(folder / TRY) or {}).get("anew"))


def began_at(folder: Path) -> str:
    """When the run in the folder began; empty where nothing says."""
    return str((files.read_json(folder / TRY) or {}).get("began", ""))


def ended_at(folder: Path) -> str:
    """When the run ended whose result is in the folder: as that says, where somebody else wrote it in the place of a
    process that died, otherwise when it was written. Whoever sees it may see it late."""
    told = (result(folder) or {}).get("ended_at")
    return told if isinstance(told, str) else moment((folder / RESULT).stat().st_mtime)


def moment(seconds: float) -> str:
    """A time since the epoch as `state.database.now` gives it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")


def wait(folder: Path, every: float = 0.1) -> dict[str, Any] | None:
    """Wait until the process in the folder has ended; how it did, None where it was killed."""
    while alive(folder):
        _reap(folder)
        time.sleep(every)
    return result(folder)


def _reap(folder: Path) -> None:
    """Take the exit status of a child of ours, which would be a zombie otherwise."""
    noted = files.read_json(folder / PROCESS) or {}
    with contextlib.suppress(ChildProcessError, KeyError, ValueError):
        os.waitpid(int(noted["pid"]), os.WNOHANG)


def log_tail(folder: Path, lines: int = 12) -> list[str]:
    """The last lines that the process printed."""
    try:
        with open(folder / LOG, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
