"""Measures batch sizes with a command of the user's own: `python -m state.probe_command FOLDER` with its probe.json.

Each size runs as a trial would, until what it writes says how fast it is (`state.pace`); then it is stopped. Standard
library only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from state import files, pace
from state.errors import said
from state.outcome import last_words, out_of_memory, tail
from state.run_command import LOCK, LOG, RESULT, die_with

ASKED, SIZES = "probe.json", "sizes.jsonl"
POLL_SECONDS = 0.05
# So long it is watched from where it tells something.
WATCHED_SECONDS = 5.0
GRACE_SECONDS = 5.0
# A doubling that gains less is no faster (DeepSpeed's autotuner has the same), and half a doubling is to bring its
# share of that; two such sizes in a row end the ascent.
GAIN, PATIENCE = 1.05, 2
# One that falls below this share of the best met a bad moment, most likely.
FALL = 0.9
# What a share of the best throughput may differ by from one probe to the next, where cores are shared.
NOISE = 0.05
# What ends the ascent where a size runs, but nothing that it writes says how fast; and where that is one above the
# command's own, with all below it timed.
UNTIMED, UNTIMED_ABOVE = "untimed", "untimed_above"
# What differs from one printing of the same error to the next.
_NUMBER = re.compile(r"\d+")


def main(arguments: list[str] | None = None) -> int:
    """Measure the sizes of a folder one after the other, and write what is recommended."""
    folder = Path((arguments or sys.argv[1:])[0]).resolve()
    with files.holding(folder / LOCK, f"{os.getpid()}\n") as held:
        if not held:
            print(f"{folder}: another probe is going on in this folder", file=sys.stderr)
            return 2
        asked = json.loads((folder / ASKED).read_bytes())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
        # Before anything of ours runs: all of it is others', on the cores that this process may run on.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        before = {"load_average": os.getloadavg()[0], "reachable_cores": cores}
        result = {**ascend(folder, asked), **before}
        files.write_atomically(folder / RESULT, files.as_json(result, indent=1))
    return 0


def ascend(folder: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Run size after size while that pays; the result as other probes give it. One below the command's own that fails
    is passed over, as that may be what it is too small for; unless the command's own fails alike."""
    began, lines, limit = time.monotonic(), [], "cap"
    runs = dict(zip(asked["sizes"], asked["runs"], strict=True))
    beforehand: dict[int, dict[str, Any]] = {}

    def settle(line: dict[str, Any]) -> dict[str, Any]:
        return line

    def run(size: int) -> dict[str, Any]:
        return beforehand.pop(size, None) or measure(folder, size, runs[size], asked)

    for size in asked["sizes"]:
        line = run(size)
        if not pace.counts_batches([*lines, line]):
            line = _past_its_bar(folder, lines, line, runs, asked)
        if not pace.counts_batches([*lines, line]):
            # What the bars of smaller sizes counted were no batches either.
            found = _past_bars(folder, [*lines, line], runs, asked)
            if found is not None:
                (*lines, line), asked = found
            else:
                settle, lines = _without_bar, [*map(_without_bar, lines)]
            for corrected in lines:
                files.append_line(folder / SIZES, corrected)
        line = _compared(lines, settle(line))
        if line["outcome"] == "measured" and _fell([*lines, line]):
            line = _faster(line, settle(measure(folder, size, runs[size]["again"], asked)))
        _tell(folder, line)
        timed = [one["batch_size"] for one in lines if one["outcome"] == "measured"]
        if line["outcome"] == "untimed" and asked["size"] in timed and len(timed) == len(lines):
            limit = UNTIMED_ABOVE
            break
        if any(one["outcome"] == "untimed" for one in (*lines, line)):
            # Larger ones leave less to time; and without them all, none can be called the best. That the command's own
            # runs at all, nothing tells yet.
            if size < asked["size"]:
                line = settle(run(asked["size"]))
                line = _compared(lines, line)
                _tell(folder, line)
            return {**_kept(folder, asked, size, line), **_about(asked, began)}
        if line["outcome"] != "measured":
            if size < asked["size"]:
                if size == asked["sizes"][0]:
                    own = run(asked["size"])
                    _tell(folder, own)
                    if _same_error(line, own):
                        return _nothing_ran(asked["size"], own["message"], folder)
                    beforehand = {asked["size"]: own}
                continue
            limit = "memory" if line["outcome"] == "out_of_memory" else "error"
            if not lines:
                return _nothing_ran(size, line["message"], folder)
            break
        lines.append(line)
        if _idle(_rates(lines)) >= PATIENCE:
            limit = "throughput"
            break
    return {"status": "complete", **recommend(lines, limit, asked.get("earlier")), **_about(asked, began)}


def _tell(folder: Path, line: Mapping[str, Any]) -> None:
    files.append_line(folder / SIZES, line)
    print(json.dumps(line), flush=True)


def _same_error(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two sizes failed by what has nothing to do with them: a slip in the command, say. Memory that has no room
    for the smaller one has none for the larger."""
    if "out_of_memory" in (one["outcome"], other["outcome"]):
        return one["outcome"] == other["outcome"]
    return other["outcome"] == "failed" and _NUMBER.sub("", one["message"]) == _NUMBER.sub("", other["message"])


def _compared(lines: Sequence[Mapping[str, Any]], line: dict[str, Any]) -> dict[str, Any]:
    """The line, without its time where that is told of nothing that the lines before it tell."""
    if line["outcome"] != "measured" or pace.comparable([*lines, line]) is not None:
        return line
    words = said("It tells how fast it is otherwise than a smaller size did, so the two cannot be compared.")
    return _unmeasured(line["batch_size"], "untimed", **words, wrote=line.get("wrote"))


def _rates(lines: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    found = pace.comparable(lines)
    assert found is not None  # what is not, is no measured line
    return found[1]


def _fell(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the last size is far slower than one before it."""
    rates = _rates(lines)
    return rates[lines[-1]["batch_size"]] < FALL * max(rates.values())


def _faster(line: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """Of two measurements of one size the faster; the first where the second told nothing that compares."""
    if line.get(pace.RATE) and again.get(pace.RATE):
        return max(line, again, key=lambda one: one[pace.RATE])
    if line.get(pace.EPOCH) and again.get(pace.EPOCH):
        return min(line, again, key=lambda one: one[pace.EPOCH])
    return line


def _without_bar(line: dict[str, Any]) -> dict[str, Any]:
    """What is known of a size whose bar counts no batches: its epochs at most."""
    if not line.get("of"):
        return line
    if line[pace.EPOCH]:
        return {**line, pace.RATE: None, "step_seconds": None, "by": "epochs", "of": None}
    words = said(
        "Its progress bar ({bar}) goes to as many at every batch size: whether it counts batches, or files or epochs, "
        "cannot be told. Where it counts batches, give the command their number as {name}.",
        bar=f"{line['name']} 0/{line['of']}".strip(),
        name="{steps}",
    )
    return _unmeasured(line["batch_size"], "untimed", **words, wrote=line.get("wrote"))


def _past_its_bar(
    folder: Path,
    lines: Sequence[Mapping[str, Any]],
    line: dict[str, Any],
    runs: dict[int, Any],
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    """A size measured again without a look at the bar that took the most time, where the bars of smaller sizes go to
    fewer the larger these are, and so count batches: of few large batches, an evaluation takes longer than they do."""
    if len({one["of"] for one in lines if one.get("of")}) < 2:
        return line
    size = line["batch_size"]
    runs[size] = runs[size]["again"]
    passed = [*asked.get("passed", ()), [line["name"], line["of"]]]
    again = measure(folder, size, runs[size], {**asked, "passed": passed})
    return again if pace.counts_batches([*lines, again]) else line


def _past_bars(
    folder: Path, lines: Sequence[Mapping[str, Any]], runs: dict[int, Any], asked: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
    """The same sizes measured again without a look at the bars that count no batches, and what is asked from now on:
    these may be of data that are read or tokenised, and the training comes after them. None where that tells no more,
    or nothing more is needed. A run that was needed is no longer among the `runs`."""
    if all(_without_bar(dict(line))["outcome"] == "measured" for line in lines):
        return None
    bars = [[line["name"], line["of"]] for line in lines if line.get("of")]
    asked, again = {**asked, "passed": [*asked.get("passed", ()), *bars]}, []
    for line in lines:
        size = line["batch_size"]
        runs[size] = runs[size]["again"]
        again.append(measure(folder, size, runs[size], asked))
        if again[-1]["outcome"] != "measured" or not pace.counts_batches(again) or pace.comparable(again) is None:
            return None
    return again, asked


def _idle(rates: Mapping[int, float]) -> int:
    """How many sizes in a row, the last among them, did not bring their share of a doubling."""
    idle, best, before = 0, 0.0, 0
    for size, rate in rates.items():
        doublings = math.log2(size / before) if before else 0.0
        idle = 0 if rate > best * GAIN**doublings else idle + 1
        best, before = max(best, rate), size
    return idle


def _nothing_ran(size: int, message: str, folder: Path) -> dict[str, Any]:
    words = said(
        "The command fails at its own batch size, {size}, as well. Run it by hand to see why, mend it, and measure "
        "again; what it printed is in {log}. The last of it: {message}",
        size=size,
        log=str(_log(folder, size)),
        message=message,
    )
    return {"status": "failed", **words}


def _log(folder: Path, size: int) -> Path:
    return folder / f"size-{size}-{LOG}"


def _about(asked: Mapping[str, Any], began: float) -> dict[str, Any]:
    return {
        "earlier": asked.get("earlier"),
        "device": asked["device"],
        "precision": "",
        "seconds": round(time.monotonic() - began, 1),
    }


def _kept(folder: Path, asked: Mapping[str, Any], size: int, line: Mapping[str, Any]) -> dict[str, Any]:
    """The command's own size, where `size` runs and could not be timed. Which is the largest that fits, and from which
    on throughput does not rise, is not known. `line`: the last that was tried, which is its own where that is larger.
    """
    own = asked["size"]
    if line["outcome"] in ("measured", "untimed"):
        known = {"recommended": own, "largest_feasible": None, "saturation": None}
        return {"status": "complete", **known, "limited_by": UNTIMED}
    words = said(
        "The command runs with a batch of {smaller} and fails at its own batch size, {size}; what it printed is in "
        "{log}. The last of it: {message}",
        smaller=size,
        size=own,
        log=str(_log(folder, own)),
        message=line["message"],
    )
    return {"status": "failed", **words}


def recommend(lines: Sequence[Mapping[str, Any]], limit: str, earlier: int | None = None) -> dict[str, Any]:
    """The smallest size within 5 % of the best throughput, which is worth no more than that. `earlier`: what a probe of
    the same recommended, and what NOISE alone does not change, as each change means tuning again (G9)."""
    rates = _rates(lines)
    best = max(rates.values())
    saturation = next(size for size, rate in rates.items() if rate * GAIN >= best)
    # A smaller one that is the fastest of all speaks against it.
    if earlier in rates and earlier <= max(rates, key=rates.__getitem__) and rates[earlier] * (GAIN + NOISE) >= best:
        saturation = earlier
    return {
        "recommended": saturation,
        "largest_feasible": lines[-1]["batch_size"],
        "saturation": saturation,
        "limited_by": "throughput" if saturation < lines[-1]["batch_size"] else limit,
    }


def measure(folder: Path, size: int, run: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """How fast the command is at one size, or why that cannot be told. One that ends too soon to be timed runs again
    with more steps, where it has a number of them."""
    line, ended = _measure(folder, size, run, asked)
    for longer in run["longer"]:
        if line["outcome"] != "untimed" or not ended:
            break
        # What fails with more steps has run with its own: only the time is not known.
        again, ended = _measure(folder, size, longer, asked)
        line = again if again["outcome"] in ("measured", "untimed") else line
    return line


def _measure(folder: Path, size: int, run: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The same for one run of the command, and whether it ended by itself."""
    log = _log(folder, size)
    passed = frozenset((name, of) for name, of in asked.get("passed", ()))
    watch = pace.Watch(Path(run["output"]), log, asked["metric"], asked.get("patience") or pace.START_SECONDS, passed)
    printed_before = log.stat().st_size if log.exists() else 0
    with open(log, "ab") as output:
        try:
            child = subprocess.Popen(
                run["command"],
                cwd=asked["directory"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with(os.getpid()),
                process_group=0,
            )
        except OSError as error:
            name = error.filename or run["command"][0]
            return _unmeasured(size, "failed", message=f"{name}: {error.strerror or error}"), True
    stopped = False
    try:
        while child.poll() is None and not stopped:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(POLL_SECONDS)
            watch.look()
            stopped = watch.enough(WATCHED_SECONDS) or watch.too_long()
    finally:
        if child.poll() is None:
            _stop(child)
    watch.look(ended=True)
    if child.returncode and not stopped:
        text = tail(log, printed_before)
        outcome = "out_of_memory" if out_of_memory(text) else "failed"
        message = f"exit code {child.returncode}. It printed last: {last_words(text)}"
        return _unmeasured(size, outcome, message=message), True
    found, wrote = watch.pace(size), {"names": watch.names, "ended": not stopped}
    if stopped and watch.waiting:
        # A bar that came to its end and was followed by nothing was not of the training.
        found = "silent" if watch.silent else "no steps"
    if not isinstance(found, pace.Pace):
        reason = pace.why_unknown(found, watch.bars, watch.patience)
        return _unmeasured(size, "untimed", **reason, wrote=wrote), not stopped
    batches = asked.get("step_batches", 1)
    counted = {"rows": batches, "bar": asked.get("bar_batches", 1)}.get(found.by, 1)
    rate = found.examples_per_second and found.examples_per_second * counted
    return {
        "batch_size": size,
        "outcome": "measured",
        "message": "",
        **dataclasses.asdict(found),
        pace.RATE: rate,
        "step_examples": size * batches,
        # One that goes to all the steps of the run counts batches, however large they are.
        "of": found.of if found.of != run["steps"] else None,
        "step_seconds": size * batches / rate if rate else None,
        "peak_memory": None,
        "wrote": wrote,
    }, not stopped


def _unmeasured(size: int, outcome: str, **words: Any) -> dict[str, Any]:
    return {"batch_size": size, "outcome": outcome, **words}


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the command with all that it has started: a shell that ends leaves its training behind, beside which the next
    size would be timed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < until:
            child.poll()
            # As long as there is anybody.
            os.killpg(child.pid, 0)
            time.sleep(POLL_SECONDS)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


if __name__ == "__main__":
    sys.exit(main())
