"""The look at the test split: what it is for, how many there were, and one more, counted (P14)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from presets.language import Message, _, error_text, say
from rounds import looking
from rounds.looking import UnderWay
from state import looks, trials
from state.errors import Changed, Refusal
from tui.keys import bindings
from tui.pages.page import Page
from tui.say import figure, measured
from tui.terminal import printable
from tui.widgets.controls import Reading
from tui.widgets.prompt import Prompt, asking
from tui.widgets.text import show


class LookPage(Page):
    """What a look would be at, or how far it is; the looks so far, each with its interval."""

    GROUPS = ("look", "choices", "field", "reading", "everywhere")
    TOUR = "look"
    PLACE = "launch"
    BINDINGS = bindings("look")
    DEFAULT_CSS = "LookPage > Reading { height: 1fr; padding: 1 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._under_way: UnderWay | None = None
        # What a look would be at, or why there is nothing.
        self._subject = self._refused = ""

    def heading(self) -> Message:
        return say("test split")

    def body(self) -> ComposeResult:
        with Reading():
            yield Static(id="told", markup=False)
        yield Prompt()

    def on_mount(self) -> None:
        self.query_one(Reading).focus()

    def follows(self) -> bool:
        # How far the look is stands in its folder, not in the store.
        return self._under_way is not None

    def load(self) -> None:
        store = self.book.store
        looking.collect(store)
        self._under_way = looking.under_way(store)
        # Finding it takes a while, and a look at work is asked about once a second.
        if self._under_way is None:
            self._find()
        show(self.query_one("#told", Static), Content("\n").join(list(self._told())))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done as it stands."""
        if action == "start":
            return self._under_way is None and bool(self._subject) and not asking(self)
        if action == "stop":
            return self._under_way is not None
        return True

    def leave(self) -> bool:
        return self.query_one(Prompt).leave()

    def action_start(self) -> None:
        """Ask, and look: the first time whether all is decided, each further time why."""
        count, begin = len(looks.looks(self.book.store)), partial(self._begin, self._subject)
        if count:
            self.query_one(Prompt).type(
                say(
                    "Looks so far: {count}; each further one makes it less of a test. Why again? The reason is kept:",
                    count=count,
                ),
                begin,
            )
            return
        options = [("look", _("look"), _("the look is counted")), ("stay", _("not now"), "")]
        asked = say(
            "Is everything decided? The look is counted, and whatever is chosen after it has been chosen with the "
            "test split."
        )
        self.query_one(Prompt).choose(asked, options, lambda answer: answer != "look" or begin(""), "stay")

    def action_stop(self) -> None:
        """End the look; nobody has seen its result."""
        self.book.attempt(lambda: looking.stop(self.book.store))

    def _find(self) -> None:
        """What a look would be at now: a launch may have been decided since, here or elsewhere."""
        self._subject = self._refused = ""
        try:
            self._subject = looking.subject(self.book.store)
        except Refusal as refused:
            self._refused = error_text(refused)

    def _begin(self, trial: str, reason: str) -> bool:
        """Look with the trial that was asked about, unless it is the best no more."""

        def begin() -> None:
            if (now := looking.subject(self.book.store)) != trial:
                raise Changed(
                    "The best run is {trial} by now, and nothing was looked at. esc, then s: look with that one",
                    trial=now,
                )
            looking.begin(self.book.store, trial, reason)

        return self.book.attempt(begin)

    def _told(self) -> Iterator[Content]:
        store = self.book.store
        yield Content(
            _(
                "The validation split has helped to choose, so its result looks a little too good. The test split has "
                "not: it says, once and at the end, how good the best configuration is on new examples."
            )
        )
        yield Content("")
        if self._refused:
            yield Content.styled(printable(self._refused), "bold")
        elif self._under_way is not None:
            yield Content.styled(_under_way(self._under_way), "bold")
        else:
            entry = trials.trial(store, self._subject)
            words = _("The best run of the best configuration: {trial}, {metric} {value} on the validation split.")
            metric = measured(entry.metric)
            yield Content(printable(words.format(trial=entry.id, metric=metric, value=figure(entry.best))))
            if failed := looking.failure(store):
                words = _("The last look came to nothing, and does not count: {why}")
                yield Content.styled(printable(words.format(why=failed)), "bold")
        yield Content("")
        found = [looking.seen(entry) for entry in looks.looks(store)]
        if not found:
            yield Content(_("The test split has not been looked at."))
        for seen in found:
            yield Content.styled(printable(seen.message.text()), "bold")
            who = _("By {who}, {when} UTC").format(who=seen.look.by, when=seen.look.at[:16].replace("T", " "))
            yield Content(printable(f"  {who}"))
            if seen.look.reason:
                yield Content(printable("  " + _("because: {reason}").format(reason=seen.look.reason)))
        if self._subject and self._under_way is None:
            yield Content("")
            again = _("s: look again; it takes a reason, and is counted")
            yield Content(again if found else _("s: look, once, when all is decided"))


def _under_way(look: UnderWay) -> str:
    if not look.total:
        return printable(_("Looking with {trial}: the data are being read.").format(trial=look.trial))
    words = say("Looking with {trial}: {done} of {total} examples.", trial=look.trial, done=look.done, total=look.total)
    return printable(words.text())
