"""How many trials were infeasible, why, and where: a large share, or an edge past which all diverge (P8, P10)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from presets.language import Message, say
from rounds.finding import Action, Finding
from rounds.plan import RoundPlan, Study
from rounds.record import Direction, TrialRecord, ended, leading
from rounds.space import Domain

# Shares of infeasible trials that call for a proposal, and for a stop (our judgement: the playbook names none).
MANY, MOST = 0.25, 0.5
# How unlikely a run of diverged trials at an edge must be by chance, over all edges of a study, and how long.
SIGNIFICANCE = 0.05
SHORTEST = 3
# The best trials are next to the edge of stability when they lie in this last part of what is stable.
NEXT = 0.8


@dataclass(frozen=True)
class Frontier:
    """An edge of stability: on this side of `value` (coordinate `u`) all `diverged` trials and no others lie. Those of
    another kind of failure it may be, too."""

    study: str
    dimension: str
    key: str
    side: Literal["low", "high"]
    u: float
    value: float
    diverged: int


def check(
    plan: RoundPlan, records: Sequence[TrialRecord], direction: Direction, explained: Collection[str] = ()
) -> list[Finding]:
    """The share of infeasible trials with its reasons, and each edge of stability that the best trials lie next to.
    `explained`: the trials whose failure another check lays to a value, for which nothing else is to be done."""
    found = [
        finding
        for study in plan.studies
        for frontier in frontiers(study, ended(records, study.name))
        if (finding := _next_to(frontier, ended(records, study.name), direction))
    ]
    return [_share(plan, ended(records), explained), *found]


def diverged(record: TrialRecord) -> bool:
    """Whether training broke down; a trial that ran out of memory or met a bug says nothing about stability."""
    return record.status == "infeasible" and record.reason == "diverged"


def frontiers(
    study: Study, records: Sequence[TrialRecord], failed: Callable[[TrialRecord], bool] = diverged
) -> list[Frontier]:
    """The edges past which all trials of a study diverged, or `failed` in another way, where that is unlikely by chance
    (hypergeometric, exact). Those that did neither that nor train to a result do not count."""
    dimensions = [dimension for dimension in study.dimensions if dimension.domain.is_range]
    known = [record for record in records if record.feasible or failed(record)]
    found = []
    for dimension in dimensions:
        for side in ("low", "high"):
            outward = sorted(known, key=lambda record: record.u[dimension.name] * (1 if side == "low" else -1))
            run = next((place for place, record in enumerate(outward) if record.feasible), 0)
            if run < SHORTEST:
                continue
            feasible = dimension.domain.value(outward[run].u[dimension.name])
            if dimension.domain.kind == "int":
                # With the same number a trial may still have trained.
                run = sum(dimension.domain.value(record.u[dimension.name]) != feasible for record in outward[:run])
            bad = sum(not record.feasible for record in outward)
            chance = math.comb(len(known) - run, bad - run) / math.comb(len(known), bad)
            if run >= SHORTEST and chance <= SIGNIFICANCE / (2 * len(dimensions)):
                u = (outward[run - 1].u[dimension.name] + outward[run].u[dimension.name]) / 2
                value = feasible if dimension.domain.kind == "int" else dimension.domain.value(u)
                found.append(Frontier(study.name, dimension.name, dimension.key, side, u, value, run))
    return found


def _share(plan: RoundPlan, records: Sequence[TrialRecord], explained: Collection[str]) -> Finding:
    infeasible = [record for record in records if not record.feasible]
    share = len(infeasible) / len(records) if records else 0.0
    reasons = Counter(record.reason or record.status for record in infeasible)
    figures = {"trials": len(records), "infeasible": len(infeasible), "share": share, "reasons": dict(reasons)}
    if not records:
        return Finding("infeasible", "cannot tell", say("No trial has ended yet."), "P10", figures)
    if not infeasible:
        message = say("All {trials} trials trained to a result.", trials=len(records))
        return Finding("infeasible", "pass", message, "P10", figures)
    message = say(
        "{infeasible} of {trials} trials were infeasible: {reasons}.",
        infeasible=len(infeasible),
        trials=len(records),
        reasons=[say("{n} {reason}", n=n, reason=reason_said(code)) for code, n in reasons.most_common()],
    )
    verdict = "fail" if share >= MOST else "warn" if share >= MANY else "pass"
    rest = [record for record in records if record.id not in explained]
    others = Counter(record.reason or record.status for record in rest if not record.feasible)
    many = others.total() >= MANY * len(rest) if rest else False
    action = _proposal(plan, rest, others.most_common(1)[0][0]) if many and others else None
    return Finding("infeasible", verdict, message, "P10", figures, action)


def reason_said(code: str) -> Message:
    """Why a trial has no result, in words."""
    return {
        "diverged": say("diverged"),
        "out_of_memory": say("out of memory"),
        "disk_full": say("disk full"),
        "device": say("GPU failed"),
        "data": say("trouble with the data"),
        "config": say("a configuration that cannot run"),
        "complete": say("ended without a usable value of the metric"),
    }.get(code) or say("failed ({code})", code=code)


def _proposal(plan: RoundPlan, records: Sequence[TrialRecord], reason: str) -> Action:
    """What to do about many infeasible trials, by their most frequent reason."""
    if reason == "out_of_memory":
        message = say(
            "Choose a smaller batch or model in the set-up: such trials say nothing about the hyperparameters."
        )
        return Action("free_memory", message)
    if reason != "diverged":
        return Action(
            "find_bug",
            say(
                "Look at the log of a failed trial before anything else: a bug in the training, or something that the "
                "machine lacked."
            ),
        )
    for study in plan.studies:
        for frontier in frontiers(study, ended(records, study.name)):
            return _shrink(study, frontier)
    if not any(record.feasible for record in records):
        message = say("Nothing trained: search much lower learning rates, or look for a bug in data and loss.")
        return Action("find_bug", message)
    message = say(
        "No single range explains it. Use warm-up or gradient clipping, or search the hyperparameters that diverge "
        "together by their ratio."
    )
    return Action("stabilise", message)


def _shrink(study: Study, frontier: Frontier) -> Action:
    domain = next(d.domain for d in study.dimensions if d.name == frontier.dimension)
    if frontier.side == "high":
        kept = Domain(domain.kind, domain.low, frontier.value, domain.scale)
    else:
        kept = Domain(domain.kind, frontier.value, domain.high, domain.scale)
    return Action(
        "shrink",
        say(
            "Search {name} from {low:.4g} to {high:.4g} only: all {diverged} trials outside diverged.",
            name=frontier.dimension,
            low=kept.low,
            high=kept.high,
            diverged=frontier.diverged,
        ),
        {"study": study.name, "name": frontier.dimension, "key": frontier.key, "domain": kept.to_dict()},
    )


def _next_to(frontier: Frontier, records: Sequence[TrialRecord], direction: Direction) -> Finding | None:
    """The warning where the best trials lie next to the edge of stability; None where they lie elsewhere."""
    best = leading(records, direction)
    if not best:
        return None
    reach = frontier.u if frontier.side == "high" else 1 - frontier.u
    mean = sum(record.u[frontier.dimension] for record in best) / len(best)
    place = (mean if frontier.side == "high" else 1 - mean) / reach
    if place < NEXT:
        return None
    value = best[0].values[frontier.dimension]
    return Finding(
        "stability",
        "warn",
        say(
            "All {diverged} trials with {name} past {value:.4g} diverged, and the best ones lie next to that edge: "
            "more stable training may allow a better value.",
            diverged=frontier.diverged,
            name=frontier.dimension,
            value=frontier.value,
        ),
        "P8",
        {
            "study": frontier.study,
            "dimension": frontier.dimension,
            "past": frontier.side,
            "edge": frontier.value,
            "u": frontier.u,
            "diverged": frontier.diverged,
            "place": place,
        },
        Action(
            "stability_check",
            say(
                "Train the best trial shortly past the edge, evaluating every step; if it is unstable early, try "
                "warm-up, then gradient clipping."
            ),
            {"trial": best[0].id, "name": frontier.dimension, "key": frontier.key, "best": value},
        ),
    )
