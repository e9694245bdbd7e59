"""All keys of the page that was left, from the same table that binds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from presets.language import Message, say
from tui.keys import help_rows
from tui.pages.page import Page
from tui.terminal import fit
from tui.widgets.controls import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS_WIDTH = 16


class Help(Page):
    """The keys, group by group."""

    GROUPS = ("reading", "everywhere")

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._groups = about.GROUPS if isinstance(about, Page) else ("everywhere",)

    def heading(self) -> Message:
        return say("keys")

    def body(self) -> ComposeResult:
        with Reading():
            yield Static(Content("\n").join(list(self._lines())), classes="empty", markup=False)

    def _lines(self) -> Iterator[Content]:
        for title, rows in help_rows(self._groups):
            yield Content.styled(title, "bold")
            for keys, label in rows:
                yield Content(f"  {fit(keys, KEYS_WIDTH)}{label}")
            yield Content("")
