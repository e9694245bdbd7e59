"""Report: one file with the story of the project, to share (P18)."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from presets.language import Message, _, say
from tui.pages.page import Page
from tui.report import writing
from tui.starting import typed_path
from tui.terminal import printable
from tui.widgets.controls import Field
from wizard.quantity import memory


class ReportPage(Page):
    """The file is typed; where it was written is shown below."""

    GROUPS = ("field", "everywhere")

    def heading(self) -> Message:
        return say("report")

    def body(self) -> ComposeResult:
        words = _(
            "Writes the story of the project: decisions, measurements, rounds with their plots and findings, launches, "
            "the best configuration. A name in .html gives one page that needs no network; .md the same as Markdown, "
            ".csv the table of studies, .json everything as data. Enter writes it."
        )
        yield Static(words, classes="empty", markup=False)
        yield Static(_("File to write:"), classes="asked", markup=False)
        yield Field(str(writing.free_name(self.book.project.root)), id="target")
        yield Static(id="written", classes="empty", markup=False)

    def on_mount(self) -> None:
        self.query_one(Field).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        def write() -> None:
            written = writing.write(self.book.store, typed_path(event.value))
            told = _("Written: {file} ({size})").format(file=written, size=memory(written.stat().st_size).text())
            self.query_one("#written", Static).update(Content(printable(told)))

        self.book.attempt(write)
