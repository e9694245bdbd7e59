"""What the screens send to a terminal, in bytes, beside two other chart widgets.

    python -m benchmarks.terminal [--write]

Bytes repeat; the seconds are for this machine at this moment. The project is made up, as in `tests.prepared`.
"""

from __future__ import annotations

import argparse
import os
import platform
import pty
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ

from tests import prepared, watched_round
from tests.terminal import terminal

HOME = Path(__file__).parent.parent
RESULTS = HOME / "benchmarks" / "results" / "terminal.md"
SIZES = ((80, 24), (200, 50))
UPDATES, IDLE_SECONDS, QUIET_SECONDS = 30, 10.0, 1.5
RIVALS = ("textual-plot", "textual-plotext")
KEYS = ("down", "up", "down", "down", "up", "up")


def sent(command: Sequence[str], size: tuple[int, int]) -> int | None:
    """Bytes that a program sends from its start to its end; None where it cannot be run here."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, pack("HHHH", size[1], size[0], 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(
        [sys.executable, *command], stdin=theirs, stdout=theirs, stderr=theirs, cwd=HOME, env=environment
    ) as process:
        os.close(theirs)
        total = 0
        try:
            while data := os.read(ours, 65536):
                total += len(data)
        except OSError:
            # The other end is closed.
            pass
    os.close(ours)
    return total if process.returncode == 0 else None


def per_update(command: Sequence[str], size: tuple[int, int]) -> str:
    """Bytes for each update of a program that takes their number."""
    few, many = sent([*command, "1"], size), sent([*command, str(UPDATES)], size)
    return "cannot be run here" if few is None or many is None else f"{(many - few) / (UPDATES - 1):,.0f}"


def session(trials: int, size: tuple[int, int]) -> list[str]:
    """Home and round of a project: first paint, ten idle seconds, and keys that move the mark."""
    with tempfile.TemporaryDirectory() as folder:
        project = prepared.prepare(Path(folder) / "p", "running", round_trials=trials)
        with watched_round.supervised(project):
            started = time.monotonic()
            with terminal([], project.root, size=size) as screen:
                screen.wait_for("Plan a round")
                first = time.monotonic() - started
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
                for key in KEYS:
                    screen.forget()
                    screen.press(key)
                    screen.wait_for_quiet(QUIET_SECONDS)
                    moved.append(len(screen.sent))
                screen.press("q")
                screen.wait_for_end()
    name = f"{trials:,} trials, {size[0]}x{size[1]}"
    return [name, f"{painted:,}", f"{first:.1f} s", f"{idle:,}", f"{opened:,}", f"{max(moved):,}"]


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
    running = [["round of 20 trials, 4 running", *(per_update(["-m", "tests.live_round"], size) for size in SIZES)]]
    sessions = [session(trials, size) for trials in (20, 1000) for size in SIZES]
    sizes = [f"{columns}x{rows}" for columns, rows in SIZES]
    load = os.getloadavg()[0]
    return "\n\n".join(
        (
            "# What the screens send\n\nMade by `make bench-terminal`. Bytes as a terminal of 256 colours gets them; "
            f"first paint from the start of the process, on {platform.machine()} with {os.cpu_count()} cores, load "
            f"{load:.1f}, Python {platform.python_version()}.",
            "Bytes for one update of three growing curves, up to 30 points each (true colour):",
            table(["widget", *sizes], chart),
            "Bytes for one update of a running round, in which each of four trials was evaluated once more:",
            table(["page", *sizes], running),
            "A project on screen: home painted, ten idle seconds, the round opened, the mark moved by one line (the "
            "most of six keys), in bytes:",
            table(["project", "first paint", "until then", "idle", "round opened", "key"], sessions),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"into {RESULTS.relative_to(HOME)}")
    text = report() + "\n"
    if parser.parse_args().write:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
