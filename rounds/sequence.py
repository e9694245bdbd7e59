"""How a round goes on: which points of the sequence it has used, those that more trials take, and those left for the
next round (P6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rounds import budget
from rounds.plan import DesignError, RoundPlan, trial_at

# The most trials of a round.
MOST = 10_000


def extend(plan: RoundPlan, more: int, after: int = 0) -> RoundPlan:
    """The same round with more trials: the sequence goes on where it stopped, or at the point `after` where those in
    between are another round's; what was planned stays as it is (P6)."""
    start, turns = len(plan.trials), len(plan.studies)
    refuse_more(start + more)
    first = plan.trials[-1].index - (start - 1) // turns
    if after > following(plan):
        first = after - start // turns
    return added(plan, [first + place // turns for place in range(start, start + more)])


def added(plan: RoundPlan, indices: Sequence[int]) -> RoundPlan:
    """The same round with one trial more for each of these points of its sequence."""
    start, turns = len(plan.trials), len(plan.studies)
    new = [
        trial_at(place, plan.seed, index - place // turns, plan.studies) for place, index in enumerate(indices, start)
    ]
    trials = (*plan.trials, *new)
    return replace(plan, trials=trials, warnings=budget.thinness(plan.studies, len(trials), plan.scientific))


def refuse_more(trials: int) -> None:
    """Refuse a round that neither planning nor review would come to the end of in reasonable time."""
    if trials > MOST:
        raise DesignError(
            "A round has {most} trials at most, not {trials}. Plan fewer, and another round after it.",
            most=MOST,
            trials=str(trials) if trials < MOST**2 else f"{float(trials):.0e}",
        )


def numbers(plan: RoundPlan) -> dict[str, int]:
    """The number of each key in the Halton sequence, for a round that continues this one."""
    return {dimension.key: dimension.number for study in plan.studies for dimension in study.dimensions}


def following(plan: RoundPlan) -> int:
    """The index of the first point that this round has not used."""
    return max((trial.index + 1 for trial in plan.trials), default=plan.first)
