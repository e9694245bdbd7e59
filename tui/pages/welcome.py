"""The first page where there is no project: try it on the embedded data, start a project, or open one."""

from __future__ import annotations

import datetime
from pathlib import Path

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from presets.language import Message, _, say
from state import project
from tui.pages.page import Page
from tui.starting import typed_path
from tui.terminal import printable
from tui.widgets.controls import Choices, Field

DEMO = "demo"
# Before the folder of a project that was found where the screens are started.
FOUND = "found "
# So many of them are named; of so many entries of the folder.
NAMED, LOOKED_AT = 5, 1000
CHOICES = {
    "demo": (
        say("Try it on handwritten digits"),
        say("1,797 real images; some minutes from here to a first launch, in ./{folder}", folder=DEMO),
    ),
    "new": (say("Start a project on your own data"), say("folders of images, or a file of labelled texts")),
    "new-command": (say("Start a project on your own training script"), say("its command, run as it is")),
    "open": (say("Open a project"), say("type the folder that holds its tunebook.toml")),
    "doctor": (say("Doctor"), say("what this machine offers for training")),
    "quit": (say("Leave"), say("nothing has been started or written")),
}


class Welcome(Page):
    """Nothing is started or written before something is chosen here. Projects of this folder come first."""

    GROUPS = ("choices", "field", "everywhere")

    def __init__(self, refused: str = "") -> None:
        super().__init__()
        self._refused = refused

    def heading(self) -> Message:
        return say("welcome")

    def body(self) -> ComposeResult:
        words = _("The deep-learning tuning playbook, step by step, on your own data.")
        yield Static(words, classes="empty", markup=False)
        yield Choices(id="choices")
        yield Static(_("Folder of the project:"), id="asked", classes="asked", markup=False)
        yield Field(id="folder")

    def on_mount(self) -> None:
        self._type(False)
        there = [(f"{FOUND}{root}", _found(root, at)) for root, at in project.below(Path.cwd(), LOOKED_AT)[:NAMED]]
        self.query_one(Choices).update([*there, *((name, _prompt(name)) for name in CHOICES)])
        self.say(self._refused)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        match event.option_id:
            case "demo":
                self.book.attempt(self._demo)
            case "new" | "new-command" | "doctor":
                self.book.open(str(event.option_id))
            case "open":
                self._type(True)
            case str(place) if place.startswith(FOUND):
                self.book.attempt(lambda: self.book.open_folder(Path(place.removeprefix(FOUND))))
            case _:
                self.app.exit()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.book.attempt(lambda: self.book.open_folder(typed_path(event.value)))

    def leave(self) -> bool:
        typing = bool(self.query_one(Field).display)
        self._type(False)
        return typing

    def _demo(self) -> None:
        from tui.demo import make_project

        self.book.open_folder(make_project(Path(DEMO)).root)

    def _type(self, typing: bool) -> None:
        for widget in (self.query_one("#asked"), self.query_one(Field)):
            widget.display = typing
        self.query_one(Field if typing else Choices).focus()


def _found(root: Path, at: float) -> Content:
    when = datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(" ", "minutes").partition("+")[0]
    label, note = say("Open ./{folder}", folder=root.name), say("last changed {when} UTC", when=when)
    return Content.assemble((printable(label.text()), "bold"), "   ", printable(note.text()))


def _prompt(name: str) -> Content:
    label, note = CHOICES[name]
    return Content.assemble((label.text(), "bold"), "\n  ", note.text())
