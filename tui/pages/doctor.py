"""What is wrong with the project, what can be repaired, and what the machine offers; the last without a project too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from presets.language import Message, _, say
from tui import doctor
from tui.doctor import NAMES, Check
from tui.keys import bindings
from tui.pages.page import Page
from tui.terminal import fit, printable
from tui.theme import VERDICTS
from tui.widgets.controls import Reading
from tui.widgets.text import show

NAME_WIDTH = 12
# As a check's verdict is stored, and as findings of a review call it.
LOOKS = {"ok": VERDICTS["pass"], "warn": VERDICTS["warn"], "fail": VERDICTS["fail"]}
Found = tuple[dict[str, Any], list[Check]]


class DoctorPage(Page):
    """The checks of the project above the machine, or beside it; what is wrong comes first."""

    GROUPS = ("doctor", "reading", "everywhere")
    BINDINGS = bindings("doctor")
    DEFAULT_CSS = """
    DoctorPage > Reading { height: 1fr; padding: 1 1; }
    DoctorPage #parts { height: auto; }
    DoctorPage #parts > Static { height: auto; }
    DoctorPage #checks { margin: 0 0 1 0; }
    DoctorPage.-wide #parts { layout: horizontal; }
    DoctorPage.-wide #parts > Static { width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._checks: list[Check] = []
        self._busy = False

    def heading(self) -> Message:
        return say("doctor")

    def body(self) -> ComposeResult:
        with Reading(), Container(id="parts"):
            yield Static(_("Looking at the machine and the project"), id="checks", markup=False)
            yield Static(id="machine", markup=False)

    def on_mount(self) -> None:
        self.query_one(Reading).focus()
        self._look()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Repair only what can be; not twice at once."""
        if action == "repair":
            return not self._busy and any(check.repair for check in self._checks)
        return action != "again" or not self._busy

    def action_again(self) -> None:
        """Look once more."""
        self._look()

    def action_repair(self) -> None:
        """Mend what can be mended, and look again."""
        root = self.book.project.root
        self._begin()
        self.aside(lambda: doctor.mend(root), self._mended, self._failed, group="doctor")

    def _look(self) -> None:
        root = self.book.project.root if self.book.has_project else None
        self._begin()
        self.aside(lambda: _found(root), self._show, self._failed, group="doctor")

    def _begin(self) -> None:
        self._busy = True
        self.refresh_bindings()

    def _mended(self, names: Sequence[str]) -> None:
        self._look()
        told = [_("Repaired: {name}").format(name=NAMES[name].text()) for name in names]
        self.say("\n".join(told or [_("There was nothing to repair.")]))

    def _show(self, found: Found) -> None:
        machine, self._checks = found
        self._busy = False
        show(self.query_one("#checks", Static), Content("\n").join(self._told()))
        show(self.query_one("#machine", Static), Content("\n").join(_machine(machine)))
        self.refresh_bindings()

    def _failed(self, reason: str) -> None:
        """What was found before stays; the machine could not be asked, or nothing could be mended."""
        self._busy = False
        self.say(reason)
        if not self._checks:
            show(self.query_one("#checks", Static), Content(_("It could not be looked at.")))
        self.refresh_bindings()

    def _told(self) -> Iterator[Content]:
        if not self.book.has_project:
            yield Content(_("No project is open."))
            return
        wrong = sum(check.verdict != "ok" for check in self._checks)
        yield Content.styled(
            _("Not in order: {n}").format(n=wrong) if wrong else _("Nothing is wrong with the project."), "bold"
        )
        for check in sorted(self._checks, key=lambda check: ("fail", "warn", "ok").index(check.verdict)):
            look = LOOKS[check.verdict]
            glyph = look.ascii if self.book.ascii_only else look.glyph
            yield Content(printable(f"{glyph} {fit(NAMES[check.name].text(), NAME_WIDTH)}{check.message.text()}"))
        if any(check.repair for check in self._checks):
            yield Content(_("r: repair what tunebook doctor --repair would"))


def _found(root: Path | None) -> Found:
    return doctor.machine(root or Path.cwd()), list(doctor.checks(root)) if root else []


def _machine(machine: dict[str, Any]) -> Iterator[Content]:
    yield Content.styled(_("Machine"), "bold")
    for name, value in doctor.facts(machine):
        yield Content(printable(f"  {fit(name, NAME_WIDTH)}{value}"))
