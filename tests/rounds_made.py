"""Rounds with made-up results for the tests of the review: real plans, records from a formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from presets import catalogue
from rounds.design import plan
from rounds.plan import PlannedTrial, Role, RoundPlan
from rounds.record import Curve, TrialRecord
from rounds.space import Domain

STEPS = 1000
RATE = Domain("float", 1e-4, 1e-1, "log")
DECAY = Domain("float", 1e-6, 1e-2, "log")
BASE: dict[str, Any] = {"optimizer.name": "adamw", "optimizer.learning_rate": 1e-3, "training.steps": STEPS}
OPTIMIZERS = {entry.name: entry.hyperparameters for entry in catalogue.optimizers()}


def searched(trials: int = 20, seed: int = 0, **options: Any) -> RoundPlan:
    """A round over learning rate and weight decay; `options` go to the design."""
    roles: dict[str, Role] = dict.fromkeys(("optimizer.beta1", "optimizer.epsilon", "optimizer.beta2"), "fixed")
    ranges = {"adamw.learning_rate": RATE, "adamw.weight_decay": DECAY} | options.pop("ranges", {})
    goal = options.pop("goal", "minimise")
    return plan(
        options.pop("base", BASE),
        goal,
        optimizers=OPTIMIZERS,
        trials=trials,
        seed=seed,
        roles=roles,
        ranges=ranges,
        **options,
    )


def record(planned: PlannedTrial, number: int, best: float | None, **changes: Any) -> TrialRecord:
    """The record of a planned trial that reached `best`; NaN, infinite or None: it diverged."""
    usable = best is not None and math.isfinite(best)
    defaults: dict[str, Any] = {
        "status": "complete" if usable else "infeasible",
        "reason": "" if usable else "diverged",
        "best": best,
        "best_step": STEPS // 2,
        "final": best,
        "steps": STEPS,
    }
    return TrialRecord(
        f"round-1-{number:03d}", planned.study, planned.index, planned.u, planned.values, **(defaults | changes)
    )


def results(
    planned: RoundPlan, score: Callable[[Mapping[str, float]], float | None], **changes: Any
) -> list[TrialRecord]:
    """A record for each trial, its best given by its coordinates."""
    return [record(trial, number, score(trial.u), **changes) for number, trial in enumerate(planned.trials, 1)]


def bowl(**optimum: float) -> Callable[[Mapping[str, float]], float]:
    """A quadratic cost in the coordinates, 0.1 at its lowest; names with a dot go by their last part."""
    return lambda u: 0.1 + sum((u[f"adamw.{name}"] - place) ** 2 for name, place in optimum.items())


def curve(values: list[float], steps: int = STEPS) -> Curve:
    """Values at evenly spaced steps, the last at the end."""
    return tuple((round((place + 1) * steps / len(values)), value) for place, value in enumerate(values))
