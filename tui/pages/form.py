"""A page of fields to fill in, which one key does not throw away."""

from __future__ import annotations

from presets.language import _
from tui.keys import bindings
from tui.pages.page import Page
from tui.widgets.controls import Field


class Form(Page):
    """Leaving it, where something was typed, takes the key twice."""

    GROUPS = ("form", "field", "choices", "everywhere")
    PLACE = "set-up"
    BINDINGS = bindings("form")

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[str] | None = None

    def on_mount(self) -> None:
        self._kept = self._typed_values()

    def leave(self) -> bool:
        if (typed := self._typed_values()) == self._kept:
            return False
        # Known now: the same key leaves, until something else is typed.
        self._kept = typed
        self.say(_("What is typed here is lost when you leave; esc once more leaves."))
        return True

    def _typed_values(self) -> list[str]:
        return [field.value for field in self.query(Field)]
