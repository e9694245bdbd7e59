"""Measure batch sizes with real training steps: `python -m training.probe --config FILE --output FOLDER` (G3-G5).

Each size is a line of FOLDER/sizes.jsonl as soon as it is measured, and once more when it was timed again: the later
line counts. FOLDER/progress.jsonl says what is being done, FOLDER/result.json has the recommendation. The batch size
and the number of steps in the configuration play no part. Exit codes: 0 complete, 1 failed, 143 stopped.

One child process measures the sizes and reports them through a pipe: when the system kills it for want of memory, or a
driver crashes, what was measured before still counts. On the CPU, what did not fit leaves buffers behind, with which
smaller sizes would look larger: for whatever is still to be measured another child takes its place, and goes the same
way over what is known already. Children are forked; where that breaks the device (macOS), each is a new process.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO

import torch

from training import ascent, choices, cut_short, fetching, machine, record
from training import device as devices
from training import model as models
from training.ascent import Size
from training.bench import Bench, load_libraries
from training.bench import budget as budget_of
from training.config import ConfigError, load
from training.data import open_dataset
from training.figures import normalisation
from training.loop import Stopped
from training.loop import facts as facts_of
from training.relay import Found, Fresh, Spent
from training.sentence import said, said_by
from training.splits import DataError
from training.train import EXIT_CODES, StopRequest, log_traceback, unexpected

# A dictionary with "facts" (of result.json), "size" (its line), "compared" (batch sizes that were timed side by side),
# "anew" (one that was disturbed and measured once more), "ending" (the rest of result.json), or a line of
# progress.jsonl: a "phase" (fetch, choice, size, compare, check), and the size under way as "attempt".
Report = Callable[[dict[str, Any]], None]
# In an ending: the process is of no more use, and another is to go on.
SPENT = "spent"
# Makes a child that measures what is not found yet and reports to a pipe, given the end to write to; its pid.
Begin = Callable[[Found, int], int]
FORKS = sys.platform != "darwin"


def main(arguments: list[str] | None = None) -> NoReturn:
    """The command line."""
    parser = argparse.ArgumentParser(prog="probe", description="Measure which batch sizes fit and how fast they are.")
    parser.add_argument("--config", type=Path, required=True, help="the configuration (TOML)")
    parser.add_argument("--output", type=Path, required=True, help="folder for sizes.jsonl and result.json")
    parser.add_argument("--cache", type=Path, help="folder in which decoded data is kept for other runs")
    parser.add_argument("--largest", type=int, help="try no larger size")
    parser.add_argument("--memory-cap", type=int, metavar="BYTES", help="memory that a run may take on the device")
    parser.add_argument("--choose", type=int, metavar="EXAMPLES", help="first choose how to run so many examples")
    parser.add_argument("--earlier", type=int, metavar="SIZE", help="what was recommended before, for the same")
    parser.add_argument("--child", nargs=2, metavar=("PIPE", "FOUND"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        pipe, known = options.child
        _be_the_child(lambda report: measure(options, report, Found.read(known)), int(pipe))
    for name in ("largest", "memory_cap", "choose", "earlier"):
        if (number := getattr(options, name)) is not None and number < 1:
            parser.error(f"--{name.replace('_', '-')}: {number}; allowed: at least 1")
    try:
        with record.lock(options.output):
            begin = forked(lambda report, found: measure(options, report, found)) if FORKS else _spawned(arguments)
            sys.exit(run(options.output, begin))
    except (record.Busy, OSError) as error:
        sys.exit(str(error))


def run(folder: Path, begin: Begin) -> int:
    """Have children measure, one after another while each is spent, write what they report, and conclude; the exit
    code."""
    began = time.monotonic()
    for earlier in ("sizes.jsonl", "progress.jsonl", "result.json"):
        (folder / earlier).unlink(missing_ok=True)
    found, asked = Found(), threading.Event()
    while (ending := _by_a_child(begin, found, folder, asked))["status"] == SPENT:
        if asked.is_set():
            ending = cut_short.stopped()
            break
    timed = {"compared": sorted(found.compared), "seconds": time.monotonic() - began}
    record.write_json(folder / "result.json", ending | found.facts | timed)
    if ending["status"] == "complete":
        print(f"recommended batch size {ending['recommended']}, limited by {ending['limited_by']}", flush=True)
    else:
        print(ending["message"], file=sys.stderr, flush=True)
    return EXIT_CODES[ending["status"]]


def forked(work: Callable[[Report, Found], None]) -> Begin:
    """A child that does `work`, with all that this process has imported."""

    def begin(found: Found, sender: int) -> int:
        child = os.fork()
        if child == 0:
            _be_the_child(lambda report: work(report, found), sender)
        return child

    return begin


def _spawned(arguments: list[str] | None) -> Begin:
    """A child that is this program once more."""

    def begin(found: Found, sender: int) -> int:
        os.set_inheritable(sender, True)
        own = sys.argv[1:] if arguments is None else arguments
        command = [sys.executable, "-m", "training.probe", *own, "--child", str(sender), found.written()]
        return os.posix_spawn(sys.executable, command, os.environ)

    return begin


def _by_a_child(begin: Begin, found: Found, folder: Path, asked: threading.Event) -> dict[str, Any]:
    """Add what a child process reports to what was found; how it ended. `asked` is set when it is asked to stop."""
    receiver, sender = os.pipe()
    kills = machine.oom_kills()
    child = begin(found, sender)
    os.close(sender)

    def forward(number: int, frame: object) -> None:
        asked.set()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    with os.fdopen(receiver, encoding="utf-8") as reports:
        ending = follow(reports, found, folder)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if found.choosing and (ending is None or ending["reason"] == "device"):
        # A GPU that has failed is of no more use to that process; to the next one it may be.
        found.facts |= cut_short.unchosen(code, ending)
        return cut_short.ending(SPENT, SPENT, {})
    if ending is None:
        return cut_short.died(found, code, machine.oom_kills() > kills)
    words = {name: ending[name] for name in ("message", "said") if name in ending}
    if ending["reason"] in ("error", "device"):
        return cut_short.rescued(found, "error", "device", words)
    if ending["reason"] == cut_short.NO_ROOM:
        if not found.fitting():
            words = cut_short.too_much(None, cut_short.allowed(found.facts))
        return cut_short.rescued(found, "memory", "crashed", words)
    return ending


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


def follow(reports: TextIO, found: Found, folder: Path) -> dict[str, Any] | None:
    """Read a child's reports to their end, and write a line for each phase and each size that is new; the ending, None
    where it could report none."""
    ending = None
    with (
        (folder / "sizes.jsonl").open("a", encoding="utf-8", errors="replace") as lines,
        (folder / "progress.jsonl").open("a", encoding="utf-8") as phases,
    ):
        for report in reports:
            match json.loads(report):
                case {"facts": facts}:
                    found.facts |= facts
                case {"phase": "size", "attempt": size} if size in found.sizes:
                    # It is only read, on the way to what is not known.
                    continue
                case {"phase": name} as phase:
                    found.phase = name
                    found.attempt = phase.get("attempt", found.attempt)
                    phases.write(json.dumps(phase) + "\n")
                    phases.flush()
                case {"size": line}:
                    size = Size(**line)
                    if found.sizes.get(size.batch_size) == size:
                        continue
                    found.sizes[size.batch_size] = size
                    lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                    lines.flush()
                    say(size)
                case {"compared": sizes}:
                    found.compared |= set(sizes)
                case {"anew": size}:
                    found.anew.add(size)
                case {"ending": reported}:
                    ending = reported
    return ending


def measure(options: argparse.Namespace, report: Report, found: Found) -> None:
    """Measure what is not known yet, and report each part of the result and, whatever happens, the ending."""
    stop = StopRequest()
    neighbours = machine.Neighbours()
    try:
        stop.listen()
        facts = {"load_average": os.getloadavg()[0], "versions": record.versions(), "earlier": options.earlier}
        facts["memory_cap"] = options.memory_cap
        report({"facts": facts | found.facts})
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
        highest = ascent.cap(len(dataset.train), options.largest)
        if options.choose:
            tried = [choices.Tried(**each) for each in found.facts.get("tried", ())]
            if "tried" not in found.facts:

                def trying(key: str, done: int, total: int) -> None:
                    report({"phase": "choice", "key": key, "done": done, "total": total})

                cap, planned = options.memory_cap, options.choose
                chosen = choices.choose(config, dataset, device, cap, planned, trying, highest.size)
                tried = chosen or []
                facts = {"tried": [dataclasses.asdict(each) for each in tried]}
                report({"facts": facts if chosen is not None else cut_short.unchosen(None)})
            config = choices.changed(config, tried)
            devices.prepare(config, device)
        precision = "bfloat16" if devices.precision(config, device) else "float32"
        threads = torch.get_num_threads()
        facts = {"device": devices.name(device), "device_type": device.type, "precision": precision, "threads": threads}
        load_libraries(config)
        free = budget_of(device, options.memory_cap)
        # What an earlier process found is what its sizes were held against.
        budget = found.facts.get("memory_budget", free)
        # Before the network is built: where it has no room, the budget is what is said.
        report({"facts": facts | {"memory_budget": budget}})
        bench = Bench(config, dataset, device, budget, options.memory_cap)
        report({"facts": {"normalisation": normalisation(bench.network)}})

        def noise() -> float:
            return ascent.LOUD_NOISE if neighbours.busy() else ascent.NOISE

        try:
            ending = probe(Fresh(bench, found), highest, report, options.output / "check", options.earlier, noise)
        except Spent:
            ending = cut_short.ending(SPENT, SPENT, {})
        taken = found.facts.get("measuring_seconds", 0.0) + time.monotonic() - opened
        # None where the system does not say.
        busy = [each for each in (found.facts.get("busy_cores"), neighbours.cores()) if each is not None]
        facts = {"busy_cores": max(busy, default=None), "reachable_cores": len(neighbours.reachable)}
        report({"facts": facts | {"measuring_seconds": taken}})
    except Stopped:
        ending = cut_short.stopped()
    except ConfigError as error:
        ending = cut_short.ending("failed", "config", said_by(error))
    except DataError as error:
        ending = cut_short.ending("failed", "data", said_by(error))
    except BrokenPipeError:
        raise
    except Exception as error:
        ending = {**unexpected(error), "status": "failed"}
        if devices.is_out_of_memory(error):
            # Outside of any size; those have said what they were refused.
            ending["reason"] = cut_short.NO_ROOM
        log_traceback(options.output, debug=False)
    stop()
    report({"ending": ending})


def probe(
    bench: Fresh,
    highest: ascent.Cap,
    report: Report,
    folder: Path,
    earlier: int | None = None,
    noise: Callable[[], float] = lambda: ascent.NOISE,
) -> dict[str, Any]:
    """Measure sizes up to `highest`, and check the recommended one as a run would use it; the ending. `earlier`: what
    was recommended before, for the same; `noise`: by what share throughput may differ by chance."""

    def attempt(size: int) -> Size:
        report({"phase": "size", "attempt": size})
        found = bench.measure(size)
        report({"size": dataclasses.asdict(found)})
        # Where this process is killed, what it reported is all there is to judge by.
        report({"facts": {"noise": noise()}})
        return found

    def anew(size: Size) -> Size:
        report({"phase": "compare"})
        kept = bench.anew(size)
        report({"size": dataclasses.asdict(kept)})
        report({"anew": kept.batch_size})
        return kept

    def again(sizes: list[Size]) -> list[Size]:
        report({"phase": "compare"})
        newer = bench.side_by_side(sizes, answer)
        for size in newer:
            report({"size": dataclasses.asdict(size)})
        report({"compared": [size.batch_size for size in newer]})
        return newer

    def answer(sizes: list[Size]) -> object:
        rates = ascent.rates_of(sizes)
        return ascent.saturation(rates, earlier, noise()), ascent.knee(rates) is None

    # A CUDA device is nobody else's.
    shared = ascent.Shared(again, anew, lambda: noise() > ascent.NOISE) if bench.device.type != "cuda" else None
    sizes, ended_by = ascent.ascend(attempt, highest, bench.budget, shared)
    fitting = sizes
    while (best := ascent.recommend(fitting, bench.budget, ended_by, earlier, noise())) is not None:
        report({"phase": "check", "attempt": best.recommended})
        # After an error other than memory the device may be unusable, and nothing more can be learnt from it.
        failure = bench.check(best.recommended, folder) if ended_by != "error" else None
        if failure is None:
            return cut_short.ending("complete", "", {"message": ""}) | dataclasses.asdict(best)
        refused = Size(best.recommended, "out_of_memory" if failure.out_of_memory else "failed", failure.message)
        report({"size": dataclasses.asdict(refused)})
        fitting = [size for size in fitting if size.batch_size < best.recommended]
        ended_by = "memory" if failure.out_of_memory else "error"
        if failure.out_of_memory and not fitting and best.recommended // 2 >= ascent.SMALLEST:
            # No smaller size was of interest until now.
            sizes.append(attempt(best.recommended // 2))
            fitting = sizes[-1:]
    smallest = min(sizes, key=lambda size: size.batch_size)
    if smallest.outcome == "failed":
        return cut_short.ending("failed", "error", said("A training step failed: {message}", message=smallest.message))
    return cut_short.nothing_fits(smallest.batch_size, bench.budget)


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
