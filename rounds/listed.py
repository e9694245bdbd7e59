"""A round whose trials a person lists one by one, instead of points of a sequence (P4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from presets.language import Message, say
from rounds import budget, honoured, planning
from rounds.plan import PlannedTrial, Role, RoundPlan
from rounds.space import Domain
from rounds.tunables import setting_meant
from state.database import Store
from state.errors import Invalid
from state.trials import Batch

# Marks the plan of such a round: its points follow no sequence, and its values are no range to go on with.
MARK = {"listed": True}


def propose(
    store: Store,
    listed: Sequence[Mapping[str, Any]],
    override: str = "",
    *,
    steps: int | None = None,
    examples: int | None = None,
) -> RoundPlan:
    """A plan of these trials, each as key to value; what one does not name is as in the best configuration, and nothing
    else varies. `steps` and `examples` as in `planning.propose`. Refuses an unknown key, and one that neither a
    trial nor the configuration gives a value."""
    base = planning.basis(store, override).settings
    listed = [{setting_meant(store.project, base, name): value for name, value in trial.items()} for trial in listed]
    honoured.refuse_foreign(store.project, base, (key for trial in listed for key in trial))
    values: dict[str, list[Any]] = {key: [] for trial in listed for key in trial}
    for key, found in values.items():
        for trial in listed:
            value = trial.get(key, base.get(key))
            if value is None:
                raise Invalid("{key}: give every trial a value; the best configuration has none.", key=key)
            if value not in found:
                found.append(value)
    asked: dict[str, Any] = {"trials": len(listed), "override": override, "steps": steps, "examples": examples}
    asked["ranges"] = {key: _domain(found) for key, found in values.items()}
    wide = planning.propose(store, "minimise", **asked)
    others: dict[str, Role] = {d.name: "fixed" for d in wide.studies[0].dimensions if d.key not in values}
    plan = planning.propose(store, "minimise", roles=others, **asked) if others else wide
    (study,) = plan.studies
    trials = []
    for place, entry in enumerate(listed):
        u = {d.name: d.domain.position(entry.get(d.key, base.get(d.key))) for d in study.dimensions}
        # Back from the position: as the setting is declared, whatever was typed.
        own = {d: d.domain.value(u[d.name]) for d in study.dimensions}
        overrides = {**study.overrides, **{d.key: value for d, value in own.items()}}
        chosen = {d.name: value for d, value in own.items()}
        trials.append(PlannedTrial(study.name, plan.first + place, u, chosen, overrides))
    warnings = (*budget.thinness(plan.studies, len(trials)), *planning.about_command(store), *_twins(trials))
    return replace(plan, trials=tuple(trials), warnings=warnings)


def save(store: Store, plan: RoundPlan, *, slots: int = 0, override: str = "") -> Batch:
    """Record the round and queue its trials, as `planning.save` does."""
    return planning.save(store, plan, slots=slots, override=override, about=MARK)


def _twins(planned: Sequence[PlannedTrial]) -> Iterator[Message]:
    """A warning where two trials try the same, which may be meant: it shows how far runs differ by chance."""
    first: dict[str, int] = {}
    for place, entry in enumerate(planned, 1):
        before = first.setdefault(repr(sorted(entry.overrides.items())), place)
        if before != place:
            yield say("Trials {one} and {other} try the same, with other seeds at most.", one=before, other=place)


def _domain(values: Sequence[Any]) -> Domain:
    if any(isinstance(value, str | bool) for value in values):
        return Domain("categorical", choices=tuple(values))
    return Domain("list", choices=tuple(sorted(values)))
