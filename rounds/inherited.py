"""What a round takes over from those before it: the roles that their insights give, and the ranges that they leave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from presets.catalogue import Hyperparameter
from presets.language import Message, say
from rounds import alike, origin
from rounds.origin import Left
from rounds.plan import Role, RoundPlan
from rounds.roles import OPTIMIZER, asked_of, including, name_of, value_of
from rounds.steps import STEPS
from state import launches, trials
from state.database import Store
from state.trials import Batch

# What the kinds of insights mean for the role of a hyperparameter (rounds/insights.py).
LEARNT: Mapping[str, Role] = {"little": "fixed", "matters": "nuisance", "together": "nuisance"}


def roles(
    store: Store, plan: RoundPlan, entries: Sequence[Hyperparameter], given: Collection[str]
) -> tuple[dict[str, Role], tuple[Message, ...]]:
    """The roles that confirmed insights give, by name: fixed where it matters little, tuned along where it matters or
    acts together with another; the later insight counts. Whatever was `given` stays out, and no study is emptied.

    What was learnt on other data, by another metric, or at another batch size goes behind what holds now and fixes
    nothing; what it would have fixed is said.
    """
    optimizer = str(plan.base.get(OPTIMIZER, ""))
    keys = {name_of(entry.key, optimizer): entry.key for entry in entries}
    wished: dict[str, Role] = {}
    hints: dict[str, str] = {}
    outdated = alike.outdated(store, plan.base)
    for insight in sorted(launches.insights(store), key=lambda entry: entry.batch not in outdated):
        role = LEARNT.get(insight.key.partition("/")[0])
        for name in insight.evidence.get("about", ()):
            known = name in keys and name in plan.roles and plan.roles[name] != "scientific"
            if role is not None and known and not {name, keys[name]} & set(given):
                wished[name] = role
                hints.pop(name, None)
                if role == "fixed" and insight.batch in outdated:
                    del wished[name]
                    hints[name] = str(insight.batch)
    for name in [name for name, role in wished.items() if role == "fixed"]:
        fixed = {other for other, role in wished.items() if role == "fixed"}
        if any(study.dimensions and {d.name for d in study.dimensions} <= fixed for study in plan.studies):
            del wished[name]
    notes = ()
    if told := {name: batch for name, batch in hints.items() if plan.roles[name] != "fixed"}:
        words = say(
            "Little effect in {rounds}, but before data, metric or batch size changed: {names}. That is a hint now, "
            "and fixes nothing; to fix it all the same: --role NAME=fixed",
            names=list(told),
            rounds=list(dict.fromkeys(told.values())),
        )
        notes = (words,)
    return {name: role for name, role in wished.items() if plan.roles[name] != role}, notes


def ranges(
    store: Store,
    before: Iterable[Batch],
    plan: RoundPlan,
    offers: Mapping[str, Hyperparameter],
    given: Collection[str],
) -> dict[str, Left]:
    """For what a plan searches, the ranges that the rounds `before` leave, widened to hold the present value.

    By dimension name, or by key where it is scientific; whatever was `given` stays out.
    """
    known = origin.left(store, before, offers, plan.base, plan.scientific)
    searched = {d.name: d.key for study in plan.studies for d in study.dimensions}
    listed = {name: key for name, key in zip(asked_of(plan), plan.scientific, strict=True) if name not in searched}
    return {
        key if key in plan.scientific else name: replace(
            known[name], domain=including(known[name].domain, value_of(plan.base, name, key))
        )
        for name, key in {**searched, **listed}.items()
        if name in known and not {name, key} & set(given)
    }


def since_then(store: Store, plan: RoundPlan, carried: Mapping[str, Left]) -> tuple[Message, ...]:
    """That ranges are carried from rounds on other data, by another metric, or at another batch size."""
    outdated = alike.outdated(store, plan.base)
    told = {name: own.round for name, own in carried.items() if own.round in outdated}
    if not told:
        return ()
    words = say(
        "Range carried from {rounds}, before data, metric or batch size changed: {names}. It is where to start; the "
        "review of this round says whether it is wide enough.",
        names=list(told),
        rounds=list(dict.fromkeys(told.values())),
    )
    return (words,)


def of_another_length(store: Store, plan: RoundPlan, carried: Mapping[str, Left]) -> tuple[Message, ...]:
    """That ranges are carried from rounds whose trials took another number of steps."""
    length = plan.base.get(STEPS)
    before = {own.round: trials.batch_settings(store, own.round).get(STEPS) for own in carried.values()}
    return tuple(
        say(
            "Range carried from {round}, whose trials took {before} steps, not {steps}: {names}. With another number "
            "of steps the best values lie elsewhere, first of all the learning rate's.",
            round=name,
            before=steps,
            steps=length,
            names=[dimension for dimension, own in carried.items() if own.round == name],
        )
        for name, steps in before.items()
        if steps is not None and length is not None and steps != length
    )
