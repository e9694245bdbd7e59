"""What was learnt: what a person has confirmed, and what the rounds seem to show and waits for a word (G19)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from presets.language import Message, _, restored, say
from rounds import conditions, insights, phases
from rounds.insights import Proposed, Share
from state import launches
from state.database import Store
from state.launches import Insight
from tui.keys import bindings
from tui.pages.page import Page
from tui.terminal import cut, printable
from tui.widgets.controls import Choices, Scrolled
from tui.widgets.prompt import Prompt, asking
from tui.widgets.text import hanging, show

MARGIN = 3


@dataclass(frozen=True)
class Found:
    """What there is to show, worked out in a thread."""

    kept: tuple[Insight, ...]
    proposed: tuple[Proposed, ...]
    share: Share
    phase: Message | None
    waiting: tuple[Message, ...]
    """What it takes for something to be proposed where nothing is."""
    changed: Mapping[str, Sequence[Message]]
    """By key, what is no longer as it was when it was learnt."""


class InsightsPage(Page):
    """The list above, first what waits for a word; the marked one with evidence and caveats below."""

    GROUPS = ("insights", "choices", "everywhere")
    PLACE = "learn"
    TOUR = "insights"
    BINDINGS = bindings("insights")
    DEFAULT_CSS = """
    InsightsPage #parts { height: 1fr; }
    InsightsPage #list { max-height: 50%; }
    InsightsPage #reading { height: 1fr; padding: 1 1; }
    InsightsPage #share { height: auto; padding: 0 1; }
    InsightsPage.-wide #parts { layout: horizontal; }
    InsightsPage.-wide #list { width: 1fr; max-height: 100%; }
    InsightsPage.-wide #reading { width: 1fr; padding: 0 2; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None

    def heading(self) -> Message:
        return say("insights")

    def body(self) -> ComposeResult:
        yield Static(_("Looking at the rounds"), id="share", markup=False)
        with Container(id="parts"):
            yield Choices(id="list", chooses=False)
            with Scrolled(id="reading"):
                yield Static(id="details", markup=False)
        yield Prompt()

    def load(self) -> None:
        self.behind(_look, self._show, self._say_share, group="insights")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What can be said about the marked one, while nothing is asked."""
        if action in ("confirm", "edit", "refuse"):
            return self.ready and self._marked() is not None and not asking(self)
        if action == "write":
            return not asking(self)
        return super().check_action(action, parameters)

    def _show(self, found: Found) -> None:
        self._found = found
        told = _("Nothing has run yet: insights come from reviewed rounds.")
        if found.share.exploring is not None:
            told = _(
                "Device hours of the rounds: {exploration:.2f} exploring ({share:.0%}), {exploitation:.2f} exploiting"
            )
            told = told.format(
                exploration=found.share.exploration,
                exploitation=found.share.exploitation,
                share=found.share.exploring,
            )
        if found.phase is not None:
            told += "\n" + _("Next: {what}").format(what=found.phase.text())
        self._say_share(told)
        room = self.book.size.width - MARGIN
        lines = [(entry.key, self._line(_("proposed"), entry.text.text(), room)) for entry in found.proposed]
        lines += [(entry.key, self._line(_("kept"), restored(entry.text).text(), room)) for entry in found.kept]
        self.query_one("#list", Choices).update(lines)
        if self.focused is None:
            self.query_one("#list", Choices).focus()
        self._show_marked()

    def on_option_list_option_highlighted(self) -> None:
        self._show_marked()

    def action_confirm(self) -> None:
        """Keep the marked proposal as it is. It stays marked, so that whoever presses the key once more meets it."""
        marked = self._marked()
        if isinstance(marked, Insight):
            self.say(_("It is kept already. e puts it in other words; r says that it does not hold after all."))
        elif marked is not None and self._record(lambda: insights.confirm(self.book.store, marked.key)):
            self.say(_("Kept: it shapes the next round."))

    def action_edit(self) -> None:
        """Keep the marked one in other words."""
        if (marked := self._marked()) is not None:
            words = marked.text.text() if isinstance(marked, Proposed) else restored(marked.text).text()
            self.query_one(Prompt).type(
                say("In your words:"),
                lambda answer: self._record(lambda: insights.confirm(self.book.store, marked.key, answer)),
                words,
            )

    def action_refuse(self) -> None:
        """Say that the marked one does not hold, and why."""
        if (marked := self._marked()) is not None:
            self.query_one(Prompt).type(
                say("Why does it not hold? It is kept:"),
                lambda answer: self._record(lambda: insights.refuse(self.book.store, marked.key, answer)),
            )

    def action_write(self) -> None:
        """Keep an insight of one's own."""
        self.query_one(Prompt).type(
            say("What was learnt, in a sentence:"),
            lambda answer: self._record(lambda: insights.write(self.book.store, answer)),
        )

    def leave(self) -> bool:
        return self.query_one(Prompt).leave()

    def _record(self, decide: Callable[[], None]) -> bool:
        # `attempt` reads the page again.
        return self.book.attempt(decide)

    def _marked(self) -> Proposed | Insight | None:
        key = self.query_one("#list", Choices).marked
        found = self._found
        listed = (*found.proposed, *found.kept) if found is not None else ()
        return next((entry for entry in listed if entry.key == key), None)

    def _line(self, word: str, text: str, room: int) -> Content:
        said, head = printable(text), Content.styled(f"{word}  ", "bold" if word == _("proposed") else "dim")
        if self.has_class("-wide"):
            return hanging(head, said, room // 2 - MARGIN)
        return head + cut(said, room - head.cell_length - 2, ascii_only=self.book.ascii_only)

    def _show_marked(self) -> None:
        self.refresh_bindings()
        marked = self._marked()
        if marked is None:
            waiting = self._found.waiting if self._found is not None else ()
            lines = [
                Content(_("Nothing is proposed.")),
                *(Content(printable(condition.text())) for condition in waiting),
                Content(_("w: write down what you learnt yourself")),
            ]
        else:
            lines = list(_details(marked, self._found.changed[marked.key] if self._found is not None else ()))
        show(self.query_one("#details", Static), Content("\n").join(lines))

    def _say_share(self, text: str) -> None:
        show(
            self.query_one("#share", Static), Content("\n").join(Content(printable(line)) for line in text.split("\n"))
        )


def _look(store: Store) -> Found:
    kept, proposed = launches.insights(store), insights.proposals(store)
    learnt = [(entry, entry.caveats) for entry in proposed] + [(entry, insights.caveats(entry)) for entry in kept]
    return Found(
        tuple(kept),
        tuple(proposed),
        insights.share(store),
        phases.next_phase(store),
        conditions.waits_for(store),
        {entry.key: conditions.changed(store, caveats, entry.batch) for entry, caveats in learnt},
    )


def _details(entry: Proposed | Insight, changed: Sequence[Message]) -> Iterator[Content]:
    if isinstance(entry, Proposed):
        yield Content.styled(printable(entry.text.text()), "bold")
        yield Content(_("c: keep it   e: in other words   r: it does not hold"))
        caveats = entry.caveats
    else:
        yield Content.styled(printable(restored(entry.text).text()), "bold")
        yield Content(_("It is kept.   e: in other words   r: it does not hold"))
        words = _("By {who}, {when} UTC").format(who=entry.by, when=entry.at[:16].replace("T", " "))
        yield Content(printable(words))
        proposed = entry.evidence.get("proposed")
        if proposed and proposed != entry.text:
            yield Content(printable(_("As proposed: {text}").format(text=restored(proposed).text())))
        caveats = insights.caveats(entry)
    if changed:
        yield Content("")
        yield Content(_("These are no longer as they were when it was learnt:"))
        yield from (Content(printable(f"- {change.text()}")) for change in changed)
    told = {change.values.get("caveat") for change in changed}
    if same := [caveat for caveat in caveats if caveat not in told]:
        yield Content("")
        yield Content(_("It holds while these stay as they were:"))
        yield from (Content(printable(f"- {caveat.text()}")) for caveat in same)
