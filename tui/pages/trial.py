"""One trial: what became of it, how it differs from the best configuration, its curves, and what it printed last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from presets.language import Message, _, say, told
from rounds import cost, planning, trial_folder, wishes
from rounds.next_step import Check
from state import launches, runs, trials
from state.database import Store
from state.measure import known_as
from state.trials import ENDED, Trial
from tui import acting
from tui.charts.chart import Chart
from tui.charts.plot import Axes
from tui.charts.series import Series
from tui.differing import differences
from tui.keys import bindings
from tui.pages.page import Page
from tui.say import figure, measured
from tui.terminal import printable
from tui.text_table import lines
from tui.theme import MARKS, STATUSES
from tui.widgets.controls import Scrolled
from tui.widgets.growing import Curves, unbounded
from tui.widgets.prompt import Prompt, asking
from tui.widgets.text import show
from wizard.quantity import duration, memory

LOG_LINES = 12
# What can be made of a trial.
USES = ("retry", "launch", "check", "export")
# The losses, the project's own metric unless it is one of them, and the norm of the gradient.
MOST_VIEWS = 3


class TrialPage(Page):
    """Facts, curves (one chart after the other, or all where there is room), differences and the end of the log."""

    GROUPS = ("trial", "chart", "choices", "everywhere")
    BINDINGS = bindings("trial")
    DEFAULT_CSS = """
    TrialPage {
        #facts { height: auto; max-height: 7; padding: 0 1; }
        #curves { height: 1fr; min-height: 6; padding: 0 1; }
        #curves > Chart { width: 1fr; height: 1fr; display: none; }
        #curves > Chart.-shown { display: block; }
        #more { height: auto; max-height: 40%; padding: 0 1; scrollbar-size-vertical: 1; }
        #details { text-wrap: nowrap; text-overflow: clip; }
        &.-wide #curves > Chart.-used { display: block; margin: 0 1 0 0; }
    }
    """

    def __init__(self, id: str) -> None:
        super().__init__()
        self._of = id
        self._trial: Trial | None = None
        self._curves = Curves()
        self._views: list[list[str]] = []
        self._shown = 0
        # By which it is judged.
        self._metric = ""
        # What can be made of it.
        self._offered: tuple[str, ...] = ()

    def heading(self) -> Message:
        return say("{name}", name=self._of)

    def body(self) -> ComposeResult:
        yield Static(id="facts", markup=False)
        with Horizontal(id="curves"):
            for _view in range(MOST_VIEWS):
                yield Chart(Axes(), ascii_only=self.book.ascii_only)
        with Scrolled(id="more"):
            yield Static(id="details", markup=False)
        yield Prompt()

    def follows(self) -> bool:
        # What a trial prints is not in the store.
        return self._trial is not None and self._trial.status == "running"

    def load(self) -> None:
        store = self.book.store
        entry = self._trial = trials.trial(store, self._of)
        self._metric = entry.metric or self.book.project.settings.metric
        self._give_charts()
        offered = _uses(store, entry)
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()
        settings = trials.trial_settings(store, entry)
        self.PLACE = "learn" if entry.status in ENDED else "run"
        self.show_where()
        facts = [Content.styled(STATUSES[entry.status].badge(ascii_only=self.book.ascii_only), "bold")]
        facts += [Content(printable(line)) for line in _facts(store, entry, settings) if line]
        show(self.query_one("#facts", Static), Content("\n").join(facts))
        told = [Content(printable(line)) for line in _details(store, entry, settings)]
        show(self.query_one("#details", Static), Content("\n").join(told))
        for names, chart in zip(self._views, self.query(Chart), strict=False):
            self._show_curves(entry, chart, names, trials.steps_planned(settings))

    def action_metric(self) -> None:
        """Show the next curves."""
        self._shown = (self._shown + 1) % len(self._views)
        self._show_view()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the trial admits as it is."""
        if action in USES:
            return action in self._offered and not asking(self)
        return super().check_action(action, parameters)

    def action_launch(self) -> None:
        """Propose this trial for a launch."""
        assert self._trial is not None  # the key is offered then only
        self.book.open(f"propose {self._trial.batch} {self._trial.id}")

    def action_retry(self) -> None:
        """Try this trial again."""
        self.book.attempt(lambda: wishes.retry(self.book.store, [self._of]))

    def action_export(self) -> None:
        """To the export of this trial."""
        self.book.open(f"export {self._of}")

    def action_check(self) -> None:
        """Ask, and have training checked at the learning rate of this trial and just above it."""
        acting.asked(self, Check(self._of))

    def leave(self) -> bool:
        return self.query_one(Prompt).leave()

    def _give_charts(self) -> None:
        """Give each view its chart; anew where it is judged by another metric, which may be decided at any time."""
        views = _views(f"val/{self._metric}")
        if views == self._views:
            return
        self._views, self._shown = views, 0
        for place, chart in enumerate(self.query(Chart)):
            chart.set_class(place < len(views), "-used")
            if place < len(views):
                chart.begin(Axes(log_y=unbounded(views[place][0])))
        self._show_view()

    def _show_view(self) -> None:
        charts = list(self.query(Chart))
        for place, chart in enumerate(charts):
            chart.set_class(place == self._shown, "-shown")
        charts[self._shown].focus()

    def _show_curves(self, entry: Trial, chart: Chart, names: list[str], steps: int | None) -> None:
        series = []
        for name in names:
            curve = self._curves.read(self.book.store, [entry], name)[entry.id]
            series.append(Series(name, name if len(names) > 1 else "", curve.steps, curve.values))
        own = f"val/{self._metric}"
        if own in names and entry.best is not None and entry.best_step is not None:
            series.append(Series("best", "", [entry.best_step], [entry.best], "points", ["best"]))
        chart.update(
            series,
            Axes(
                _("step"),
                _("loss") if len(names) > 1 else known_as(names[0]),
                x_range=(0, steps) if steps else None,
                empty=_("nothing measured yet"),
                words={mark: word.text() for mark, word in MARKS.items()},
            ),
        )


def _uses(store: Store, entry: Trial) -> tuple[str, ...]:
    """What can be made of a trial: one that is complete is exported, and launched or checked where a round has found
    it; one that came to nothing is tried again."""
    if wishes.may_retry(entry):
        return ("retry",)
    if entry.status != "complete":
        return ()
    batch = trials.batch(store, entry.batch)
    if batch.kind != planning.KIND or batch.plan.get("check"):
        return ("export",)
    return ("launch", "export") if store.project.settings.command else USES[1:]


def _views(own: str) -> list[list[str]]:
    """The metrics of each chart, where the project has this one of its own."""
    losses = ["train/loss", "val/loss"]
    return [losses, *([] if own in losses else [[own]]), ["grad_norm"]]


def _facts(store: Store, entry: Trial, settings: dict[str, Any]) -> Iterator[str]:
    """What became of the trial, a line each: message, result, device with time and seed."""
    if wishes.lost(store, [entry]):
        yield _("{trial} does not run: its process is gone. It goes on when the round does.").format(trial=entry.id)
    else:
        waits = "" if entry.status != "queued" else _("It waits for its turn.")
        yield told(entry.message, entry.said).text() or waits
    metric = measured(entry.metric or store.project.settings.metric)
    steps = trials.steps_planned(settings)
    progress = (
        say("{done} of {steps} steps", done=entry.steps_done, steps=steps).text()
        if steps
        else say("{done} steps", done=entry.steps_done).text()
    )
    if entry.best is not None:
        words = _("best {metric} {best} at step {step}, at the end {final}")
        progress += "  " + words.format(
            metric=metric, best=figure(entry.best), step=entry.best_step, final=figure(entry.final)
        )
    yield progress
    result = entry.result if entry.status in ENDED or entry.status == "stopped" else None
    yield "  ".join(
        (*_machine(store, entry, result or {}), _("seed {seed}").format(seed=settings.get("training.seed", "-")))
    )


def _machine(store: Store, entry: Trial, result: dict[str, Any]) -> Iterator[str]:
    """Where it ran and what that took."""
    if result.get("device"):
        where = _("on {device}, {precision}") if result.get("precision") else _("on {device}")
        yield where.format(device=result["device"], precision=result.get("precision"))
    elif entry.status == "running":
        yield _("on {device}").format(device=trial_folder.slot(store.project.trial_folder(entry.id)).device)
    # Of one that has ended what it took itself; until then also what was lost on the way.
    if taken := cost.seconds(entry) or cost.device_seconds(store, entry):
        yield duration(taken).text()
    if result.get("peak_memory"):
        yield memory(result["peak_memory"]).text()
    if entry.restarts and store.project.settings.command and not store.project.settings.resume:
        yield _("lost and begun again: {n}").format(n=entry.restarts)
    elif entry.restarts:
        yield _("lost and continued: {n}").format(n=entry.restarts)


def _details(store: Store, entry: Trial, settings: dict[str, Any]) -> Iterator[str]:
    """The differences from the best configuration, then the end of the log."""
    best = launches.best(store)
    if best is None:
        yield _("There is no best configuration to compare it with.")
    else:
        rows = differences(best.settings, settings)
        if rows:
            yield from lines([_("differs from the best configuration in"), _("there"), _("here")], rows)
        else:
            yield _("It is the best configuration, but for the seed.")
    tail = runs.log_tail(store.project.trial_folder(entry.id), LOG_LINES)
    yield ""
    nothing = _("It has printed nothing.") if entry.status in ENDED else _("It has printed nothing yet.")
    yield _("The end of its log:") if tail else nothing
    yield from tail
