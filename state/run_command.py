"""Runs a command of the user's own as a trial: `python -m state.run_command FOLDER` with the folder's command.json.

It holds the folder's lock while the command lives, writes what that writes on into the trial's metrics.jsonl, and says
in result.json how it ended. Standard library only, so that it starts at once and weighs nothing beside the command.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from state import elsewhere, files, outcome, own_data, provenance
from state.errors import Refusal, Unavailable

COMMAND, METRICS, RESULT, LOCK, LOG, OUTPUT, INPUT = (
    "command.json",
    "metrics.jsonl",
    "result.json",
    "run.lock",
    "log.txt",
    "output",
    "input",
)
# On what data it began, for when it goes on.
DATA = "data.json"
POLL_SECONDS = 0.25
# Between two tries to write the result on a full disk.
ROOM_SECONDS = 1.0
# What is kept of the disk while a command runs, for the result of one that is asked to stop when there is no room left.
RESERVE, RESERVED_BYTES = "reserve", 256 * 1024
# No first line that names an interpreter is longer.
LONGEST = 1024
# Libraries whose version may change a result, of those that the command's Python has.
LIBRARIES = [
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "datasets",
    "accelerate",
    "tokenizers",
    "lightning",
    "pytorch-lightning",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "tensorflow",
    "keras",
    "numpy",
    "scipy",
    "scikit-learn",
    "xgboost",
    "lightgbm",
]
_VERSIONS = """\
import importlib.metadata as m, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def code_of(directory: Path, named: Sequence[str]) -> str:
    """SHA-256 over the names and contents of the files that a command names, to tell whether the same code trained."""
    digest = hashlib.sha256()
    for word in named:
        with contextlib.suppress(OSError):
            digest.update(word.encode() + b"\0" + (directory / word).read_bytes() + b"\0")
    return digest.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Run the command of a folder; exits as the command did, and dies of the signal that it died of."""
    folder = Path((arguments or sys.argv[1:])[0]).resolve()
    with files.holding(folder / LOCK, f"{os.getpid()}\n") as held:
        if not held:
            print(f"{folder}: another run is going on in this folder", file=sys.stderr)
            return 2
        code = _run(folder, json.loads((folder / COMMAND).read_bytes()))
    if code < 0:
        # Whoever waits for this process is to see how the command was killed.
        with contextlib.suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _run(folder: Path, asked: Mapping[str, Any]) -> int:
    """Run the command to its end; a negative code is the signal that killed it, which leaves no result."""
    stopping, log = False, folder / LOG
    child: subprocess.Popen[bytes] | None = None

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True
        if child is not None:
            child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # What is ignored, the command would ignore as well.
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    resumed = asked.get("resumed", 0)
    metrics = outcome.Metrics(folder / OUTPUT, folder / METRICS, asked["metric"], going_on=bool(resumed))
    started_at = log.stat().st_size if log.exists() else 0
    about = {"command": asked["command"], "directory": asked["directory"], "device": asked.get("device", "")}
    about |= {"precision": "", "resumed": resumed}
    versions = _ask_versions(asked)
    # Before it starts: what is edited meanwhile did not train. It may take seconds, which are none of the command's.
    about |= {**_provenance(asked), "data": _data(folder, asked)}
    provenance.write_patch(Path(asked["directory"]), folder, changed=about["changed"])
    if stopping:
        nothing = {"status": "stopped", "reason": "stopped", "message": "", "steps_done": 0}
        _finish(folder, {**nothing, **about}, lambda: stopping)
        return 0
    _reserve(folder)
    began, since = time.monotonic(), time.time()
    try:
        child = subprocess.Popen(
            [*asked["command"], *asked.get("resume", ())],
            cwd=asked["directory"],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with(os.getpid()),
        )
    except OSError as error:
        message = f"{error.filename or asked['command'][0]}: {error.strerror or error}"
        nothing = {"status": "failed", "reason": "error", "message": message, "steps_done": 0}
        _finish(folder, {**nothing, **about}, lambda: stopping)
        return 127
    if stopping:
        # Asked while it was being started, when there was nobody to pass it on to.
        child.terminate()
    while child.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(POLL_SECONDS)
        metrics.follow()
    metrics.follow(ended=True)
    code = child.returncode
    if code < 0 and not stopping:
        _release(folder)
        return code
    seconds, printed = asked.get("seconds", 0.0) + time.monotonic() - began, outcome.tail(log, started_at)
    result = outcome.result_of(metrics, code, printed, seconds, asked, stopping=stopping)
    told = result["status"] == "complete" or result["reason"] == "no metric"
    if told and (beside := elsewhere.written(Path(asked["directory"]), since, folder)):
        result |= outcome.with_beside(result, beside, asked["directory"])
    if not resumed and (start := metrics.start_seconds(began)) is not None:
        result["start_seconds"] = round(start, 3)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if unread := outcome.unread(metrics.reader):
        # Last in the log, where a person looks for what went wrong.
        _say(unread["message"])
    _finish(folder, {**result, **about, "versions": _told(versions), "peak_memory": peak}, lambda: stopping, metrics)
    return max(code, 0)


def _reserve(folder: Path) -> None:
    """Keep some room of the disk, where it has any; random bytes, as a file system may keep no room for zeros."""
    with contextlib.suppress(Refusal):
        files.write_atomically(folder / RESERVE, os.urandom(RESERVED_BYTES))


def _release(folder: Path) -> None:
    # A disk may have turned read-only.
    with contextlib.suppress(OSError):
        (folder / RESERVE).unlink(missing_ok=True)


def _finish(
    folder: Path,
    result: Mapping[str, Any],
    stopping: Callable[[], bool],
    metrics: outcome.Metrics | None = None,
) -> None:
    """Write how it ended. On a full disk that waits for room: the command has done its work, and is not to do it
    again. Who is asked to stop takes the room that was reserved, and where not even that is enough, ends without."""
    waited = released = False
    while True:
        try:
            if metrics is not None:
                metrics.write()
            files.write_atomically(folder / RESULT, files.as_json(result, indent=1))
            break
        except Unavailable as error:
            if released:
                _say(f"Asked to stop, it ended without its result. {error}")
                break
            if not waited:
                _say(f"It has ended, and its result waits for room. {error}")
            waited = True
        if stopping():
            _release(folder)
            released = True
        else:
            time.sleep(ROOM_SECONDS)
    _release(folder)


def _say(words: str) -> None:
    """A line in the log, where the disk has room for one."""
    with contextlib.suppress(OSError):
        print(words, flush=True)


def die_with(parent: int) -> Any:
    """What a child does first: have the kernel end it with its parent, so that it does not train on unwatched. Of what
    it has started itself the kernel ends nothing (`runs.end_orphans`)."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)

    def arrange() -> None:
        library.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange


def _provenance(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The program, the files that the command names, by their content, and what the folder it runs in is made of."""
    directory = Path(asked["directory"])
    return {
        "program": asked["program"],
        "code": code_of(directory, asked["named"]),
        **provenance.differences(directory),
    }


def _data(folder: Path, asked: Mapping[str, Any]) -> str | None:
    """What tells the data that the command reads from others, where the user named them. A run that goes on with other
    data than it began with is comparable with none."""
    if not asked.get("data"):
        return None
    now = own_data.digest(Path(asked["data"]))
    before = (files.read_json(folder / DATA) or {}).get("data") if asked.get("resumed") else None
    if before and now and before != now:
        now = own_data.both(before, now)
    with contextlib.suppress(Refusal):
        files.write_atomically(folder / DATA, json.dumps({"data": now}))
    return now


def _ask_versions(asked: Mapping[str, Any]) -> subprocess.Popen[bytes] | None:
    """Ask the command's own Python for its versions, where it is known."""
    program = _python(asked["command"])
    if program is None:
        return None
    try:
        return subprocess.Popen(
            [program, "-c", _VERSIONS, *LIBRARIES],
            cwd=asked["directory"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def _python(command: Sequence[str]) -> str | None:
    """The Python that a command is run by: itself, behind env, or that of the first line of a program such as torchrun;
    None where it is none of these."""
    first = command[0]
    if Path(first).name == "env":
        first = next((word for word in command[1:] if "=" not in word and not word.startswith("-")), first)
    program = shutil.which(first)
    if program is None or Path(program).name.startswith("python"):
        return program
    with contextlib.suppress(OSError), open(program, "rb") as file:
        if found := re.fullmatch(rb"#! *(\S*/python[\d.]*)\s*", file.readline(LONGEST)):
            return os.fsdecode(found[1])
    return None


def _told(versions: subprocess.Popen[bytes] | None) -> dict[str, str]:
    if versions is None:
        return {}
    try:
        return dict(json.loads(versions.communicate(timeout=20)[0]))
    except (ValueError, subprocess.TimeoutExpired):
        versions.kill()
        return {}


if __name__ == "__main__":
    sys.exit(main())
