"""Why something is asked or warned of, at three depths: the advice of the playbook's rows and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from presets.advice import advice, evidence, ids
from presets.language import Message, _, bracketed, say
from tui.keys import bindings
from tui.pages.page import Page
from tui.widgets.controls import Reading
from tui.widgets.text import show

LINE, PARAGRAPH, EVIDENCE = 1, 2, 3


class Explain(Page):
    """Three depths: one line for each row, with a paragraph, and with the evidence and its sources."""

    GROUPS = ("explain", "reading", "everywhere")
    BINDINGS = bindings("explain")

    def __init__(self, rows: Sequence[str]) -> None:
        super().__init__()
        self._rows = [row for row in rows if row in ids()]
        self._depth = PARAGRAPH

    def heading(self) -> Message:
        return say("why")

    def body(self) -> ComposeResult:
        with Reading():
            yield Static(id="advice", classes="empty", markup=False)

    def load(self) -> None:
        show(self.query_one("#advice", Static), Content("\n").join(list(self._lines())))

    def action_deeper(self) -> None:
        """The next depth; after the last the first."""
        self._depth = self._depth % EVIDENCE + 1
        self.load()

    def _lines(self) -> Iterator[Content]:
        for row in self._rows:
            text = advice(row)
            yield Content.styled(bracketed(text.title, row), "bold")
            yield Content.styled(text.one_line, "italic")
            if self._depth >= PARAGRAPH:
                yield Content(text.paragraph)
            if self._depth == EVIDENCE:
                yield Content(evidence(text))
            yield Content("")
        if not self._rows:
            yield Content(_("The guide says nothing more about this."))
