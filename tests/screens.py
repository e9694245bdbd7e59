"""What the tests of the pages share: waiting for what a screen shows, and reading it as a person does."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable
from typing import Any

from rich.cells import cell_len
from textual.app import App
from textual.pilot import Pilot

# Terminals as people have them: the smallest that everything works in, and a large window.
NARROW, WIDE = (80, 24), (200, 50)
PATIENCE_SECONDS = 120.0
# Width of a cell in the picture of a screen.
CELL = 12.2


async def wait_for(pilot: Pilot[Any], condition: Callable[[], object], message: str = "") -> None:
    """Wait until a condition holds; where it never does, say what was on the screen instead."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("\n".join((message or "waited in vain; on the screen:", *lines(pilot.app))))
        await pilot.pause(0.02)


async def wait_for_text(pilot: Pilot[Any], text: str) -> None:
    """Wait until the screen shows a text, in one line, and what came with it has been laid out too."""
    await wait_for(pilot, lambda: text in shown(pilot.app), f"never shown: {text!r}; on the screen:")
    # A widget that grew shows its first lines in the room that it had before.
    await pilot.pause(0)


def lines(app: App[Any]) -> list[str]:
    """What the screen shows, line by line, without colours."""
    rows: dict[int, str] = {}
    # Each <text> of the picture is a run of one style at its place; runs of spaces are left out.
    picture = app.export_screenshot(simplify=True)
    for x, row, text in re.findall(r'<text [^>]*x="([\d.]+)"[^>]*-line-(\d+)\)">([^<]*)</text>', picture):
        line = rows.get(int(row), "")
        gap = round(float(x) / CELL) - cell_len(line)
        rows[int(row)] = line + " " * gap + html.unescape(text).replace("\xa0", " ")
    return [rows.get(row, "").rstrip() for row in range(app.size.height)]


def shown(app: App[Any]) -> str:
    """What the screen shows, as one text."""
    return "\n".join(lines(app))
