"""Every page as it looks at 80 by 24, and the pictures of the README, drawn by the application itself.

    python -m tests.shots LANGUAGE FOLDER [PICTURES]

writes a text for each page into a folder, and the pictures into another. In a process of its own for each language: the
labels of keys are fixed when the screens are loaded.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from presets import language
from state.project import Project

if TYPE_CHECKING:
    from tui.app import Tunebook

HOME = Path(__file__).parent.parent
SNAPSHOTS, PICTURES = HOME / "tests" / "snapshots", HOME / "pictures"
SIZE = (80, 24)


@dataclass(frozen=True)
class Shot:
    """A page of a project at a stage ("": without a project), and the keys that are pressed on it."""

    name: str
    stage: str
    place: str = ""
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = SIZE


SHOTS = (
    Shot("welcome", ""),
    Shot("new", "", "new"),
    Shot("home", "second"),
    Shot("setup", "second", "setup architecture"),
    Shot("setup-table", "second", "setup batch_size"),
    Shot("comparison", "second", "comparison"),
    Shot("design", "second", "design"),
    Shot("round", "second", "round round-2"),
    Shot("rounds", "second", "rounds"),
    Shot("trial", "second", "trial round-1-008"),
    Shot("review", "second", "review round-1"),
    Shot("proposal", "ended", "propose round-1"),
    Shot("launch", "second", "launch launch-1"),
    Shot("look", "second", "look"),
    Shot("decisions", "second", "decisions"),
    Shot("configurations", "second", "configurations", ("end",)),
    Shot("insights", "second", "insights"),
    Shot("doctor", "second", "doctor"),
    Shot("explain", "second", "setup optimizer", ("e",)),
    Shot("export", "second", "export"),
    Shot("report", "second", "report"),
    Shot("help", "second", "round round-2", ("question_mark",)),
    Shot("palette", "second", "round round-2", ("colon",)),
    Shot("search", "second", "round round-1", ("slash", "f", "a", "i", "l")),
    Shot("slots", "second", "round round-2", ("t",)),
    Shot("memory", "second", "setup batch_size", ("g",)),
    Shot("small", "second", "", (), (40, 10)),
)
# As large as people see them in the README.
WIDE = (110, 32)
DRAWN = (
    Shot("round", "second", "round round-2", (), WIDE),
    Shot("review", "second", "review round-1", ("down", "down", "down", "down"), WIDE),
    Shot("launch", "second", "launch launch-1", (), WIDE),
)


def text(app: Tunebook, root: Path) -> str:
    """What is shown, line by line; where the project lies, and what follows from that, is different each time."""
    from tests.screens import shown

    found = shown(app).replace(str(root.parent), "/home/ada")
    return re.sub(r"\b[0-9a-f]{12}\b", "0123456789ab", found).rstrip() + "\n"


def picture(app: Tunebook) -> str:
    """The screen as SVG, without fonts from the network."""
    drawn = app.export_screenshot(title="tunebook", simplify=True)
    drawn = re.sub(r"<!--.*?-->|@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    return "\n".join(filter(None, (line.strip() for line in drawn.splitlines()))) + "\n"


async def _visit(shots: Sequence[Shot], project: Project | None, write: Callable[[Shot, Tunebook], None]) -> None:
    """Show each page of a project, and write it down when all that it reads has come."""
    from tests.screens import wait_for
    from tui.app import Tunebook
    from tui.pages.page import Page

    for shot in shots:
        app = Tunebook(project.root if project else None)
        async with app.run_test(size=shot.size) as pilot:

            def up(app: Tunebook = app) -> bool:
                return isinstance(app.screen, Page) and app.screen.ready

            await wait_for(pilot, up)
            if shot.place:
                app.open(shot.place)
                await wait_for(pilot, up)
            for key in ("", *shot.keys):
                if key:
                    await pilot.press(key)
                await _read(app)
                await pilot.pause()
            write(shot, app)


async def _read(app: Tunebook) -> None:
    """Wait until nothing is read any more; what is read anew in the place of an earlier reading is waited for, too."""
    from textual.worker import WorkerCancelled

    while at_work := [worker for worker in app.workers if not worker.is_finished]:
        with suppress(WorkerCancelled):
            await app.workers.wait_for_complete(at_work)


def main(code: str, folder: Path, drawn: Path | None) -> None:
    """Write the texts in a language, and the pictures where a folder for them is given."""
    language.set_language(code)
    os.environ["TZ"] = "UTC"
    time.tzset()
    from tests import prepared, watched_round

    for place in filter(None, (folder, drawn)):
        place.mkdir(parents=True, exist_ok=True)
    shots = [*SHOTS, *(DRAWN if drawn else ())]
    for stage in dict.fromkeys(shot.stage for shot in shots):
        with tempfile.TemporaryDirectory() as name, prepared.still(), ExitStack() as held:
            root = Path(name).resolve() / "digits"
            # The path of a new project begins where one stands.
            os.chdir(root.parent)
            project = prepared.prepare(root, stage) if stage else None
            if project:
                held.enter_context(watched_round.supervised(project))

            def write(shot: Shot, app: Tunebook, root: Path = root) -> None:
                if drawn and shot in DRAWN:
                    (drawn / f"{shot.name}.svg").write_text(picture(app), encoding="utf-8")
                else:
                    (folder / f"{shot.name}.txt").write_text(text(app, root), encoding="utf-8")

            asyncio.run(_visit([shot for shot in shots if shot.stage == stage], project, write))
            os.chdir(HOME)


if __name__ == "__main__":
    paths = [Path(argument).resolve() for argument in sys.argv[2:]]
    main(sys.argv[1], paths[0], paths[1] if len(paths) > 1 else None)
