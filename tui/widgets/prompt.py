"""A question in place, above the line of keys: something to type, or a few options to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static

from presets.language import Message, say
from tui.terminal import printable
from tui.widgets.controls import Choices, Field
from tui.widgets.table import Table

Answered = Callable[[str], bool]
"""What is done with an answer; whether it was accepted, otherwise the question stays."""


def asking(page: Widget) -> bool:
    """Whether a question is open on a page; keys are meant for it then."""
    return any(prompt.display for prompt in page.query(Prompt))


class Prompt(Vertical):
    """Hidden until something is asked; then it has the focus, and gives it back when it is answered or left."""

    DEFAULT_CSS = """
    Prompt { height: auto; display: none; }
    Prompt > Choices { max-height: 55vh; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._answered: Answered = lambda _answer: True
        self._typed: Answered | None = None
        self._before: Widget | None = None

    def compose(self) -> ComposeResult:
        yield Static(classes="asked", markup=False)
        yield Choices()
        yield Field()

    def type(self, words: Message, answered: Answered, value: str = "") -> None:
        """Ask for something to be typed; `value` stands there to begin with, until something else is typed."""
        self._typed = None
        field = self.query_one(Field)
        field.offer(value)
        self._ask(words, answered, field)

    def search(self, table: Table) -> None:
        """Ask which lines of a table are to be shown; it follows what is typed."""
        self.type(say("Show only what contains:"), lambda answer: table.filter(answer) or not answer, table.wanted)
        self._typed = table.filter

    def choose(
        self, words: Message, options: Sequence[tuple[str, str, str]], answered: Answered, marked: str = ""
    ) -> None:
        """Ask for one of the options, each an answer, its label, and a note."""
        entries = [
            (answer, Content.assemble((printable(label), "bold"), "  ", printable(note)))
            for answer, label, note in options
        ]
        listed = self.query_one(Choices)
        listed.update(entries)
        answers = [answer for answer, _label, _note in options]
        listed.highlighted = answers.index(marked) if marked in answers else 0
        self._ask(words, answered, listed)

    def leave(self) -> bool:
        """Close without an answer; whether anything was asked."""
        asking = bool(self.display)
        self.display = False
        self.screen.set_class(False, "-asking")
        if asking and self._before is not None:
            # Now, and not after what was pressed meanwhile.
            self.screen.set_focus(self._before)
        return asking

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.display and self._typed is not None:
            self._typed(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._take(event.value.strip())

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._take(str(event.option_id))

    def _ask(self, words: Message, answered: Answered, asking: Widget) -> None:
        if not self.display:
            self._before = self.screen.focused
        self._answered = answered
        self.query_one(Static).update(Content(printable(words.text())))
        for widget in (self.query_one(Choices), self.query_one(Field)):
            widget.display = widget is asking
        self.display = True
        # Pages make room for it where there is little.
        self.screen.set_class(True, "-asking")
        asking.focus()

    def _take(self, answer: str) -> None:
        asked = self._answered
        # An answer may lead to another question, which then stays.
        if asked(answer) and self._answered is asked:
            self.leave()
