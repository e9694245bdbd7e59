"""The text of a question: what is asked, what is recommended and why, and the figures to choose by, a part at a time
where they are wider than the page."""

from __future__ import annotations

from typing import cast

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from tui import question_text
from tui.book import Book
from tui.terminal import printable
from tui.widgets.controls import Scrolled
from tui.widgets.text import show
from wizard.question import Question

# Cells beside a table: its padding and the scroll bar.
TABLE_MARGIN = 4


class QuestionView(Scrolled):
    """What is scrolled above the options."""

    DEFAULT_CSS = """
    QuestionView { height: 1fr; overflow-x: auto; }
    QuestionView > #table { width: auto; text-wrap: nowrap; padding: 1 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        # Of a table that is wider than the page: which part is shown, of how many.
        self._part, self.parts = 0, 1

    def compose(self) -> ComposeResult:
        yield Static(id="question", classes="text", markup=False)
        yield Static(id="advice", classes="text", markup=False)
        yield Static(id="evidence", classes="text", markup=False)
        yield Static(id="table", markup=False)

    def ask(self, question: Question, *, new: bool) -> None:
        """Show a question; a `new` one from its beginning."""
        self._show("question", Content.styled(printable(question.text.text()), "bold"))
        # Before what it rests on: on a small screen the rest is read by scrolling.
        self._show("advice", question_text.advice(question))
        self._show("evidence", *(Content(f"- {printable(message.text())}") for message in question.beside))
        if new:
            self._part = 0
            self.scroll_home(animate=False)

    def tell(self, *lines: Content) -> None:
        """Show why nothing can be asked."""
        self._show("question", *lines)
        for id in ("advice", "evidence", "table"):
            self._show(id)

    def show_figures(self, question: Question, sought: str) -> None:
        """The figures to choose by, those that contain what is sought."""
        columns = cast("Book", self.app).size.width - TABLE_MARGIN
        parts = question_text.parts(question, sought, columns)
        self.parts = max(len(parts), 1)
        self._show("table", *(parts[min(self._part, len(parts) - 1)] if parts else ()))
        # A short table is what there is to choose by; one that is shown in parts would hide what is said besides.
        table, evidence = self.query_one("#table"), self.query_one("#evidence")
        if self.parts == 1:
            self.move_child(table, before=evidence)
        else:
            self.move_child(table, after=evidence)

    def turn(self, steps: int) -> None:
        """Another part of a table that is wider than the page is the one to be shown."""
        self._part = min(max(self._part + steps, 0), self.parts - 1)

    def _show(self, id: str, *lines: Content) -> None:
        """Lines in one of the texts; without any it takes no room."""
        text = self.query_one(f"#{id}", Static)
        show(text, Content("\n").join(lines))
        text.display = bool(lines)
