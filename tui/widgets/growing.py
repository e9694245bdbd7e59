"""The curves of trials while they grow: what is known is kept, and only what came since is read from the store."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from state import metrics
from state.database import Store
from state.trials import ENDED, Trial


@dataclass(frozen=True)
class Curve:
    """One metric of one trial: steps and values, NaN where it was not a number; `whole` when no more will come of this
    try (when it was queued and started, and how often it was lost)."""

    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    whole: bool = False
    of: tuple[str, str | None, int] | None = None

    def best(self, direction: str) -> float | None:
        """The lowest value, or the highest where `direction` is "max"; None where no value is finite."""
        finite = [value for value in self.values if math.isfinite(value)]
        return (max if direction == "max" else min)(finite, default=None)

    def at(self, step: int | None) -> float:
        """The value at a step; NaN where there is none."""
        return self.values[self.steps.index(step)] if step in self.steps else math.nan


class Curves:
    """The curves of some trials, for one store."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Curve] = {}

    def read(self, store: Store, entries: Iterable[Trial], name: str) -> dict[str, Curve]:
        """Trial id to its curve of a metric, as far as it has come."""
        return {entry.id: self._read(store, entry, name) for entry in entries}

    def _read(self, store: Store, entry: Trial, name: str) -> Curve:
        known = self._known.get((entry.id, name), Curve())
        # A trial that was tried again begins anew, and may have ended before anybody looked; one that was continued may
        # have gone back to its checkpoint.
        of = (entry.queued_at, entry.started_at, entry.restarts)
        if known.of != of or (known.steps and known.steps[-1] > entry.steps_done):
            known = Curve()
        if not (known.whole and entry.status in ENDED):
            new = metrics.curve(store, entry.id, name, known.steps[-1] if known.steps else -1)
            steps = known.steps + tuple(step for step, _value in new)
            values = known.values + tuple(value for _step, value in new)
            known = Curve(steps, values, entry.status in ENDED, of)
        self._known[entry.id, name] = known
        return known


UNBOUNDED = ("loss", "norm", "perplexity", "ppl", "nll", "mse", "mae")


def unbounded(name: str) -> bool:
    """Whether a metric may grow beyond all bounds, so that one trial that diverged would flatten all others on a linear
    axis: losses and the norm of the gradient, but no rate or score."""
    return any(word in name.lower() for word in UNBOUNDED)
