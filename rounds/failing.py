"""Which values fail: a choice at which no trial comes to a result, or all of a range beyond some point (G17, P10).

What a trial came to depends on its value where so many failures at that value, and not elsewhere, are unlikely by
chance (Fisher's exact test). The next round leaves such values out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from presets.language import Message, say
from rounds.finding import Action, Finding
from rounds.infeasible import MOST, SIGNIFICANCE, Frontier, frontiers, reason_said
from rounds.plan import RoundPlan, Study
from rounds.record import TrialRecord, ended
from rounds.roles import asked_of
from rounds.space import Choice, Dimension, Domain
from state.trials import Trial

CHECK, RULE = "failing", "P10"
# Of a value that no trial came to a result with, so many trials at least; as of an edge of stability.
FEWEST = 3
# What the machine or the data did to a trial says nothing about its values.
OF_THE_VALUE = ("diverged", "out_of_memory", "error", "config", "no metric")
DIVERGED = ("diverged",)


@dataclass(frozen=True)
class _Listed:
    """What is listed, not a range: its dimension `name`, configuration `key`, values, and the trials of each."""

    study: str
    name: str
    key: str
    domain: Domain
    groups: Mapping[Choice, Sequence[TrialRecord]]
    compared: bool


def check(plan: RoundPlan, records: Sequence[TrialRecord]) -> list[Finding]:
    """A finding for each hyperparameter of which a value, or a part of the range, fails every time."""
    counted = ended(records)
    found = [_of_values(entry, values) for entry in _listed(plan, counted) if (values := _failing(entry.groups))]
    for study in plan.studies:
        found += [_of_range(study, edge, counted) for edge in edges(study, ended(counted, study.name))]
    return found


def edges(study: Study, records: Sequence[TrialRecord]) -> list[Frontier]:
    """The points of ranges beyond which all trials failed otherwise than by divergence, of which `frontiers` tells."""
    return frontiers(study, records, lambda record: _fails(record) and record.reason not in DIVERGED)


def left(dimension: Dimension, found: Sequence[Frontier]) -> Domain:
    """What of a range these edges leave."""
    domain = dimension.domain
    for edge in found:
        if edge.dimension == dimension.name:
            high = edge.side == "high"
            ends = {"high": min(domain.high, edge.value)} if high else {"low": max(domain.low, edge.value)}
            domain = replace(domain, **ends)
    return domain


def explained(found: Sequence[Finding]) -> set[str]:
    """The trials whose failure these findings lay to a value."""
    return {trial for finding in found for trial in finding.figures["trials"]}


def lost(plan: RoundPlan, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that failed, where those are most of a round and no value is to blame: they say nothing about what was
    tried, and neither do the few others."""
    counted, blamed = ended(records), explained(check(plan, records))
    failed = [record for record in counted if record.status == "failed" and record.id not in blamed]
    return failed if failed and len(failed) >= MOST * len(counted) else []


def of_the_machine(entry: TrialRecord | Trial) -> bool:
    """Whether what was to be tried was not: the machine, or the data, kept the trial from a result."""
    return entry.status == "failed" and entry.reason not in OF_THE_VALUE


def _fails(record: TrialRecord) -> bool:
    """Whether it failed in a way that its values may be to blame for."""
    return not record.feasible and (record.reason in OF_THE_VALUE or record.status == "complete")


def _listed(plan: RoundPlan, records: Sequence[TrialRecord]) -> list[_Listed]:
    found = []
    for study in plan.studies:
        for d in study.dimensions:
            if not d.domain.is_range:
                own = ended(records, study.name)
                groups = {c: [r for r in own if d.domain.value(r.u[d.name]) == c] for c in d.domain.choices}
                found.append(_Listed(study.name, d.name, d.key, d.domain, groups, compared=False))
    settings = {study.name: study.setting for study in plan.studies}
    # Where each value has ranges of its own, that all of its trials diverged may lie in those.
    own_ranges = any(study.dimensions for study in plan.studies)
    for (key, domain), name in zip(plan.scientific.items(), asked_of(plan), strict=True):
        if not domain.is_range and all(setting.get(key) is not None for setting in settings.values()):
            known = [record for record in records if not (own_ranges and record.reason in DIVERGED)]
            groups = {c: [r for r in known if settings[r.study][key] == c] for c in domain.choices}
            found.append(_Listed("", name, key, domain, groups, compared=True))
    return found


def _failing(groups: Mapping[Choice, Sequence[TrialRecord]]) -> list[Choice]:
    """The values at which every trial failed, where that is unlikely by chance."""
    known = {value: [r for r in group if r.feasible or _fails(r)] for value, group in groups.items()}
    always = {value for value, group in known.items() if group and not any(record.feasible for record in group)}
    others = [record for value, group in known.items() if value not in always for record in group]
    bad = sum(not record.feasible for record in others)
    return [
        value
        for value in known
        if value in always
        and len(known[value]) >= FEWEST
        and _chance(len(known[value]), len(others), bad) <= SIGNIFICANCE / len(known)
    ]


def _chance(failed: int, others: int, bad: int) -> float:
    """How likely all of so many trials are among those that failed, of which there are `bad` among the others."""
    return math.comb(others, bad) / math.comb(others + failed, bad + failed)


def _of_values(entry: _Listed, values: Sequence[Choice]) -> Finding:
    trials = [record for value in values for record in entry.groups[value] if _fails(record)]
    others = [record for value, group in entry.groups.items() if value not in values for record in group]
    left = tuple(choice for choice in entry.domain.choices if choice not in values)
    message = say(
        "No trial with {name} at {values} came to a result: {failed} failed ({reasons}). Of the {others} other trials, "
        "{bad} failed.",
        name=entry.name,
        values=[str(value) for value in values],
        failed=len(trials),
        reasons=reasons(trials),
        others=len(others),
        bad=sum(not record.feasible for record in others),
    )
    # Of a comparison one value alone is none.
    action = None
    if len(left) > 1 or not entry.compared:
        words = say(
            "Leave {values} out of {name} from the next round on: search {left}.",
            values=[str(value) for value in values],
            name=entry.name,
            left=[str(value) for value in left],
        )
        payload = {"name": entry.name, "key": entry.key, "domain": replace(entry.domain, choices=left).to_dict()}
        action = Action("shrink", words, {"study": entry.study, **payload})
    figures = {"dimension": entry.name, "values": list(values), "trials": [record.id for record in trials]}
    return _finding({"study": entry.study, **figures} if entry.study else figures, message, action)


def _of_range(study: Study, edge: Frontier, records: Sequence[TrialRecord]) -> Finding:
    high = edge.side == "high"
    kept = left(next(d for d in study.dimensions if d.name == edge.dimension), edges(study, ended(records, study.name)))
    beyond = [r for r in ended(records, study.name) if (r.u[edge.dimension] > edge.u) is high and _fails(r)]
    message = say(
        "No trial with {name} {side} {value:.4g} came to a result: {failed} failed ({reasons}).",
        name=edge.dimension,
        side=say("above") if high else say("below"),
        value=edge.value,
        failed=len(beyond),
        reasons=reasons(beyond),
    )
    words = say(
        "Search {name} from {low:.4g} to {high:.4g} from the next round on.",
        name=edge.dimension,
        low=kept.low,
        high=kept.high,
    )
    payload = {"study": study.name, "name": edge.dimension, "key": edge.key, "domain": kept.to_dict()}
    figures = {"study": study.name, "dimension": edge.dimension, "past": edge.side, "edge": edge.value}
    figures |= {"trials": [record.id for record in beyond]}
    return _finding(figures, message, Action("shrink", words, payload))


def _finding(figures: Mapping[str, Any], message: Message, action: Action | None) -> Finding:
    return Finding(CHECK, "warn", message, RULE, figures, action)


def reasons(trials: Sequence[TrialRecord]) -> list[Message]:
    """Why these trials have no result, the most frequent reason first."""
    counted = Counter(record.reason or record.status for record in trials)
    return [say("{n} {reason}", n=n, reason=reason_said(code)) for code, n in counted.most_common()]
