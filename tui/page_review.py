"""The review of a round: every check with its verdict, figures, plot and next action, before any conclusion (P7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message as Event
from textual.widgets import Static

from presets.advice import advice, ids
from presets.language import Message, _, say
from rounds import planning, reviewing
from rounds.finding import Finding
from rounds.plan import RoundPlan
from rounds.record import Direction, TrialRecord
from state import trials
from state.errors import Refusal
from state.project import Project
from state.store import open_store
from tui.chart import Chart
from tui.controls import Choices
from tui.keys import bindings
from tui.page import Page, show, trouble
from tui.page_explain import Explain
from tui.plot import Axes
from tui.review_plot import plot
from tui.terminal import cut, fit, printable
from tui.theme import VERDICTS

# The checks by the order in which they change what is done next.
ORDER = ("fail", "warn", "cannot tell", "pass")
# Cells of a verdict's badge with the gap behind it, and of what stands beside the lines: padding and scroll bar.
BADGE, MARGIN = 15, 3


@dataclass(frozen=True)
class Reviewed:
    """A finished review, read from a store of its own in a thread."""

    findings: tuple[Finding, ...]
    plan: RoundPlan
    records: tuple[TrialRecord, ...]
    direction: Direction


class ReviewPage(Page):
    """The findings above, the marked one's figures and plot below, or beside them where it is wide."""

    GROUPS = ("review", "choices", "chart", "everywhere")
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

    class Ready(Event):
        """The review is done, or `refused` says why not."""

        def __init__(self, reviewed: Reviewed | None, refused: Refusal | OSError | None = None) -> None:
            super().__init__()
            self.reviewed = reviewed
            self.refused = refused

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name_of_round = name
        self._reviewed: Reviewed | None = None
        self._ended = -1
        self._drawn: Finding | None = None

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

    def on_mount(self) -> None:
        self._show_waiting(True)

    def on_resize(self) -> None:
        if self.ready and self._reviewed is not None:
            self._show_findings(self._reviewed)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the marked finding proposes."""
        return action != "act" or ((finding := self._marked()) is not None and finding.action is not None)

    def load(self) -> None:
        listed = trials.trials(self.book.store, trials.batch(self.book.store, self._name_of_round).name)
        ended = sum(entry.status in trials.ENDED for entry in listed)
        # The review itself writes to the store; only trials that have ended since are a reason for another.
        if ended != self._ended:
            self._ended = ended
            self._review(self.book.project)

    @work(thread=True, exclusive=True, group="review")
    def _review(self, project: Project) -> None:
        try:
            with open_store(project) as store:
                findings = reviewing.review_batch(store, self._name_of_round)
                records = reviewing.records(store, self._name_of_round)
                plan = planning.plan_of(store, self._name_of_round)
                direction = reviewing.direction(store)
        except (Refusal, OSError) as refused:
            self.post_message(self.Ready(None, refused))
            return
        ordered = tuple(sorted(findings, key=lambda finding: ORDER.index(finding.verdict)))
        self.post_message(self.Ready(Reviewed(ordered, plan, records, direction)))

    def on_review_page_ready(self, event: Ready) -> None:
        if not self.ready:
            return
        if event.reviewed is None:
            words = _("The round cannot be reviewed: {why}").format(why=trouble(event.refused) if event.refused else "")
            show(self.query_one("#waiting", Static), Content(printable(words)))
            self._show_waiting(True)
            return
        self._reviewed = event.reviewed
        self._show_waiting(False)
        if self.focused is None:
            self.query_one(Choices).focus()
        self._show_findings(event.reviewed)
        self._show_marked()

    def on_option_list_option_highlighted(self) -> None:
        self._show_marked()

    def on_option_list_option_selected(self) -> None:
        self.query_one(Chart).focus()

    def on_chart_picked(self, event: Chart.Picked) -> None:
        if event.id:
            self.book.open(f"trial {event.id}")

    def leave(self) -> bool:
        in_chart = self.focused is self.query_one(Chart)
        if in_chart:
            self.query_one(Choices).focus()
        return in_chart

    def action_explain(self) -> None:
        """The guide's advice behind the marked finding."""
        if (finding := self._marked()) is not None:
            self.app.push_screen(Explain([finding.rule]))

    def action_act(self) -> None:
        """Do what the marked finding proposes: the next round is designed with it."""
        self.book.attempt(lambda: self.book.open("design"))

    def action_launch(self) -> None:
        """Propose the best trial of the round for a launch."""
        self.book.attempt(lambda: self.book.open(f"propose {self._name_of_round}"))

    def _marked(self) -> Finding | None:
        place = self.query_one(Choices).marked
        return self._reviewed.findings[int(place)] if self._reviewed is not None and place is not None else None

    def _show_marked(self) -> None:
        finding, reviewed = self._marked(), self._reviewed
        self.refresh_bindings()
        if finding is None or reviewed is None:
            return
        show(self.query_one("#figures", Static), Content("\n").join(list(_details(finding))))
        metric = f"val/{self.book.project.settings.metric}"
        series, axes = plot(finding, reviewed.plan, reviewed.records, reviewed.direction, metric)
        chart = self.query_one(Chart)
        if finding != self._drawn:
            self._drawn = finding
            chart.log_x, chart.log_y, chart.cursor = axes.log_x, axes.log_y, None
        chart.update(series, axes)

    def _show_findings(self, reviewed: Reviewed) -> None:
        """A line for each, cut where it is narrow: the marked one stands in full beside them."""
        ascii_only, room = self.book.ascii_only, self.book.size.width - MARGIN
        lines = []
        for place, finding in enumerate(reviewed.findings):
            look = VERDICTS[finding.verdict]
            badge = fit(look.badge(ascii_only=ascii_only), BADGE)
            said = printable(finding.message.text())
            if not self.has_class("-wide"):
                said = cut(said, room - BADGE, ascii_only=ascii_only)
            lines.append((f"{place}", Content.assemble((badge, f"ansi_{look.colour}"), said)))
        self.query_one(Choices).update(lines)

    def _show_waiting(self, waiting: bool) -> None:
        self.query_one("#waiting").display = waiting
        self.query_one("#parts").display = not waiting


def _details(finding: Finding) -> Iterator[Content]:
    yield Content.styled(printable(finding.message.text()), "bold")
    if finding.action is not None:
        yield Content(_("Next: {action}").format(action=printable(finding.action.message.text())))
    if finding.rule in ids():
        yield Content.styled(f"{advice(finding.rule).one_line} ({finding.rule})", "dim")
