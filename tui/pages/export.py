"""Export: a folder with the configuration, the reason for each value, and the very code that trained it."""

from __future__ import annotations

import shlex

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from presets.language import Message, _, say
from state import launches
from tui.exporting import Exported
from tui.exporting_starter import export
from tui.pages.page import Page
from tui.say import figure
from tui.starting import typed_path
from tui.terminal import printable
from tui.widgets.controls import Field, Reading


class ExportPage(Page):
    """The target is typed; what was written, and how to run it, is shown below."""

    GROUPS = ("field", "reading", "everywhere")
    TOUR = "export"
    DEFAULT_CSS = "ExportPage > Reading { height: 1fr; }"

    def __init__(self, trial: str = "", *, starter: bool = False) -> None:
        super().__init__()
        # The one that is meant, if not that of the best configuration, or whether what the set-up came to is.
        self._of, self._starter = trial, starter

    def heading(self) -> Message:
        return say("export of {name}", name=self._of) if self._of else say("export")

    def body(self) -> ComposeResult:
        yield Static(self._what().text(), classes="empty", markup=False)
        yield Static(_("Folder to write:"), classes="asked", markup=False)
        folder = "export" + (f"-{self._of}" if self._of else "-starter" if self._starter else "")
        yield Field(str(self.book.project.root / folder), id="target")
        with Reading():
            yield Static(id="written", classes="empty", markup=False)

    def on_mount(self) -> None:
        self.query_one(Field).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        def write() -> None:
            done = export(self.book.store, typed_path(event.value), self._of or None, starter=self._starter)
            shown = list(map(Content, map(printable, told(done))))
            self.query_one("#written", Static).update(Content("\n").join(shown))
            self.call_after_refresh(self._read_on)

        self.book.attempt(write)

    def _what(self) -> Message:
        """What is written, and what it needs."""
        own = bool(self.book.project.settings.command)
        if self._of and own:
            return say(
                "Writes your command with the values of {trial}, the reason for each, and what it ran on. Your code "
                "stays where it is. Enter writes it.",
                trial=self._of,
            )
        if self._of:
            return say(
                "Writes the configuration of {trial} with its reasons, the training code that a person can read, and "
                "the versions it ran with. It needs torch and timm or transformers, but not Tunebook. Enter writes it.",
                trial=self._of,
            )
        if own:
            return say(
                "Writes your command with the values of the best configuration, the reason for each, and what it ran "
                "on. Your code stays where it is. Enter writes it."
            )
        if self._starter or launches.best(self.book.store) is None:
            return say(
                "Writes the starter configuration of the set-up with its reasons, and the training code that a person "
                "can read. Nothing has run with it yet. It needs torch and timm or transformers, but not Tunebook. "
                "Enter writes it."
            )
        return say(
            "Writes the best configuration with its reasons, the training code that a person can read, and the "
            "versions it ran with. It needs torch and timm or transformers, but not Tunebook. Enter writes it."
        )

    def _read_on(self) -> None:
        """Where the window is too small for what was written, it is scrolled: what to mind of it stands last."""
        reading = self.query_one(Reading)
        if self.ready and reading.max_scroll_y > 0:
            reading.focus()


def told(done: Exported) -> list[str]:
    """What was written and what to expect of it."""
    lines = [
        _("Written: {folder}").format(folder=done.folder),
        _("It came from {trial}. To train it again:").format(trial=done.trial)
        if done.trial
        else _("It is the starter configuration. To train it:"),
        f"  cd {shlex.quote(str(done.folder))} && {shlex.join(done.command)}",
    ]
    if done.average:
        lines.append(done.average)
    lines += [
        _("Expect {name} {value}").format(name=name, value=figure(value))
        for name, value in done.expected.items()
        if name != "step"
    ]
    return [*lines, *filter(None, (done.code, done.warning))]
