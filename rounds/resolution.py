"""Whether the validation split can still tell the best trials apart, or an answer or two decide (P13)."""

from __future__ import annotations

from collections.abc import Sequence

from presets.language import say
from rounds.finding import Action, Finding
from rounds.record import Direction, TrialRecord, ended, leading, turned
from rounds.statistics import mean

CHECK, RULE = "resolution", "P13"
# A gain of up to so many answers may be those of a few examples.
FEW_ANSWERS = 2
# Rounding may add so much to a difference, as a share of it.
ROUNDED = 1 + 1e-9


def check(records: Sequence[TrialRecord], direction: Direction, before: Sequence[float]) -> list[Finding]:
    """A finding where the best trials, and the runs `before` of what the round began with, differ by no more than a few
    answers; none where they differ by more, and where it is not known what an answer is worth."""
    best = leading(ended(records), direction)
    worth = max((record.grain for record in best), default=0.0)
    if not worth or len(best) < 2:
        return []
    costs = [turned(record.best, direction) for record in best if record.best is not None]
    if before:
        costs.append(turned(mean(before), direction))
    gap = max(costs) - min(costs)
    if gap > FEW_ANSWERS * worth * ROUNDED:
        return []
    figures = {"trials": [record.id for record in best], "gap": gap, "worth": worth}
    message = say(
        "The {n} best trials differ by {gap:.3g} at most, and one validation example can be worth {worth:.3g}: this "
        "split can no longer tell them apart.",
        n=len(best),
        gap=gap,
        worth=worth,
    )
    if before:
        message = say(
            "The {n} best trials and what the round began with differ by {gap:.3g} at most, and one validation example "
            "can be worth {worth:.3g}: this split can no longer tell them apart.",
            n=len(best),
            gap=gap,
            worth=worth,
        )
    words = say("Tune on the log loss, which also tells how sure answers are, or hold more examples out.")
    return [Finding(CHECK, "warn", message, RULE, figures, Action("finer_metric", words))]
