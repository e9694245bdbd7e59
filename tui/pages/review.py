"""The review of a round: every check with its verdict, figures, plot and next action, before any conclusion (P7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from presets.advice import advice, ids
from presets.language import Message, _, bracketed, say
from rounds import dismissing, next_step
from rounds.finding import Finding
from rounds.next_step import Check, NextStep
from rounds.record import GRADIENT_NORM, ranked
from state import by_metric, trials
from state.database import Store
from state.dismissals import Dismissal
from tui import acting
from tui.charts import norm_plot, pair_plot
from tui.charts.chart import Chart
from tui.charts.plot import Axes
from tui.charts.review_plot import against, others, plot
from tui.charts.series import Series
from tui.keys import bindings
from tui.pages.explain import Explain
from tui.pages.page import Page
from tui.reviewed import Reviewed, reviewed
from tui.terminal import cut, fit, printable
from tui.theme import VERDICTS
from tui.widgets.controls import Choices
from tui.widgets.prompt import Prompt, asking
from tui.widgets.text import hanging, show

# Of the width, that of the findings where they stand beside the marked one.
WIDE_SHARE = 2 / 5
# Cells of a verdict's badge with the gap behind it, and of what stands beside the lines: padding and scroll bar.
BADGE, MARGIN = 15, 3


Plot = Callable[[], tuple[list[Series], Axes]]


class ReviewPage(Page):
    """The findings above, the marked one's figures and plot below, or beside them where it is wide."""

    GROUPS = ("review", "choices", "chart", "everywhere")
    TOUR = "review"
    PLACE = "learn"
    BINDINGS = bindings("review")
    DEFAULT_CSS = """
    ReviewPage #parts { height: 1fr; }
    ReviewPage #findings { max-height: 33%; }
    ReviewPage #marked { height: 1fr; }
    ReviewPage #words { height: auto; max-height: 55%; padding: 1 1 0 1; }
    ReviewPage.-wide #parts { layout: horizontal; }
    ReviewPage.-wide #findings { width: 2fr; max-height: 100%; }
    ReviewPage.-wide #marked { width: 3fr; }
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name_of_round = name
        self._reviewed: Reviewed | None = None
        self._ended = -1
        self._drawn: tuple[Finding, int] | None = None
        # Which of the plots is shown: the finding's own, or one of those that go with any.
        self._shown = 0

    def heading(self) -> Message:
        return say("review of {name}", name=self._name_of_round)

    def body(self) -> ComposeResult:
        yield Static(_("Reviewing"), id="waiting", classes="empty", markup=False)
        with Container(id="parts"):
            yield Choices(id="findings")
            with Vertical(id="marked"):
                with VerticalScroll(id="words", can_focus=False):
                    yield Static(id="figures", markup=False)
                yield Chart(Axes(), ascii_only=self.book.ascii_only)
        yield Prompt()

    def on_mount(self) -> None:
        self._show_waiting(True)

    def on_resize(self) -> None:
        if self.ready and self._reviewed is not None:
            self._show_findings(self._reviewed)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the marked finding proposes, and what can be dismissed."""
        finding = self._marked() if self._made else None
        if action == "act":
            return finding is not None and finding.action is not None and not asking(self)
        if action == "disregard":
            return finding is not None and finding.verdict != "pass" and not asking(self)
        if action in ("check", "launch"):
            # A check of stability has no candidates.
            found = self._to_check() if action == "check" else self._best()
            return found is not None and not asking(self)
        return True

    def load(self) -> None:
        listed = trials.trials(self.book.store, trials.batch(self.book.store, self._name_of_round).name)
        ended = sum(map(trials.over, listed))
        # The review itself writes to the store; only trials that have ended since are a reason for another.
        if ended != self._ended:
            self._ended = ended
            self.behind(self._review, self._show, self._refuse, group="review")

    def _review(self, store: Store) -> Reviewed:
        return reviewed(store, self._name_of_round, self.book.reviewed)

    def _show(self, reviewed: Reviewed) -> None:
        self._reviewed = self.book.reviewed = reviewed
        self._show_waiting(False)
        if self.focused is None:
            self.query_one("#findings", Choices).focus()
        self._show_findings(reviewed)
        self._show_marked()

    def _refuse(self, why: str) -> None:
        words = _("The round cannot be reviewed: {why}").format(why=why)
        show(self.query_one("#waiting", Static), Content(printable(words)))
        self._show_waiting(True)

    def on_option_list_option_highlighted(self) -> None:
        self._shown = 0
        self._show_marked()

    def on_option_list_option_selected(self) -> None:
        # What is chosen in a question stays in it (tui/widgets/prompt.py).
        self.query_one(Chart).focus()

    def on_chart_picked(self, event: Chart.Picked) -> None:
        if event.id:
            self.book.open(f"trial {event.id}")

    def leave(self) -> bool:
        if self.query_one(Prompt).leave():
            return True
        in_chart = self.focused is self.query_one(Chart)
        if in_chart:
            self.query_one("#findings", Choices).focus()
        return in_chart

    def action_explain(self) -> None:
        """The guide's advice behind the marked finding."""
        if (finding := self._marked()) is not None:
            self.app.push_screen(Explain([finding.rule]))

    def action_act(self) -> None:
        """Do what the marked finding proposes."""
        if (finding := self._marked()) is not None:
            self.book.attempt(
                lambda: self._do(next_step.next_step(self.book.store, self._name_of_round, finding)),
            )

    def action_check(self) -> None:
        """Have training checked at the learning rate of the best trial and just above it, whatever the review found."""
        if (trial := self._to_check()) is not None:
            self.book.attempt(lambda: self._do(Check(trial)))

    def _do(self, step: NextStep) -> None:
        """Do it; trials that nobody has seen planned are asked about first."""
        acting.asked(self, step)

    def _to_check(self) -> str | None:
        """The best trial of the round, where its stability can be checked: not of a script of the user's own."""
        return None if self.book.project.settings.command else self._best()

    def _best(self) -> str | None:
        """The best trial of the round; a check of stability has none that comes into question for anything."""
        if (reviewed := self._reviewed) is None:
            return None
        if trials.batch(self.book.store, self._name_of_round).plan.get("check"):
            return None
        return next((record.id for record in ranked(reviewed.records, reviewed.direction)), None)

    def action_plot(self) -> None:
        """Show another plot: two hyperparameters against each other, the gradient norm, its histogram."""
        finding, reviewed = self._marked(), self._reviewed
        if finding is not None and reviewed is not None:
            self._shown = (self._shown + 1) % len(self._plots(finding, reviewed))
            self._show_marked()

    def action_disregard(self) -> None:
        """Dismiss the marked finding with a reason; take it back where it was dismissed."""
        finding, reviewed = self._marked(), self._reviewed
        if finding is None or reviewed is None:
            return
        store, name = self.book.store, self._name_of_round
        if finding.key in reviewed.dismissed:
            self._change(lambda: dismissing.restore(store, name, finding.key))
            return
        self.query_one(Prompt).type(
            say("Why does this not matter here? It is kept:"),
            lambda words: self._change(lambda: dismissing.dismiss(store, name, finding.key, words)),
        )

    def _change(self, change: Callable[[], Finding]) -> bool:
        """Dismiss or restore a finding, and show it so, the mark staying with it."""
        changed: list[Finding] = []
        done = self.book.attempt(lambda: changed.append(change()))
        reviewed = self._reviewed
        if done and reviewed is not None:
            self._reviewed = reviewed.with_dismissals(self.book.store)
            self._show_findings(self._reviewed)
            self._show_marked()
        return done

    def action_launch(self) -> None:
        """Propose the best trial of the round for a launch."""
        self.book.attempt(lambda: self.book.open(f"propose {self._name_of_round}"))

    def _marked(self) -> Finding | None:
        place = self.query_one("#findings", Choices).marked
        return self._reviewed.findings[int(place)] if self._reviewed is not None and place is not None else None

    def _show_marked(self) -> None:
        finding, reviewed = self._marked(), self._reviewed
        self.refresh_bindings()
        if finding is None or reviewed is None:
            return
        told = list(_details(finding, reviewed.dismissed.get(finding.key)))
        show(self.query_one("#figures", Static), Content("\n").join(told))
        series, axes = self._plots(finding, reviewed)[self._shown]()
        chart = self.query_one(Chart)
        if (finding, self._shown) != self._drawn:
            self._drawn = finding, self._shown
            chart.begin(axes)
        chart.update(series, axes)

    def _plots(self, finding: Finding, reviewed: Reviewed) -> list[Plot]:
        """The finding's own plot, every other hyperparameter against the result, pairs, and the gradient norm."""
        plan, records, direction, norms = reviewed.plan, reviewed.records, reviewed.direction, reviewed.norms
        metric = f"val/{by_metric.of_batch(self.book.store, reviewed.name).metric}"
        found: list[Plot] = [lambda: plot(finding, plan, records, direction, metric)]
        for name in others(finding, plan):
            found.append(lambda name=name: against(name, finding, plan, records, direction, metric))
        for pair in pair_plot.pairs(plan, str(finding.figures.get("dimension", ""))):
            found.append(lambda pair=pair: pair_plot.plot(plan, records, pair, direction))
        if norms:
            found.append(lambda: norm_plot.against_step(norms, GRADIENT_NORM))
            found.append(lambda: norm_plot.histogram(norms, GRADIENT_NORM))
        return found

    def _show_findings(self, reviewed: Reviewed) -> None:
        """A line for each, cut where it is narrow: the marked one stands in full beside them."""
        ascii_only, wide = self.book.ascii_only, self.has_class("-wide")
        room = int(self.book.size.width * (WIDE_SHARE if wide else 1)) - MARGIN
        lines = []
        for place, finding in enumerate(reviewed.findings):
            look = VERDICTS[reviewed.verdict(finding)]
            badge = Content.styled(fit(look.badge(ascii_only=ascii_only), BADGE), f"ansi_{look.colour}")
            said = printable(finding.message.text())
            shown = hanging(badge, said, room) if wide else badge + cut(said, room - BADGE, ascii_only=ascii_only)
            lines.append((f"{place}", shown))
        self.query_one("#findings", Choices).update(lines)

    def _show_waiting(self, waiting: bool) -> None:
        self.query_one("#waiting").display = waiting
        self.query_one("#parts").display = not waiting


def _details(finding: Finding, dismissed: Dismissal | None) -> Iterator[Content]:
    yield Content.styled(printable(finding.message.text()), "bold")
    if dismissed is not None:
        words = _("Dismissed by {who}, {when} UTC: {why}")
        when = dismissed.at[:16].replace("T", " ")
        yield Content(words.format(who=printable(dismissed.by), when=when, why=printable(dismissed.reason)))
    if finding.action is not None:
        yield Content(_("Next: {action}").format(action=printable(finding.action.message.text())))
    if finding.rule in ids():
        yield Content.styled(bracketed(advice(finding.rule).one_line, finding.rule), "dim")
