"""Is the search space large enough? Best trials near an edge of a range call for a wider one (P8)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from presets.language import Message, say
from rounds import failing
from rounds.finding import Action, Finding
from rounds.infeasible import frontiers
from rounds.plan import RoundPlan, Study, called
from rounds.record import Direction, TrialRecord, cost, ended, leading, ranked
from rounds.space import Dimension, Domain
from state.usual_names import possible
from training.config import about, kind

Side = Literal["low", "high"]
CHECK, RULE = "boundary", "P8"
# Mean coordinate of the best trials beyond which the edge is near; fewer feasible trials than this cannot tell. How
# often it is wrong stands in benchmarks/results/statistics.md.
EDGE = 0.8
FEWEST = 12
# How often three trials lie beyond EDGE on average by chance, about: 0.6 ** 3 / 6. Of few values as many of the best
# trials are looked at as make it as seldom that all have the last one.
SELDOM = 0.04
# A proposal widens a range by this share of its own width, on its own scale, but by no more decades than this of a
# logarithmic one (our judgement): two become three, and four five.
WIDENED, DECADES = 0.5, 1.0


def check(plan: RoundPlan, records: Sequence[TrialRecord], direction: Direction) -> list[Finding]:
    """A finding for each dimension of each study whose best trials lie near an edge, and one for all the others."""
    return [
        finding
        for study in plan.studies
        if any(dimension.domain.ordered for dimension in study.dimensions)
        for finding in _check_study(study, ended(records, study.name), direction, len(plan.studies))
    ]


def widened(domain: Domain, key: str, side: Side) -> Domain:
    """The range with one side moved out by half its width, on a logarithmic scale by a decade at most, rounded outwards
    to two digits, within what the configuration allows; the same range where it allows no more."""
    end = _moved(domain, side)
    if domain.scale == "one-minus-log":
        end = 1 - _rounded(1 - end, up=side == "low")
    else:
        end = _rounded(end, up=side == "high")
    if domain.kind == "int" and math.isfinite(end):
        end = math.floor(end) if side == "low" else math.ceil(end)
        # Of whole numbers a logarithmic scale has none below 1.
        end = max(end, 1) if domain.scale == "log" else end
    end = _allowed(end, domain, key, side)
    if not math.isfinite(end):
        return domain
    if domain.kind == "int":
        end = math.ceil(end) if side == "low" else math.floor(end)
    low, high = (min(end, domain.low), domain.high) if side == "low" else (domain.low, max(end, domain.high))
    return Domain(domain.kind, low, high, domain.scale)


def _moved(domain: Domain, side: Side) -> float:
    """How far one side is moved out, whatever is possible there."""
    share = WIDENED
    if domain.scale != "linear":
        ends = (1 - domain.low, 1 - domain.high) if domain.scale == "one-minus-log" else (domain.low, domain.high)
        decades = abs(math.log10(ends[1]) - math.log10(ends[0]))
        share = min(WIDENED, DECADES / decades) if decades else WIDENED
    return domain.beyond(-share if side == "low" else 1 + share)


def lowest(low: float, *, whole: bool) -> float:
    """How low what nothing is known of may be taken to go, where it has gone to `low`: a number that has not been
    negative (a dropout, say) is not made so, nor a count 0."""
    return -math.inf if low < 0 else 1 if whole and low >= 1 else 0


def _check_study(study: Study, records: Sequence[TrialRecord], direction: Direction, studies: int) -> list[Finding]:
    feasible = [record for record in records if record.feasible]
    if len(feasible) < FEWEST:
        # As many of the new ones will be infeasible as of those so far.
        more = math.ceil((FEWEST - len(feasible)) * len(records) / max(len(feasible), 1)) * studies
        action = Action(
            "more_trials", say("Add {more} trials to the round.", more=more), {"study": study.name, "trials": more}
        )
        return [
            Finding(
                CHECK,
                "cannot tell",
                say(
                    "Study {study}: too few feasible trials ({feasible}) to tell whether the ranges are wide enough; "
                    "it takes {fewest}.",
                    study=called(study.name),
                    feasible=len(feasible),
                    fewest=FEWEST,
                ),
                RULE,
                {"study": study.name, "feasible": len(feasible)},
                action if feasible else None,
            )
        ]
    costs = [cost(record, direction) for record in feasible]
    if min(costs) == max(costs):
        message = say(
            "Study {study}: all trials came to the same result, so that no place is better than another.",
            study=called(study.name),
        )
        return [Finding(CHECK, "cannot tell", message, RULE, {"study": study.name, "feasible": len(feasible)})]
    few, order = len(leading(feasible, direction)), ranked(feasible, direction)
    failed, diverged = failing.edges(study, records), frontiers(study, records)
    limits = {(edge.dimension, edge.side): _fails(edge.dimension) for edge in failed}
    limits |= {(edge.dimension, edge.side): _diverges(edge.dimension) for edge in diverged}
    near, inside = [], []
    for dimension in study.dimensions:
        if not dimension.domain.ordered:
            continue
        # Equal results are equally good: which of them was planned first says nothing about where the best lie.
        last = cost(order[max(few, _told_by(dimension.domain)) - 1], direction)
        best = [record for record in order if cost(record, direction) <= last]
        places = [_place(dimension.domain, record.u[dimension.name]) for record in best]
        mean = sum(places) / len(places)
        figures = {"study": study.name, "dimension": dimension.name, "mean": mean, "best": [r.id for r in best]}
        side = _side(dimension.domain, places)
        if side is None:
            inside.append(figures)
            continue
        figures["side"] = side
        # What is widened at one end still ends at the other where all beyond failed or diverged.
        kept = replace(dimension, domain=failing.left(dimension, [*failed, *diverged]))
        near.append(_near(study, kept, side, figures, limits.get((dimension.name, side))))
    if inside:
        near.append(
            Finding(
                CHECK,
                "pass",
                say(
                    "Study {study}: the best trials lie well inside the range of {names}.",
                    study=called(study.name),
                    names=[figures["dimension"] for figures in inside],
                ),
                RULE,
                {"study": study.name, "dimensions": inside},
            )
        )
    return near


def _place(domain: Domain, u: float) -> float:
    """Where a trial lies in a range: of whole numbers and of lists all with one value lie in the same place."""
    return u if domain.kind == "float" else domain.position(domain.value(u))


def _ends(domain: Domain) -> tuple[float, float]:
    """The places of the first and of the last value."""
    return _place(domain, 0.0), _place(domain, 1.0)


def _side(domain: Domain, places: Sequence[float]) -> Side | None:
    """The end that trials in these places lie near, None where they lie inside. Of few values even the first and the
    last have their places well inside, and it is there that all must be."""
    low, high = _ends(domain)
    mean = sum(places) / len(places)
    if mean > EDGE or (low < min(places) == high):
        return "high"
    if mean < 1 - EDGE or (low == max(places) < high):
        return "low"
    return None


def _told_by(domain: Domain) -> int:
    """How many of the best trials must have the first or the last of few values, as half of all have of two, for that
    to be seldom by chance; 0 for a range of numbers with a fraction."""
    low, high = _ends(domain)
    share = 2 * max(low, 1 - high)
    return math.ceil(math.log(SELDOM) / math.log(share)) if 0 < share < 1 else 0


def _diverges(name: str) -> Message:
    return say(
        "The best trials lie near the end of the range of {name}, but past it training diverges: stability is the "
        "limit there, not the range.",
        name=name,
    )


def _fails(name: str) -> Message:
    return say("The best trials lie near the end of the range of {name}, but past it every trial failed.", name=name)


def _near(study: Study, dimension: Dimension, side: Side, figures: dict[str, Any], limited: Message | None) -> Finding:
    """The best trials lie at one end of the range: why it ends there decides what to do."""
    name, domain = dimension.name, dimension.domain
    if not domain.is_range:
        listed = domain.choices[0 if side == "low" else -1]
        message = say("The best trials lie at the end of the list of {name}, at {value}.", name=name, value=listed)
        more = say("Try values of {name} beyond {value}.", name=name, value=listed)
        payload = {"study": study.name, "name": name, "key": dimension.key, "side": side}
        return Finding(CHECK, "warn", message, RULE, figures, Action("widen", more, payload))
    end = domain.low if side == "low" else domain.high
    if limited:
        return Finding(CHECK, "pass", limited, RULE, figures)
    wider = widened(domain, dimension.key, side)
    if wider == domain and not _surely(domain, dimension.key, side):
        message = say(
            "The best trials lie near {end:.4g}, where {name} ends. Whether it can go beyond is yours to say: edit its "
            "range in the design of the next round.",
            end=end,
            name=name,
        )
        return Finding(CHECK, "cannot tell", message, RULE, figures)
    if wider == domain:
        message = say(
            "The best trials lie near {end:.4g}, where {name} ends because no value beyond is possible.",
            end=end,
            name=name,
        )
        return Finding(CHECK, "pass", message, RULE, figures)
    new = wider.low if side == "low" else wider.high
    message = say(
        "The best trials lie near the {side} end of {name}, {end:.4g}: better values may lie beyond.",
        side=say("lower") if side == "low" else say("upper"),
        name=name,
        end=end,
    )
    action = Action(
        "widen",
        say("Search {name} from {low:.4g} to {high:.4g}.", name=name, low=wider.low, high=wider.high),
        {
            "study": study.name,
            "name": name,
            "key": dimension.key,
            "side": side,
            "domain": wider.to_dict(),
            "from": end,
            "to": new,
        },
    )
    return Finding(CHECK, "warn", message, RULE, figures, action)


def _rounded(value: float, *, up: bool) -> float:
    """Two significant digits, towards plus or minus infinity."""
    if value == 0 or not math.isfinite(value):
        return value
    digits = 1 - math.floor(math.log10(abs(value)))
    scaled = value * 10.0**digits
    # A whole number that only rounding errors moved stays where it is.
    whole = round(scaled) if math.isclose(scaled, round(scaled)) else math.ceil(scaled) if up else math.floor(scaled)
    return round(whole / 10.0**digits, digits)


def _allowed(end: float, domain: Domain, key: str, side: Side) -> float:
    """The end, drawn in to what the configuration allows; of an open limit half of the way to it."""
    try:
        limits = about(key)[1]
    except KeyError:  # a setting of the user's own pipeline
        return _usual(end, domain, key, side)
    if side == "low":
        if limits.low is not None:
            end = max(end, limits.low)
        if limits.above is not None and end <= limits.above:
            end = (domain.low + limits.above) / 2
    else:
        if limits.high is not None:
            end = min(end, limits.high)
        if limits.below is not None and end >= limits.below:
            end = (domain.high + limits.below) / 2
    return end


def _usual(end: float, domain: Domain, key: str, side: Side) -> float:
    """The end, drawn in to what a setting of the user's own pipeline can be as far as its name and its range tell."""
    if side == "low":
        end = max(end, lowest(domain.low, whole=domain.kind == "int"))
    if possible(key, end):
        return end
    bound, last = (0, domain.low) if side == "low" else (1, domain.high)
    return bound if possible(key, bound) else (last + bound) / 2


def _surely(domain: Domain, key: str, side: Side) -> bool:
    """Whether nothing is possible past an end that cannot be moved out; of the user's own settings that is known by the
    name or the scale alone."""
    if kind(key) or (domain.kind == "int" and domain.scale == "log"):
        return True
    end = _moved(domain, side)
    return not (math.isfinite(end) and possible(key, end))
