"""Rounds against Optuna and Ray Tune: overhead for each trial, storage, many writers, the supervisor's memory.

    python -m benchmarks.rounds [--write] [--quick]

Ratios within one run on one machine: whatever else it does slows both down. `--write` puts the tables into
benchmarks/results/rounds.md; `--quick` trains few trials, and times a small sample of what takes Optuna long. Ray Tune
takes part where `make bench-rounds` has installed it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import optuna_rounds, ray_rounds
from rounds import standing, supervisor
from state import files, metrics, trial_progress, trials
from state.errors import Refusal
from state.metrics import index_metrics
from state.project import Project
from state.store import open_store
from state.trials import NewTrial
from tests import small_project
from tests.small_project import wait_for
from tui.widgets import growing

RESULTS = Path(__file__).parent / "results" / "rounds.md"
# Steps of the small network on 8 x 8 digits for trials of so many seconds are measured first.
CALIBRATION_STEPS = 60
METRIC = "val/error_rate"


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.rounds", description="Rounds against Optuna and Ray Tune.")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/rounds.md")
    parser.add_argument("--quick", action="store_true", help="few trials, and a sample of Optuna's points")
    options = parser.parse_args(arguments)
    share = 0.1 if options.quick else 1.0
    began, load = datetime.datetime.now(datetime.UTC), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        parts = [
            *overhead(Path(folder), share),
            *storage(Path(folder), share),
            *writers(Path(folder)),
            *leanness(Path(folder), share),
        ]
    text = "\n".join([*heading(began, load, options.quick), *parts, ""])
    print(text)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


def heading(began: datetime.datetime, load: float, quick: bool) -> Iterator[str]:
    import optuna

    yield "# Rounds against Optuna and Ray Tune"
    yield ""
    yield (
        f"`python -m benchmarks.rounds --write{' --quick' if quick else ''}`, {began:%Y-%m-%d}: "
        f"{platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, Optuna {optuna.__version__}, Ray "
        f"{ray_rounds.version() or '(not installed)'}, SQLite "
        f"{sqlite3.sqlite_version}. Load average {load:.1f} at the beginning and {os.getloadavg()[0]:.1f} at the end"
        + ("." if load < 1 else ": the machine was busy with other work, so that only the ratios mean anything.")
    )


# Overhead


def overhead(folder: Path, share: float) -> Iterator[str]:
    """What a trial takes beyond its own training, one after the other: ours, Optuna with a process for each trial,
    Optuna with the trials in its own process, and Ray Tune with an actor for each."""
    data = small_project.digits(folder / "digits")
    a_step = _seconds_per_step(folder / "calibration", data)
    yield ""
    yield "## Overhead for each trial beyond its own training (s)"
    yield ""
    yield "Real training on real data, one trial at a time; SQLite storage. The first trial is left out."
    yield ""
    yield (
        "| seconds of training | trials | Tunebook | Optuna, a process each | ratio | Optuna, n_jobs=1 in-process "
        "| Ray Tune | ratio |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    for seconds, count in ((0.0, 8), (1.0, 5), (10.0, 3)):
        steps = max(int(seconds / a_step), 1)
        count = max(int(count * share), 3)
        settings = small_project.settings(data, training__steps=steps, training__evaluate_every=steps)
        name = f"{seconds:.0f}"
        ours = _ours(folder / f"ours-{name}", data, settings, count)
        own = _beyond(optuna_rounds.processes(folder / f"optuna-{name}", settings, count))
        inside = optuna_rounds.inside(folder / f"inside-{name}", settings, count)
        line = f"| {seconds:.0f} | {count} | {ours:.3f} | {own:.3f} | {ours / own:.3f} | {inside:.3f} "
        if not ray_rounds.version():
            yield line + "| - | - |"
            continue
        ray = _beyond(ray_rounds.run(folder / f"ray-{name}", settings, count, 1))
        yield line + f"| {ray:.3f} | {ours / ray:.3f} |"
    yield ""
    yield "The ratios are ours to the column before; the aim is 0.1."
    yield from _whole_round(folder, data, a_step, share)


def _seconds_per_step(folder: Path, data: Path) -> float:
    settings = small_project.settings(data, training__steps=CALIBRATION_STEPS, training__evaluate_every=60)
    project = _run(folder, data, settings, 2, 1)
    with open_store(project) as store:
        last = trials.trials(store)[-1]
        return (last.result or {})["seconds"] / CALIBRATION_STEPS


def _ours(folder: Path, data: Path, settings: dict[str, Any], count: int) -> float:
    """The mean of what lies between the ends of two trials beyond the training in between."""
    project = _run(folder, data, settings, count, 1)
    with open_store(project) as store:
        listed = trials.trials(store)
        ends = [datetime.datetime.fromisoformat(str(entry.ended_at)).timestamp() for entry in listed]
        trained = [(entry.result or {})["seconds"] for entry in listed]
    return (ends[-1] - ends[0] - sum(trained[1:])) / (len(ends) - 1)


def _beyond(ended: Sequence[tuple[float, float]]) -> float:
    """The mean of what lies between the ends of two trials, one after the other, beyond the training in between."""
    return (ended[-1][0] - ended[0][0] - sum(seconds for _, seconds in ended[1:])) / (len(ended) - 1)


def _over_half(ended: Sequence[tuple[float, float]]) -> float:
    """By how much a round on two slots takes longer than half of its training, from the first start to the last end."""
    first = min(end - seconds for end, seconds in ended)
    return (ended[-1][0] - first) / (sum(seconds for _, seconds in ended) / 2) - 1


def _whole_round(folder: Path, data: Path, a_step: float, share: float) -> Iterator[str]:
    """Twenty trials of 5 s on two slots, against the sum of their training."""
    count = max(int(20 * share), 4)
    steps = max(int(5 / a_step), 1)
    settings = small_project.settings(data, training__steps=steps, training__evaluate_every=max(steps // 10, 1))
    began = time.monotonic()
    project = _run(folder / "whole", data, settings, count, 2)
    taken = time.monotonic() - began
    with open_store(project) as store:
        trained = sum((entry.result or {})["seconds"] for entry in trials.trials(store))
        starts = [datetime.datetime.fromisoformat(str(entry.started_at)).timestamp() for entry in trials.trials(store)]
        ends = [datetime.datetime.fromisoformat(str(entry.ended_at)).timestamp() for entry in trials.trials(store)]
    # Half as many tell as much of them: each trial costs the same.
    fewer = max(count // 2, 4)
    theirs = [("Optuna, n_jobs=2, a process each", optuna_rounds.processes(folder / "optuna-2", settings, fewer, 2))]
    if ray_rounds.version():
        theirs.append(("Ray Tune", ray_rounds.run(folder / "ray-2", settings, fewer, 2)))
    said = "; ".join(f"{name}: {_over_half(ended):+.1%}" for name, ended in theirs)
    yield ""
    yield (
        f"A whole round of {count} trials of {trained / count:.1f} s on two slots: {max(ends) - min(starts):.1f} s "
        f"from the first start to the last end ({taken:.1f} s with the start of supervisor and torch), "
        f"{(max(ends) - min(starts)) / (trained / 2) - 1:+.1%} of the training time halved; the aim is 8 %. "
        f"With {fewer} trials each, {said}."
    )


def _run(folder: Path, data: Path, settings: dict[str, Any], count: int, slots: int) -> Project:
    """A round of so many trials, run by a detached supervisor to its end."""
    project = small_project.project(folder, data)
    with open_store(project) as store:
        overrides = [{"training.seed": seed} for seed in range(count)]
        small_project.batch(store, settings, overrides, slots=slots)
        supervisor.ensure(project)
        wait_for(lambda: all(e.status in trials.ENDED for e in trials.trials(store)), "the round never ended", 3600)
        bad = [entry.message for entry in trials.trials(store) if entry.status != "complete"]
        assert not bad, bad
    return project


# Storage


def storage(folder: Path, share: float) -> Iterator[str]:
    """1,000 trials of 100 points recorded and opened again, and the same in Optuna."""
    count, points = 1000, 100
    project = small_project.project(folder / "storage", folder)
    with open_store(project) as store:
        began = time.perf_counter()
        new = [NewTrial("search", place, {"a": 0.5}, {"a": 0.5}, {"training.seed": place}) for place in range(count)]
        small_project.batch(store, small_project.settings(folder), [dict(entry.overrides) for entry in new])
        for entry in trials.trials(store):
            trial_progress.mark_running(store, entry.id, restart=False)
            result = {"status": "complete", "best": {"step": 1, METRIC: 0.1}, "final": {METRIC: 0.1}, "steps_done": 1}
            trial_progress.mark_ended(store, entry.id, result)
        a_trial = (time.perf_counter() - began) / count
        ids = [entry.id for entry in trials.trials(store)]
        for id in ids:
            path = files.make_folder(project.trial_folder(id)) / "metrics.jsonl"
            lines = (json.dumps({"step": step, METRIC: 1 / step}) + "\n" for step in range(1, points + 1))
            path.write_text("".join(lines))
        began = time.perf_counter()
        index_metrics(store, ids)
        a_point = (time.perf_counter() - began) / (count * points)
    opened, computed = _opening(project)
    # Optuna writes each point in a transaction of its own; a share of them tells what one takes.
    theirs = optuna_rounds.storage(folder / "optuna-storage", count, points, max(int(20 * share), 4))
    yield ""
    yield f"## Storage: {count} trials of {points} points"
    yield ""
    yield "| | Tunebook | Optuna (SQLite) | ratio | aim |"
    yield "|---|---:|---:|---:|---:|"
    rows = (
        ("a trial queued, begun and ended (ms)", a_trial * 1e3, theirs.trial * 1e3, "1"),
        ("a point recorded (ms)", a_point * 1e3, theirs.point * 1e3, "0.05"),
        (
            f"opened with all curves, import left out (s; of ours {computed:.2g} s of the processor)",
            opened,
            theirs.opened,
            "0.3",
        ),
    )
    for name, ours, other, aim in rows:
        yield f"| {name} | {ours:.3g} | {other:.3g} | {ours / other:.2g} | {aim} |"


def _opening(project: Project) -> tuple[float, float]:
    """What the page of a round reads when it opens, the trials with all their curves and where the project stands:
    seconds by the clock, and of the processor, which neighbours do not stretch; the middle of five."""
    taken = []
    for _ in range(5):
        began, computing = time.perf_counter(), time.process_time()
        with open_store(project) as store:
            trials.batch(store, "round-1")
            growing.Curves().read(store, trials.trials(store, "round-1"), METRIC)
            standing.standing(store)
        taken.append((time.perf_counter() - began, time.process_time() - computing))
    return sorted(taken)[2]


# Many writers


def writers(folder: Path) -> Iterator[str]:
    """32 trials that write at once while a supervisor indexes and a screen reads; in Optuna 32 processes report."""
    seconds, processes = 60.0, 32
    project = small_project.project(folder / "writers", folder)
    stop = multiprocessing.Event()
    with open_store(project) as store:
        small_project.batch(store, small_project.settings(folder), [{}] * processes)
        ids = [entry.id for entry in trials.trials(store)]
        for id in ids:
            files.make_folder(project.trial_folder(id))
        workers = [multiprocessing.Process(target=_append, args=(project, id, stop)) for id in ids]
        wishes = multiprocessing.Value("i", 0)
        wishing = [multiprocessing.Process(target=_wish, args=(project, stop, wishes)) for _ in range(4)]
        for worker in (*workers, *wishing):
            worker.start()
        deadline, errors, looks = time.monotonic() + seconds, 0, 0
        while time.monotonic() < deadline:
            try:
                index_metrics(store, ids)
                metrics.curves(store, "round-1", METRIC)
            # What a screen would show as a failure: the store's refusals, and SQLite's own errors.
            except (Refusal, sqlite3.Error) as error:
                errors += 1
                print(error, file=sys.stderr)
            looks += 1
            time.sleep(0.2)
        stop.set()
        for worker in (*workers, *wishing):
            worker.join()
        errors += sum(bool(worker.exitcode) for worker in (*workers, *wishing))
        index_metrics(store, ids)
        written = sum(len((project.trial_folder(id) / "metrics.jsonl").read_bytes().splitlines()) for id in ids)
        known = store.rows("SELECT count(*) AS n FROM metrics WHERE name = ?", METRIC)[0]["n"]
        journal = sum(b'"request"' in line for line in project.journal_path.read_bytes().splitlines())
    theirs = optuna_rounds.writers(folder / "optuna-writers", processes, seconds)
    yield ""
    yield f"## {processes} trials writing at once for {seconds:.0f} s, four people wishing meanwhile"
    yield ""
    yield "| | Tunebook | Optuna (SQLite) |"
    yield "|---|---:|---:|"
    yield f"| errors | {errors} | {theirs.errors} |"
    yield f"| points a second | {written / seconds:,.0f} | {theirs.points / seconds:,.0f} |"
    yield f"| points lost or doubled | {abs(written - known)} | {theirs.lost} |"
    yield f"| wishes recorded, of them lost | {wishes.value}, {abs(wishes.value - journal)} | - |"


def _append(project: Project, id: str, stop: Any) -> None:
    """A trial that does nothing but write, a line for each step as training does."""
    path, step = project.trial_folder(id) / "metrics.jsonl", 0
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    while not stop.is_set():
        step += 1
        os.write(handle, json.dumps({"step": step, METRIC: 1 / step}).encode() + b"\n")
        time.sleep(0.01)


def _wish(project: Project, stop: Any, wishes: Any) -> None:
    """A person who wishes all the time, and counts what was taken note of."""
    with open_store(project) as store:
        while not stop.is_set():
            trials.ask(store, "round-1", "run")
            with wishes.get_lock():
                wishes.value += 1
            time.sleep(0.05)


# The supervisor


def leanness(folder: Path, share: float) -> Iterator[str]:
    """The supervisor's memory over many trials, and its share of a core while eight run."""
    data = folder / "digits"
    count = max(int(2000 * share), 20)
    settings = small_project.settings(data, training__steps=1, training__evaluate_every=1)
    early, late = _memory(folder / "memory", data, settings, count)
    busy = _busy(folder / "busy", data, 20 * max(share, 0.3))
    yield ""
    yield "## The supervisor"
    yield ""
    yield (
        f"Memory after a tenth and at the end of {count} trials: {early / 2**20:.1f} and {late / 2**20:.1f} MiB. While "
        f"eight trials run: {busy:.1%} of a core (the aim is 2 %)."
    )


def _memory(folder: Path, data: Path, settings: dict[str, Any], count: int) -> tuple[int, int]:
    project = small_project.project(folder, data)
    with open_store(project) as store:
        small_project.batch(store, settings, [{"training.seed": seed} for seed in range(count)], slots=2)
        supervisor.ensure(project)
        wait_for(lambda: _holder(project), "no supervisor came")
        process = psutil.Process(_holder(project))

        def done(many: int) -> Callable[[], bool]:
            return lambda: sum(entry.status in trials.ENDED for entry in trials.trials(store)) >= many

        wait_for(done(count // 10), "the trials do not end", 3600)
        early = process.memory_info().rss
        wait_for(done(count), "the trials do not end", 3600)
        return early, process.memory_info().rss


def _busy(folder: Path, data: Path, seconds: float) -> float:
    """The share of a core that the supervisor takes while eight trials of a network of one thread each run."""
    project = small_project.project(folder, data)
    settings = small_project.settings(data, training__steps=1_000_000, training__evaluate_every=1000)
    # As on a machine of eight cores.
    code = (
        "import sys\nfrom rounds import slots, supervisor\n"
        "slots.machine = lambda project: slots.Machine(8)\nsys.exit(supervisor.main(sys.argv[1:]))"
    )
    with open_store(project) as store:
        small_project.batch(store, settings, [{"training.seed": seed} for seed in range(8)], slots=8)
        with open(folder / "supervisor.log", "wb") as log:
            command = [sys.executable, "-c", code, "--project", str(project.root)]
            started = subprocess.Popen(command, stdout=log, stderr=log)

        def running() -> int:
            return sum(entry.status == "running" and entry.steps_done > 0 for entry in trials.trials(store))

        wait_for(lambda: running() == 8, "eight trials never ran", 600)
        process = psutil.Process(started.pid)
        before, began = process.cpu_times(), time.monotonic()
        time.sleep(seconds)
        after = process.cpu_times()
        share = (after.user + after.system - before.user - before.system) / (time.monotonic() - began)
        trials.ask(store, "round-1", "stop")
        wait_for(lambda: not running(), "the trials did not stop", 600)
        started.terminate()
        started.wait()
    return share


def _holder(project: Project) -> int | None:
    return (files.read_json(project.folder / supervisor.LOCK) or {}).get("pid")


if __name__ == "__main__":
    main()
