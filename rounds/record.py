"""What a round knows about a trial once it has ended: plain data, whoever ran it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["min", "max"]
Curve = tuple[tuple[int, float], ...]
# Sums and squares of anything larger overflow.
LARGEST = 1e100
# The losses as every training writes them; the curve that trials are judged by is `TrialRecord.metric`.
TRAINING_LOSS, VALIDATION_LOSS = "train/loss", "val/loss"
GRADIENT_NORM = "grad_norm"


@dataclass(frozen=True)
class TrialRecord:
    """One trial. `u`, `values`: by dimension name. `best`, `final`: of `metric` (None: never evaluated), `best_step`
    the step of the best. `curves`: metric name to (step, value) pairs in the order of the steps. `grain`: what a single
    validation example can change of the metric (0: not known). `taken_back`: it has not ended, and nobody
    is going to run it. `apart`: its result is by another metric than the round's: it counts for nothing.

    `status`: complete, infeasible (diverged, out of memory), failed (a bug), or anything else while it has not ended.
    """

    id: str
    study: str
    index: int
    u: Mapping[str, float]
    values: Mapping[str, Any]
    status: str
    reason: str = ""
    best: float | None = None
    best_step: int | None = None
    final: float | None = None
    steps: int = 0
    curves: Mapping[str, Curve] = field(default_factory=dict)
    metric: str = "val/error_rate"
    grain: float = 0.0
    taken_back: bool = False
    apart: bool = False

    @property
    def ended(self) -> bool:
        """Whether there is a result to count, good or bad; a stopped trial has none."""
        return self.status in ("complete", "infeasible", "failed") and not self.apart

    @property
    def feasible(self) -> bool:
        """Whether it trained to a usable result; one that ended without is infeasible, whatever it says (P10)."""
        return self.status == "complete" and self.best is not None and usable(self.best) and not self.apart


def usable(value: float) -> bool:
    """Whether a metric's value can be reckoned with: finite, and not so large that it has diverged all the same."""
    return abs(value) < LARGEST


def cost(record: TrialRecord, direction: Direction) -> float:
    """The best value turned so that lower is better; infinite for an infeasible trial. Raises ValueError for any other
    direction."""
    if not record.feasible or record.best is None:
        return math.inf
    return turned(record.best, direction)


def turned(value: float, direction: Direction) -> float:
    """A metric value turned so that lower is better, and back again."""
    if direction not in ("min", "max"):
        raise ValueError(f"the direction is 'min' or 'max', not {direction!r}")
    return value if direction == "min" else -value


def ended(records: Iterable[TrialRecord], study: str | None = None) -> list[TrialRecord]:
    """The trials that count, of one study or of all."""
    return [record for record in records if record.ended and study in (None, record.study)]


def ranked(records: Iterable[TrialRecord], direction: Direction) -> list[TrialRecord]:
    """The feasible trials, best first; equal ones in the order they were planned."""
    return sorted((record for record in records if record.feasible), key=lambda record: cost(record, direction))


def foremost(records: Iterable[TrialRecord], direction: Direction) -> list[TrialRecord]:
    """The best trial, with all that came to exactly the same; the one that was planned first stands first."""
    order = ranked(records, direction)
    return [record for record in order if record.best == order[0].best]


def leading(records: Iterable[TrialRecord], direction: Direction) -> list[TrialRecord]:
    """The best few feasible trials, a tenth but at least three: what a review looks at first."""
    order: Sequence[TrialRecord] = ranked(records, direction)
    return list(order[: max(3, len(order) // 10)])
