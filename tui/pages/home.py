"""Home: the project, its step on the guide's way, what runs, the best configuration, and what comes next on enter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, Static

from presets.language import Message, _, say, sentences
from rounds import alike, changed_metric, outage, own_code, supervisor
from rounds import standing as rounds_standing
from rounds.horizon import Horizon
from rounds.reached import best_and_baseline, reached
from rounds.standing import Standing
from state import decisions, launches, logout, looks, trials
from state.database import Store
from tui import exporting_starter, goals
from tui.charts.chart import Chart
from tui.charts.plot import Axes
from tui.horizon import lines
from tui.keys import bindings
from tui.losses import lost
from tui.pages import budgeting
from tui.pages.page import Page
from tui.say import answer, result
from tui.terminal import printable
from tui.theme import STATUSES
from tui.widgets.controls import Choices
from tui.widgets.progress import progress
from tui.widgets.prompt import Prompt, asking
from tui.widgets.text import show
from wizard import baseline, baseline_running, flow, measuring
from wizard.quantity import duration

# What is said of a round that is not at work, by what is wanted of it.
RESTING = {
    "pause": say("it is paused; g on its page goes on"),
    "stop": say("it was stopped; g on its page goes on"),
}
# An entry that is no page.
FINAL = "final study"
# So many of the rounds stand here by name; older ones on a page of their own.
LATEST = 3


class Home(Page):
    """Where the project stands; the first entry of the list is the next sensible action."""

    GROUPS = ("home", "choices", "field", "chart", "everywhere")
    BINDINGS = bindings("home")
    DEFAULT_CSS = """
    Home {
        #facts { max-height: 60%; }
        #choices { height: 1fr; }
        Chart { display: none; height: 3fr; padding: 1 1 0 1; }
        &.-wide Chart { display: block; }
        &.-wide #choices { height: auto; max-height: 40%; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._starting = False
        self._measured = False
        # How long a baseline runs is told anew as time goes by.
        self._baseline_runs = False
        self._supervised = False
        self._fate: logout.Fate = "lives"

    def heading(self) -> Message:
        return say("home")

    def body(self) -> ComposeResult:
        yield Static(id="facts", classes="empty", markup=False)
        yield Choices(id="choices")
        yield Chart(Axes(), ascii_only=self.book.ascii_only)
        yield Prompt()

    def on_mount(self) -> None:
        if (words := lost(self.book.store)) is not None:
            self.say(words.text())

    def on_screen_resume(self) -> None:
        # systemd is asked by a program of its own.
        self.aside(logout.fate, self._know_fate, group="logout")

    def _know_fate(self, fate: logout.Fate) -> None:
        self._fate = fate
        self.read()

    def toured(self) -> str:
        return f"home {self.PLACE}"

    def follows(self) -> bool:
        # That a measurement begins or ends is not written into the store, nor whether a supervisor is at work.
        return (
            self._measured
            or measuring.at_work(self.book.store) is not None
            or self._baseline_runs
            or supervisor.seen_to(self.book.project) != self._supervised
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "budget":
            # Until then there is nothing to spend it on.
            return self.PLACE != "set-up" and not asking(self)
        return super().check_action(action, parameters)

    def leave(self) -> bool:
        return self.query_one(Prompt).leave()

    def action_budget(self) -> None:
        """Say how many device hours are meant for tuning in all, and when it is to end."""
        budgeting.ask(self, self.read)

    def load(self) -> None:
        store = self.book.store
        measured = measuring.at_work(store)
        self._measured = measured is not None
        self._baseline_runs = baseline_running.at_work(store) is not None
        self._supervised = supervisor.seen_to(store.project)
        setup = flow.standing(store)
        where = rounds_standing.standing(store)
        # What the set-up rests on may change later: rounds do not wait for that.
        if where.step != self.PLACE:
            self.PLACE = where.step
            self.refresh_bindings()
        self.show_where()
        show(
            self.query_one("#facts", Static),
            Content("\n").join(list(_facts(store, setup, where, measured, self._fate))),
        )
        entries = [
            (place, _prompt(label, note)) for place, label, note in _choices(store, setup, where, self._supervised)
        ]
        choices = self.query_one(Choices)
        # Who has not chosen another entry is at the next sensible action, also where that is another now.
        choices.update(entries, None if choices.highlighted else entries[0][0])
        self.query_one(Chart).update(*progress(store))

    def on_chart_picked(self, event: Chart.Picked) -> None:
        if event.id:
            self.book.attempt(lambda: self.book.open(f"trial {event.id}"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        place = str(event.option_id)
        if place == "quit":
            self.app.exit()
        elif place == FINAL:
            if not self._starting:
                self._starting = True
                self.say(_("The first points of the final study are being chosen."))
                self.behind(_start_final, self._open_final, self._refuse_final, group="final")
        else:
            self.book.attempt(lambda: self.book.open(place))

    def _open_final(self, name: str) -> None:
        self._starting = False
        self.say("")
        if self.is_current:
            self.book.attempt(lambda: self.book.open(f"round {name}"))

    def _refuse_final(self, why: str) -> None:
        self._starting = False
        self.say(why)


def _start_final(store: Store) -> str:
    from rounds import final

    return final.start(store, wanted="").name


def _facts(
    store: Store, setup: flow.Standing, where: Standing, measured: Message | None, fate: logout.Fate
) -> Iterator[Content]:
    settings = store.project.settings
    what = settings.command or f"{answer(settings.task)}   {settings.data}"
    yield Content(printable(f"{settings.name}   {what}"))
    yield Content("")
    said = None
    if where.step == "set-up" and setup.step:
        # What is to be decided now may have been decided before, for something else.
        decided = {entry.step for entry in decisions.decisions(store)} - {setup.step}
        done = len(decided & set(flow.steps_of(store)))
        words = _("Set-up: {done} of {total} decided; now: {step}.")
        yield Content(words.format(done=done, total=len(flow.steps_of(store)), step=flow.title(setup.step).text()))
    else:
        said = where.next
        then = _("Next: {what}").format(what=said.text())
        yield Content(printable(sentences(where.now.text(), then)))
    if where.waits is not None:
        yield Content(printable(where.waits.text()))
    if measured is not None:
        yield Content(measured.text())
    if (first := baseline_running.at_work(store)) is not None:
        yield Content(
            printable(baseline_running.doing(store, first, attended=supervisor.seen_to(store.project)).text())
        )
    if where.states and where.step != "set-up":
        counts = [STATUSES[status].counted(count) for status, count in where.states.items()]
        left = _("about {time} left").format(time=duration(where.seconds_left).text()) if where.seconds_left else ""
        yield Content("   ".join([*counts, left]).rstrip())
    yield Content(printable(_best(store)))
    for changed in filter(None, (own_code.in_short(store), changed_metric.since_best(store))):
        yield Content(printable(changed.text()))
    budget = _("of {hours:g}").format(hours=where.hours_budget) if where.hours_budget else _("no budget set")
    yield Content(_("Device hours: {spent:.2f} ({budget})").format(spent=where.hours_spent, budget=budget))
    if where.horizon.phase != "open" and (ahead := [*lines(where.horizon, said)]):
        yield Content(sentences(*ahead))
    if fate == "ends":
        yield Content(
            _("Logging out ends whatever runs, as systemd is set up. To prevent that: loginctl enable-linger")
        )


def _best(store: Store) -> str:
    """The best configuration in a line: where it comes from, its result, and the baseline's."""
    best, first = best_and_baseline(store)
    if best is None:
        return _("There is no best configuration yet: the first is the baseline's.")
    words = _("Best so far: {batch}, {metric} {value}").format(
        batch=best.batch, metric=store.project.settings.metric, value=result(reached(store, best))
    )
    if first is not None:
        words = _("{best}; baseline {value}").format(best=words, value=result(reached(store, first)))
    return words


def _choices(
    store: Store, setup: flow.Standing, where: Standing, supervised: bool
) -> Iterator[tuple[str, Message, Message]]:
    if where.batch and where.step in ("run", "learn"):
        if where.step == "run":
            label, note = say("Watch {name}", name=where.batch), say("trials and curves, as they come")
            batch = trials.batch(store, where.batch)
            listed = trials.trials(store, where.batch)
            if batch.wanted in RESTING and not any(entry.status == "running" for entry in listed):
                label = say("Run {name} on", name=where.batch)
                # What it was paused for may have to be mended first.
                note = RESTING[batch.wanted] if outage.why_paused(store, batch, listed) is None else where.next
            if not supervised and batch.wanted == "run":
                # Looking starts nothing: the machine may be wanted for something else by now.
                label = say("Run {name} on", name=where.batch)
                note = say("no supervisor is at work; g on its page starts one")
            yield f"round {where.batch}", label, note
        else:
            yield f"review {where.batch}", say("Review {name}", name=where.batch), where.next
    elif where.batch and where.step == "launch":
        place = "launch" if where.batch.startswith("launch") else "propose"
        yield f"{place} {where.batch}", say("Launch: {name}", name=where.batch), where.next
        if place == "propose":
            yield f"review {where.batch}", say("Review of {name}", name=where.batch), say("checks and their plots")
    for name in where.undecided:
        yield f"launch {name}", say("Launch: {name}", name=name), say("not decided yet")
    if setup.step:
        label = say("Go on with the set-up")
        if where.step != "set-up":
            label = say("Look at the set-up again: what it rests on has changed")
        note = say("next: {step}", step=flow.title(setup.step))
        if setup.step == baseline.STEP and (first := baseline_running.at_work(store)) is not None:
            label = say("Watch {name}", name=first.name)
            note = say("its figures and curve, as they come; it is stopped there, too")
        yield "setup", label, note
    if where.step != "set-up":
        yield "design", say("Plan a round"), say("goal, roles, number of trials")
    rounds = [entry for entry in trials.batches(store) if entry.kind == "round"]
    others = alike.incomparable(store)
    for entry in reversed(rounds[-LATEST:]):
        if where.step == "run" and entry.name == where.batch:
            # The first entry already.
            continue
        note = say("goal: {goal}", goal=goals.of_batch(entry))
        if entry.name in others:
            note = say("{note}; another batch size, length, data or metric, not to be compared", note=note)
        yield f"round {entry.name}", say("{name}: trials and curves", name=entry.name), note
    if len(rounds) > LATEST:
        yield "rounds", say("All rounds"), say("what each came to, and when, the last first: {n}", n=len(rounds))
    if any(entry.reviewed for entry in rounds):
        yield "insights", say("Insights"), say("what was learnt, and what the rounds seem to show")
    match _ending(store, rounds, where.horizon):
        case "final":
            yield FINAL, say("Final study"), say("exploration is over: Bayesian search over the refined space")
        case "test":
            yield "look", say("Look at the test split"), say("once, when all is decided; it is counted")
        case _:
            if seen := len(looks.looks(store)):
                yield "look", say("The test split"), say("looks so far: {n}", n=seen)
    if decisions.decisions(store):
        yield "decisions", say("Decisions"), say("what was decided, and why")
    if launches.best(store):
        yield "configurations", say("Configurations"), say("the best and the others, side by side")
        yield "export", say("Export"), say("configuration, training script, environment")
    elif exporting_starter.ready(store):
        yield "export", say("Export"), say("the starter configuration: reasons, training script")
    if decisions.decisions(store):
        yield "report", say("Report"), say("the whole story in one file to share")
    yield "doctor", say("Doctor"), say("what this machine offers, and whether all is well with the project")
    yield "quit", say("Leave"), say("whatever is running goes on")


def _ending(store: Store, rounds: Sequence[trials.Batch], ahead: Horizon) -> str:
    """See `phases.ending`, which is loaded only where there may be something to say; before a deadline the final
    study begins whether anything is left to explore or not."""
    if ahead.phase == "final" and rounds and not any(entry.plan.get("search") for entry in rounds):
        return "final"
    if not any(entry.plan.get("search") for entry in rounds) and not any(
        entry.key.startswith("saturated/") for entry in launches.insights(store)
    ):
        return ""
    from rounds import looking, phases

    found = phases.ending(store)
    if found == "final":
        return found
    # Where everything has been tried, what comes after a final study comes at once.
    return "test" if found and looking.possible(store) else ""


def _prompt(label: Message, note: Message) -> Content:
    return Content.assemble((printable(label.text()), "bold"), "   ", printable(note.text()))
