"""What a command of the user's own writes while it runs, and what its run came to by that, its exit code and its log.

Standard library only, as the process that runs the command needs no other (`state.run_command`).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from state import files
from state.errors import Unavailable, joined, said
from state.foreign import FILES, Reader
from state.printed import SHORTEST_SECONDS

LAST_LINES = 6
# So many of the files that a run wrote are named where none has its metric.
NAMED = 5
# What a run that diverged has no finite value of at its end.
LOSSES = ("train/loss", "val/loss")
# How libraries say that memory ran out, in lower case; the kernel's killer says nothing.
OUT_OF_MEMORY = (
    "out of memory",
    "outofmemoryerror",
    "can't allocate memory",
    "_alloc_failed",
    "memoryerror",
    # Of the driver, as JAX, Numba and CuPy pass it on, and of TensorFlow.
    "cuda_error_out_of_memory",
    "cudaerrormemoryallocation",
    "oom when allocating",
    # Of torch before 2.14 on a part of a GPU, where it may not ask the driver who has the memory (torch issue 112377).
    "nvml_success == r internal assert failed",
)
# What no command is to blame for, in lower case: its GPU is broken, lost, or held by somebody for himself alone. What a
# kernel of the command's own may have done (an assert, an illegal access) is none of it.
GPU_FAILED = (
    "uncorrectable ecc error",
    "gpu is lost",
    "fallen off the bus",
    "busy or unavailable",
    "no cuda gpus are available",
    "cuda_error_no_device",
    "cuda unknown error",
    "cuda error: unknown error",
)
# How Python begins to tell of an error.
TRACEBACK = "Traceback (most recent call last)"


class Metrics:
    """The trial's metrics.jsonl, appended to as the command writes; remembers the values of the metric, the last of
    each loss, and by when the first and the last step that it was told of were done."""

    def __init__(self, output: Path, path: Path, metric: str, *, going_on: bool = False):
        """`output`: the folder that the command writes to; `path`: of the metrics.jsonl. `going_on`: the command
        goes on from what it has saved; what was written before counts up to where it does."""
        self.reader = Reader(output, metric)
        self.name = f"val/{metric}"
        self.values: list[tuple[int, dict[str, Any]]] = []
        self.losses: dict[str, float] = {}
        self.steps = 0
        # The epochs that it has told of, the first and the last, as it counts them.
        self.epochs: tuple[float, float] | None = None
        self._told: list[tuple[float, int]] = []
        self._path = path
        self._unwritten = b""
        # What the file is to hold in place of what it has.
        self._instead: bytes | None = None
        self._earlier: list[dict[str, Any]] = []
        if going_on:
            self.reader.skip()
            self._earlier, _end = files.read_lines(path)
            self._take(map(_numbers, self._earlier))

    def follow(self, *, ended: bool = False) -> None:
        """Take over what is new. What the disk has no room for now is written later: no command ends for that."""
        rows = self.reader.read(ended=ended)
        if rows and self._earlier:
            self._go_on_at(int(rows[0]["step"]))
        lines = [json.dumps({name: _json(value) for name, value in row.items()}) + "\n" for row in rows]
        self._unwritten += "".join(lines).encode()
        with contextlib.suppress(Unavailable):
            self.write()
        self._take(rows)
        # What is written of step 0 was measured before any.
        if rows and int(rows[-1]["step"]) > 0:
            self._told = [*self._told[:1], (time.monotonic(), int(rows[-1]["step"]))]

    def start_seconds(self, began: float) -> float | None:
        """What a command that began at this moment (by the monotonic clock) took before its first step, as far as the
        steps that it was told of in the end went on as fast all the time; None where they are too close to tell, as
        where all lines come at the end, and where they are not all counted alike."""
        if len(self._told) < 2 or len(self.reader.counted_by) != 1:
            return None
        (first_time, first), (last_time, last) = self._told
        if last <= first or last_time - first_time < SHORTEST_SECONDS:
            return None
        return max(first_time - began - first * (last_time - first_time) / (last - first), 0.0)

    def write(self) -> None:
        """Write what is not yet written. Raises Unavailable on a full disk."""
        if self._instead is not None:
            files.write_atomically(self._path, self._instead + self._unwritten)
            self._instead, self._unwritten = None, b""
        elif self._unwritten:
            files.append(self._path, self._unwritten)
            self._unwritten = b""

    def _take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            self.steps = max(self.steps, int(row["step"]))
            if "epoch" in row:
                self.epochs = (self.epochs[0] if self.epochs else row["epoch"], row["epoch"])
            self.losses |= {name: row[name] for name in LOSSES if name in row}
            if self.name in row:
                self.values.append((int(row["step"]), dict(row)))

    def _go_on_at(self, step: int) -> None:
        """Forget what was written before from that step on: the command has gone back to it, and writes it anew."""
        kept = [row for row in self._earlier if row["step"] < step]
        self._earlier, self.values, self.losses, self.steps, self.epochs = [], [], {}, 0, None
        self._take(map(_numbers, kept))
        self._instead = b"".join(json.dumps(row).encode() + b"\n" for row in kept)


def result_of(
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
        "metric": metric,
        "direction": asked["direction"],
        "best": _point(best[1]) if best else {},
        "final": _point(metrics.values[-1][1]) if metrics.values else {},
        "steps_done": metrics.steps,
        "exit_code": code,
        "seconds": round(seconds, 3),
    }
    amiss = unread(metrics.reader)
    last = last_words(log)
    short = code != 0 or metrics.steps < (asked.get("steps") or 0)
    diverged = _diverged_at(metrics, short=short)
    # Asked to stop, it had nothing left to do. (With more steps than it was to do, it counts something else.)
    reached = code == 0 and (metrics.steps == asked.get("steps") or _went_through(metrics.epochs, asked.get("epochs")))
    if stopping and not reached:
        result |= {"status": "stopped", "reason": "stopped"}
    elif diverged is not None:
        words = said("{metric} is not a number from step {step} on.", metric=metric, step=diverged)
        result |= {"status": "infeasible", "reason": "diverged", **words}
    elif code and out_of_memory(log):
        words = said("Memory ran out. It printed last: {last}", last=last)
        result |= {"status": "infeasible", "reason": "out_of_memory", **words}
    elif code and asked.get("device") == "cuda" and any(words in log.lower() for words in GPU_FAILED):
        result |= {"status": "failed", "reason": "device", **said("The GPU failed. It printed last: {last}", last=last)}
    elif code:
        words = said("The command ended with exit code {code}. It printed last: (nothing)", code=code)
        if last:
            words = said("The command ended with exit code {code}. It printed last: {last}", code=code, last=last)
        result |= {"status": "failed", "reason": "error", **words}
    elif best is None:
        words = _without(metrics, metric, seconds)
        result |= {"status": "failed", "reason": "no metric", **(joined(words, amiss) if amiss else words)}
        # One of them may be what was meant.
        result["names"] = metrics.reader.measured()
    elif remarks := [words for words in (_swallowed(log), _left_out(metrics, metric), amiss) if words]:
        result |= reduce(joined, remarks)
    return result


def _went_through(told: tuple[float, float] | None, epochs: float | None) -> bool:
    """Whether a run has told of all the epochs that it was to make; many scripts count them from 0."""
    return told is not None and epochs is not None and told[1] + (told[0] == 0) == epochs


def with_beside(result: dict[str, Any], beside: Iterable[str], directory: str) -> dict[str, Any]:
    """The words of a result, and that these files were written beside its folder while the command ran."""
    words = said(
        "While it ran, files beside {folder} were written in {directory}: {files}. Where every trial writes them, one "
        "overwrites what another has saved, or goes on from it: have it write below {folder} alone.",
        folder="{folder}",
        directory=directory,
        files=", ".join(beside),
    )
    return joined(result, words) if result["message"] else words


def _swallowed(log: str) -> dict[str, Any]:
    """A sentence about an error that a run which says that all went well has printed at its end; empty where it has
    printed none."""
    before, *told = log.split(TRACEBACK)
    # What goes wrong while the interpreter ends has no part in what was learnt.
    while told and before.rstrip().rpartition("\n")[2].startswith("Exception ignored"):
        before, *told = told
    if not told:
        return {}
    return said(
        "It ended with exit code 0, as if all had gone well, and printed an error near its end. Look whether it "
        "trained to its end. It printed last: {last}",
        last=last_words(log),
    )


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


def unread(reader: Reader) -> dict[str, Any]:
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


def _without(metrics: Metrics, metric: str, seconds: float) -> dict[str, Any]:
    """Why there is no value of the metric, and what was there instead."""
    if not metrics.reader.found:
        there = metrics.reader.others()
        if not there:
            return said(
                "It ended after {seconds:.1f} s and wrote none of {files} into its folder, and nothing else either.",
                seconds=seconds,
                files=", ".join(FILES),
            )
        return said(
            "It ended after {seconds:.1f} s and wrote none of {files} into its folder. There is: {there}. Have it "
            "append one JSON object a line to metrics.jsonl there, with its step and {metric}.",
            seconds=seconds,
            files=", ".join(FILES),
            there=", ".join([*there[:NAMED], *["…"][: len(there) > NAMED]]),
            metric=metric,
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


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line of metrics.jsonl, with a number for what JSON has no word for."""
    return {name: float(value) if isinstance(value, str) else value for name, value in row.items()}


def _point(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _json(value) for name, value in row.items()}


def _json(value: float) -> float | str:
    """The value, or what JSON can hold in place of one that is not finite."""
    return value if math.isfinite(value) else str(value)


def out_of_memory(log: str) -> bool:
    """Whether what was printed says that memory ran out."""
    return any(words in log.lower() for words in OUT_OF_MEMORY)


def last_words(log: str) -> str:
    """The last lines of what was printed, in one; empty where it was nothing. Those by which Python underlines a part
    of the line before say nothing here."""
    lines = [line.strip() for line in log.splitlines() if not line.strip() or line.strip("^~ \t")]
    return " | ".join(line for line in lines[-LAST_LINES:] if line)


def tail(log: Path, start: int) -> str:
    """The end of what the command printed, not of what an earlier run did."""
    try:
        with open(log, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - 16_384))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
