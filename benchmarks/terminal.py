"""What the screens send to a terminal, in bytes, beside two other chart widgets.

    python -m benchmarks.terminal [--write]

Bytes repeat; the seconds are for this machine at this moment. The project is made up, as in `tests.prepared`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import leet
from rounds import planning, supervisor
from state import trials
from state.database import Store
from state.store import open_store
from tests import prepared, small_project, watched_round
from tests.sent import bytes_sent
from tests.terminal import terminal

HOME = Path(__file__).parent.parent
RESULTS = HOME / "benchmarks" / "results" / "terminal.md"
SIZES = ((80, 24), (200, 50))
UPDATES, IDLE_SECONDS, QUIET_SECONDS = 30, 10.0, 1.5
# Of one round on screen: an update a second, as while it runs.
HOUR = 3600
PRESSED, TRAININGS, BETWEEN_SECONDS = 200, 2, 0.1
RIVALS = ("textual-plot", "textual-plotext")
# Of the first paint, so many times; the first of them may still have to compile.
STARTS = 5
MOVES = ("down", "up", "down", "down", "up", "up")


def per_update(command: Sequence[str], size: tuple[int, int]) -> str:
    """Bytes for each update of a program that takes their number."""
    few, many = bytes_sent([*command, "1"], *size), bytes_sent([*command, str(UPDATES)], *size)
    return "cannot be run here" if few is None or many is None else f"{(many - few) / (UPDATES - 1):,.0f}"


def session(trials: int, size: tuple[int, int]) -> list[str]:
    """Home and round of a project: first paint, ten idle seconds, and keys that move the mark."""
    with tempfile.TemporaryDirectory() as folder:
        project = prepared.prepare(Path(folder) / "p", "running", round_trials=trials)
        with watched_round.supervised(project):
            first = statistics.median(_first_paint(project.root, size) for _ in range(STARTS))
            with terminal([], project.root, size=size) as screen:
                screen.wait_for("Plan a round")
                screen.wait_for_quiet(QUIET_SECONDS)
                painted = len(screen.sent)
                screen.forget()
                screen.wait_for_quiet(IDLE_SECONDS)
                idle = len(screen.sent)
                screen.press("enter")
                screen.wait_for("round-1-001")
                screen.wait_for_quiet(QUIET_SECONDS)
                opened = len(screen.sent)
                moved = []
                for key in MOVES:
                    screen.forget()
                    screen.press(key)
                    screen.wait_for_quiet(QUIET_SECONDS)
                    moved.append(len(screen.sent))
                screen.press("q")
                screen.wait_for_end()
    name = f"{trials:,} trials, {size[0]}x{size[1]}"
    return [name, f"{painted:,}", f"{first:.1f} s", f"{idle:,}", f"{opened:,}", f"{max(moved):,}"]


def _first_paint(root: Path, size: tuple[int, int]) -> float:
    """Seconds from the start of the process to the home page."""
    started = time.monotonic()
    with terminal([], root, size=size) as screen:
        screen.wait_for("Plan a round")
        taken = time.monotonic() - started
        screen.press("q")
        screen.wait_for_end()
    return taken


def keys(size: tuple[int, int]) -> list[str]:
    """How long keys take that move the mark in a round's table while real trainings keep the cores busy."""
    with tempfile.TemporaryDirectory() as folder:
        data = small_project.digits(Path(folder) / "data")
        project = small_project.project(Path(folder) / "p", data)
        with open_store(project) as store:
            small_project.adopt(store, small_project.settings(data, training__steps=10**6))
            batch = planning.save(store, planning.propose(store, trials=20), wanted="run", slots=TRAININGS)
            supervisor.ensure(project)
            try:
                small_project.wait_for(lambda: _training(store) == TRAININGS, "the trainings start")
                with terminal([], project.root, size=size) as screen:
                    screen.wait_for("Watch round-1")
                    screen.press("enter")
                    screen.wait_for("val/error_rate")
                    taken = []
                    for key in ("down", "up") * (PRESSED // 2):
                        screen.wait_for_quiet(BETWEEN_SECONDS)
                        taken.append(1000 * screen.seconds_until_answered(key))
                    screen.press("q")
                    screen.wait_for_end()
            finally:
                trials.ask(store, batch.name, "stop")
                small_project.wait_for(lambda: not supervisor.alive(project), "the trainings stop")
    median, high = np.percentile(taken, (50, 95))
    return [f"{size[0]}x{size[1]}", f"{median:.0f} ms", f"{high:.0f} ms", f"{max(taken):.0f} ms"]


def _training(store: Store) -> int:
    """How many trials have evaluated already."""
    return sum(entry.steps_done > 0 for entry in trials.trials(store, "round-1"))


def hour() -> list[str]:
    """Memory over as many updates of a running round as an hour brings: after a tenth of them, half, all."""
    with tempfile.TemporaryDirectory() as folder:
        memory = Path(folder) / "memory"
        if bytes_sent(["-m", "tests.live_round", str(HOUR), str(memory)], 80, 24) is None:
            return ["cannot be run here"] * 3
        taken = [json.loads(line)["bytes"] / 2**20 for line in memory.read_text().splitlines()]
    return [f"{taken[place]:.0f} MiB" for place in (0, len(taken) // 2 - 1, -1)]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def report() -> str:
    """All that is measured, as a page."""
    chart = [
        ["Tunebook", *(per_update(["-m", "tests.live_chart"], size) for size in SIZES)],
        *([name, *(per_update(["-m", "benchmarks.rival_charts", name], size) for size in SIZES)] for name in RIVALS),
    ]
    followed = [leet.per_update(UPDATES, size) for size in SIZES]
    chart.append(["LEET", *(f"{found[0]:,}" if found else "cannot be run here" for found in followed)])
    idle = " and ".join(f"{found[1]:,}" for found in followed if found)
    running = [["round of 20 trials, 4 running", *(per_update(["-m", "tests.live_round"], size) for size in SIZES)]]
    sessions = [session(trials, size) for trials in (20, 1000) for size in SIZES]
    pressed = [keys(size) for size in SIZES]
    sizes = [f"{columns}x{rows}" for columns, rows in SIZES]
    load = os.getloadavg()[0]
    return "\n\n".join(
        (
            "# What the screens send\n\nMade by `make bench-terminal`. Bytes as a terminal of 256 colours gets them; "
            f"first paint from the start of the process (of {STARTS}, the middle), on {platform.machine()} with "
            f"{os.cpu_count()} cores, load {load:.1f}, niceness {os.nice(0)}, Python {platform.python_version()}.",
            "Bytes for one update of three growing curves, up to 30 points each (true colour):",
            table(["widget", *sizes], chart),
            "LEET is a program of its own: it draws each curve on a chart of its own, two at 80x24, beside what "
            f"is known of the run. What it sends while nothing happens is not counted: {idle or '?'} bytes a second.",
            "Bytes for one update of a running round, in which each of four trials was evaluated once more:",
            table(["page", *sizes], running),
            "A project on screen: home painted, ten idle seconds, the round opened, the mark moved by one line (the "
            "most of six keys), in bytes:",
            table(["project", "first paint", "until then", "idle", "round opened", "key"], sessions),
            f"A key while {TRAININGS} real trainings run: from one that moves the mark in the round's table to the "
            f"first byte that comes back, of {PRESSED} keys:",
            table(["size", "median", "95 of 100 below", "longest"], pressed),
            f"Memory of the screens over {HOUR:,} updates of a running round, as many as an hour brings, played fast; "
            "the curves of four trials grow by a point with each:",
            table(["after a tenth", "half", "all"], [hour()]),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"into {RESULTS.relative_to(HOME)}")
    # As everywhere but in containers that say otherwise: Python keeps what it has compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    text = report() + "\n"
    if parser.parse_args().write:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
