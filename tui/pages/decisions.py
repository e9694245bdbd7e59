"""Every decision with its reason in the order of time: of the set-up, and about the best configuration (G16)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input, Static

from presets.language import Message, _, labelled, restored, say
from rounds import judging, lineage
from state import decisions, launches
from state.database import Store
from state.decisions import Decision
from state.launches import Launch
from tui import decided
from tui.keys import bindings
from tui.pages.page import Page
from tui.say import answer
from tui.terminal import printable
from tui.widgets.controls import Choices, Field, Scrolled
from tui.widgets.prompt import Prompt
from tui.widgets.text import show
from wizard import configuration, flow, pipeline


@dataclass(frozen=True)
class Entry:
    """A line of the list, and all that is known about it."""

    id: str
    at: str
    line: str
    details: tuple[str, ...]
    step: str
    """The step of the set-up, where it can be decided anew; else empty."""
    back: str = ""
    """The configuration, where it was the best one once; else empty."""
    fixed: str = ""
    """Why it cannot be decided anew here, and what can be done instead, where it cannot."""


class DecisionsPage(Page):
    """The list above, the marked decision below; side by side where it is wide."""

    GROUPS = ("list", "choices", "field", "everywhere")
    TOUR = "decisions"
    BINDINGS = bindings("list")
    DEFAULT_CSS = """
    DecisionsPage #parts { height: 1fr; }
    DecisionsPage #list { max-height: 50%; }
    DecisionsPage #reading { height: 1fr; padding: 1 1; }
    DecisionsPage.-wide #parts { layout: horizontal; }
    DecisionsPage.-wide #list { width: 1fr; max-height: 100%; }
    DecisionsPage.-wide #reading { width: 1fr; padding: 0 2; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[str, Entry] = {}
        self._shown = ""

    def heading(self) -> Message:
        return say("decisions")

    def body(self) -> ComposeResult:
        yield Static(_("Show only what contains:"), id="asked", classes="asked", markup=False)
        yield Field(id="filter")
        with Container(id="parts"):
            yield Choices(id="list")
            with Scrolled(id="reading"):
                yield Static(id="details", markup=False)
        yield Prompt()

    def on_mount(self) -> None:
        self._filter(False)

    def load(self) -> None:
        first = not self._entries
        self._entries = {entry.id: entry for entry in entries(self.book.store)}
        self._show(next(reversed(self._entries), None) if first else None)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.query_one(Choices).focus()

    def on_option_list_option_highlighted(self) -> None:
        self._show_marked()

    def on_option_list_option_selected(self) -> None:
        self.action_change()

    def action_filter(self) -> None:
        """Show only the lines that contain what is typed."""
        self._filter(True)

    def action_change(self) -> None:
        """Decide the marked step of the set-up anew."""
        marked = self._marked()
        if marked is not None and marked.back:
            asked = say("{name} becomes the best configuration again. Why? It is recorded:", name=marked.back)
            if against := lineage.rejected(self.book.store, marked.back):
                asked = say("{launch} has rejected it. {asked}", launch=against, asked=asked)
            self.query_one(Prompt).type(
                asked,
                lambda words: self.book.attempt(lambda: lineage.back(self.book.store, marked.back, words)),
            )
            return
        if marked is None or not marked.step:
            self.say(marked.fixed if marked is not None else _("Nothing has been decided yet."))
            return
        self.book.attempt(lambda: self.book.open(f"setup {marked.step}"))

    def leave(self) -> bool:
        if self.query_one(Prompt).leave():
            return True
        filtered = bool(self.query_one(Field).display)
        if filtered:
            self._filter(False)
        return filtered

    def _filter(self, filtered: bool) -> None:
        field = self.query_one(Field)
        if not filtered:
            field.put("")
        field.display = self.query_one("#asked").display = filtered
        (field if filtered else self.query_one(Choices)).focus()

    def _marked(self) -> Entry | None:
        return self._entries.get(self.query_one(Choices).marked or "")

    def _show(self, marked: str | None = None) -> None:
        wanted = self.query_one(Field).value.casefold()
        found = [
            (entry.id, Content(entry.line))
            for entry in self._entries.values()
            if wanted in "\n".join((entry.line, *entry.details)).casefold()
        ]
        self.query_one(Choices).update(found, marked)
        self._show_marked()

    def _show_marked(self) -> None:
        marked = self._marked()
        nothing = _("No decision contains that.") if self._entries else _("Nothing has been decided yet.")
        lines = marked.details if marked is not None else (nothing,)
        show(self.query_one("#details", Static), Content("\n").join(map(Content, lines)))
        if marked is not None and marked.id != self._shown:
            self._shown = marked.id
            self.query_one(Scrolled).scroll_home(animate=False)


def entries(store: Store) -> list[Entry]:
    """All decisions, oldest first."""
    found = [_of_step(store, entry) for entry in decisions.decisions(store, all=True)]
    found += [_of_launch(store, entry) for entry in launches.launches(store)]
    return sorted(found, key=lambda entry: entry.at)


def _of_step(store: Store, entry: Decision) -> Entry:
    old = "  " + _("(replaced since)") if entry.superseded_by else ""
    details = [
        _text(entry.question),
        _("Chosen: {chosen}").format(chosen=answer(entry.chosen)),
        *(
            [_("Recommended: {choice}.").format(choice=answer(entry.recommended))]
            if entry.recommended is not None
            else []
        ),
        _("Why: {reason}").format(reason=_text(entry.reason)),
        *_signed(entry.by, entry.at),
        *(f"- {_text(message)}" for message in entry.evidence),
        *(f"  {key} = {value}" for key, value in entry.settings.items()),
    ]
    return Entry(
        f"decision {entry.id}",
        entry.at,
        printable(f"{labelled(flow.called(entry.step), answer(entry.chosen))}{old}"),
        tuple(printable(line) for line in details),
        entry.step if entry.step in flow.steps_of(store) else "",
        fixed=_fixed(entry.step),
    )


def _fixed(step: str) -> str:
    """Why a step that is none of the set-up's questions cannot be decided anew, and what can be done."""
    if step == pipeline.STEP:
        return _(
            "What trains is decided with the project. A command can be changed in tunebook.toml; for another pipeline "
            "make another project."
        )
    if step in (configuration.RUNTIME, configuration.INPUT, configuration.PRECISION):
        return _("That is decided with the batch size: decide that one anew, or see tunebook probe --help.")
    return _("Only decisions of the set-up can be made anew; the others are followed by later ones.")


def _of_launch(store: Store, entry: Launch) -> Entry:
    why = _("Why: {reason}").format(reason=_text(entry.reason))
    details = [why, *_signed(entry.by, entry.at)]
    back, fixed, best = "", _fixed(""), launches.best(store)
    if entry.decision == "adopt" and best is not None and entry.candidate == best.hash:
        # Also where the way led back to it since.
        details.append(_("It is the best configuration now."))
        fixed = _("It is the best configuration already. To go back to an earlier one, mark that one and press c.")
    elif entry.decision == "adopt":
        back = entry.candidate
        details.append(_("c: make it the best configuration again"))
        if against := lineage.rejected(store, entry.candidate):
            details.append(_("{launch} has rejected it.").format(launch=against))
    elif judging.may_reopen(store, entry.batch):
        fixed = _("It is taken back on its own page: there n runs more of both, and all runs decide anew.")
    told = tuple(printable(text) for text in (*details, *decided.details(store, entry)))
    line = printable(decided.title(entry))
    return Entry(f"launch {entry.number}", entry.at, line, told, "", back, fixed=fixed)


def _signed(by: str, at: str) -> Iterator[str]:
    yield _("By {who}, {when} UTC").format(who=by, when=at[:16].replace("T", " "))


def _text(content: dict[str, Any]) -> str:
    return restored(content).text()
