"""Measure batch sizes with real training steps: `python -m training.probe --config FILE --output FOLDER` (G3-G5).

Each size is a line of FOLDER/sizes.jsonl as soon as it is measured, and once more when it was timed again: the later
line counts. FOLDER/progress.jsonl says what is being done, FOLDER/result.json has the recommendation. The batch size
and the number of steps in the configuration play no part. Exit codes: 0 complete, 1 failed, 143 stopped.

One child process measures all sizes and reports them through a pipe: when the system kills it for want of memory, or a
driver crashes, what was measured before still counts. Where memory ran out on the CPU, another child makes the final
check: what did not fit has left buffers behind, with which a size that fits would be refused.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TextIO

import torch

from training import ascent, choices, fetching, machine, record
from training import device as devices
from training import model as models
from training.ascent import Limit, Size
from training.bench import Bench, Failure
from training.config import ConfigError, load
from training.data import open_dataset
from training.loop import Stopped
from training.loop import facts as facts_of
from training.sentence import said, said_by
from training.splits import DataError
from training.train import EXIT_CODES, StopRequest, log_traceback, unexpected

# A dictionary with "facts" (of result.json), "size" (its line), "ending" (the rest of result.json), or a line of
# progress.jsonl: a "phase" (fetch, choice, size, compare, check), and the size under way as "attempt".
Report = Callable[[dict[str, Any]], None]
# Checks one size in a process of its own: where it reports, the size, and the facts known so far.
Check = Callable[[Report, int, Mapping[str, Any]], None]
# In an ending: the check is still to be made, by a fresh process; what ended the ascent.
UNCHECKED = "unchecked"
# The folder in which checkpoints are tried.
CHECK = "check"


def main(arguments: list[str] | None = None) -> NoReturn:
    """The command line."""
    parser = argparse.ArgumentParser(prog="probe", description="Measure which batch sizes fit and how fast they are.")
    parser.add_argument("--config", type=Path, required=True, help="the configuration (TOML)")
    parser.add_argument("--output", type=Path, required=True, help="folder for sizes.jsonl and result.json")
    parser.add_argument("--cache", type=Path, help="folder in which decoded data is kept for other runs")
    parser.add_argument("--largest", type=int, help="try no larger size")
    parser.add_argument("--memory-cap", type=int, metavar="BYTES", help="memory that a run may take on the device")
    parser.add_argument("--choose", type=int, metavar="EXAMPLES", help="first choose how to run so many examples")
    options = parser.parse_args(arguments)
    for name in ("largest", "memory_cap", "choose"):
        if (number := getattr(options, name)) is not None and number < 1:
            parser.error(f"--{name.replace('_', '-')}: {number}; allowed: at least 1")
    try:
        with record.lock(options.output):
            sys.exit(
                run(
                    options.output,
                    lambda report: measure(options, report),
                    lambda report, size, facts: check(options, report, size, facts),
                )
            )
    except (record.Busy, OSError) as error:
        sys.exit(str(error))


def run(folder: Path, work: Callable[[Report], None], check: Check | None = None) -> int:
    """Have `work` done by a child process, and a check that it leaves open by others; write what they report, and
    conclude. The exit code."""
    began = time.monotonic()
    for earlier in ("sizes.jsonl", "progress.jsonl", "result.json"):
        (folder / earlier).unlink(missing_ok=True)
    found, ending = _by_a_child(work, folder)
    if (ended_by := ending.pop(UNCHECKED, None)) is not None and check is not None:
        ending = _checked(found, ended_by, check, folder)
    record.write_json(folder / "result.json", ending | found.facts | {"seconds": time.monotonic() - began})
    if ending["status"] == "complete":
        print(f"recommended batch size {ending['recommended']}, limited by {ending['limited_by']}", flush=True)
    else:
        print(ending["message"], file=sys.stderr, flush=True)
    return EXIT_CODES[ending["status"]]


def _by_a_child(work: Callable[[Report], None], folder: Path) -> tuple[Found, dict[str, Any]]:
    """What a child process reports, and how it ended."""
    receiver, sender = os.pipe()
    kills = machine.oom_kills()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        _be_the_child(work, sender)
    os.close(sender)

    def forward(number: int, frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    with os.fdopen(receiver, encoding="utf-8") as reports:
        found = follow(reports, folder)
    _, status = os.waitpid(child, 0)
    if found.ending is None:
        return found, died(found, os.waitstatus_to_exitcode(status), machine.oom_kills() > kills)
    if found.ending["reason"] == "error":
        return found, rescued(found, "error", "device", found.ending["message"])
    return found, found.ending


def _checked(found: Found, ended_by: Limit, check: Check, folder: Path) -> dict[str, Any]:
    """The ending after the recommended size, or the next smaller one that works, was checked by a fresh child."""
    budget, fitting = found.facts["memory_budget"], found.sizes
    while (best := ascent.recommend(fitting, budget, ended_by)) is not None:
        complete = _ending("complete", "", {"message": ""}) | dataclasses.asdict(best)
        size = best.recommended
        # After an error other than memory the device may be unusable, and nothing more can be learnt from it.
        if ended_by == "error":
            return complete
        _, ending = _by_a_child(lambda report, size=size: check(report, size, found.facts), folder)
        if ending["status"] == "complete":
            return complete
        if ending["reason"] not in ("out_of_memory", "error"):
            return ending
        ended_by = "memory" if ending["reason"] == "out_of_memory" else "error"
        fitting = [known for known in fitting if known.batch_size < size]
    return nothing_fits(min(size.batch_size for size in found.sizes), budget)


def _be_the_child(work: Callable[[Report], None], sender: int) -> NoReturn:
    code = 1
    try:
        # Each report by one call of the system, so that a signal cannot cut it in two.
        work(lambda part: _write(sender, json.dumps(part) + "\n"))
        code = 0
    except BrokenPipeError:
        print("Nobody listens any more.", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit: what the parent has on its stack is the parent's to end.
        os._exit(code)


def _write(pipe: int, line: str) -> None:
    os.write(pipe, line.encode())


@dataclass
class Found:
    """What the child has reported."""

    facts: dict[str, Any] = field(default_factory=dict)
    sizes: list[Size] = field(default_factory=list)
    attempt: int | None = None
    ending: dict[str, Any] | None = None


def follow(reports: TextIO, folder: Path) -> Found:
    """Read the child's reports to their end, and write a line for each size and each phase."""
    found = Found()
    with (
        (folder / "sizes.jsonl").open("a", encoding="utf-8") as lines,
        (folder / "progress.jsonl").open("a", encoding="utf-8") as phases,
    ):
        for report in reports:
            match json.loads(report):
                case {"facts": facts}:
                    found.facts |= facts
                case {"phase": _} as phase:
                    found.attempt = phase.get("attempt", found.attempt)
                    phases.write(json.dumps(phase) + "\n")
                    phases.flush()
                case {"size": line}:
                    size = Size(**line)
                    found.sizes = [known for known in found.sizes if known.batch_size != size.batch_size] + [size]
                    lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                    lines.flush()
                    say(found.sizes[-1])
                case {"ending": ending}:
                    found.ending = ending
    return found


def died(found: Found, code: int, oom_killer: bool = False) -> dict[str, Any]:
    """The end of a child that could not report it; `oom_killer`: the kernel has killed somebody for want of memory."""
    ended = f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}"
    message = f"The process that measured did not come back: {ended} at batch size {found.attempt}"
    if code == -signal.SIGKILL:
        # The kernel kills who takes too much.
        message += ", by the kernel for want of memory." if oom_killer else ", most likely because memory ran out."
        return rescued(found, "memory", "oom_killer" if oom_killer else "killed", message)
    # Libraries that were refused memory once may crash the next time.
    if any(size.outcome == "out_of_memory" for size in found.sizes):
        return rescued(found, "memory", "crashed", message + ", most likely because memory ran out.")
    return rescued(found, "error", "crashed", message + ".")


def rescued(found: Found, ended_by: Limit, reason: str, message: str) -> dict[str, Any]:
    """The ending of a measurement that was cut short: the sizes that it measured before still hold."""
    budget = found.facts.get("memory_budget", 0)
    best = ascent.recommend(found.sizes, budget, ended_by)
    if best is not None:
        return _ending("complete", reason, {"message": message}) | dataclasses.asdict(best)
    if ended_by == "memory" and found.attempt:
        return nothing_fits(found.attempt, budget)
    return _ending("failed", "out_of_memory" if ended_by == "memory" else "error", {"message": message})


def nothing_fits(smallest: int, budget: int) -> dict[str, Any]:
    """The ending where no size fits, `smallest` being the smallest that was tried."""
    return _ending(
        "failed",
        "out_of_memory",
        said(
            "Not even a batch of {size} fits into {mebibytes:.0f} MiB, which is what a run may take here. Choose a "
            "smaller model or a smaller input, free some memory, or raise the memory cap if you have set one.",
            size=smallest,
            mebibytes=budget / 2**20,
        ),
    )


def _ending(status: str, reason: str, words: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": status, "reason": reason, **words}


def measure(options: argparse.Namespace, report: Report) -> None:
    """Measure, and report each part of the result and, whatever happens, the ending."""
    neighbours = machine.Neighbours()

    def work() -> dict[str, Any]:
        report({"facts": {"load_average": os.getloadavg()[0], "versions": record.versions()}})
        config = load(options.config)
        device = devices.choose(config)
        devices.prepare(config, device)
        fetched = config.model.pretrained == "hub"
        if fetched:
            report({"phase": "fetch", "model": config.model.name})
        dataset = open_dataset(config, options.cache)
        opened = time.monotonic()
        if fetched:
            # Before anything is timed, and where it fails, before anything else is said to be done.
            with fetching.watched(lambda come: report({"phase": "fetch", "model": config.model.name, "bytes": come})):
                models.build(config, facts_of(dataset))
        if options.choose:

            def trying(key: str, done: int, total: int) -> None:
                report({"phase": "choice", "key": key, "done": done, "total": total})

            tried = choices.choose(config, dataset, device, options.memory_cap, options.choose, trying)
            report({"facts": {"tried": [dataclasses.asdict(each) for each in tried]}})
            config = choices.changed(config, tried)
            devices.prepare(config, device)
        precision = "bfloat16" if devices.precision(config, device) else "float32"
        threads = torch.get_num_threads()
        facts = {"device": devices.name(device), "device_type": device.type, "precision": precision, "threads": threads}
        report({"facts": facts})
        bench = Bench(config, dataset, device, options.memory_cap)
        report({"facts": {"memory_budget": bench.budget, "memory_cap": options.memory_cap}})
        highest = ascent.cap(len(dataset.train), options.largest)
        ending = probe(bench, highest, report, options.output / CHECK, afresh=device.type == "cpu")
        report({"facts": {"busy_cores": neighbours.cores(), "measuring_seconds": time.monotonic() - opened}})
        return ending

    report({"ending": _guarded(work, options.output)})


def check(options: argparse.Namespace, report: Report, size: int, facts: Mapping[str, Any]) -> None:
    """Check one size, with what was chosen before, in a process that has tried no other; report the ending."""

    def work() -> dict[str, Any]:
        report({"phase": "check", "attempt": size})
        config = choices.changed(load(options.config), [choices.Tried(**each) for each in facts.get("tried", ())])
        device = devices.choose(config)
        devices.prepare(config, device)
        bench = Bench(config, open_dataset(config, options.cache), device, options.memory_cap)
        failure = bench.check(size, options.output / CHECK)
        if failure is None:
            return _ending("complete", "", {"message": ""})
        report({"size": dataclasses.asdict(_refused(size, failure))})
        reason = "out_of_memory" if failure.out_of_memory else "error"
        return _ending("failed", reason, {"message": failure.message})

    report({"ending": _guarded(work, options.output)})


def _guarded(work: Callable[[], dict[str, Any]], folder: Path) -> dict[str, Any]:
    """The ending that `work` returns, or what prevented it."""
    stop = StopRequest()
    try:
        stop.listen()
        ending = work()
    except Stopped:
        ending = _ending(
            "stopped", "stopped", said("Stopped when asked to; start it again to measure from the beginning.")
        )
    except ConfigError as error:
        ending = _ending("failed", "config", said_by(error))
    except DataError as error:
        ending = _ending("failed", "data", said_by(error))
    except BrokenPipeError:
        raise
    except Exception as error:
        ending = {**unexpected(error), "status": "failed"}
        log_traceback(folder, debug=False)
    stop()
    return ending


def _refused(size: int, failure: Failure) -> Size:
    return Size(size, "out_of_memory" if failure.out_of_memory else "failed", failure.message)


def probe(bench: Bench, highest: ascent.Cap, report: Report, folder: Path, *, afresh: bool = False) -> dict[str, Any]:
    """Measure sizes up to `highest`, and check the recommended one as a run would use it; the ending. `afresh`: leave
    the check to a fresh process where memory ran out in this one."""

    def attempt(size: int) -> Size:
        report({"phase": "size", "attempt": size})
        found = bench.measure(size)
        report({"size": dataclasses.asdict(found)})
        return found

    def again(sizes: list[Size]) -> list[Size]:
        report({"phase": "compare"})
        newer = bench.side_by_side(sizes)
        for size in newer:
            report({"size": dataclasses.asdict(size)})
        return newer

    # A CUDA device is nobody else's.
    shared = bench.device.type != "cuda"
    sizes, ended_by = ascent.ascend(attempt, highest, bench.budget, again if shared else None)
    fitting = sizes
    if afresh and any(size.outcome == "out_of_memory" for size in sizes):
        best = ascent.recommend(sizes, bench.budget, ended_by)
        if best is not None:
            return _ending("complete", "", {"message": "", UNCHECKED: ended_by}) | dataclasses.asdict(best)
    while (best := ascent.recommend(fitting, bench.budget, ended_by)) is not None:
        report({"phase": "check", "attempt": best.recommended})
        # After an error other than memory the device may be unusable, and nothing more can be learnt from it.
        failure = bench.check(best.recommended, folder) if ended_by != "error" else None
        if failure is None:
            return _ending("complete", "", {"message": ""}) | dataclasses.asdict(best)
        report({"size": dataclasses.asdict(_refused(best.recommended, failure))})
        fitting = [size for size in fitting if size.batch_size < best.recommended]
        ended_by = "memory" if failure.out_of_memory else "error"
        if failure.out_of_memory and not fitting and best.recommended // 2 >= ascent.SMALLEST:
            # No smaller size was of interest until now.
            sizes.append(attempt(best.recommended // 2))
            fitting = sizes[-1:]
    smallest = min(sizes, key=lambda size: size.batch_size)
    if smallest.outcome == "failed":
        return _ending("failed", "error", said("A training step failed: {message}", message=smallest.message))
    return nothing_fits(smallest.batch_size, bench.budget)


def say(found: Size) -> None:
    """A line on one size, for who watches."""
    if found.outcome != "measured":
        print(f"batch size {found.batch_size}: {found.outcome}: {found.message}", flush=True)
        return
    assert found.peak_memory is not None
    print(
        f"batch size {found.batch_size}: {found.throughput:.1f} examples/s  spread {found.spread:.1%}  "
        f"memory {found.peak_memory / 2**20:.0f} MiB  with data {found.end_to_end_seconds:.4g} s a step",
        flush=True,
    )


if __name__ == "__main__":
    main()
