"""Where the range of a hyperparameter comes from: what is asked, the rounds before, or what is offered (G17).

Offered is what the catalogue has, or the project's files: a team's presets, or tunebook.toml for a command of the
user's own. A plan keeps what was offered when it was made, so that a range which a person changes in a file since then
goes before the ranges of the rounds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from presets.catalogue import Hyperparameter
from presets.language import Message, say
from rounds import budget, dismissing, reviewed
from rounds.finding import Finding
from rounds.plan import DesignError, Origin, RoundPlan, Study
from rounds.roles import OPTIMIZER, asked_of, domain_of, name_of
from rounds.space import Domain
from state import trials
from state.database import Store
from state.trials import Batch, Trial

ASKED = say("set for this round")
REMEDY = say("what the remedy tries")
# Of what has no entry in the catalogue only the optimizers are asked about without saying which.
LISTED = say("all that the catalogue has")


@dataclass(frozen=True)
class Left:
    """The range of a dimension as the rounds so far leave it: that of the last `round` which searched it, or what its
    review made of that; `source` says so."""

    key: str
    domain: Domain
    source: Message
    round: str


def left(
    store: Store,
    batches: Iterable[Batch],
    offers: Mapping[str, Hyperparameter],
    base: Mapping[str, Any],
    asked: Collection[str] = (),
) -> dict[str, Left]:
    """What these rounds leave, by dimension name, where what is offered is still the same. A round that was planned and
    never run leaves nothing, nor do a study that was given up before it had searched (`_given_up`) and the range that a
    remedy chose, unless a review made something of it. What is
    offered as a share of a setting is carried as one to that setting in `base`. Where values were compared, the study
    of the one that `base` has says alone what to go on with, unless it is `asked` about them again: where another
    optimizer is best says nothing of this one (P3)."""
    found: dict[str, Left] = {}
    for batch in batches:
        entries = trials.trials(store, batch.name)
        if batch.plan.get("listed") or not any(map(trials.begun, entries)):
            continue
        plan = RoundPlan.from_dict(batch.plan)
        going = [study for study in plan.studies if _goes_on(study, base, asked)] or plan.studies
        proposed = _reviewed(store, plan, batch.name, going)
        for of, dimension in ((study, d) for study in going for d in study.dimensions):
            name, origin = dimension.name, plan.origins.get(dimension.name)
            if origin is not None and origin.offered != _offered(offers.get(name)):
                found.pop(name, None)
                continue
            if name in proposed:
                source = say("carried from {round}, as its review proposes", round=batch.name)
                own = Left(dimension.key, proposed[name], source, batch.name)
            elif origin is not None and origin.source == REMEDY:
                # Around the rate that was unstable: where the best lies is another question.
                continue
            elif _given_up(of, batch, entries):
                continue
            else:
                source = say("carried from {round}", round=batch.name)
                own = Left(dimension.key, dimension.domain, source, batch.name)
            share_of = offers[name].share_of if name in offers else ""
            found[name] = _in_proportion(own, share_of, plan.base.get(share_of), base.get(share_of))
        # What was compared in studies of its own goes on where the review leaves values out.
        for (key, _domain), name in zip(plan.scientific.items(), asked_of(plan), strict=True):
            origin = plan.origins.get(name)
            if name in proposed and (origin is None or origin.offered == _offered(offers.get(name))):
                source = say("carried from {round}, as its review proposes", round=batch.name)
                found[name] = Left(key, proposed[name], source, batch.name)
    return found


def _goes_on(study: Study, base: Mapping[str, Any], asked: Collection[str]) -> bool:
    """Whether the values of a study are those of a configuration, as far as it is not asked about them again."""
    return all(key in asked or value is None or base.get(key) == value for key, value in study.setting.items())


def _given_up(study: Study, batch: Batch, entries: Sequence[Trial]) -> bool:
    """Whether so many trials of a study were taken back, or stopped with their round, that the others are too few to
    conclude anything (P5); what was planned so small, and ran, has searched what it was to search."""
    own = [entry for entry in entries if entry.study == study.name]
    waiting = [entry for entry in own if entry.status not in trials.ENDED]
    left = [entry for entry in waiting if batch.wanted == "stop" or trials.stopped_alone(entry)]
    return bool(left) and budget.density((study,), len(own) - len(left))[0].empty


def _in_proportion(own: Left, share_of: str, before: Any, now: Any) -> Left:
    """A range of shares of a setting, where that was another: a tenth of the steps stays a tenth of them."""
    domain = own.domain
    if not (domain.is_range and share_of and before and now) or before == now:
        return own
    low, high = domain.low * now / before, domain.high * now / before
    if domain.kind == "int":
        low = max(math.ceil(low), 1 if domain.scale == "log" else 0)
        high = max(low, math.floor(high))
    source = say("{source}, in proportion to {setting}", source=own.source, setting=share_of)
    return replace(own, domain=replace(domain, low=low, high=high), source=source)


def passed_over(store: Store, batches: Iterable[Batch]) -> tuple[Message, ...]:
    """What the review of the last round that was run proposes for all ranges at once: to narrow them is one of two
    answers to a round that gained nothing, so that only who asks for it gets it."""
    run = [batch for batch in batches if any(map(trials.begun, trials.trials(store, batch.name)))]
    return tuple(
        say(
            "The review of {round} also proposes ranges a third as wide around the best configuration. They are not "
            "used here; to plan a round in them: tunebook round review {round} --act {check}",
            round=batch.name,
            check=finding.key,
        )
        for batch in run[-1:]
        for finding in _standing(store, batch.name)
        if finding.action is not None and finding.action.code == "narrow"
    )


def recorded(plan: RoundPlan, offers: Mapping[str, Hyperparameter], sources: Mapping[str, Message]) -> RoundPlan:
    """The plan with the origin of each range: as `sources` say by name or key, otherwise what is offered."""
    optimizer = str(plan.base.get(OPTIMIZER, ""))
    searched = {d.name: (d.key, d.domain) for study in plan.studies for d in study.dimensions}
    searched |= {name_of(key, optimizer): (key, domain) for key, domain in plan.scientific.items()}
    origins = {}
    for name, (key, domain) in searched.items():
        entry, source = offers.get(name), sources.get(name, sources.get(key))
        if entry is None:
            origins[name] = Origin(source or LISTED, {})
            continue
        if source is None or (source == ASKED and domain == _fitted(entry, plan.base)):
            source = _source(entry, domain, plan.base)
        origins[name] = Origin(source, _offered(entry), entry.unit)
    return replace(plan, origins=origins)


def _source(entry: Hyperparameter, domain: Domain, base: Mapping[str, Any]) -> Message:
    """Where what is offered comes from, and whether it was widened to hold the present value."""
    whole, now = _fitted(entry, base), base.get(entry.key)
    if whole is not None and domain != whole and isinstance(now, int | float) and domain.is_range:
        return say("{source}; widened to hold {value:.4g}, the best so far", source=stated(entry), value=now)
    return stated(entry)


def stated(entry: Hyperparameter) -> Message:
    """The source as the catalogue has it, which is translated; a team's own words stay as they are."""
    own = any(sign in entry.source for sign in "{}")
    return say("{text}", text=entry.source) if own else Message(entry.source)


def _fitted(entry: Hyperparameter, base: Mapping[str, Any]) -> Domain | None:
    try:
        return domain_of(entry, base)
    except DesignError:
        return None


def _offered(entry: Hyperparameter | None) -> dict[str, Any]:
    """What is offered, before a configuration makes a range of it; {} for nothing."""
    if entry is None:
        return {}
    if entry.kind == "categorical":
        return {"choices": list(entry.choices)}
    return {part: getattr(entry, part) for part in ("kind", "low", "high", "scale", "share_of")}


def _reviewed(store: Store, plan: RoundPlan, name: str, going: Iterable[Study]) -> dict[str, Domain]:
    """The ranges that the review of a round proposes for these studies and nobody has dismissed, by dimension name: of
    several for one dimension all count."""
    found: dict[str, dict[str, list[Domain]]] = {}
    # What was compared in studies of its own is of none.
    studies = {"", *(study.name for study in going)}
    for action in (finding.action for finding in _standing(store, name)):
        if action is None or action.code not in ("widen", "shrink") or "domain" not in action.payload:
            continue
        if action.payload["study"] in studies:
            own = found.setdefault(str(action.payload["name"]), {})
            own.setdefault(str(action.payload["study"]), []).append(Domain.from_dict(action.payload["domain"]))
    searched = {(study.name, d.name): d.domain for study in plan.studies for d in study.dimensions}
    # What was compared in studies of its own is a dimension of none.
    searched |= {("", name): domain for name, domain in asked_of(plan).items()}
    return {
        name: _of_studies({study: (searched[study, name], domains) for study, domains in own.items()})
        for name, own in found.items()
    }


def _of_studies(proposed: Mapping[str, tuple[Domain, Sequence[Domain]]]) -> Domain:
    """What studies make of a range that they share, from what each has searched and what is proposed for it: nothing
    that one of them is to go on with is left out for another."""
    before = next(domain for domain, _ in proposed.values())
    left = [_together(domain, domains) for domain, domains in proposed.values()]
    if not before.is_range:
        return replace(before, choices=tuple(c for c in before.choices if any(one.contains(c) for one in left)))
    low = min((one.low for one in left if one.low != before.low), default=before.low)
    high = max((one.high for one in left if one.high != before.high), default=before.high)
    if low < high:
        return replace(before, low=low, high=high)
    # Each cuts off what another keeps.
    return replace(before, low=min(one.low for one in left), high=max(one.high for one in left))


def _together(before: Domain, proposed: Sequence[Domain]) -> Domain:
    """What several proposals make of the range of one study: wider where one widens it, unless another cuts there."""
    if not before.is_range:
        return replace(before, choices=tuple(c for c in before.choices if all(one.contains(c) for one in proposed)))
    cut_low = [one.low for one in proposed if one.low > before.low]
    cut_high = [one.high for one in proposed if one.high < before.high]
    low = max(cut_low) if cut_low else min(one.low for one in proposed)
    high = min(cut_high) if cut_high else max(one.high for one in proposed)
    return replace(before, low=low, high=high)


def _standing(store: Store, name: str) -> list[Finding]:
    """The findings of a round's review that nobody has dismissed."""
    kept = trials.findings(store, name) if reviewed.holds(store, trials.batch(store, name)) else []
    findings = [Finding.from_dict(entry) for entry in kept]
    dismissed = dismissing.in_force(store, name, findings)
    return [finding for finding in findings if finding.key not in dismissed]
