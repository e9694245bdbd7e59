"""A review that is read as fast as it is asked for again: judged anew only where what it rests on has changed (P7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rounds import dismissing, planning, reviewing
from rounds.finding import ORDER, Finding
from rounds.plan import RoundPlan
from rounds.record import Direction, TrialRecord, ranked
from state import by_metric, launches, trials
from state.database import Store
from state.dismissals import Dismissal
from tui.charts.review_plot import CURVES

DISMISSED = "dismissed"


@dataclass(frozen=True)
class Reviewed:
    """A finished review, what changes most of what is done next first."""

    name: str
    basis: tuple[object, ...]
    """What the findings rest on: they stand as long as it is the same."""
    findings: tuple[Finding, ...]
    plan: RoundPlan
    records: tuple[TrialRecord, ...]
    direction: Direction
    dismissed: Mapping[str, Dismissal]
    norms: Mapping[str, Sequence[tuple[int, float]]]
    """The gradient norms of the best trials, where they are recorded."""

    def verdict(self, finding: Finding) -> str:
        """The key of its look: a dismissed finding stands as such."""
        return DISMISSED if finding.key in self.dismissed else finding.verdict

    def with_dismissals(self, store: Store) -> Reviewed:
        """The same with what is dismissed now."""
        return replace(self, dismissed=dismissing.in_force(store, self.name, self.findings))


def reviewed(store: Store, name: str, known: Reviewed | None = None) -> Reviewed:
    """Review a round, or read the review that is `known` again where nothing has changed that it rests on. Refuses a
    batch that is no round."""
    basis = _basis(store, name)
    if known is not None and (known.name, known.basis) == (name, basis):
        again = known.with_dismissals(store)
    else:
        records, direction = reviewing.records(store, name), reviewing.direction(store, name)
        findings = reviewing.review_batch(store, name, records)
        norms = reviewing.gradient_norms(store, ranked(records, direction)[:CURVES])
        dismissed = dismissing.in_force(store, name, findings)
        again = Reviewed(name, basis, findings, planning.plan_of(store, name), records, direction, dismissed, norms)
    ordered = sorted(again.findings, key=lambda finding: (*ORDER, DISMISSED).index(again.verdict(finding)))
    return replace(again, findings=tuple(ordered))


def _basis(store: Store, name: str) -> tuple[object, ...]:
    """The trials with their results (of one that has ended the curves change no more), the noise between seeds, what
    the round began with wherever it was tried again, the settings, and which launches were decided."""
    listed = tuple(
        (entry.id, entry.status, entry.reason, entry.best, entry.best_step, entry.final, entry.steps_done)
        if entry.status in trials.ENDED
        else (entry.id, entry.status, trials.over(entry))
        for entry in trials.trials(store, name)
    )
    again = reviewing.tried_again(store, trials.batch_settings(store, name)) if listed else []
    return (
        str(store.project.root),
        store.project.settings,
        reviewing.noise(store, by_metric.of_batch(store, name)),
        tuple((run.id, run.best) for run in again),
        len(launches.launches(store)),
        listed,
    )
