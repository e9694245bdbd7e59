"""One line at the foot of the screen: the keys that work now, from the key table.

In place of Textual's Footer, which is a widget per key, built anew and sent whole whenever the focus moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from tui.keys import Hinted, hints
from tui.terminal import width

GAP = "  "


class Hint(Widget, can_focus=False):
    """What the focused widget offers, then what works everywhere, as far as there is room."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Hint { dock: bottom; height: 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._hints: list[Hinted] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._renew)
        self._renew(self.screen)

    def _renew(self, screen: Screen[Any]) -> None:
        active: dict[str, list[str]] = {}
        for key, one in screen.active_bindings.items():
            if one.enabled and one.binding.id:
                active.setdefault(one.binding.id, []).append(key)
        found = hints(active)
        if found != self._hints:
            self._hints = found
            self.refresh()

    def render(self) -> Content:
        parts = [
            Content.assemble((entry.keys, "bold"), " ", entry.name) for entry in fitting(self._hints, self.size.width)
        ]
        return Content(GAP).join(parts)


def fitting(found: Sequence[Hinted], cells: int) -> list[Hinted]:
    """The entries that fit in one line. The last of what the place offers goes first, what works everywhere stays."""
    shown = list(found)
    while shown and sum(width(f"{entry.keys} {entry.name}{GAP}") for entry in shown) - len(GAP) > cells:
        local = [entry for entry in shown if entry.group != "everywhere"]
        shown.remove((local or shown)[-1])
    return shown
