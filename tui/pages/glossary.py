"""The words of the field that the program uses, explained, and found by typing a few letters."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from presets.advice import glossary
from presets.language import Message, _, say
from tui.pages.page import Page
from tui.widgets.controls import Field, Reading
from tui.widgets.text import show


class Glossary(Page):
    """What is typed narrows the list; enter goes to reading it."""

    GROUPS = ("field", "reading", "everywhere")

    def heading(self) -> Message:
        return say("glossary")

    def body(self) -> ComposeResult:
        yield Static(_("Type a few letters of a word; enter: read"), classes="asked", markup=False)
        yield Field(id="wanted")
        with Reading():
            yield Static(id="terms", classes="empty", markup=False)

    def on_mount(self) -> None:
        self._show("")
        self.query_one(Field).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.query_one(Reading).focus()

    def leave(self) -> bool:
        # Out of the typing first, as everywhere.
        if self.query_one(Field).has_focus and self.query_one(Field).value:
            self.query_one(Field).put("")
            return True
        return False

    def _show(self, wanted: str) -> None:
        sought = wanted.casefold()
        parts = [
            Content.assemble((entry.term, "bold"), "  ", entry.meaning)
            for entry in glossary()
            if sought in f"{entry.id} {entry.term} {entry.meaning}".casefold()
        ]
        show(
            self.query_one("#terms", Static),
            Content("\n").join(parts) if parts else Content(_("Nothing here is called that.")),
        )
