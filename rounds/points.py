"""Are there enough points? How the best of n falls as n grows, and how many trials are good (P9)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from presets.language import Message, say
from rounds import untried
from rounds.budget import FEWEST
from rounds.finding import Action, Finding, Verdict
from rounds.plan import RoundPlan, Study, called
from rounds.record import Direction, TrialRecord, cost, ended, turned
from rounds.statistics import ANY, best_of, quantile_of_best
from rounds.symptoms import noise_of

CHECK, RULE = "points", "P9"
# A region is found when so many trials lie within so many deviations of the best (our judgement).
GOOD, WITHIN = 3, 2
# Each takes time in proportion to the trials: of more trials than this not every n is drawn, but the first ones are.
DRAWN, FIRST = 100, 20
# Quantiles of the best of n that are drawn.
LOWER, UPPER = 0.05, 0.95


def check(
    plan: RoundPlan,
    records: Sequence[TrialRecord],
    direction: Direction,
    noise: float | None = None,
    within: tuple[float, float] = ANY,
) -> list[Finding]:
    """A finding for each study: would more trials still change its answer? `noise`: deviation from run to run;
    `within`: the values that the metric can have."""
    unit = noise_of(ended(records), direction, noise)
    studies = len(plan.studies)
    limit = min(turned(end, direction) for end in within)
    return [_check_study(study, ended(records, study.name), direction, unit, studies, limit) for study in plan.studies]


def progress(records: Sequence[TrialRecord], direction: Direction) -> list[dict[str, float | int | None]]:
    """The best of n = 1 … N trials (of many trials, for some n) in the metric's own direction: mean, a likely range
    (5 % to 95 % of the draws), and the probability that none of n is feasible. None where it takes an infeasible
    trial."""
    costs = [cost(record, direction) for record in records]
    rows = []
    for n in _counts(len(costs)):
        best = best_of(costs, n)
        likely, lucky = (quantile_of_best(costs, n, q) for q in (UPPER, LOWER))
        rows.append(
            {
                "n": n,
                "mean": _shown(best.mean, direction),
                "likely": _shown(likely, direction),
                "lucky": _shown(lucky, direction),
                "none_feasible": best.none_feasible,
            }
        )
    return rows


def forecast(costs: Sequence[float], limit: float = -math.inf) -> float:
    """What as many trials again may gain: what the last doubling gained, shrunk by as much as it fell short of the
    doubling before; no more than is left to the lowest cost that there can be (`limit`).

    The last gain alone promises 1.2 to 9.9 times what comes, the most where one hyperparameter has a smooth optimum; so
    shrunk it is 0.9 to 2.8 times as much (benchmarks/results/statistics.md)."""
    size = len(costs)
    now, half, quarter = (_expected(costs, max(n, 1.0)) for n in (size, size / 2, size / 4))
    last, before = half - now, quarter - half
    # Not a number where nothing was feasible; without a gain before, the last one was luck.
    if not (last > 0 and before > 0):
        return 0.0
    return min(last * min(last / before, 1.0), max(now - limit, 0.0))


def _expected(costs: Sequence[float], n: float) -> float:
    """The expected best of n, between two whole numbers on a logarithmic scale."""
    low, high = math.floor(n), math.ceil(n)
    if low == high:
        return best_of(costs, low).mean
    share = math.log(n / low) / math.log(high / low)
    return (1 - share) * best_of(costs, low).mean + share * best_of(costs, high).mean


def _counts(total: int) -> list[int]:
    """The n to reckon: each where there are few; of many as many as a plot can show, the first and the last."""
    stride = max(math.ceil(total / DRAWN), 1)
    return sorted({*range(1, total + 1, stride), *range(1, min(total, FIRST) + 1), total} - {0})


def _check_study(
    of: Study, records: Sequence[TrialRecord], direction: Direction, unit: float | None, studies: int, limit: float
) -> Finding:
    study = of.name
    # A study that varies nothing has no space of which a few trials could miss the best part.
    fewest = FEWEST if of.dimensions else GOOD
    costs = sorted(cost(record, direction) for record in records)
    feasible = [value for value in costs if math.isfinite(value)]
    figures = {"study": study, "trials": len(costs), "feasible": len(feasible), "unit": unit}
    if len(feasible) < GOOD:
        message = say(
            "Study {study}: too few feasible trials ({feasible}) to tell whether more are needed.",
            study=called(study),
            feasible=len(feasible),
        )
        return Finding(CHECK, "cannot tell", message, RULE, figures)
    if of.dimensions and len(feasible) > GOOD and feasible[0] == feasible[-1]:
        # Of what changes nothing no number of trials is enough.
        message = say(
            "Study {study}: all {trials} feasible trials came to exactly the same result, whatever was varied. Before "
            "more of them, see whether the training heeds what is varied, and whether the metric can tell results "
            "apart.",
            study=called(study),
            trials=len(feasible),
        )
        figures |= {"best_tenth": 1 - 0.9 ** len(costs), "progress": progress(records, direction)}
        return Finding(CHECK, "warn", message, RULE, figures)
    gain = forecast(costs, limit)
    hit = 1 - 0.9 ** len(costs)
    more_gains = say("about {gain:.3g}", gain=gain)
    if gain and math.isclose(gain, feasible[0] - limit):
        # What the forecast alone says is more than there is.
        more_gains = say("at most the {gain:.3g} that are left", gain=gain)
    figures |= {"gain": gain, "best_tenth": hit, "progress": progress(records, direction)}
    if (count := untried.everything(of, records)) is not None:
        message = say(
            "Study {study}: its {count} configurations have all been tried, in {trials} trials. More would only repeat "
            "them; which of those that are close is the best, a launch tells by fresh runs of these alone.",
            study=called(study),
            count=count,
            trials=len(costs),
        )
        return Finding(CHECK, "pass", message, RULE, figures)
    if unit is None:
        message = say(
            "Study {study}: doubling its {trials} trials would gain {gain}. Whether that is more than noise is not "
            "known: repeat the best trial with other seeds.",
            study=called(study),
            trials=len(costs),
            gain=more_gains,
        )
        again = Action("repeat", say("Launch the best trial: that repeats it with other seeds."), {"study": study})
        return Finding(CHECK, "cannot tell", message, RULE, figures, again)
    good = sum(value - feasible[0] <= WITHIN * unit for value in feasible)
    figures |= {"good": good}
    enough = gain <= unit and good >= GOOD
    message, more = _told(study, len(costs), more_gains, good, enough), len(costs)
    verdict: Verdict = "pass" if enough else "warn"
    if enough and len(feasible) < fewest:
        # As many of the new ones will be infeasible as of those so far.
        verdict, more = "cannot tell", math.ceil((fewest - len(feasible)) * len(costs) / len(feasible))
        message = say(
            "Study {study}: {good} of {feasible} feasible trials are as good as the best, within the noise; whether "
            "they have missed something better, it takes {fewest} to tell.",
            study=called(study),
            good=good,
            feasible=len(feasible),
            fewest=fewest,
        )
    words = say("Add {more} trials to the round.", more=more)
    if studies > 1:
        words = say(
            "Add {all} trials to the round: its studies take turns, so that {study} gets {more} of them.",
            all=more * studies,
            more=more,
            study=called(study),
        )
    action = Action(
        "more_trials",
        words,
        # The studies of a round take turns.
        {"study": study, "trials": more * studies},
    )
    return Finding(CHECK, verdict, message, RULE, figures, None if verdict == "pass" else action)


def _told(study: str, trials: int, gain: Message, good: int, enough: bool) -> Message:
    if enough:
        return say(
            "Study {study}: {trials} trials suffice. Doubling them would gain {gain}, within the noise, and "
            "{good} of them are as good as the best.",
            study=called(study),
            trials=trials,
            gain=gain,
            good=good,
        )
    return say(
        "Study {study}: more trials may still change the answer. Doubling the {trials} would gain {gain}; as good as "
        "the best so far within the noise, itself counted: {good}.",
        study=called(study),
        trials=trials,
        gain=gain,
        good=good,
    )


def _shown(value: float, direction: Direction) -> float | None:
    return turned(value, direction) if math.isfinite(value) else None
