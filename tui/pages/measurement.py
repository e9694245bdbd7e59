"""A measurement of batch sizes on a page of its own, started and stopped by keys: of one that the set-up does not wait
for."""

from __future__ import annotations

from textual.app import ComposeResult

from presets.language import Message, say
from state.errors import NotYet
from tui.keys import bindings
from tui.pages.page import Page
from tui.widgets.work_view import Work, WorkView
from wizard import steps


class MeasurementPage(Page):
    """What was measured, how it stands while it is, or what would be."""

    WORK: Work
    PLACE = "set-up"

    def body(self) -> ComposeResult:
        yield WorkView(id="work")

    def on_mount(self) -> None:
        self.query_one(WorkView).focus()

    def follows(self) -> bool:
        return self.query_one(WorkView).running

    def load(self) -> None:
        work = self.query_one(WorkView)
        if work.show(self.WORK):
            # It has just been recorded.
            work.show(self.WORK)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Start and stop in turn."""
        if action not in ("start", "stop") or not self.is_mounted:
            return True
        return self.query_one(WorkView).running == (action == "stop")

    def action_start(self) -> None:
        """Measure, or measure again."""
        self.book.attempt(self.query_one(WorkView).start)

    def action_stop(self) -> None:
        """Stop the measurement under way."""
        self.book.attempt(self.query_one(WorkView).stop)


class ComparisonPage(MeasurementPage):
    """Steps to a target at several batch sizes, in figures and against perfect scaling (G7)."""

    WORK = "comparison"
    GROUPS = ("comparison", "chart", "everywhere")
    BINDINGS = bindings("comparison")

    def heading(self) -> Message:
        return say("batch sizes compared")

    def load(self) -> None:
        if not steps.comparable(self.book.store):
            raise NotYet("Batch sizes are compared once one is decided, with a first configuration and a neighbour.")
        super().load()


class SizesPage(MeasurementPage):
    """Batch sizes of what is in use, where a launch has adopted another model or optimizer than the set-up's (G6)."""

    WORK = "probe in use"
    GROUPS = ("sizes", "chart", "everywhere")
    BINDINGS = bindings("sizes")

    def heading(self) -> Message:
        return say("batch sizes in use")
