"""A measurement of batch sizes on a page of its own, started and stopped by keys: of one that the set-up does not wait
for."""

from __future__ import annotations

from textual.app import ComposeResult

from presets.language import Message, say
from state.errors import NotYet
from tui.amount import amount
from tui.keys import bindings
from tui.pages.page import Page
from tui.widgets.prompt import Prompt, asking
from tui.widgets.work_view import Work, WorkView
from wizard import steps

TARGET = say("The validation result that the sizes are to reach (nothing: as it is found from their curves):")


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
    GROUPS = ("comparison", "chart", "field", "everywhere")
    BINDINGS = bindings("comparison")

    def heading(self) -> Message:
        return say("batch sizes compared")

    def body(self) -> ComposeResult:
        yield from super().body()
        yield Prompt()

    def load(self) -> None:
        if not steps.comparable(self.book.store):
            raise NotYet("Batch sizes are compared once one is decided, with a first configuration and a neighbour.")
        super().load()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A target is named where there are curves to look for it in."""
        if action == "target":
            return self.is_mounted and not asking(self) and steps.compared(self.book.store) is not None
        return super().check_action(action, parameters)

    def action_target(self) -> None:
        """Type the validation result by which the sizes are compared; nothing is trained for that."""
        self.query_one(Prompt).type(TARGET, self._aim)

    def leave(self) -> bool:
        return self.query_one(Prompt).leave()

    def _aim(self, answer: str) -> bool:
        def aim() -> None:
            self.query_one(WorkView).target = amount(answer) if answer else None

        return self.book.attempt(aim)


class SizesPage(MeasurementPage):
    """Batch sizes of what is in use, where a launch has adopted another model or optimizer than the set-up's (G6)."""

    WORK = "probe in use"
    GROUPS = ("sizes", "chart", "everywhere")
    BINDINGS = bindings("sizes")

    def heading(self) -> Message:
        return say("batch sizes in use")
