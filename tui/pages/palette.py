"""All that can be done here, found by typing a few letters of it: the actions of the page left, and the places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static

from presets.language import Message, _, say
from rounds import judging, reviewed
from state import launches, trials
from state.database import Store
from tui import exporting_starter, keys
from tui.keys import bindings
from tui.pages.page import Page
from tui.terminal import fit, printable, width
from tui.widgets.controls import Choices, Field
from wizard import flow, probe, steps

# Groups of keys that move about in what is shown, or work everywhere; of these the list has what is hinted at.
GENERAL = ("choices", "field", "reading", "form", "palette", "list", "table", "chart", "everywhere")
# Cells of the longest keys that are shown beside an action.
KEYS_WIDTH = 12


@dataclass(frozen=True)
class Offer:
    """Something to choose: a place to open, or an action of the page that was left."""

    name: str
    label: str
    keys: str = ""
    action: str = ""
    node: DOMNode | None = None


class Palette(Page):
    """What is typed narrows the list; enter does the marked entry on the page before."""

    GROUPS = ("palette", "choices", "field", "everywhere")
    BINDINGS = bindings("palette")

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._about = about
        self._offers: dict[str, Offer] = {}

    def heading(self) -> Message:
        return say("all that can be done")

    def body(self) -> ComposeResult:
        yield Static(_("Type a few letters of it; enter does it:"), classes="asked", markup=False)
        yield Field(id="wanted")
        yield Choices(id="offers")

    def on_mount(self) -> None:
        words = Offer("glossary", _("go to the glossary"))
        machine = Offer("doctor", _("go to the doctor: machine and project"))
        found = [*_actions(self._about), words, *(_places(self.book.store) if self.book.has_project else ()), machine]
        self._offers = {offer.name: offer for offer in found}
        self._show("")
        self.query_one(Field).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        # What was typed last may not have been looked for yet.
        self._show(event.value)
        self._do(self.query_one(Choices).marked)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._do(event.option_id)

    def action_mark(self, steps: int) -> None:
        """Move the mark while something is typed."""
        listed = self.query_one(Choices)
        if listed.option_count:
            listed.highlighted = ((listed.highlighted or 0) + steps) % listed.option_count

    def _show(self, wanted: str) -> None:
        words = wanted.casefold().split()
        found = [
            (offer.name, Content.assemble((fit(offer.keys, KEYS_WIDTH), "dim"), printable(offer.label)))
            for offer in self._offers.values()
            if all(word in f"{offer.label} {offer.name}".casefold() for word in words)
        ]
        self.query_one(Choices).update(found)
        self.say("" if found else _("Nothing here is called that."))

    def _do(self, name: str | None) -> None:
        if self.app.screen is not self:
            # Of two quick presses of enter, the second was meant for the page that comes.
            return
        offer = self._offers.get(name or "")
        if offer is None:
            self.say(_("Nothing here is called that."))
            return
        if offer.node is None:
            self.book.attempt(lambda: self.book.open(offer.name, instead=True))
        else:
            self.app.pop_screen()
            self.app.call_later(self.app.run_action, offer.action, offer.node)


def _actions(about: Screen[Any]) -> Iterator[Offer]:
    """What the keys of the page do now, in the order of the table."""
    active = {one.binding.id: one for one in about.active_bindings.values() if one.enabled}
    for key in keys.KEYS:
        one = active.get(key.id)
        # Moving about needs no list; and this one is open already.
        own = key.group not in GENERAL and not key.action.startswith("read(")
        if one is not None and (key.show is not None or own) and key.id != "palette":
            names = ", ".join(key.names)
            shown = names if width(names) < KEYS_WIDTH else key.names[0]
            yield Offer(key.id, key.label.text(), shown, one.binding.action, one.node)


def _places(store: Store) -> Iterator[Offer]:
    """The pages of the project that stand now."""
    yield Offer("setup", _("go to the set-up"))
    if steps.comparable(store):
        yield Offer("comparison", _("go to the comparison of batch sizes"))
    if flow.standing(store).step is None and probe.in_use(store) is not None:
        yield Offer("sizes", _("go to the batch sizes of what is in use"))
    if launches.best(store) is not None:
        yield Offer("design", _("go to the design of a round"))
        yield Offer("configurations", _("go to the configurations, side by side"))
        yield Offer("export", _("go to the export"))
        if exporting_starter.ready(store):
            yield Offer("export-starter", _("go to the export of the starter configuration"))
        if not store.project.settings.command:
            yield Offer("look", _("go to the look at the test split"))
    yield Offer("decisions", _("go to the decisions: their history, and the way back"))
    yield Offer("insights", _("go to the insights"))
    yield Offer("report", _("go to the report"))
    yield Offer("rounds", _("go to all rounds, the last first"))
    for batch in reversed(trials.batches(store)):
        if batch.kind == "round":
            yield Offer(f"round {batch.name}", _("go to {name}").format(name=batch.name))
            yield Offer(f"review {batch.name}", _("go to the review of {name}").format(name=batch.name))
            if reviewed.holds(store, batch):
                yield Offer(f"propose {batch.name}", _("go to the launch of {name}").format(name=batch.name))
        elif batch.kind == "launch":
            words = _("go to the launch {name}")
            if judging.may_reopen(store, batch.name):
                words = _("go to the launch {name}, to reopen it")
            yield Offer(f"launch {batch.name}", words.format(name=batch.name))
