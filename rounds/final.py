"""The final study: when exploration has nothing more to find, Bayesian search over the refined space (P14).

It takes the form of a round that only minimises, in the ranges that the last reviews left and with the roles that the
insights give. Its points come a few at a time, each lot from all comparable trials of the project so far.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rounds import bayesian, planning, reviewing
from rounds.bayesian import Known
from rounds.horizon import FINAL
from rounds.plan import PlannedTrial, RoundPlan, Study
from rounds.record import turned, usable
from state import trials
from state.database import Store
from state.errors import Refusal
from state.trials import Batch

SEARCH = "bayesian"
# Points that are asked for at once; each knows of those before it only that they run.
LOT = 4


def plan(store: Store, count: int = LOT) -> RoundPlan:
    """The first lot of a final study. Refuses where too few comparable trials are known; see `bayesian.propose`.

    What is searched is what the whole study opens (P21), not what so few as a lot would.
    """
    wide = planning.propose(store, "minimise", trials=max(count, FINAL))
    (study,) = wide.studies
    known = history(store, wide)
    points = bayesian.propose(_choices(study), known, count, wide.seed)
    return replace(wide, trials=_planned(study, points, wide.first), warnings=())


def start(store: Store, count: int = LOT, *, wanted: str = "run") -> Batch:
    """Queue a final study."""
    return planning.save(store, plan(store, count), wanted=wanted, about={"search": SEARCH})


def extend(store: Store, name: str, more: int = LOT) -> None:
    """Add trials to a round: of a final study the points that all results so far call for, otherwise the next of its
    sequence."""
    batch = trials.batch(store, name)
    if batch.plan.get("search") != SEARCH:
        planning.extend(store, name, more)
        return
    before = planning.plan_of(store, name)
    (study,) = before.studies
    points = bayesian.propose(_choices(study), history(store, before), more, before.seed)
    following = before.first + len(before.trials)
    planning.add(store, name, replace(before, trials=(*before.trials, *_planned(study, points, following))))


def history(store: Store, plan: RoundPlan) -> list[Known]:
    """The trials of all rounds that a plan's study can learn from: the same but for what it varies, and within its
    ranges. Diverged ones are infeasible; those that ran out of memory or met a bug say nothing."""
    (study,) = plan.studies
    varied = {dimension.key for dimension in study.dimensions}
    wanted = _rest({**plan.base, **study.overrides}, varied)
    direction = reviewing.direction(store)
    found = []
    for batch in planning.rounds(store):
        for entry in trials.trials(store, batch.name):
            settings = trials.trial_settings(store, entry)
            inside = all(d.domain.contains(settings.get(d.key)) for d in study.dimensions)
            if not inside or _rest(settings, varied) != wanted:
                continue
            u = {d.name: d.domain.position(settings[d.key]) for d in study.dimensions}
            if entry.status in ("queued", "running", "stopped"):
                found.append(Known(u, None, running=True))
            elif entry.status == "complete" and entry.best is not None and usable(entry.best):
                found.append(Known(u, turned(entry.best, direction)))
            elif entry.status == "infeasible" and entry.reason == "diverged":
                found.append(Known(u, None))
    return found


def _rest(settings: dict[str, Any], varied: set[str]) -> dict[str, Any]:
    """What two trials must share to be compared: all but what is varied, and what differs by chance."""
    return {
        key: value
        for key, value in settings.items()
        if key not in varied and key not in reviewing.INCIDENTAL and value is not None
    }


def _choices(study: Study) -> dict[str, int]:
    if not study.dimensions:
        raise Refusal("The final study varies nothing: give at least one hyperparameter a range.")
    return {d.name: 0 if d.domain.ordered else len(d.domain.choices) for d in study.dimensions}


def _planned(study: Study, points: list[dict[str, float]], first: int) -> tuple[PlannedTrial, ...]:
    planned = []
    for place, u in enumerate(points):
        values = {d.name: d.domain.value(u[d.name]) for d in study.dimensions}
        chosen = {d.key: values[d.name] for d in study.dimensions}
        planned.append(PlannedTrial(study.name, first + place, u, values, {**study.overrides, **chosen}))
    return tuple(planned)
