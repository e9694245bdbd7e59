"""The controls of the pages: a list to choose from, a line to type in, a text to read; their keys are in the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from rich.style import Style
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Click, Paste
from textual.strip import Strip
from textual.widgets import Input, OptionList
from textual.widgets.input import Selection
from textual.widgets.option_list import Option

from tui.keys import NAMES, bindings

REVERSED = Style(reverse=True)


class Choices(OptionList, inherit_bindings=False):
    """A list to choose from, or to read on about the marked entry, which `chooses` says. What is in it is never taken
    for markup."""

    DEFAULT_CSS = """
    Choices {
        border: none;
        padding: 0 1;
        height: auto;
        max-height: 100%;
        background: $background;
        scrollbar-size-vertical: 1;
        &:focus { border: none; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("choices")

    def __init__(self, *, id: str | None = None, chooses: bool = True) -> None:
        super().__init__(id=id, markup=False)
        self._chooses = chooses

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is chosen where nothing comes of it."""
        return self._chooses or action != "select"

    def update(self, entries: Sequence[tuple[str, Content]], marked: str | None = None) -> None:
        """Show these entries, each with a name of its own; nothing is drawn anew where they are the same.

        The mark goes to the entry `marked`, otherwise it stays on its entry, or near where that was.
        """
        if [(entry.id, entry.prompt) for entry in self.options] == list(entries):
            return
        before, place = self.marked, self.highlighted or 0
        self.clear_options()
        self.add_options(Option(prompt, id=name) for name, prompt in entries)
        names = [name for name, _prompt in entries]
        for wanted in (marked, before):
            if wanted in names:
                place = names.index(wanted)
                break
        self.highlighted = min(place, len(entries) - 1) if entries else None

    def on_resize(self) -> None:
        """In another room, as many entries above the marked one as fit: it was scrolled to in the room before."""
        self.scroll_home(animate=False, immediate=True)
        self.scroll_to_highlight()

    def on_click(self, event: Click) -> None:
        """Nothing where the entry under the pointer has gone meanwhile; Textual's own handler looks for it."""
        if event.style.meta.get("option", 0) >= self.option_count:
            event.prevent_default()

    def action_cursor_up(self) -> None:
        """Mark the entry before. Textual's own goes on at the other end, where home has the entry that leaves."""
        if self.highlighted:
            super().action_cursor_up()

    def action_cursor_down(self) -> None:
        """Mark the next entry, down to the last one."""
        if self.highlighted is None or self.highlighted < self.option_count - 1:
            super().action_cursor_down()

    def action_page_up(self) -> None:
        """Mark the entry a page before."""
        self._turn(-1)

    def action_page_down(self) -> None:
        """Mark the entry a page on. Textual's own fails where the list has just got its room."""
        self._turn(1)

    def _turn(self, pages: int) -> None:
        if self.option_count:
            lines = max(self.virtual_size.height / self.option_count, 1)
            entries = max(int(self.size.height / lines), 1)
            self.highlighted = min(max((self.highlighted or 0) + pages * entries, 0), self.option_count - 1)

    def render_line(self, y: int) -> Strip:
        """The marked entry is reversed, which shows without colours too; Textual's list knows no such style."""
        strip = super().render_line(y)
        entry = next((one.style.meta.get("option") for one in strip if one.style is not None), None)
        if self.has_focus and entry is not None and entry == self.highlighted:
            return strip.apply_style(REVERSED)
        return strip

    @property
    def marked(self) -> str | None:
        """The name of the marked entry; None where there is none."""
        entry = self.highlighted_option
        return None if entry is None else entry.id


class Field(Input):
    """A line to type in, without the blinking, for which something is sent all the time. What is typed takes the place
    of what is offered there, as long as that stands as it was; whoever moves the cursor edits it."""

    DEFAULT_CSS = """
    Field {
        border: none;
        height: 1;
        margin: 0 1;
        padding: 0;
        text-style: underline;
        &:focus { border: none; }
        &:ansi > .input--cursor, &:ansi > .input--selection {
            color: $foreground;
            background: $background;
            text-style: reverse;
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("field")

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, id=id, select_on_focus=False)
        self.cursor_blink = False
        self._offered = value

    async def action_submit(self) -> None:
        """Whoever waits for the line is told at once. By a message, as Textual's own does it, what is pressed next
        would be typed into a line that is done."""
        taken = self.Submitted(self, self.value)
        for node in self.ancestors:
            if take := getattr(node, "on_input_submitted", None):
                take(taken)
                return

    def focus(self, scroll_visible: bool = True, from_app_focus: bool = False) -> Self:
        """Now, where Textual's own waits for its turn: what is pressed after the key that opens the line is typed."""
        self.screen.set_focus(self, scroll_visible, from_app_focus)
        return self

    def on_focus(self) -> None:
        """Of a long path its end is what one looks for."""
        if self.value == self._offered:
            self.selection = Selection(0, len(self.value))
        self.call_after_refresh(self._show_end)

    def _show_end(self) -> None:
        chosen = self.selection
        # Before it had a width, a line did not scroll to its cursor; only one that moves does.
        self.cursor_position = 0
        self.cursor_position = len(self.value)
        if chosen == Selection(0, len(self.value)):
            self.selection = chosen

    def on_paste(self, event: Paste) -> None:
        """Of several lines all stay, one behind the other: Textual's own takes the first, and drops the rest unsaid."""
        event.prevent_default()
        words = " ".join(part for line in event.text.splitlines() if (part := line.strip()))
        self.replace(words, *sorted(self.selection))
        event.stop()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether the key is typed; of some, such as `slash`, Textual does not know the character."""
        return super().check_consume_key(key, character) or len(NAMES.get(key, "")) == 1

    def put(self, value: str) -> None:
        """Replace what stands in the line, with the cursor behind it."""
        self.value = value
        self.cursor_position = len(value)

    def offer(self, value: str) -> None:
        """Put a value there that what is typed replaces."""
        self.put(value)
        self._offered = value
        self.selection = Selection(0, len(value))


class Scrolled(VerticalScroll, can_focus=False):
    """A text beside what has the focus: `read` of its page scrolls it, and is offered while it is longer than its
    room."""

    def watch_show_vertical_scrollbar(self) -> None:
        self.screen.refresh_bindings()

    def read(self, pages: int) -> None:
        """Scroll so many pages."""
        self.scroll_relative(y=pages * max(self.size.height - 1, 1), animate=False, immediate=True)


class Reading(VerticalScroll, can_focus=True, inherit_bindings=False):
    """A text longer than the screen."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("reading")
