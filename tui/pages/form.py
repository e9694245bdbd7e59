"""A page of fields to fill in, which one key does not throw away."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.events import DescendantFocus
from textual.widget import Widget
from textual.widgets import Static

from presets.language import _
from tui.keys import bindings
from tui.pages.page import Page
from tui.widgets.controls import Field


class Form(Page):
    """Leaving it, where something was typed, takes the key twice. Of fields for which there is no room, those about the
    focused one are shown."""

    DEFAULT_CSS = """
    Form > VerticalScroll { height: 1fr; }
    Form .part { height: auto; }
    """
    GROUPS = ("form", "field", "choices", "everywhere")
    PLACE = "set-up"
    BINDINGS = bindings("form")

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[str] | None = None

    def on_mount(self) -> None:
        self._kept = self._typed_values()

    def body(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield from self.fields()

    def fields(self) -> ComposeResult:
        """What is asked, each question above its field in a part of its own."""
        raise NotImplementedError

    def part(self, words: str, *below: Widget, id: str | None = None) -> Widget:
        """A question with the field, or the choices, below it."""
        return Vertical(Static(words, classes="asked", markup=False), *below, id=id, classes="part")

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        # The question is to be read too: of a field alone Textual sees to that.
        if isinstance(part := event.widget.parent, Vertical):
            self.call_after_refresh(part.scroll_visible, animate=False)

    def leave(self) -> bool:
        if (typed := self._typed_values()) == self._kept:
            return False
        # Known now: the same key leaves, until something else is typed.
        self._kept = typed
        self.say(_("What is typed here is lost when you leave; esc once more leaves."))
        return True

    def _typed_values(self) -> list[str]:
        return [field.value for field in self.query(Field)]
