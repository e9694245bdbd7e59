"""A round while it runs and after: its trials in a table, their curves, and what can be wished of it (G18, P6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from presets.language import Message, _, labelled, say, told
from rounds import cost, final, outage, planning, queue, standing, supervisor, wishes
from rounds.plan import RoundPlan
from rounds.standing import Standing
from state import by_metric, measure, trials
from state.errors import Invalid
from state.trials import ENDED, Trial
from tui import acting, at_once
from tui.amount import whole
from tui.charts.chart import Chart
from tui.charts.plot import Axes
from tui.charts.series import Cursor, identities
from tui.keys import bindings
from tui.pages.explain import Explain
from tui.pages.page import Page
from tui.round_keys import WISHES, Seen, see
from tui.say import LONGEST, figure
from tui.terminal import cut, printable
from tui.theme import STATUSES
from tui.widgets.growing import Curves, unbounded
from tui.widgets.prompt import Prompt, asking
from tui.widgets.round_curves import metrics_of, plot
from tui.widgets.table import Table
from tui.widgets.trial_table import trial_table
from wizard.quantity import duration

MORE_TRIALS = "8"


class RoundPage(Page):
    """The table above or beside the chart; the letters in the table are those of the curves."""

    GROUPS = ("round", "table", "chart", "field", "everywhere")
    TOUR = "round"
    PLACE = "run"
    BINDINGS = bindings("round")
    DEFAULT_CSS = """
    RoundPage {
        #state { height: 1; padding: 0 1; }
        #told { height: 2; padding: 0 1; }
        #parts { height: 1fr; padding: 0 1; }
        #parts > Table { max-height: 50%; }
        #parts > Chart { height: 1fr; min-height: 6; }
        &.-wide #parts { layout: horizontal; }
        &.-wide #parts > Table { width: 1fr; height: 1fr; max-height: 100%; margin: 0 2 0 0; }
        &.-wide #parts > Chart { width: 1fr; }
    }
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._of = name
        self._trials: dict[str, Trial] = {}
        self._curves = Curves()
        # By which the round is judged, and what is in the chart.
        self._own = self._metric = ""
        self._seen: Seen | None = None
        self._offered: tuple[bool, ...] = ()

    def heading(self) -> Message:
        return say("{name}", name=self._of)

    def body(self) -> ComposeResult:
        yield Static(id="state", markup=False)
        with Container(id="parts"):
            yield Table(empty=_("There are no trials here."), ascii_only=self.book.ascii_only)
            yield Chart(Axes(), ascii_only=self.book.ascii_only)
        yield Static(id="told", markup=False)
        yield Prompt()

    def on_mount(self) -> None:
        self.query_one(Table).focus()

    def follows(self) -> bool:
        # Whether a supervisor is at work is not in the store.
        seen = self._seen
        return seen is not None and seen.working and seen.supervised != supervisor.seen_to(self.book.project)

    def load(self) -> None:
        store, first = self.book.store, self._seen is None
        seen = self._seen = see(store, self._of)
        batch, listed = seen.batch, seen.listed
        if first and batch.plan.get("search"):
            self._say_notes(planning.plan_of(store, self._of), listed)
        self._trials = {entry.id: entry for entry in listed}
        # There is something to learn once a trial has ended.
        pauses = batch.wanted == "pause" and not all(map(trials.over, listed))
        self.PLACE = "run" if pauses or seen.working or seen.unlearnt else "learn"
        self.show_where()
        self._show_state(seen, standing.standing(store))
        self._show_table(listed)
        self._show_chart(listed)
        self._tell()
        self._offer()

    def _say_notes(self, plan: RoundPlan, listed: Sequence[Trial]) -> None:
        """What a final study leaves out, before it begins: it comes from no page of design that would have said so."""
        if not any(map(trials.over, listed)):
            self.say("\n".join(note.text() for note in plan.notes))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._possible(action) if action in WISHES else super().check_action(action, parameters)

    def on_table_marked(self) -> None:
        self._tell()
        self._offer()
        self._point()

    def on_table_opened(self, event: Table.Opened) -> None:
        self._open(event.key)

    def on_chart_picked(self, event: Chart.Picked) -> None:
        # A curve has its trial's id; single points, the infeasible ones and the best, each have one of their own.
        self._open(event.series if event.series in self._trials else event.id)

    def action_go(self) -> None:
        """Run the round, or run it on."""
        if self._ask("run") and (dear := cost.over_budget(self.book.store, self._of)) is not None:
            self.say(dear.text())

    def action_pause(self) -> None:
        """Start no more trials."""
        self._ask("pause")

    def action_stop(self) -> None:
        """Have what runs save itself and end."""
        self._ask("stop")

    def action_slots(self) -> None:
        """Type how many trials run at once from now on."""
        assert self._seen is not None  # the key is offered then only
        self.query_one(Prompt).type(at_once.ROUND, self._take_slots, str(self._seen.batch.slots))

    def action_extend(self) -> None:
        """Add trials to the round, or take some back."""
        self.query_one(Prompt).type(
            say("How many trials more? With a minus, so many that have not begun are taken back:"),
            self._extend,
            MORE_TRIALS,
        )

    def action_retry(self) -> None:
        """Try the marked trial again."""
        self._of_marked(lambda id: wishes.retry(self.book.store, [id]))

    def action_retry_failed(self) -> None:
        """Try all trials again that have failed, and run the round on."""
        self.book.attempt(lambda: wishes.retry_failed(self.book.store, self._of))

    def action_first(self) -> None:
        """Have the marked trial started before all others that wait."""
        self._of_marked(lambda id: wishes.put_first(self.book.store, [id]))

    def action_round_first(self) -> None:
        """Have all of the round that waits started before the trials of other rounds."""
        if self.book.attempt(lambda: wishes.put_first(self.book.store, [self._of])):
            self.say(say("{name}: what waits of it is started before all others.", name=self._of).text())

    def action_end(self) -> None:
        """Stop the marked trial alone."""
        self._of_marked(lambda id: wishes.ask(self.book.store, id, "stop"))

    def action_close(self) -> None:
        """End the round early, with the reason."""
        self.query_one(Prompt).type(
            say(
                "End {name} early? Trials that are not run any more: {n}. Say why; enter ends it, esc keeps it:",
                name=self._of,
                n=sum(map(queue.waits, self._trials.values())),
            ),
            lambda words: self.book.attempt(lambda: wishes.end(self.book.store, self._of, words)),
        )

    def action_drop(self) -> None:
        """Throw the round away, with the reason."""
        self.query_one(Prompt).type(
            say("Drop {name}? Say why; enter drops it, esc keeps it:", name=self._of),
            lambda words: self.book.attempt(lambda: wishes.drop(self.book.store, self._of, words)),
        )

    def action_launch(self) -> None:
        """Propose the marked trial for a launch."""
        self._of_marked(lambda id: self.book.open(f"propose {self._of} {id}"))

    def _of_marked(self, wish: Callable[[str], object]) -> None:
        marked = self.query_one(Table).marked
        if marked in self._trials:
            self.book.attempt(lambda: wish(marked))

    def action_explain(self) -> None:
        """Why the points lie so, what becomes of those that fail, and what of a run is kept, at length."""
        self.app.push_screen(Explain(("P6", "P10", "P16", "P17")))

    def action_metric(self) -> None:
        """Show the next metric in the chart."""
        names = metrics_of(self.book.store, self._of)
        # What a trial recorded goes with it where it begins anew.
        place = names.index(self._metric) if self._metric in names else -1
        self._metric = names[(place + 1) % len(names)]
        self.read()
        self.query_one(Chart).log_y = unbounded(self._metric)

    def action_review(self) -> None:
        """Review the round."""
        self.book.attempt(lambda: self.book.open(f"review {self._of}"))

    def on_table_searched(self, event: Table.Searched) -> None:
        self.query_one(Prompt).search(event.table)

    def leave(self) -> bool:
        return self.query_one(Prompt).leave() or self.query_one(Table).show_all()

    def _ask(self, wanted: str) -> bool:
        return self.book.attempt(lambda: wishes.ask(self.book.store, self._of, wanted))

    def _take_slots(self, answer: str) -> bool:
        def wish() -> None:
            wishes.at_once(self.book.store, self._of, count := at_once.typed(answer))
            told = partial(at_once.told, name=self._of, wanted=count)
            self.behind(told, lambda told: self.say(told.text()), group="slots")

        return self.book.attempt(wish)

    def _extend(self, answer: str) -> bool:
        def extend() -> None:
            if not (count := whole(answer.removeprefix("-"))):
                raise Invalid("{answer}: type a whole number of trials.", answer=repr(cut(answer, LONGEST)))
            if answer.startswith("-"):
                wishes.end(self.book.store, self._of, count=count)
                return
            acting.extend(self, partial(final.extend, name=self._of, more=count), self.read)

        return self.book.attempt(extend)

    def _open(self, id: str) -> None:
        if id:
            self.book.attempt(lambda: self.book.open(f"trial {id}"))

    def _possible(self, wish: str) -> bool:
        """Whether a wish makes sense now."""
        if self._seen is None or asking(self):
            return False
        return self._seen.possible(wish, self._trials.get(self.query_one(Table).marked))

    def _offer(self) -> None:
        """Have the line of keys name those that work now, which may be others for another trial."""
        offered = tuple(map(self._possible, WISHES))
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    def _show_state(self, seen: Seen, where: Standing) -> None:
        batch, listed = seen.batch, seen.listed
        counts = Counter(entry.status for entry in listed)
        ended = sum(counts[status] for status in ENDED)
        gone = wishes.lost(self.book.store, listed)
        parts = [self._state(seen, all(map(trials.over, listed)), counts["running"] - len(gone))]
        parts.append(_("{ended} of {total} ended").format(ended=ended, total=len(listed)))
        parts += [STATUSES[status].counted(counts[status]) for status in wishes.RETRIED if counts[status]]
        if silent := sum(entry.status == "running" and bool(entry.message) for entry in listed):
            parts.append(_("{n} without new steps").format(n=silent))
        if counts["running"] > len(gone):
            parts.append(_("{n} at once").format(n=counts["running"] - len(gone)))
        if gone:
            parts.append(_("{n} lost").format(n=len(gone)))
        if where.batch == batch.name and where.seconds_left:
            parts.append(_("about {time} left").format(time=duration(where.seconds_left).text()))
        text = Content.assemble((parts[0], "bold"), *(f"  {part}" for part in parts[1:]))
        self._put("#state", text)

    def _state(self, seen: Seen, ended: bool, running: int) -> str:
        batch = seen.batch
        if ended:
            return _("ended")
        if batch.wanted == "run" and not seen.supervised:
            return _("no supervisor is at work (g starts one)")
        if batch.wanted == "run":
            return (
                _("running")
                if running or not queue.starting(self.book.store, batch)
                else _("starting: its trials begin once torch is loaded")
            )
        if outage.why_paused(self.book.store, batch, self._trials.values()) is not None:
            return _("paused, as its last trials failed (R tries all that failed again)")
        if batch.wanted == "pause":
            return _("pausing") if running else _("paused")
        if batch.wanted == "stop":
            return _("stopping") if running else _("stopped")
        if batch.wanted == "drop":
            return _("dropped")
        return _("planned")

    def _show_table(self, listed: Sequence[Trial]) -> None:
        by = by_metric.of_batch(self.book.store, self._of)
        now = measure.of_project(self.book.project.settings)
        running = [entry for entry in listed if entry.best is None and entry.steps_done]
        curves = self._curves.read(self.book.store, running, f"val/{now.metric}")
        columns, lines = trial_table(
            listed,
            identities(self._trials),
            {id: curve.best(now.direction) for id, curve in curves.items()},
            by=by,
            ascii_only=self.book.ascii_only,
        )
        self.query_one(Table).update(columns, lines)

    def _show_chart(self, listed: Sequence[Trial]) -> None:
        store = self.book.store
        if self._own != (own := metrics_of(self.book.store, self._of)[0]):
            self._own = self._metric = own
            self.query_one(Chart).begin(Axes(log_y=unbounded(own)))
        self.query_one(Chart).update(*plot(store, self._of, listed, self._metric, self._curves))
        self._point()

    def _point(self) -> None:
        """Have the chart's cursor at the end of the marked trial's curve, while the table has the focus."""
        table = self.query_one(Table)
        if table.has_focus and table.marked in self._trials:
            steps = self._curves.read(self.book.store, [self._trials[table.marked]], self._metric)[table.marked].steps
            self.query_one(Chart).cursor = Cursor(table.marked, len(steps) - 1) if steps else None

    def _tell(self) -> None:
        """The marked trial in words: what it has to say, else all the values that are tried in it; both of one that is
        complete."""
        entry = self._trials.get(self.query_one(Table).marked)
        if entry is None:
            text = ""
        elif entry.message and entry.status != "complete":
            text = labelled(entry.id, told(entry.message, entry.said).text())
        else:
            values = ", ".join(f"{name}={figure(value)}" for name, value in entry.settings.items())
            said = told(entry.message, entry.said).text()
            text = "  ".join(part for part in (labelled(entry.id, values or entry.study), said) if part)
        self._put("#told", Content(printable(text)))

    def _put(self, selector: str, text: Content) -> None:
        line = self.query_one(selector, Static)
        if line.content != text:
            line.update(text, layout=False)
