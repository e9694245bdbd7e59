"""Design of a round: its goal, what it asks, role and range of each hyperparameter, and the cost (G17, P1 to P6)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message as Event
from textual.widgets import Static

from presets.language import Message, _, error_text, say
from rounds import planning, slots, supervisor
from rounds.outlook import Outlook, outlook
from rounds.plan import Goal, RoundPlan
from rounds.roles import OPTIMIZER, name_of
from rounds.slots import Machine
from rounds.space import Domain
from rounds.steps import STEPS
from state import trials
from state.errors import Changed, Refusal
from state.project import Project
from tui import at_once, design_told, designing, draft, starting_point
from tui.draft import LISTED, WARM_START, Draft, Tunable
from tui.keys import bindings
from tui.pages import budgeting
from tui.pages.explain import Explain
from tui.pages.page import Page
from tui.starting_point import StartingPoint
from tui.terminal import printable
from tui.widgets.controls import Reading
from tui.widgets.prompt import Prompt, asking
from tui.widgets.table import Table
from tui.widgets.text import show

# The advice on goals, on roles, on the number of trials, on what is opened when.
ROWS = ("G17", "P1", "P2", "P3", "P4", "P5", "P6", "P21")


class DesignPage(Page):
    """Every change is planned anew at once; what cannot be planned is said, and the design before stays."""

    GROUPS = ("design", "table", "choices", "field", "reading", "everywhere")
    TOUR = "design"
    PLACE = "goal"
    BINDINGS = bindings("design")
    DEFAULT_CSS = """
    DesignPage > Table { height: 1fr; min-height: 4; margin: 1 0 0 0; padding: 0 1; }
    DesignPage > #marked { height: auto; min-height: 2; max-height: 3; padding: 0 1; }
    DesignPage > #more { height: 1; padding: 0 1; display: none; text-style: italic; }
    DesignPage > #notes { height: auto; max-height: 30%; padding: 0 1; scrollbar-size-vertical: 1; }
    DesignPage.-short.-asking {
        #facts { max-height: 25%; }
        #more { max-height: 0; }
        #marked { min-height: 0; max-height: 1; }
        Table { min-height: 0; margin: 0; }
        #notes { height: 0; }
    }
    """

    class Found(Event):
        """What machine the trials will run on; asking for GPUs takes a moment."""

        def __init__(self, machine: Machine) -> None:
            super().__init__()
            self.machine = machine

    def __init__(self, proposed: Draft | None = None) -> None:
        super().__init__()
        self._draft = self._began = proposed or Draft()
        self._proposed = proposed is not None
        self._plan: RoundPlan | None = None
        self._machine: Machine | None = None
        self._ahead: Outlook | None = None
        self._world: StartingPoint | None = None
        self._told_at = 0.0

    def heading(self) -> Message:
        return say("design of a round")

    def body(self) -> ComposeResult:
        yield Static(id="facts", classes="text", markup=False)
        yield Table(ascii_only=self.book.ascii_only)
        yield Static(id="marked", markup=False)
        with Reading(id="notes"):
            yield Static(id="noted", markup=False)
        yield Static(id="more", markup=False)
        yield Prompt()

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self._find_machine()

    @work(thread=True)
    def _find_machine(self) -> None:
        self.post_message(self.Found(slots.machine(self.book.project)))

    def on_design_page_found(self, event: Found) -> None:
        self._machine = event.machine
        self.read()

    def follows(self) -> bool:
        # Until when the round would take is told by the clock.
        return self._plan is not None and time.monotonic() - self._told_at >= designing.TOLD_SECONDS

    def load(self) -> None:
        store = self.book.store
        world = starting_point.of(store)
        if world != self._world:
            # What a plan starts from has changed; where it cannot be planned any more, the reason takes its place.
            if self._world is None and not self._proposed:
                self._draft = self._began = draft.begin(self.book.store)
            elif self._world is not None and (changed := starting_point.changes(self._world, world)):
                self.say(changed)
            before, planned = self._world, self._plan
            self._world, self._plan = world, None
            self._refresh(None)
            try:
                self._plan = self._draft.plan(store)
            except Refusal as refused:
                self._refresh(refused)
                return
            same = before is not None and replace(before, settings=world.settings) == world
            # A budget is in that file as well.
            if same and planned not in (None, self._plan):
                self.say(_("tunebook.toml has changed, and this design goes by it now."))
        if self._plan is not None:
            self._refresh(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        changing = ("about", "role", "range", "trials", "number")
        if action in ("start", "goal", "budget", "slots", *changing):
            # Points that were published, or listed, are run as they are.
            return self._plan is not None and not asking(self) and not (self._draft.as_given and action in changing)
        if action == "override":
            return self._plan is None and not asking(self) and bool(trials.batches(self.book.store, "baseline"))
        return super().check_action(action, parameters)

    def on_table_opened(self) -> None:
        """Asked first: of two quick presses of enter, the second was meant for another page."""
        if self._plan is None:
            return
        price = design_told.price(self._plan, self._ahead, ascii_only=self.book.ascii_only)
        options = [
            ("start", _("start the round"), price),
            ("stay", _("go on designing"), ""),
        ]
        self.query_one(Prompt).choose(say("Start it?"), options, self._take_start)

    def action_start(self) -> None:
        """Keep the plan, have its trials run, and go on to the round's own page."""
        plan = self._plan
        if plan is None:
            return

        def start() -> None:
            if starting_point.of(self.book.store) != self._world:
                # It would have the very trials that another session has just planned.
                raise Changed("What this round goes on from has just changed. Look at it again, then start it.")
            chosen = self._draft
            batch = planning.save(
                self.book.store,
                plan,
                wanted="run",
                slots=chosen.slots,
                override=chosen.override,
                about=chosen.mark,
            )
            supervisor.ensure(self.book.project)
            self.book.open(f"round {batch.name}", instead=True)

        self.book.attempt(start)

    def action_goal(self) -> None:
        """Choose what the round is for."""
        options = draft.purposes(self.book.store, self._draft.override)
        self.query_one(Prompt).choose(say("What is the round for?"), options, self._take_goal, self._draft.chosen)

    def action_about(self) -> None:
        """Choose what the round asks about."""
        if self._draft.goal == "minimise":
            self.say(_("This goal asks nothing. Choose another (g) to ask about a hyperparameter."))
        else:
            self._ask_about(self._draft)

    def action_role(self) -> None:
        """Give the marked hyperparameter the role that follows its own."""
        entry = self._marked()
        if entry is not None:
            self._change(lambda: draft.with_role(self._draft, entry, draft.next_role(self._draft, entry)))

    def action_range(self) -> None:
        """Type another range for the marked hyperparameter."""
        entry, plan = self._marked(), self._plan
        if entry is None or plan is None:
            return
        words = say(
            "{name}: lowest and highest (and log, linear or one-minus-log), or values with commas",
            name=design_told.counted(plan, entry, self.book.project),
        )
        domain = entry.domain or self._proven(entry.key)
        self.query_one(Prompt).type(
            words,
            lambda answer: self._change(lambda: draft.with_range(self._draft, entry, answer, *self._known)),
            draft.written(domain) if domain else "",
        )

    def action_trials(self, more: int) -> None:
        """So many trials more."""
        self._change(lambda: replace(self._draft, trials=self._trials + more))

    def action_number(self) -> None:
        """Type the number of trials."""
        self.query_one(Prompt).type(
            say("Number of trials:"),
            lambda answer: self._change(lambda: draft.with_trials(self._draft, answer)),
            str(self._trials),
        )

    def action_slots(self) -> None:
        """Type how many trials run at once, as --slots says by command."""
        self.query_one(Prompt).type(
            at_once.DESIGNED,
            lambda answer: self._change(lambda: replace(self._draft, slots=at_once.typed(answer))),
            str(self._draft.slots),
        )

    def action_budget(self) -> None:
        """Say how many device hours are meant for tuning in all, and when it is to end."""
        budgeting.ask(self, lambda: self._refresh(None))

    def action_override(self) -> None:
        """Design a round although the baseline is not reasonable (G14)."""
        self.query_one(Prompt).type(
            say("Why go on without a reasonable baseline? It is recorded."),
            lambda answer: self._change(lambda: replace(self._draft, override=answer)),
        )

    def action_explain(self) -> None:
        """The advice behind the design, at length."""
        self.app.push_screen(Explain(ROWS))

    def on_table_marked(self) -> None:
        self._show_marked()

    def on_table_searched(self, event: Table.Searched) -> None:
        self.query_one(Prompt).search(event.table)

    def leave(self) -> bool:
        prompt = self.query_one(Prompt)
        if prompt.leave() or self.query_one(Table).show_all():
            return True
        if changed := self._draft != self._began:
            options = [("stay", _("go on designing"), ""), ("leave", _("leave it: what was changed is lost"), "")]
            prompt.choose(say("Leave this design?"), options, self._take_leave)
        return changed

    def _take_start(self, answer: str) -> bool:
        if answer == "start":
            self.action_start()
        return True

    def _take_leave(self, answer: str) -> bool:
        if answer == "leave":
            self.app.pop_screen()
        return True

    def _take_goal(self, answer: str) -> bool:
        if answer == WARM_START:
            return self._change(lambda: replace(draft.with_goal(self._draft, "minimise"), warm_start=True))
        if answer == LISTED:
            self.query_one(Prompt).type(
                say("Values of each trial, as key=value, key=value; a semicolon before the next trial:"),
                lambda words: self._change(lambda: draft.with_listed(self._draft, words)),
                draft.typed_trials(self._draft),
            )
            return True
        if answer == draft.LENGTH:
            self._ask_length()
            return True
        changed = draft.with_goal(self._draft, cast("Goal", answer))
        if answer == "compare" and any(domain is None or domain.is_range for domain in changed.asked.values()):
            self._ask_about(changed)
            return True
        return self._change(lambda: changed)

    def _ask_length(self) -> None:
        self.query_one(Prompt).type(
            say("Steps of each trial:")
            if self.book.project.settings.command
            else say("Steps of each trial (how many a run needs: tunebook check length):"),
            lambda answer: self._change(lambda: draft.with_steps(self._draft, self.book.store, answer)),
            str(self._plan.base.get(STEPS, "")) if self._plan else "",
        )

    def _ask_about(self, changed: Draft) -> None:
        """Ask what the changed draft is to be about; it counts once that is known."""
        if changed.goal == "stabilise" and self._plan is not None:
            listed = planning.listed_remedies(self.book.store, self._plan.base)
            options = [(remedy.key, remedy.key, remedy.notes[0].text()) for remedy in listed]
        else:
            keys = draft.questions(self.book.store, changed.override, changed.goal)
            options = [(key, name_of(key, self._optimizer), self._values_of(changed, key)) for key in keys]
        asked = self._plan.scientific if self._plan else changed.asked
        present = OPTIMIZER if changed.goal == "compare" else next(iter(asked), "")
        self.query_one(Prompt).choose(
            say("What does the round ask about?"), options, partial(self._take_about, changed), present
        )

    def _take_about(self, changed: Draft, key: str) -> bool:
        if changed.goal == "stabilise" or (key != OPTIMIZER and changed.goal != "compare"):
            return self._change(lambda: draft.about(changed, key, draft.given(changed, key)))

        def values(answer: str) -> bool:
            return self._change(lambda: draft.about(changed, key, draft.typed(key, answer, *self._known, listed=True)))

        known = self._proven(key)
        start = draft.written(known) if known is not None and not known.is_range else ""
        self.query_one(Prompt).type(say("Values of {key} to compare, with commas:", key=key), values, start)
        return True

    def _values_of(self, changed: Draft, key: str) -> str:
        domain = draft.given(changed, key) or self._proven(key)
        return design_told.described(domain) if domain else ""

    def _proven(self, key: str) -> Domain | None:
        return draft.proven(self.book.store, self._draft.override, key, self._optimizer)

    @property
    def _optimizer(self) -> str:
        return str(self._plan.base.get(OPTIMIZER, "")) if self._plan else ""

    @property
    def _known(self) -> tuple[str, Project]:
        """By what the scale of a typed range is known."""
        return self._optimizer, self.book.project

    def _marked(self) -> Tunable | None:
        name = self.query_one(Table).marked
        entries = draft.tunables(self._plan) if self._plan else ()
        return next((entry for entry in entries if entry.name == name), None)

    def _change(self, changed: Callable[[], Draft]) -> bool:
        """Plan the changed round; it takes the place of the one before only where it can be planned."""

        def propose() -> None:
            wished = changed()
            self._plan = wished.plan(self.book.store)
            self._draft = wished

        return self.book.attempt(propose)

    def _refresh(self, refused: Refusal | None) -> None:
        plan, self._told_at = self._plan, time.monotonic()
        for selector in ("Table", "#marked", "#notes"):
            self.query_one(selector).display = plan is not None
        if plan is None:
            text = Content(printable(error_text(refused))) if refused else Content("")
        else:
            self._ahead = outlook(self.book.store, plan, self._machine, self._draft.slots) if self._machine else None
            facts = design_told.facts(self._draft, plan, self._ahead, ascii_only=self.book.ascii_only)
            text = Content("\n").join(list(facts))
            self.query_one(Table).update(
                design_told.columns(), [design_told.line(entry) for entry in draft.tunables(plan)]
            )
            self._show_marked()
            self._show_notes(plan)
        show(self.query_one("#facts", Static), text)
        self.refresh_bindings()

    @property
    def _trials(self) -> int:
        return len(self._plan.trials) if self._plan is not None else 0

    def _show_marked(self) -> None:
        entry, plan = self._marked(), self._plan
        words = design_told.whence(plan, entry, self.book.project) if entry and plan else ""
        show(self.query_one("#marked", Static), Content(printable(words)))

    def _show_notes(self, plan: RoundPlan) -> None:
        store, ascii_only = self.book.store, self.book.ascii_only
        lines = design_told.notes(store, self._draft, plan, self._ahead, self._machine, ascii_only=ascii_only)
        show(self.query_one("#noted", Static), Content("\n").join([Content(printable(line)) for line in lines]))
        self.call_after_refresh(self._show_more)

    def _show_more(self) -> None:
        more = self.query_one("#notes", Reading).max_scroll_y
        show(self.query_one("#more", Static), Content(say("{n} lines more: tab, then down", n=more).text()))
        self.query_one("#more").display = more > 0 and self._plan is not None and not asking(self)
