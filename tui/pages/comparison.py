"""Steps to a target at several batch sizes, in figures and against perfect scaling (G7)."""

from __future__ import annotations

from textual.app import ComposeResult

from presets.language import Message, say
from state.errors import NotYet
from tui.keys import bindings
from tui.pages.page import Page
from tui.widgets.work_view import WorkView
from wizard import steps


class ComparisonPage(Page):
    """What the comparison says, how it stands while it runs, or what it would do."""

    GROUPS = ("comparison", "chart", "everywhere")
    PLACE = "set-up"
    BINDINGS = bindings("comparison")

    def heading(self) -> Message:
        return say("batch sizes compared")

    def body(self) -> ComposeResult:
        yield WorkView(id="work")

    def on_mount(self) -> None:
        self.query_one(WorkView).focus()

    def follows(self) -> bool:
        return self.query_one(WorkView).running

    def load(self) -> None:
        if not steps.comparable(self.book.store):
            raise NotYet("Batch sizes are compared once one is decided, with a first configuration and a neighbour.")
        work = self.query_one(WorkView)
        if work.show("comparison"):
            # It has just been recorded.
            work.show("comparison")
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Start and stop in turn."""
        if action not in ("start", "stop") or not self.is_mounted:
            return True
        return self.query_one(WorkView).running == (action == "stop")

    def action_start(self) -> None:
        """Compare, or compare again."""
        self.book.attempt(self.query_one(WorkView).start)

    def action_stop(self) -> None:
        """Stop the comparison under way."""
        self.book.attempt(self.query_one(WorkView).stop)
