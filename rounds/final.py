"""The final study: when exploration has nothing more to find, Bayesian search over the refined space (P14).

It takes the form of a round that only minimises. It searches what the rounds have varied, in the ranges that the last
reviews left, but not what the insights fix; the rest stays as in the best configuration. Its points come a few at a
time, each lot from all comparable trials of the project so far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rounds import bayesian, origin, planning, queue, reviewing, tunables
from rounds.bayesian import Known
from rounds.horizon import FINAL
from rounds.plan import PlannedTrial, Role, RoundPlan, Study
from rounds.record import turned, usable
from rounds.roles import in_use
from rounds.space import Dimension, Domain
from state import trials
from state.database import Store
from state.errors import Refusal
from state.trials import Batch

SEARCH = "bayesian"
# Points that are asked for at once; each knows of those before it only that they run.
LOT = 4


def plan(
    store: Store,
    count: int = LOT,
    *,
    roles: Mapping[str, Role] | None = None,
    ranges: Mapping[str, Domain] | None = None,
) -> RoundPlan:
    """The first lot of a final study; `roles` and `ranges` as in `planning.propose`. Refuses where too few comparable
    trials are known; see `bayesian.propose`."""
    wide = _space(store, max(count, FINAL), roles or {}, ranges or {})
    (study,) = wide.studies
    known = history(store, wide)
    points = bayesian.propose(_choices(study), known, count, wide.seed)
    return replace(wide, trials=_planned(study, points, wide.first), warnings=())


def start(
    store: Store,
    count: int = LOT,
    *,
    wanted: str = "run",
    roles: Mapping[str, Role] | None = None,
    ranges: Mapping[str, Domain] | None = None,
) -> Batch:
    """Queue a final study."""
    return planning.save(store, plan(store, count, roles=roles, ranges=ranges), wanted=wanted, about={"search": SEARCH})


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
            if entry.status == "running" or (queue.waits(entry) and batch.wanted != "stop"):
                found.append(Known(u, None, running=True))
            elif entry.status == "complete" and entry.best is not None and usable(entry.best):
                found.append(Known(u, turned(entry.best, direction)))
            elif entry.status == "infeasible" and entry.reason == "diverged":
                found.append(Known(u, None))
    return found


def _space(store: Store, count: int, roles: Mapping[str, Role], ranges: Mapping[str, Domain]) -> RoundPlan:
    """What is searched: what the rounds have varied, where the range holds the value of the best configuration; where
    they have varied nothing, what so many trials open (P21)."""

    def propose(**asked: Any) -> RoundPlan:
        return planning.propose(store, "minimise", trials=count, **asked)

    opened = propose(roles=roles, ranges=ranges)
    base, offers, given = opened.base, tunables.offers(store.project, opened.base), {*roles, *ranges}
    varied = _varied(store, base)
    if not varied:
        return opened

    def fixed(plan: RoundPlan, keep: Callable[[Dimension], bool]) -> dict[str, Role]:
        dimensions = [d for d in plan.studies[0].dimensions if not {d.name, d.key} & given]
        return {d.name: "fixed" for d in dimensions if not keep(d)}

    roles = {**fixed(opened, lambda d: d.name in varied), **roles}
    # What only a person gave a range has no other than what the rounds left.
    left = {name: own for name, own in origin.left(store, planning.rounds(store), offers).items() if name not in offers}
    ranges = {**{name: own.domain for name, own in left.items() if name in varied}, **ranges}
    defaults = dict.fromkeys((d.key for d in varied.values()), "nuisance")
    found = propose(roles=roles, ranges=ranges, defaults=defaults)
    outside = fixed(found, lambda d: base.get(d.key) is None or d.domain.contains(base[d.key]))
    found = propose(roles={**outside, **roles}, ranges=ranges, defaults=defaults) if outside else found
    from_rounds = {name: left[name].source for name in left.keys() & found.origins.keys() if name not in given}
    sources = {name: replace(found.origins[name], source=source) for name, source in from_rounds.items()}
    return replace(found, origins={**found.origins, **sources})


def _varied(store: Store, base: Mapping[str, Any]) -> dict[str, Dimension]:
    """What the rounds have varied, by dimension name: in studies of which a complete trial differs from the best
    configuration in such things only. What this does not use stays out of it."""
    studies = []
    for batch in planning.rounds(store):
        if not batch.plan.get("listed"):
            ended = [entry for entry in trials.trials(store, batch.name) if entry.status == "complete"]
            studies += [
                (study, [trials.trial_settings(store, entry) for entry in ended if entry.study == study.name])
                for study in planning.plan_of(store, batch.name).studies
            ]
    keys = {d.key for study, _ in studies for d in study.dimensions}
    wanted = _rest(base, keys)
    counted = [study for study, settings in studies if any(_rest(own, keys) == wanted for own in settings)]
    dimensions = [d for study in counted for d in study.dimensions]
    own = bool(store.project.settings.command)
    return {d.name: d for d in dimensions if own or in_use(d.key, base.get(d.key))}


def _rest(settings: Mapping[str, Any], varied: set[str]) -> dict[str, Any]:
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
