"""What a person gives a round, range by range and role by role: all of it counts, or is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from presets.language import Message, say
from rounds import tunables
from rounds.plan import DesignError, Role, RoundPlan
from rounds.roles import OPTIMIZER, including, name_of, setting_of, value_of
from rounds.space import Domain
from state.hyperparameters import written
from state.project import Project


def with_ranges(
    asked: Mapping[str, Domain | None], ranges: Mapping[str, Domain], optimizer: str
) -> tuple[dict[str, Domain | None], dict[str, Domain]]:
    """What is asked, with the range that was given for it as its values, and the other ranges. Refuses values given
    twice."""
    found, left = dict(asked), dict(ranges)
    for key in asked:
        for name in dict.fromkeys((key, name_of(key, optimizer))):
            if name not in left:
                continue
            if found[key] is not None:
                raise DesignError(
                    "{key} has values in what the round asks, and a range besides: give one of them (--about "
                    "KEY=VALUES, or --range).",
                    key=key,
                )
            found[key] = left.pop(name)
    return found, left


def leaving_out(plan: RoundPlan) -> Iterator[Message]:
    """A sentence for each range that does not hold the best configuration's value, though its scale has a place for
    it: nothing near what is known to be good is tried then."""
    for dimension in {d.name: d for study in plan.studies for d in study.dimensions}.values():
        value = value_of(plan.base, dimension.name, dimension.key)
        if including(dimension.domain, value) != dimension.domain:
            yield say(
                "{name} is searched in {domain}, which leaves out {value}, the best configuration's value: no trial "
                "comes near it.",
                name=dimension.name,
                domain=str(dimension.domain),
                value=written(value),
            )


def refuse_unused(plan: RoundPlan, roles: Mapping[str, Role], ranges: Mapping[str, Domain]) -> None:
    """Raise DesignError for a range or a role that the plan has no use for."""
    optimizer = str(plan.base.get(OPTIMIZER, ""))
    asked = {name for key in plan.scientific for name in (key, name_of(key, optimizer))}
    searched = asked | {name for study in plan.studies for d in study.dimensions for name in (d.name, d.key)}
    parts = asked | searched | {part for name in plan.roles for part in (name, setting_of(name))}
    for name in (*ranges, *roles):
        if name not in parts:
            raise DesignError(
                "{name} is no part of this round. It has {parts}: name one of these, or leave {name} out.",
                name=name,
                parts=sorted(plan.roles),
            )
    for name in ranges:
        if name not in searched:
            raise DesignError("{name} has a range, but the role fixed: leave one of the two out.", name=name)
    for name, role in roles.items():
        if name in asked and role != "scientific":
            raise DesignError(
                "The round asks about {name}, so that it cannot be {role}: leave --role out, or ask about another "
                "hyperparameter (--about KEY).",
                name=name,
                role=role,
            )


def refuse_foreign(
    project: Project, base: Mapping[str, Any], names: Iterable[str], compared: Collection[str] = ()
) -> None:
    """Raise DesignError for a hyperparameter that only other optimizers have than that of the configuration, or those
    that are compared."""
    optimizers, present = tunables.optimizers(project, base), compared or [str(base.get(OPTIMIZER, ""))]
    own = {
        name: [_leaf(entry.key) for entry in entries if entry.key.startswith("optimizer.")]
        for name, entries in optimizers.items()
    }
    for name in names:
        section = name.rpartition(".")[0]
        owners = [optimizer for optimizer, leaves in own.items() if _leaf(name) in leaves]
        owners = [section] if section in owners else owners if section in ("", "optimizer") else []
        if owners and not set(owners) & set(present):
            raise DesignError(
                "{name} is a hyperparameter of {owners}; this is about {present}, with {known}. Name one of these, or "
                "leave {name} out.",
                name=name,
                owners=owners,
                present=sorted(present),
                known=sorted({leaf for optimizer in present for leaf in own.get(optimizer, ())}),
            )


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
