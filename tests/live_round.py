"""A round of four running trials on a real terminal: `python -m tests.live_round UPDATES` shows so many, and leaves.

With a second argument it writes the memory that it took, in bytes, into that file: ten lines, evenly over the updates.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

import psutil

import tui.app
from rounds import planning
from state import files, trial_progress
from state.store import open_store
from tests import small_project, watched_round
from tui.app import Tunebook
from tui.pages.round import RoundPage

TRIALS, RUNNING, STEPS, EVERY = 20, 4, 1000, 10
LOOKS = 10


class LiveRound(Tunebook):
    """At each update every running trial is evaluated once more; each is painted before the next."""

    CSS_PATH = Path(tui.app.__file__).parent / "app.tcss"

    def __init__(self, root: Path, updates: int, memory: Path | None) -> None:
        super().__init__(root)
        self._updates = updates
        self._memory = memory
        self._step = EVERY

    async def on_ready(self) -> None:
        await self.push_screen(RoundPage("round-1"))
        self.call_after_refresh(self._grow)

    def _grow(self) -> None:
        if self._step > self._updates * EVERY:
            self.exit()
            return
        for number in range(1, RUNNING + 1):
            rate = 0.3 / number / 100
            value = 0.9 * math.exp(-rate * self._step) + 0.01 * math.sin(self._step * number)
            watched_round.advance(self.store, f"round-1-{number:03d}", {"step": self._step, "val/error_rate": value})
        if self._memory is not None and self._step // EVERY % max(self._updates // LOOKS, 1) == 0:
            files.append_line(self._memory, {"bytes": psutil.Process().memory_info().rss})
        self._step += EVERY
        self.screen.read()  # pyright: ignore[reportAttributeAccessIssue] - a Page
        self.call_after_refresh(self._grow)


def main(updates: int, memory: Path | None = None) -> None:
    """Make the project, and show it."""
    with tempfile.TemporaryDirectory() as folder:
        project = small_project.project(Path(folder) / "p", Path(folder) / "data")
        with open_store(project) as store:
            small_project.adopt(
                store, small_project.settings(Path(folder) / "data", training__steps=max(STEPS, updates * EVERY))
            )
            planning.save(store, planning.propose(store, trials=TRIALS), wanted="run")
            for number in range(1, RUNNING + 1):
                trial_progress.mark_running(store, f"round-1-{number:03d}", restart=False)
        with watched_round.supervised(project):
            LiveRound(project.root, updates, memory).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(Path, sys.argv[2:]))
