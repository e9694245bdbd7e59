"""The review of a round: every check of the list, before any conclusion (P7)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from presets.language import say
from rounds import boundary, curves, failing, infeasible, isolation, points
from rounds.finding import Action, Finding
from rounds.plan import RoundPlan
from rounds.record import Direction, TrialRecord, ended
from rounds.statistics import ANY

COMPLETE = "complete"


def review(
    plan: RoundPlan,
    records: Sequence[TrialRecord],
    direction: Direction,
    noise: float | None = None,
    within: tuple[float, float] = ANY,
    *,
    apart: float | None = None,
    freedom: float = math.inf,
) -> tuple[Finding, ...]:
    """All findings on a round, in the order of the list. `noise`: standard deviation of the metric from run to run
    (other seeds), where it is known; `apart`: the same, or where that is not known what too few runs for anything else
    say of it, as it tells values apart by the degrees of freedom that it rests on (`freedom`); `within`: the values
    that the metric can have. Raises ValueError for a direction other than "min" and "max"."""
    failed = failing.check(plan, records)
    return (
        complete(plan, records),
        *infeasible.check(plan, records, direction, failing.explained(failed)),
        *failed,
        *boundary.check(plan, records, direction),
        *points.check(plan, records, direction, noise, within),
        *curves.check(plan, records, direction, noise),
        *isolation.check(plan, records, direction, noise if apart is None else apart, freedom),
    )


def complete(plan: RoundPlan, records: Sequence[TrialRecord]) -> Finding:
    """Whether all trials of a round have ended, but for those that somebody took back, and whether most only failed."""
    done = len(ended(records)) + sum(record.apart for record in records)
    planned, gone = len(plan.trials), sum(record.taken_back for record in records)
    figures = {"ended": done, "planned": planned, "taken_back": gone}
    if done + gone < planned:
        message = say(
            "{done} of {planned} trials have ended; the rest may change what follows.", done=done, planned=planned
        )
        return Finding(COMPLETE, "warn", message, "P7", figures, Action("run", say("Let the others run to their end.")))
    if lost := failing.lost(plan, records):
        message = say(
            "{failed} of the {done} trials that have ended failed ({reasons}), which says nothing about what they "
            "tried: nothing can be concluded yet.",
            failed=len(lost),
            done=done,
            reasons=failing.reasons(lost),
        )
        words = say("Once what made them fail is mended, try all that failed again.")
        payload = {"trials": [record.id for record in lost]}
        return Finding(
            COMPLETE, "fail", message, "P7", {**figures, "failed": len(lost)}, Action("retry", words, payload)
        )
    message = say("All {planned} trials have ended.", planned=planned)
    if gone:
        message = say(
            "{done} of {planned} trials have ended; the others were taken back ({gone}).",
            done=done,
            planned=planned,
            gone=gone,
        )
    return Finding(COMPLETE, "pass", message, "P7", figures)
