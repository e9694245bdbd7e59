"""Why something is asked or warned of, at length: the advice of the playbook's rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from presets.advice import advice, ids
from presets.language import Message, _, say
from tui.controls import Reading
from tui.page import Page


class Explain(Page):
    """One line and a paragraph for each row."""

    GROUPS = ("reading", "everywhere")

    def __init__(self, rows: Sequence[str]) -> None:
        super().__init__()
        self._rows = [row for row in rows if row in ids()]

    def heading(self) -> Message:
        return say("why")

    def body(self) -> ComposeResult:
        with Reading():
            yield Static(Content("\n").join(list(self._lines())), classes="empty", markup=False)

    def _lines(self) -> Iterator[Content]:
        for row in self._rows:
            text = advice(row)
            yield Content.styled(f"{text.title} ({row})", "bold")
            yield Content.styled(text.one_line, "italic")
            yield Content(text.paragraph)
            yield Content("")
        if not self._rows:
            yield Content(_("The guide says nothing more about this."))
