"""The long work of the set-up while it runs: looking through the data, probing and comparing batch sizes, running the
baseline.

The work is done by processes of its own; this view reads the folders that they write, and can be closed at any time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import ClassVar, Literal, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from presets.language import _, say, told
from rounds import queue, supervisor
from state import metrics, trials
from state.database import Store
from state.errors import Refusal
from state.measure import known_as
from state.project import FILE
from tui.book import Book
from tui.charts.chart import Chart
from tui.charts.plot import Axes
from tui.charts.series import Series
from tui.keys import bindings
from tui.say import trouble
from tui.terminal import printable
from tui.text_table import lines
from tui.theme import STATUSES
from tui.widgets import comparison, probe_seen
from tui.widgets.seen import Seen
from tui.widgets.text import show
from wizard import baseline, baseline_running, checks, flow, inspection, measuring, own_metric, probe, scaling, steps

Work = Literal["inspection", "probe", "probe in use", "baseline", "check", "comparison"]


class WorkView(Vertical, can_focus=True):
    """What is being done, its figures so far, and a chart where there is something to draw."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("work")
    DEFAULT_CSS = """
    WorkView { height: 1fr; }
    WorkView > Static { height: auto; padding: 0 1; }
    WorkView > #what { padding: 1 1 0 1; text-style: bold; }
    WorkView > #figures { padding: 1 1; }
    WorkView > Chart { min-height: 6; }
    """

    class Slots(Message):
        """How many of a batch's trials run at once is to be typed."""

        def __init__(self, batch: trials.Batch) -> None:
            super().__init__()
            self.batch = batch

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._work: Work | None = None
        # Whose figures the chart shows; until there are any, nothing is drawn.
        self._drawn: Work | None = None
        self._under_way = ""
        self.target: float | None = None
        """The validation result by which batch sizes are compared; None: as `scaling.report` finds one."""

    def compose(self) -> ComposeResult:
        yield Static(id="what", markup=False)
        yield Static(id="remark", markup=False)
        yield Static(id="figures", markup=False)
        yield Chart(Axes(), ascii_only=self._book.ascii_only)

    @property
    def running(self) -> bool:
        """Whether what is shown is at work."""
        return bool(self._under_way)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only where there are several trials to run."""
        return action != "slots" or self._several() is not None

    def action_slots(self) -> None:
        """Have asked how many run at once."""
        if (batch := self._several()) is not None:
            self.post_message(self.Slots(batch))

    def _several(self) -> trials.Batch | None:
        """The baseline that is shown, where it is of several trials that have not ended all, as a sweep is."""
        batch = baseline.latest(self._book.store) if self._work == "baseline" and self.display else None
        listed = trials.trials(self._book.store, batch.name) if batch is not None else []
        return batch if len(listed) > 1 and not all(map(trials.over, listed)) else None

    def show(self, work: Work) -> bool:
        """Show how the work stands. Returns whether it ended and was recorded, which moves the set-up on."""
        self._work = work
        store = self._book.store
        seen = _comparison(store, self.target) if work == "comparison" else _SEEN[work](store)
        if seen.collect is not None:
            try:
                seen.collect()
            except Refusal as refused:
                seen = Seen(_FAILED[work](), f"{trouble(refused)}\n{_how_on(work, store)}", seen.figures)
            else:
                return True
        self._under_way = seen.running
        for id, text in (("#what", seen.what), ("#remark", seen.remark), ("#figures", "\n".join(seen.figures))):
            line = self.query_one(id, Static)
            show(line, Content("\n").join(Content(printable(part)) for part in text.split("\n")))
            line.display = bool(text)
        chart = self.query_one(Chart)
        chart.display = seen.axes is not None
        if seen.axes is not None:
            # Afterwards it is as the person has it.
            if self._drawn != work:
                self._drawn = work
                chart.begin(seen.axes)
            chart.update(seen.series, seen.axes)
        return False

    def start(self) -> None:
        """Start the work, or try again what failed or was stopped. Refuses with the reason where it cannot start."""
        store = self._book.store
        if self._work == "inspection":
            inspection.start(store)
        elif self._work == "probe":
            probe.start(store)
        elif self._work == "probe in use":
            probe.start(store, again=True, used=probe.in_use(store))
        elif self._work == "comparison":
            checks.start(store, checks.BATCH_SIZE, steps.undecided(store))
        else:
            baseline.plan(store)
            supervisor.ensure(store.project)

    def stop(self) -> None:
        """Stop the work; what was measured so far is kept in its folder."""
        store = self._book.store
        if self._work == "baseline":
            trials.ask(store, self._under_way, "stop")
            supervisor.ensure(store.project)
        else:
            measuring.stop(store, self._under_way)

    @property
    def _book(self) -> Book:
        return cast("Book", self.app)


def _inspection(store: Store) -> Seen:
    # It costs seconds and asks nothing, so it begins by itself, and again when the data have changed.
    try:
        id = inspection.last(store) or inspection.start(store)
    except (Refusal, OSError) as error:
        return Seen(_FAILED["inspection"](), f"{trouble(error)}\n{_how_on('inspection', store)}")
    what = _("Looking through {path}").format(path=store.project.data)
    seen = inspection.progress(store.project, id)
    if not seen.running:
        return Seen(what, collect=lambda: inspection.finish(store, id))
    counted = _("{done} of {total}").format(done=seen.done, total=seen.total) if seen.total else ""
    return Seen(what, counted, running=id)


def _baseline(store: Store) -> Seen:
    batch = baseline.latest(store)
    if batch is None:
        return Seen(
            _("Next the first configuration is run."),
            _("Its result is judged against chance: rounds begin from something that works.") + "\n" + _("s: start"),
        )
    listed = trials.trials(store, batch.name)
    name = f"val/{store.project.settings.metric}"
    curves, label = metrics.curves(store, batch.name, name), known_as(name)
    series = tuple(
        Series(id, id, [float(step) for step, _value in points], [value for _step, value in points])
        for id, points in curves.items()
    )
    planned = trials.steps_planned(trials.trial_settings(store, listed[0]))
    lacking = own_metric.none_so_far(store, batch)
    empty = _("no evaluation yet") if lacking is None else _("no {metric} so far").format(metric=printable(label))
    axes = Axes(_("step"), label, x_range=(0, planned) if planned else None, empty=empty)
    rows = [
        [
            entry.id,
            STATUSES[entry.status].word.text(),
            str(entry.steps_done),
            told(entry.message, entry.said).text(),
        ]
        for entry in listed
    ]
    table = tuple(lines([_("trial"), _("status"), _("steps"), ""], rows))
    if batch.wanted != "run":
        # A script of one's own knows nothing of our checkpoints, and may know its own.
        settings = store.project.settings
        how = _("s: begin anew") if settings.command and not settings.resume else _("s: go on")
        return Seen(_("The baseline is stopped."), how, table, series, axes)
    if not supervisor.alive(store.project):
        log = store.project.folder / supervisor.LOG
        remark = _("Waiting for the supervisor, which starts trials. Its log: {path}   s: start it").format(path=log)
        return Seen(_("The first configuration runs"), remark, table, series, axes)
    running = baseline_running.at_work(store)
    doing = (
        baseline_running.doing(store, batch, attended=True).text()
        if running is not None and running.name == batch.name
        else ""
    )
    if queue.starting(store, batch):
        doing = _("It begins once torch is loaded.")
    return Seen(_("The first configuration runs"), doing, table, series, axes, running=batch.name)


def _check(store: Store) -> Seen:
    step = flow.standing(store).step or ""
    waited = flow.check_under_way(store, step)
    if waited is None:
        return Seen("", collect=lambda: None)
    kind, id = waited
    if kind == checks.BATCH_SIZE:
        return _compared(store, id, lambda: flow.finish_check(store, step))
    seen = checks.progress(store.project, id)
    what = printable(measuring.TITLES[kind].text())
    if not seen.running:
        return Seen(what, collect=lambda: flow.finish_check(store, step))
    counted = say("{done} of {total} steps at most", done=seen.done, total=seen.total).text() if seen.total else ""
    return Seen(what, counted, (printable(checks.about(kind).text()),), running=id)


def _comparison(store: Store, target: float | None = None) -> Seen:
    id = checks.last(store, checks.BATCH_SIZE, steps.undecided(store))
    if id is not None:
        return _compared(store, id, lambda: checks.finish(store, checks.BATCH_SIZE, id))
    what, about = (
        printable(measuring.TITLES[checks.BATCH_SIZE].text()),
        printable(steps.cost_of_comparing(store).text()),
    )
    known = steps.compared(store)
    if known is None:
        return Seen(what, f"{about}\n" + _("s: start"))
    report = scaling.report(known.result, target)
    said = printable(scaling.verdict(report).text())
    chart = comparison.axes(_("no size came to the target"))
    return Seen(
        said, _("s: compare again   t: by another target"), comparison.figures(report), comparison.series(report), chart
    )


def _compared(store: Store, id: str, collect: Callable[[], object]) -> Seen:
    """A comparison of batch sizes at work, or ended: what it has shown so far."""
    what, seen, report = measuring.TITLES[checks.BATCH_SIZE].text(), checks.progress(store.project, id), None
    with contextlib.suppress(Refusal):
        # What is decided now may have changed meanwhile.
        report = checks.so_far(store, id)
    figures = comparison.figures(report) if report else ()
    if not seen.running:
        return Seen(printable(what), figures=figures, collect=collect)
    counted = say("{done} of {total} steps at most", done=seen.done, total=seen.total).text() if seen.total else ""
    aim = scaling.target(report).text() if report else checks.about(checks.BATCH_SIZE).text()
    drawn = comparison.series(report) if report else ()
    chart = comparison.axes(_("the first size is being trained"))
    return Seen(printable(what), f"{counted}\n{printable(aim)}".strip(), figures, drawn, chart, running=id)


_SEEN: dict[Work, Callable[[Store], Seen]] = {
    "inspection": _inspection,
    "probe": probe_seen.of_set_up,
    "probe in use": probe_seen.in_use,
    "baseline": _baseline,
    "check": _check,
    "comparison": _comparison,
}
_FAILED: dict[Work, Callable[[], str]] = {
    "inspection": lambda: _("The data were not looked through."),
    "probe": lambda: _("The batch sizes were not measured."),
    "probe in use": lambda: _("The batch sizes were not measured."),
    "baseline": lambda: _("The baseline did not run."),
    "check": lambda: _("The check came to no result."),
    "comparison": lambda: _("The comparison came to no result."),
}


def _how_on(work: Work, store: Store) -> str:
    if work in ("comparison", "probe in use"):
        return _("s: try again")
    if work == "probe":
        # It may have failed by that.
        return "\n".join((_how_on("baseline", store), *probe_seen.within(store)))
    if work != "inspection":
        return _("s: try again, or b: the decisions so far, where c decides the marked one anew (the model, say)")
    return _("Change the data, or data.path in {place}; then s: look again").format(place=store.project.root / FILE)
