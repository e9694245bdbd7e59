"""Runs a command of the user's own as a trial: `python -m state.run_command FOLDER` with the folder's command.json.

It holds the folder's lock while the command lives, writes what that writes on into the trial's metrics.jsonl, and says
in result.json how it ended. Standard library only, so that it starts at once and weighs nothing beside the command.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from state import files, provenance
from state.errors import Unavailable, joined, said
from state.foreign import FILES, Reader

COMMAND, METRICS, RESULT, LOCK, LOG, OUTPUT, INPUT = (
    "command.json",
    "metrics.jsonl",
    "result.json",
    "run.lock",
    "log.txt",
    "output",
    "input",
)
POLL_SECONDS = 0.25
# Between two tries to write the result on a full disk.
ROOM_SECONDS = 1.0
LAST_LINES = 6
# What a run that diverged has no finite value of at its end.
LOSSES = ("train/loss", "val/loss")
# How libraries say that memory ran out, in lower case; the kernel's killer says nothing.
OUT_OF_MEMORY = (
    "out of memory",
    "outofmemoryerror",
    "can't allocate memory",
    "cublas_status_alloc_failed",
    "memoryerror",
)
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


class Metrics:
    """The trial's metrics.jsonl, appended to as the command writes; remembers the values of the metric, and the last of
    each loss."""

    def __init__(self, folder: Path, metric: str):
        self.reader = Reader(folder / OUTPUT, metric)
        self.name = f"val/{metric}"
        self.values: list[tuple[int, dict[str, Any]]] = []
        self.losses: dict[str, float] = {}
        self.steps = 0
        self._path = folder / METRICS
        self._unwritten = b""

    def follow(self, *, ended: bool = False) -> None:
        """Take over what is new. What the disk has no room for now is written later: no command ends for that."""
        rows = self.reader.read(ended=ended)
        lines = [json.dumps({name: _json(value) for name, value in row.items()}) + "\n" for row in rows]
        self._unwritten += "".join(lines).encode()
        with contextlib.suppress(Unavailable):
            self.write()
        for row in rows:
            self.steps = max(self.steps, int(row["step"]))
            self.losses |= {name: row[name] for name in LOSSES if name in row}
            if self.name in row:
                self.values.append((int(row["step"]), dict(row)))

    def write(self) -> None:
        """Write what is not yet written. Raises Unavailable on a full disk."""
        if self._unwritten:
            files.append(self._path, self._unwritten)
            self._unwritten = b""


def outcome(
    metrics: Metrics, code: int, log: str, seconds: float, asked: Mapping[str, Any], *, stopping: bool
) -> dict[str, Any]:
    """What result.json says of a command that ended with an exit code; `log` is the end of what it printed."""
    metric, name = asked["metric"], metrics.name
    usable = [(step, row) for step, row in metrics.values if math.isfinite(row[name])]
    sign = -1 if asked["direction"] == "max" else 1
    best = min(usable, key=lambda found: sign * found[1][name], default=None)
    result: dict[str, Any] = {
        "status": "complete",
        "reason": "",
        "message": "",
        "best": _point(best[1]) if best else {},
        "final": _point(metrics.values[-1][1]) if metrics.values else {},
        "steps_done": metrics.steps,
        "exit_code": code,
        "seconds": round(seconds, 3),
    }
    unread = _unread(metrics.reader)
    last = last_words(log)
    short = code != 0 or metrics.steps < (asked.get("steps") or 0)
    diverged = _diverged_at(metrics, short=short)
    # Asked to stop, it had nothing left to do. (With more steps than it was to do, it counts something else.)
    reached = code == 0 and metrics.steps == asked.get("steps")
    if stopping and not reached:
        result |= {"status": "stopped", "reason": "stopped"}
    elif diverged is not None:
        words = said("{metric} is not a number from step {step} on.", metric=metric, step=diverged)
        result |= {"status": "infeasible", "reason": "diverged", **words}
    elif code and out_of_memory(log):
        words = said("Memory ran out. It printed last: {last}", last=last)
        result |= {"status": "infeasible", "reason": "out_of_memory", **words}
    elif code:
        words = said("The command ended with exit code {code}. It printed last: (nothing)", code=code)
        if last:
            words = said("The command ended with exit code {code}. It printed last: {last}", code=code, last=last)
        result |= {"status": "failed", "reason": "error", **words}
    elif best is None:
        words = _without(metrics, metric, seconds)
        result |= {"status": "failed", "reason": "no metric", **(joined(words, unread) if unread else words)}
        # One of them may be what was meant.
        result["names"] = metrics.reader.measured()
    elif remarks := [words for words in (_left_out(metrics, metric), unread) if words]:
        result |= reduce(joined, remarks)
    return result


def _left_out(metrics: Metrics, metric: str) -> dict[str, Any]:
    """A sentence about the evaluations without a number of a run that did not diverge; empty where all have one."""
    steps = [step for step, row in metrics.values if not math.isfinite(row[metrics.name])]
    if not steps:
        return {}
    return said(
        "{metric} is not a number at {n} of {total} evaluations, first at step {step}; they are left out.",
        metric=metric,
        n=len(steps),
        total=len(metrics.values),
        step=steps[0],
    )


def _unread(reader: Reader) -> dict[str, Any]:
    """A sentence about the lines that were not understood; empty where all were."""
    sentences = [
        said(
            "Lines of {file} that were not understood, and are left out: {count}. The first: {line} (A line has a "
            "number as its step, where others have one, and a number as the metric.)",
            file=file,
            count=count,
            line=line,
        )
        for count, file, line in reader.unread
    ]
    return reduce(joined, sentences) if sentences else {}


def _diverged_at(metrics: Metrics, *, short: bool) -> int | None:
    """The step from which on the metric is not finite to the end; None where it is finite at the end, and where it is
    missing there a single time, as it may be anywhere before: of a run that went to its end (it is not `short`), that
    had values before, and whose losses are finite."""
    since, missing = None, 0
    for step, row in metrics.values:
        if math.isfinite(row[metrics.name]):
            since, missing = None, 0
        else:
            since, missing = (step if since is None else since), missing + 1
    # Of a loss that is tuned, no other says whether it came back.
    lost = "loss" in metrics.name or not all(map(math.isfinite, metrics.losses.values()))
    if missing == 1 and len(metrics.values) > 1 and not (short or lost):
        return None
    return since


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
    metrics = Metrics(folder, asked["metric"])
    started_at = log.stat().st_size if log.exists() else 0
    about = {"command": asked["command"], "directory": asked["directory"], "device": asked.get("device", "")}
    about["precision"] = ""
    versions = _ask_versions(asked)
    # Before it starts: what is edited meanwhile did not train. It may take seconds, which are none of the command's.
    about |= _provenance(asked)
    provenance.write_patch(Path(asked["directory"]), folder, changed=about["changed"])
    if stopping:
        _finish(folder, {"status": "stopped", "reason": "stopped", "message": "", "steps_done": 0, **about})
        return 0
    began = time.monotonic()
    try:
        child = subprocess.Popen(
            asked["command"], cwd=asked["directory"], stdin=subprocess.DEVNULL, preexec_fn=die_with(os.getpid())
        )
    except OSError as error:
        message = f"{error.filename or asked['command'][0]}: {error.strerror or error}"
        _finish(folder, {"status": "failed", "reason": "error", "message": message, "steps_done": 0, **about})
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
        return code
    result = outcome(metrics, code, tail(log, started_at), time.monotonic() - began, asked, stopping=stopping)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if unread := _unread(metrics.reader):
        # Last in the log, where a person looks for what went wrong.
        _say(unread["message"])
    _finish(folder, {**result, **about, "versions": _told(versions), "peak_memory": peak}, metrics)
    return max(code, 0)


def _finish(folder: Path, result: Mapping[str, Any], metrics: Metrics | None = None) -> None:
    """Write how it ended. On a full disk that waits for room: the command has done its work, and is not to do it
    again."""
    waited = False
    while True:
        try:
            if metrics is not None:
                metrics.write()
            files.write_atomically(folder / RESULT, files.as_json(result, indent=1))
            return
        except Unavailable as error:
            if not waited:
                _say(f"It has ended, and its result waits for room. {error}")
            waited = True
            time.sleep(ROOM_SECONDS)


def _say(words: str) -> None:
    """A line in the log, where the disk has room for one."""
    with contextlib.suppress(OSError):
        print(words, flush=True)


def _without(metrics: Metrics, metric: str, seconds: float) -> dict[str, Any]:
    """Why there is no value of the metric, and what was there instead."""
    if not metrics.reader.found:
        return said(
            "It ended after {seconds:.1f} s and wrote none of {files} into its folder.",
            seconds=seconds,
            files=", ".join(FILES),
        )
    found = ", ".join(metrics.reader.found)
    seen = ", ".join(name for name in metrics.reader.columns[:20] if name != "step")
    if not seen:
        return said(
            "It wrote no value of {metric} into {files}; there is: nothing readable.", metric=metric, files=found
        )
    return said(
        "It wrote no value of {metric} into {files}; there is: {names}.", metric=metric, files=found, names=seen
    )


def _point(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _json(value) for name, value in row.items()}


def _json(value: float) -> float | str:
    """The value, or what JSON can hold in place of one that is not finite."""
    return value if math.isfinite(value) else str(value)


def out_of_memory(log: str) -> bool:
    """Whether what was printed says that memory ran out."""
    return any(words in log.lower() for words in OUT_OF_MEMORY)


def last_words(log: str) -> str:
    """The last lines of what was printed, in one; empty where it was nothing."""
    return " | ".join(line.strip() for line in log.splitlines()[-LAST_LINES:] if line.strip())


def tail(log: Path, start: int) -> str:
    """The end of what the command printed, not of what an earlier run did."""
    try:
        with open(log, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - 16_384))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


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


def _ask_versions(asked: Mapping[str, Any]) -> subprocess.Popen[bytes] | None:
    """Ask the command's own Python for its versions, where it is started by one."""
    program = asked["command"][0]
    if not Path(program).name.startswith("python"):
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
