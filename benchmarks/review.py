"""The review and the report of a round of 1,000 trials with 100 evaluations each: seconds and bytes. The same trials
are opened in optuna-dashboard.

    python -m benchmarks.review [--write] [--trials N]

The trials are made up (a bowl with noise, some diverged, curves that fall); what is timed reads and reckons as ever.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from benchmarks import dashboard
from rounds import planning, reviewing
from rounds.review import review
from state import files, trial_progress, trials
from state.database import Store
from state.metrics import index_metrics
from state.project import Project
from state.store import open_store
from tests import small_project
from tui.report import writing
from tui.reviewed import Reviewed, reviewed

RESULTS = Path(__file__).parent / "results" / "review.md"
EVALUATIONS, STEPS = 100, 1000
REPEATED = 2


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.review", description="The review of a large round.")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/review.md")
    parser.add_argument("--trials", type=int, default=1000)
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        project = small_project.project(Path(folder) / "p", Path(folder) / "data")
        with open_store(project) as store:
            filled(store, options.trials)
        rows = [*measured(project), *compared(project, Path(folder))]
    text = "\n".join([*heading(options.trials, load), *rows, ""])
    print(text)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


def heading(count: int, load: float) -> Iterator[str]:
    yield f"# The review of {count:,} trials with {EVALUATIONS} evaluations each"
    yield ""
    yield (
        f"`python -m benchmarks.review --write`, {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: "
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, processor time, "
        f"the better of {REPEATED}; load average {load:.1f}"
        + ("." if load < 1 else ": the machine was busy with other work.")
    )
    yield ""
    yield "| | measured | aim |"
    yield "|---|---:|---:|"


def filled(store: Store, count: int) -> None:
    """A round of so many trials over the hyperparameters of the baseline's optimizer, ended."""
    dice = random.Random(0)
    small_project.adopt(store, small_project.settings(Path("data"), training__steps=STEPS))
    planning.save(store, planning.propose(store, trials=count))
    metric = f"val/{store.project.settings.metric}"
    every = STEPS // EVALUATIONS
    for entry in trials.trials(store, "round-1"):
        best = 0.1 + sum((place - 0.5) ** 2 for place in entry.u.values()) + dice.gauss(0, 0.01)
        diverged = dice.random() < 0.1
        folder = files.make_folder(store.project.trial_folder(entry.id))
        lines = []
        for step in range(every, STEPS + 1, every):
            rest = math.exp(-3 * step / STEPS) + dice.gauss(0, 0.02)
            lines.append({"step": step, metric: best + rest, "train/loss": abs(best + rest), "grad_norm": 1 + rest})
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        value = {"step": STEPS, metric: best}
        result = {"status": "infeasible" if diverged else "complete", "reason": "diverged" if diverged else ""}
        trial_progress.mark_ended(store, entry.id, {**result, "best": value, "final": value, "steps_done": STEPS})
    index_metrics(store, [entry.id for entry in trials.trials(store, "round-1")])


def measured(project: Project) -> Iterator[str]:
    """A row of the table for each thing that is timed."""

    def opened(known: Reviewed | None = None) -> Reviewed:
        with open_store(project) as store:
            return reviewed(store, "round-1", known)

    with open_store(project) as store:
        plan, records = planning.plan_of(store, "round-1"), reviewing.records(store, "round-1")
        direction, noise = reviewing.direction(store), reviewing.noise(store)
        yield f"| the review opens (s) | {seconds(opened):.2f} | 1 |"
        known = opened()
        yield f"| it opens again, no trial having ended since (s) | {seconds(lambda: opened(known)):.2f} | 0.2 |"
        yield f"| its checks alone (s) | {seconds(lambda: review(plan, records, direction, noise)):.2f} | |"
        for kind, aim in (("html", "5 MB"), ("md", ""), ("json", "")):
            taken = seconds(lambda kind=kind: writing.content(store, kind))
            size = len(writing.content(store, kind).encode())
            yield f"| the report as {kind}: s, MB | {taken:.2f}, {size / 1e6:.2f} | {aim} |"


def compared(project: Project, folder: Path) -> Iterator[str]:
    """From the start of a process to the review, and the same of optuna-dashboard, which shows and does not judge."""
    with open_store(project) as store:
        records = reviewing.records(store, "round-1")
    command = [sys.executable, "-m", "tui.main", "--project", str(project.root), "round", "review", "round-1", "--json"]
    url = dashboard.study(records, folder)
    own, rivals = [], []
    for _ in range(REPEATED):
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        own.append(sum(after[2:4]) - sum(before[2:4]))
        rivals.append(dashboard.opened(url))
    version = metadata.version("optuna-dashboard")
    yield f"| `tunebook round review`, from the start of its process: loaded, judged, told (s) | {min(own):.2f} | |"
    start, page = (min(getattr(rival, part) for rival in rivals) for part in ("start", "page"))
    yield f"| optuna-dashboard {version}, from the start of its server until it lists the study (s) | {start:.2f} | |"
    size = rivals[0].size / 1e6
    yield f"| then the data of the study's page, as the page asks for them: s, MB | {page:.2f}, {size:.2f} | |"
    yield ""
    yield (
        "optuna-dashboard has the same trials with the same parameters, results and evaluations in SQLite. It judges "
        "nothing, and what the browser takes to draw them is not counted; the report as HTML is drawn already."
    )


def seconds(act: Callable[[], object]) -> float:
    """The best of some, by the processor's time: on one core that nobody else uses it is the clock's."""
    taken = []
    for _ in range(REPEATED):
        began = time.process_time()
        act()
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    main()
