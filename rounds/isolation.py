"""What the round says about its question: for each scientific value, the best over the nuisance ones (P12).

Two things make the best of one value better than that of another by chance: runs differ, and the trials of one value
came nearer to the best of what else was varied. The first is held against the noise from run to run. The second by the
precedence test (`statistics.precedence`), which passes a value when so many of its trials beat every trial of another
as chance seldom gives: with 4 trials each it takes all of them, with 20 each 5. Of two values that do equally well
where each is tuned best, at another place or in a narrower one, one is called better in at most 1 % of the rounds of 12
to 40 trials, and by the noise alone in 66 to 91 % (benchmarks/results/statistics.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, TypeAlias

from presets.language import say
from rounds.finding import Action, Finding
from rounds.infeasible import diverged
from rounds.plan import RoundPlan
from rounds.record import Direction, TrialRecord, cost, ended, foremost, ranked, turned
from rounds.roles import asked_of
from rounds.space import Dimension
from rounds.statistics import best_by_chance, best_of, precedence
from rounds.symptoms import noise_of

CHECK, RULE = "isolation", "P12"
# Buckets of a scientific range; with fewer trials than this in each, fewer buckets.
BUCKETS, TRIALS_PER_BUCKET = 6, 4
# A difference of bests in units of noise that one run each can show: two deviations of the difference of two runs.
CLEAR = 2 * math.sqrt(2)
# How often that is reached by chance, in this direction, by the normal distribution.
TAIL = NormalDist().cdf(-2)
# What rounding may add to a range, as a share of it.
ROUNDED = 1e-4
# A value or the ends of a part of a range, and the trials there.
Group: TypeAlias = "tuple[Any, float | None, float | None, list[TrialRecord]]"
# How often two values that do as well are told apart by what else was varied.
LEVEL = 0.05


@dataclass(frozen=True)
class Level:
    """One scientific value, or a bucket of them (`low`, `high`), called `label`, with its best trial; `best` in the
    metric's own direction, None where no trial was feasible. `fair`: the expected best of as many trials as the
    smallest level has, so that a level is not better for having had more of them. `costs` of its trials, lower is
    better, but for those that say nothing of it; `mixed`: they differ in more than their seed."""

    label: str
    value: Any
    low: float | None
    high: float | None
    trials: int
    feasible: int
    best: float | None
    trial: str | None
    fair: float | None
    costs: tuple[float, ...]
    mixed: bool

    def cost(self, direction: Direction) -> float:
        """Its best, lower is better; infinite where there is none."""
        return math.inf if self.best is None else turned(self.best, direction)

    def to_dict(self) -> dict[str, Any]:
        """What the figures of a finding keep of it."""
        return {key: value for key, value in asdict(self).items() if key not in ("costs", "mixed")}


def clear(freedom: float) -> float:
    """What CLEAR is where the noise rests on so few degrees of freedom (Student's t): 6.4 with two of them."""
    return math.sqrt(2) * best_by_chance(1, 1, freedom, TAIL)


def apart(better: Level, other: Level) -> bool:
    """Whether a level is better than what else was varied between the trials of the two explains."""
    return not (better.mixed or other.mixed) or precedence(better.costs, other.costs) <= LEVEL


def isolate(plan: RoundPlan, records: Sequence[TrialRecord], direction: Direction) -> dict[str, list[Level]]:
    """The levels of each scientific hyperparameter, in their order. A round with a study per setting has one entry,
    its studies."""
    if not plan.scientific:
        return {}
    counted = ended(records)
    if len(plan.studies) > 1:
        groups: list[Group] = [(study.name, None, None, ended(counted, study.name)) for study in plan.studies]
        mixed = any(study.dimensions for study in plan.studies)
        return {", ".join(plan.scientific): _levels(groups, direction, mixed=mixed)}
    varied = [d for study in plan.studies for d in study.dimensions if d.key in plan.scientific]
    everything = [d for study in plan.studies for d in study.dimensions]
    return {
        d.key: _levels(groups := _groups(d, counted), direction, mixed=_in_parts(groups) or len(everything) > 1)
        for d in varied
    }


def axis(records: Sequence[TrialRecord], name: str, direction: Direction) -> list[dict[str, Any]]:
    """The points of a hyperparameter-axis plot: every ended trial that varies it, infeasible ones without a `best`."""
    best = {record.id for record in foremost(records, direction)}
    return [
        {
            "trial": record.id,
            "study": record.study,
            "u": record.u[name],
            "value": record.values[name],
            "best": record.best if record.feasible else None,
            "status": record.status,
            "is_best": record.id in best,
        }
        for record in ended(records)
        if name in record.values
    ]


def check(
    plan: RoundPlan,
    records: Sequence[TrialRecord],
    direction: Direction,
    noise: float | None = None,
    freedom: float = math.inf,
) -> list[Finding]:
    """A finding for each scientific hyperparameter: which value is best, and whether the difference is more than noise
    (`noise`: deviation from run to run; `freedom`: the degrees of freedom that it rests on). By how late evaluations
    differ, which is less than runs do, values can be called close, but none the best.

    A difference seen here is a candidate, not a result: the decision repeats it with other seeds (P13).
    """
    unit = noise_of(ended(records), direction, noise)
    # What the noise within curves rests on is not known.
    chance = None if unit is None else clear(freedom if noise is not None else math.inf) * unit
    names = dict(zip(plan.scientific, asked_of(plan), strict=True))
    return [
        _judge(
            key, names.get(key) or ", ".join(names.values()), levels, direction, unit, chance, known=noise is not None
        )
        for key, levels in isolate(plan, records, direction).items()
    ]


def _judge(
    key: str,
    name: str,
    levels: Sequence[Level],
    direction: Direction,
    unit: float | None,
    chance: float | None,
    *,
    known: bool,
) -> Finding:
    """`chance`: the difference that single runs may show by it, None where there is no measure of it (`unit`); `known`:
    whether that is of runs, and not of curves."""
    figures = {"key": key, "name": name, "levels": [level.to_dict() for level in levels], "unit": unit}
    usable = [(turned(level.fair, direction), level) for level in levels if level.fair is not None]
    if len(usable) < 2:
        message = say("Too few values of {key} have a feasible trial to compare them.", key=name)
        return Finding(CHECK, "cannot tell", message, RULE, figures)
    first, winner = min(usable, key=lambda pair: pair[0])
    gaps = {level.label: fair - first for fair, level in usable if level is not winner}
    tied = [level.label for _, level in usable if level.best == winner.best]
    figures |= {"winner": winner.label, "gaps": gaps, "tied": tied}
    ahead = min((level for _, level in usable), key=lambda level: level.cost(direction))
    if ahead.cost(direction) < winner.cost(direction):
        return _ahead(name, winner, ahead, figures)
    if len(tied) > 1:
        return _equal(name, winner, tied, gaps, chance, figures)
    launch = Action("launch", say("Launch its best trial: only runs with fresh seeds decide."), {"trial": winner.trial})
    told = {"key": name, "value": winner.label, "best": f"{winner.best:.4g}"}
    if chance is None:
        message = say(
            "{key}: {value} is best with {best}. Whether that is more than chance, only repeated runs can tell.",
            **told,
        )
        return Finding(CHECK, "cannot tell", message, RULE, figures, launch)
    close = [value for value, gap in gaps.items() if gap <= chance]
    figures |= {"close": close}
    if close:
        message = say(
            "{key}: {value} is best with {best}, but single runs cannot tell it from {close}.", **told, close=close
        )
        return Finding(CHECK, "cannot tell", message, RULE, figures, launch)
    unclear = [level.label for _, level in usable if level is not winner and not apart(winner, level)]
    figures |= {"unclear": unclear}
    if unclear:
        trials = sum(level.trials for level in levels)
        message = say(
            "{key}: {value} is best with {best}, but it cannot be told from {others}: with so few trials of each, the "
            "difference may lie in what else was varied.",
            **told,
            others=unclear,
        )
        more = Action("more_trials", say("Add {n} trials, as many as there are.", n=trials), {"trials": trials})
        return Finding(CHECK, "cannot tell", message, RULE, figures, more)
    if not known:
        message = say(
            "{key}: {value} is best with {best}, ahead of the next by {gap:.2g}: more than late evaluations differ. "
            "Runs with other seeds may differ by more than those, so only repeated runs can tell.",
            **told,
            gap=min(gaps.values()),
        )
        return Finding(CHECK, "cannot tell", message, RULE, figures, launch)
    message = say(
        "{key}: {value} is best with {best}, ahead of the next by {gap:.2g}: more than single runs differ by chance.",
        **told,
        gap=min(gaps.values()),
    )
    return Finding(CHECK, "pass", message, RULE, figures, launch)


def _ahead(name: str, winner: Level, ahead: Level, figures: Mapping[str, Any]) -> Finding:
    """Where the best trial is of a value that had more of them, and another does better by as many of each."""
    message = say(
        "{key}: the best trial has {value} ({best}), but of as many trials of each, {winner} is likely to come out "
        "ahead: neither can be called better.",
        key=name,
        value=ahead.label,
        best=f"{ahead.best:.4g}",
        winner=winner.label,
    )
    launch = Action("launch", say("Launch its best trial: only runs with fresh seeds decide."), {"trial": ahead.trial})
    return Finding(CHECK, "cannot tell", message, RULE, {**figures, "close": [ahead.label]}, launch)


def _equal(
    name: str,
    winner: Level,
    tied: Sequence[str],
    gaps: Mapping[str, float],
    chance: float | None,
    figures: dict[str, Any],
) -> Finding:
    """Of values that came to exactly the same none is best; a launch takes the first."""
    close = [value for value, gap in gaps.items() if chance is not None and gap <= chance and value not in tied]
    figures |= {"close": [*(value for value in tied if value != winner.label), *close]}
    told = {"key": name, "values": list(tied), "best": f"{winner.best:.4g}"}
    message = say("{key}: {values} come to exactly the same, {best}.", **told)
    if close:
        message = say(
            "{key}: {values} come to exactly the same, {best}, and single runs cannot tell them from {close}.",
            **told,
            close=close,
        )
    words = say("Launch the best trial of {value}: only runs with fresh seeds decide.", value=winner.label)
    return Finding(CHECK, "cannot tell", message, RULE, figures, Action("launch", words, {"trial": winner.trial}))


def _labels(groups: Sequence[Group]) -> list[str]:
    """What the levels of a hyperparameter are called; parts of a range by their ends, with as many digits as it takes
    to tell them apart and to stay within the range: of one near 1, three make a 1 of most."""
    ends = [(low, high) for _value, low, high, _records in groups if low is not None and high is not None]
    if not ends:
        return [str(value) for value, _low, _high, _records in groups]
    if all(isinstance(end, int) for pair in ends for end in pair):
        return [str(low) if low == high else f"{low} .. {high}" for low, high in ends]
    lowest, highest = ends[0][0], ends[-1][1]
    slack = ROUNDED * (highest - lowest)
    labels: list[str] = []
    for digits in range(3, 18):
        written = [(f"{low:.{digits}g}", f"{high:.{digits}g}") for low, high in ends]
        labels = [" .. ".join(pair) for pair in written]
        within = all(lowest - slack <= float(end) <= highest + slack for pair in written for end in pair)
        if within and all(low != high for low, high in written):
            break
    return labels


def _in_parts(groups: Sequence[Group]) -> bool:
    """Whether trials of one level differ in the value itself."""
    return any(low != high for _value, low, high, _records in groups)


def _groups(dimension: Dimension, records: Sequence[TrialRecord]) -> list[Group]:
    """Trials by value of a listed hyperparameter, or by equal parts of a range on its own scale."""
    domain, name = dimension.domain, dimension.name
    if not domain.is_range:
        return [
            (choice, None, None, [record for record in records if domain.value(record.u[name]) == choice])
            for choice in domain.choices
        ]
    parts = max(2, min(BUCKETS, len(records) // TRIALS_PER_BUCKET))
    if domain.kind == "int":
        return _whole(dimension, records, parts)
    return [
        (
            domain.value((part + 0.5) / parts),
            domain.value(part / parts),
            domain.value((part + 1) / parts),
            [record for record in records if min(int(record.u[name] * parts), parts - 1) == part],
        )
        for part in range(parts)
    ]


def _whole(dimension: Dimension, records: Sequence[TrialRecord], parts: int) -> list[Group]:
    """Trials by value of a whole number that has few, or by about equal parts of its range, each value in one."""
    domain = dimension.domain
    values = [domain.value(record.u[dimension.name]) for record in records]
    if domain.high - domain.low < BUCKETS:
        listed = range(int(domain.low), int(domain.high) + 1)
        return [(one, None, None, [r for r, v in zip(records, values, strict=True) if v == one]) for one in listed]
    firsts = [domain.value(part / parts) for part in range(1, parts)]
    # The share of this value has the cut in it; the value belongs where the middle of its share lies.
    cuts = [one + (domain.position(one) < part / parts) for part, one in enumerate(firsts, 1)]
    edges = sorted({int(domain.low), *cuts, int(domain.high) + 1})
    return [
        (
            domain.value((domain.position(low) + domain.position(above - 1)) / 2),
            low,
            above - 1,
            [r for r, v in zip(records, values, strict=True) if low <= v < above],
        )
        for low, above in pairwise(edges)
    ]


def _levels(groups: Sequence[Group], direction: Direction, *, mixed: bool) -> list[Level]:
    smallest = min((len(told) for _, _, _, records in groups if (told := _telling(records))), default=0)
    labels = _labels(groups)
    return [_level(label, group, smallest, direction, mixed=mixed) for label, group in zip(labels, groups, strict=True)]


def _level(label: str, group: Group, smallest: int, direction: Direction, *, mixed: bool) -> Level:
    value, low, high, records = group
    order, told = ranked(records, direction), _telling(records)
    costs = tuple(cost(record, direction) for record in told)
    fair = best_of(costs, smallest).mean if told else math.nan
    return Level(
        label=label,
        value=value,
        low=low,
        high=high,
        trials=len(records),
        feasible=len(order),
        best=order[0].best if order else None,
        trial=order[0].id if order else None,
        fair=turned(fair, direction) if math.isfinite(fair) else None,
        costs=costs,
        mixed=mixed,
    )


def _telling(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials by which a value is judged: what met a bug, was killed or ran out of memory says nothing of it."""
    return [record for record in records if record.status == "complete" or diverged(record)]
