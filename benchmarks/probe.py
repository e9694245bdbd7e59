"""The batch-size probe against Lightning, Accelerate and Ludwig's rule, on the CPU under one memory cap.

    python -m benchmarks.probe [--write] [--quick]

Every search is a process of its own in which RLIMIT_DATA, the only limit here that becomes an error and no killed
process, leaves the same number of bytes beyond libraries and data: the probe inherits the limit, as from `ulimit -d`.
`--write` puts the table into benchmarks/results/probe.md; `--quick` repeats less. The peers are in .venv/peers.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from state import document
from tests import small_project
from wizard import speed

RESULTS = Path(__file__).parent / "results" / "probe.md"
PEERS = Path(sys.prefix) / "peers"
MIB = 2**20
CAP = 768 * MIB
# Enough that 5 % of the examples, the largest size that the probe tries, is more than the cap allows.
EXAMPLES, VALIDATION = 6400, 640
MODELS = {"convolutional": ("resnet18", 64), "attention": ("deit_tiny_patch16_224", 96)}
# Runs of the probe that know of no other, such as know the answer of the one before, and of each peer, which never time
# anything but Ludwig's rule.
OURS, AGAIN, THEIRS = 10, 5, 2
# The largest feasible size is known this closely.
CLOSELY = 0.02
# To reach: ours takes at most this share of the time of the fastest peer that comes so near to the largest size.
AIM, NEAR = 1 / 3, 0.9
GRID = (8, 16, 32, 64, 128)
FINDERS = {
    "power": "Lightning, `power`",
    "binsearch": "Lightning, `binsearch`",
    "accelerate": "Accelerate, from 1024",
    "ludwig": "Ludwig's rule, rebuilt",
}


@dataclass(frozen=True)
class Search:
    """A finished search: its size (None: it ended with an error), and seconds of the process and without its start."""

    size: int | None
    out_of_memory: int
    process: float
    search: float
    error: str = ""


@dataclass(frozen=True)
class Bench:
    """A model on its data, under the cap."""

    folder: Path
    config: dict[str, Any]
    limit: int
    """RLIMIT_DATA of a process of ours, in bytes."""

    def write(self, name: str, **changes: Any) -> Path:
        path = self.folder / f"{name}.toml"
        values = self.config | {key.replace("__", "."): value for key, value in changes.items()}
        path.write_text(document.compose(values).as_string(), encoding="utf-8")
        return path


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.probe", description="The batch-size probe against its peers.")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/probe.md")
    parser.add_argument("--quick", action="store_true", help="four runs of the probe and one of each peer")
    options = parser.parse_args(arguments)
    if not (PEERS / "bin/python").exists():
        sys.exit("The peers are not installed: make bench-probe")
    load, began = os.getloadavg()[0], time.monotonic()
    ours, again, theirs = (3, 1, 1) if options.quick else (OURS, AGAIN, THEIRS)
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder) / "data")
        parts = [line for kind in MODELS for line in compared(Path(folder), kind, ours, again, theirs)]
    text = "\n".join([*heading(load, time.monotonic() - began, options.quick), *parts, ""])
    print(text)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


def heading(load: float, seconds: float, quick: bool) -> Iterator[str]:
    found = {each.metadata["Name"]: each.version for each in metadata.distributions(path=[*map(str, _peer_paths())])}
    yield "# The batch-size probe against its peers"
    yield ""
    yield (
        f"`python -m benchmarks.probe --write{' --quick' if quick else ''}`, "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}: "
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"torch {metadata.version('torch')}, Lightning {found.get('lightning')}, Accelerate {found.get('accelerate')}; "
        f"{seconds / 60:.0f} minutes. Load average {load:.1f} at the beginning"
        + ("." if load < 1 else ": the machine was busy with other work.")
    )
    yield ""
    yield (
        f"Everybody may take {CAP // MIB} MiB beyond libraries and data, by the same limit of address space "
        "(RLIMIT_DATA), which the probe inherits as from `ulimit -d`; it is told nothing else. The largest feasible "
        "size is that of the largest batch with which a real run, its evaluation and its checkpoints included, ends "
        "well in a fresh process under that limit (found by bisection, to 2 %). Throughput is measured without the "
        "limit, all sizes in turn; the best is the best of all sizes in the tables and of powers of two up to the "
        "largest feasible. Seconds are medians: of the whole process, and without its imports and the loading of data."
    )


def written(folder: Path) -> None:
    """Handwritten digits, each several times and shifted a little, as class folders of a training and a validation
    split."""
    data: Any = load_digits()
    dice = np.random.default_rng(0)
    for place in range(EXAMPLES + VALIDATION):
        digit = place % len(data.target)
        part = "train" if place < EXAMPLES else "val"
        target = folder / part / str(data.target[digit])
        target.mkdir(parents=True, exist_ok=True)
        pixels = np.roll(data.images[digit], dice.integers(-1, 2, 2), (0, 1)) * 15
        Image.fromarray(pixels.astype("uint8")).save(target / f"{place:05d}.png")


def compared(folder: Path, kind: str, ours: int, again: int, theirs: int) -> Iterator[str]:
    """The table of one model."""
    name, size = MODELS[kind]
    folder = folder / kind
    folder.mkdir()
    config = small_project.settings(
        folder.parent / "data",
        model__name=name,
        data__image_size=size,
        data__channels=3,
        optimizer__name="adamw",
        optimizer__learning_rate=1e-4,
        runtime__threads=0,
    )
    bench = Bench(folder, config, 0)
    # The first opening of the data fills the cache for all.
    bench = dataclasses.replace(bench, limit=_asked(bench, "baseline") + CAP)
    runs = {"Tunebook": [probed(bench) for _ in range(ours)]}
    runs |= {title: [searched(bench, finder) for _ in range(theirs)] for finder, title in FINDERS.items()}
    told = repeated(bench, runs["Tunebook"][0], again)
    chosen = sorted({run.size for each in (*runs.values(), told) for run in each if run.size})
    largest = largest_feasible(bench)
    survived = {each: trained(bench, each) for each in chosen}
    sizes = sorted({*chosen, largest, *(each for each in GRID if each <= largest)})
    rates = {int(each): rate for each, rate in _asked(bench, "rates", sizes=sizes).items()}
    choices = probed(bench, "--choose", str(speed.first_guess(EXAMPLES)))
    yield from table(kind, f"{name} at {size} pixels", runs, largest, rates, survived)
    same = sum(one.size == other.size for one, other in pairwise([runs["Tunebook"][0], *told]))
    yield (
        "\nMeasured again, as in a project, where the probe is told what it recommended before: the same size "
        f"{same} of {len(told)} times."
    )
    yield (
        f"\nWith the choice of memory format, optimizer and threads before it, which no peer makes, the probe takes "
        f"{choices.process:.1f} s. Examples a second by size: "
        + ", ".join(f"{each}: {rate:.0f}" for each, rate in rates.items())
        + "."
    )


def table(
    kind: str,
    model: str,
    runs: dict[str, list[Search]],
    largest: int,
    rates: dict[int, float],
    survived: dict[int, bool],
) -> Iterator[str]:
    yield f"\n## A model of the {kind} kind: {model}, largest feasible size {largest}\n"
    yield (
        "| | seconds | without imports | memory ran out | size | of the largest | of the best throughput "
        "| trains and evaluates | same answer, and others |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---|---:|"
    best, rivals = max(rates.values()), []
    for title, found in runs.items():
        (size, times), *others = Counter(run.size for run in found).most_common()
        same = f"{times} of {len(found)}" + "".join(f", {count} {other}" for other, count in others)
        process, search = (_median([getattr(run, part) for run in found]) for part in ("process", "search"))
        line = f"| {title} | {process:.1f} | {search:.1f} | {_median([run.out_of_memory for run in found]):.0f} "
        if size is None:
            yield line + f"| none | | | {found[0].error} | {same} |"
            continue
        every = all(survived[run.size] for run in found if run.size)
        yield line + (
            f"| {size} | {size / largest:.0%} | {rates[size] / best:.0%} | {'yes' if every else '**no**'} | {same} |"
        )
        if title != "Tunebook" and size >= NEAR * largest:
            rivals.append((process, search, title))
    yield from verdict(runs["Tunebook"], rivals)


def verdict(ours: list[Search], rivals: list[tuple[float, float, str]]) -> Iterator[str]:
    """Our time beside that of the fastest who finds a size near the largest."""
    if not rivals:
        yield "\nNo peer finds a size within 10 % of the largest feasible."
        return
    process, search, title = min(rivals)
    shares = [_median([run.process for run in ours]) / process, _median([run.search for run in ours]) / search]
    yield (
        f"\nThe fastest peer that finds a size within 10 % of the largest feasible is {title}: the probe takes "
        f"{shares[0]:.2f} of its time, {shares[1]:.2f} without imports; the aim is a third: "
        + (
            "reached."
            if shares[0] <= AIM
            else "reached without imports only."
            if shares[1] <= AIM
            else "**not reached.**"
        )
    )


def probed(bench: Bench, *options: str) -> Search:
    """The probe as its command runs it, under the inherited limit."""
    output = bench.folder / "probe"
    command = [sys.executable, "-m", "training.probe", "--config", str(bench.write("probe")), "--output", str(output)]
    began = time.monotonic()
    done = _run([*command, "--cache", str(bench.folder.parent / "cache"), *options], bench.limit)
    taken = time.monotonic() - began
    result = json.loads((output / "result.json").read_text())
    lines = [json.loads(line) for line in (output / "sizes.jsonl").read_text().splitlines()]
    failures = sum(line["outcome"] == "out_of_memory" for line in lines)
    if done.returncode:
        return Search(None, failures, taken, result.get("measuring_seconds", taken), result["message"])
    return Search(result["recommended"], failures, taken, result["measuring_seconds"])


def repeated(bench: Bench, first: Search, times: int) -> list[Search]:
    """The probe again and again, each told the answer of the one before, as in a project."""
    found = [first]
    while len(found) <= times:
        earlier = ("--earlier", str(found[-1].size)) if found[-1].size else ()
        found.append(probed(bench, *earlier))
    return found[1:]


def searched(bench: Bench, finder: str) -> Search:
    """A peer's search."""
    began = time.monotonic()
    done = _finder(bench, finder, "--cap", str(CAP))
    taken = time.monotonic() - began
    if done.returncode:
        return Search(None, 0, taken, taken, done.stderr.strip().rpartition("\n")[2][:80])
    found = json.loads(done.stdout.splitlines()[-1])
    return Search(found["size"], found["out_of_memory"], taken, found["seconds"])


def largest_feasible(bench: Bench) -> int:
    """The largest size with which a run ends well, by bisection: memory rises with the size."""
    good, bad = 0, GRID[-1]
    while trained(bench, bad):
        good, bad = bad, 2 * bad
    while bad - good > max(1, CLOSELY * bad):
        middle = (good + bad) // 2
        if trained(bench, middle):
            good = middle
        else:
            bad = middle
    return good


def trained(bench: Bench, size: int) -> bool:
    """Whether a real run at this size, with its evaluation and checkpoints, ends well in a process of its own."""
    config = bench.write("run", training__batch_size=size, training__steps=3, training__evaluate_every=3)
    with tempfile.TemporaryDirectory(dir=bench.folder) as output:
        command = [sys.executable, "-m", "training.train", "--config", str(config), "--output", output]
        return _run([*command, "--cache", str(bench.folder.parent / "cache")], bench.limit).returncode == 0


def _asked(bench: Bench, question: str, sizes: list[int] | None = None) -> Any:
    options = ("--sizes", ",".join(map(str, sizes))) if sizes else ()
    done = _finder(bench, question, *options)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _finder(bench: Bench, finder: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(PEERS / "bin/python"), "-m", "benchmarks.size_finders", finder]
    config = bench.write("finder")
    return _run([*command, "--config", str(config), "--cache", str(bench.folder.parent / "cache"), *options], None)


def _run(command: list[str], limit: int | None) -> subprocess.CompletedProcess[str]:
    def limited() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    return subprocess.run(command, preexec_fn=limited, capture_output=True, text=True, check=False)


def _peer_paths() -> Iterator[Path]:
    yield from PEERS.glob("lib/python*/site-packages")


def _median(values: list[Any]) -> float:
    return float(np.median(values))


if __name__ == "__main__":
    main()
