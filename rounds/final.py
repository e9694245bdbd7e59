"""The final study: when exploration has nothing more to find, Bayesian search over the refined space (P14).

It takes the form of a round that only minimises. It searches what the rounds have varied, in the ranges that the last
reviews left, and of these where the best trials lie, but not what the insights fix; the rest stays as in the best
configuration. Its points come a few at a time, each lot from all comparable trials of the project so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from presets.language import Message, say
from rounds import bayesian, comparable, honoured, origin, planning, tunables, untried
from rounds.bayesian import Known
from rounds.plan import PlannedTrial, Role, RoundPlan, Study
from rounds.record import Direction, turned, usable
from rounds.roles import in_use
from rounds.space import Dimension, Domain
from state import measure, trials
from state.database import Store
from state.errors import Refusal
from state.hyperparameters import written
from state.trials import Batch, Trial

SEARCH = "bayesian"
# The trials of one, and the points that are asked for at once; each knows of those before it only that they run.
FINAL, LOT = 16, 4


def plan(
    store: Store,
    count: int = LOT,
    *,
    roles: Mapping[str, Role] | None = None,
    ranges: Mapping[str, Domain] | None = None,
) -> RoundPlan:
    """The first lot of a final study, fewer where no more of its space is left to be tried; `roles` and `ranges` as in
    `planning.propose`. Refuses where nothing is left, and where too few comparable trials are known; see
    `bayesian.propose`."""
    wide = _space(store, max(count, FINAL), roles or {}, ranges or {})
    honoured.refuse_unused(wide, roles or {}, ranges or {})
    (study,) = wide.studies
    planned = _planned(study, _points(store, wide, count), wide.first)
    notes = (*wide.notes, *filter(None, [_fewer(count, len(planned))]))
    return replace(wide, trials=planned, warnings=(), notes=notes)


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


def extend(store: Store, name: str, more: int = LOT) -> Message | None:
    """Add trials to a round: of a final study the points that all results so far call for, otherwise the next of its
    sequence. What to know where those are fewer, since no more of its space is left; refuses where nothing is."""
    batch = trials.batch(store, name)
    if batch.plan.get("search") != SEARCH:
        planning.extend(store, name, more)
        return None
    before = planning.plan_of(store, name)
    (study,) = before.studies
    points = _points(store, before, more)
    following = before.first + len(before.trials)
    planning.add(store, name, replace(before, trials=(*before.trials, *_planned(study, points, following))))
    return _fewer(more, len(points))


def exhausted(store: Store, name: str) -> Message | None:
    """That nothing of the space of a final study is left to be tried; None while something is, and of other rounds."""
    if trials.batch(store, name).plan.get("search") != SEARCH:
        return None
    plan = planning.plan_of(store, name)
    return _tried(plan) if untried.left(store, plan) == 0 else None


def nothing_left(store: Store) -> Message | None:
    """That nothing of the space which a final study would search is left to be tried, so that none can begin; None
    while something is, and where it cannot begin for another reason, which `start` says."""
    try:
        wide = _space(store, FINAL, {}, {})
    except Refusal:
        return None
    return _tried(wide) if untried.left(store, wide) == 0 else None


def _points(store: Store, plan: RoundPlan, count: int) -> list[dict[str, float]]:
    """The next points of a plan's study, of separate values none that was tried: as many as are left."""
    (study,) = plan.studies
    known, choices, left = history(store, plan), _choices(study), untried.left(store, plan)
    if left is None:
        return bayesian.propose(choices, known, count, plan.seed)
    if not left:
        raise Refusal(
            "{tried} There is nothing left to search: launch the best of them, look at the test split (tunebook test) "
            "and export, or give a hyperparameter a wider range (--range KEY=LOW..HIGH) in another final study.",
            tried=_tried(plan),
        )
    domains, tried = [dimension.domain for dimension in study.dimensions], untried.tried(store, plan)
    return bayesian.propose(choices, known, min(count, left), plan.seed, domains, tried)


def _tried(plan: RoundPlan) -> Message:
    count = untried.size(plan.studies[0].dimensions) or 0
    return say("All {count} configurations of the final space have been tried.", count=count)


def _fewer(wanted: int, given: int) -> Message | None:
    if wanted == given:
        return None
    return say("Configurations of the final space that were left to be tried: {n}. With these it ends.", n=given)


def history(store: Store, plan: RoundPlan) -> list[Known]:
    """The trials of all rounds that a plan's study can learn from: the same but for what it varies, and within its
    ranges. Diverged ones are infeasible; those that ran out of memory or met a bug say nothing."""
    (study,) = plan.studies
    direction = measure.of_project(store.project.settings).direction
    found = []
    for batch, entry, settings in comparable.trials_of(store, plan, planning.rounds(store)):
        if all(d.domain.contains(settings.get(d.key)) for d in study.dimensions):
            u = {d.name: d.domain.position(settings[d.key]) for d in study.dimensions}
            if comparable.to_come(batch, entry):
                found.append(Known(u, None, running=True))
            elif known := _known(u, entry, direction):
                found.append(known)
    return found


def _space(store: Store, count: int, roles: Mapping[str, Role], ranges: Mapping[str, Domain]) -> RoundPlan:
    """What is searched: what the rounds have varied; where they have varied nothing, what so many trials open (P21).

    A range that cannot hold the value of the best configuration, as a logarithmic one cannot hold 0, has no trial in
    common with that value: it is searched, or the value kept, whichever more of the trials so far tell something of.
    """

    def propose(**asked: Any) -> RoundPlan:
        return planning.propose(store, "minimise", trials=count, **asked)

    def fixed(names: Iterable[str]) -> dict[str, Role]:
        return dict.fromkeys(names, "fixed")

    base = planning.basis(store).settings
    varied = _varied(store, base)
    if not varied:
        return propose(roles=roles, ranges=ranges)
    offers, given = tunables.offers(store.project, base), {*roles, *ranges}
    # What only a person gave a range has no other than what the rounds left.
    carried = origin.left(store, planning.rounds(store), offers, base)
    left = {name: own for name, own in carried.items() if name not in offers}
    others = [name for name, entry in offers.items() if name not in varied and not {name, entry.key} & given]
    # A range that was taken out of the project's file since is missing in both.
    ranged = {d.key for name, d in varied.items() if name in offers or name in left}
    if not ranged and not given:
        raise Refusal(
            "The final study varies nothing, since what the rounds varied has no range any more ({names}): give a "
            "hyperparameter a range (--range KEY=LOW..HIGH).",
            names=sorted(varied),
        )
    roles = {**fixed(others), **roles}
    defaults: dict[str, Role] = dict.fromkeys(ranged, "nuisance")
    ranges = {**{name: own.domain for name, own in left.items() if name in varied}, **ranges}
    found = propose(roles=roles, ranges=ranges, defaults=defaults)
    outside = [
        d.name
        for d in found.studies[0].dimensions
        if not {d.name, d.key} & given and base.get(d.key) is not None and not d.domain.contains(base[d.key])
    ]
    if outside:
        searched, as_many = _searched(store, found, outside)
        roles = {**fixed(name for name in outside if name not in searched), **roles}
        found = propose(roles=roles, ranges=ranges, defaults=defaults)
        notes = [_beside(d, base[d.key], as_many) for d in found.studies[0].dimensions if d.name in searched]
        found = replace(found, notes=(*found.notes, *notes))
    from_rounds = {name: left[name].source for name in left.keys() & found.origins.keys() if name not in given}
    sources = {name: replace(found.origins[name], source=source) for name, source in from_rounds.items()}
    return replace(found, origins={**found.origins, **sources})


def _searched(store: Store, plan: RoundPlan, outside: Collection[str]) -> tuple[frozenset[str], int]:
    """Which of the dimensions `outside` of whose ranges the best values lie are to be searched, the others being kept
    at these values, and of how many trials that space consists."""
    (study,), direction = plan.studies, measure.of_project(store.project.settings).direction
    spaces: Counter[frozenset[str]] = Counter()
    for _batch, entry, settings in comparable.trials_of(store, plan, planning.rounds(store)):
        beyond = {d.name for d in study.dimensions if not d.domain.contains(settings.get(d.key))}
        kept = {d.name for d in study.dimensions if d.name in outside and settings.get(d.key) == plan.base[d.key]}
        if beyond == kept and _known({}, entry, direction):
            spaces[frozenset(outside) - kept] += 1
    return spaces.most_common(1)[0] if spaces else (frozenset(), 0)


def _beside(dimension: Dimension, value: Any, count: int) -> Message:
    return say(
        "{name} is searched in {domain}, as in {count} trials so far. The best value so far, {value}, lies outside of "
        "that range: the final study does not try it.",
        name=dimension.name,
        domain=str(dimension.domain),
        count=count,
        value=written(value),
    )


def _varied(store: Store, base: Mapping[str, Any]) -> dict[str, Dimension]:
    """What the rounds have varied, by dimension name: in studies of which a complete trial differs from the best
    configuration in such things only. What this does not use stays out of it."""
    studies = []
    for batch in planning.rounds(store):
        if not batch.plan.get("listed"):
            ended = [entry for entry in trials.trials(store, batch.name) if entry.status == "complete"]
            began = trials.batch_settings(store, batch.name)
            studies += [
                (study, [trials.overridden(began, entry) for entry in ended if entry.study == study.name])
                for study in planning.plan_of(store, batch.name).studies
            ]
    keys = {d.key for study, _ in studies for d in study.dimensions}
    wanted = comparable.rest(base, keys)
    counted = [study for study, settings in studies if any(comparable.rest(own, keys) == wanted for own in settings)]
    dimensions = [d for study in counted for d in study.dimensions]
    own = bool(store.project.settings.command)
    return {d.name: d for d in dimensions if own or in_use(d.key, base.get(d.key))}


def _known(u: Mapping[str, float], entry: Trial, direction: Direction) -> Known | None:
    """What an ended trial says of its point: how good it is, or that it is not feasible; None where it says nothing."""
    if entry.status == "complete" and entry.best is not None and usable(entry.best):
        return Known(u, turned(entry.best, direction))
    return Known(u, None) if entry.status == "infeasible" and entry.reason == "diverged" else None


def _choices(study: Study) -> dict[str, int]:
    return {d.name: 0 if d.domain.ordered else len(d.domain.choices) for d in study.dimensions}


def _planned(study: Study, points: list[dict[str, float]], first: int) -> tuple[PlannedTrial, ...]:
    planned = []
    for place, u in enumerate(points):
        values = {d.name: d.domain.value(u[d.name]) for d in study.dimensions}
        chosen = {d.key: values[d.name] for d in study.dimensions}
        planned.append(PlannedTrial(study.name, first + place, u, values, {**study.overrides, **chosen}))
    return tuple(planned)
