"""Two hyperparameters against each other: where in their plane the good trials lie, and where none trained (P12)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from presets.language import _
from rounds.plan import RoundPlan
from rounds.record import Direction, TrialRecord, ended, ranked
from rounds.space import Choice, Domain
from tui.charts.plot import Axes
from tui.charts.series import Mark, Series
from tui.theme import MARKS

# More pairs than anybody looks through; those of a finding's own hyperparameter come first.
PAIRS = 6
QUARTERS = 4

Pair = tuple[str, str]


def pairs(plan: RoundPlan, first: str = "") -> list[Pair]:
    """The hyperparameters that a study varies together, two by two; those with `first` in front."""
    names = [[dimension.name for dimension in study.dimensions] for study in plan.studies]
    found = dict.fromkeys(pair for own in names for pair in combinations(own, 2))
    return sorted(found, key=lambda pair: first not in pair)[:PAIRS]


def plot(
    plan: RoundPlan, records: Sequence[TrialRecord], pair: Pair, direction: Direction
) -> tuple[list[Series], Axes]:
    """A group of points for each quarter of the feasible trials, best first, and one for the infeasible."""
    domains = {dimension.name: dimension.domain for study in plan.studies for dimension in study.dimensions}
    varied = [record for record in ended(records) if all(name in record.values for name in pair)]
    order = ranked(varied, direction)
    # Beside titles of both axes there are 40 cells of 80.
    labels = (_("top 1/4"), "2/4", "3/4", "4/4")
    series = []
    for quarter, label in enumerate(labels):
        low, high = (-(-place * len(order) // QUARTERS) for place in (quarter, quarter + 1))
        marks: list[Mark] = ["best" if place == 0 else "feasible" for place in range(low, high)]
        series.append(_points(f"quarter {quarter + 1}", label, order[low:high], pair, domains, marks))
    rest = [record for record in varied if not record.feasible]
    crosses: list[Mark] = ["infeasible"] * len(rest)
    series.append(_points("infeasible", "", rest, pair, domains, crosses))
    words: dict[Mark, str] = {mark: word.text() for mark, word in MARKS.items()}
    log_x, log_y = (domains[name].scale == "log" and numeric(domains[name]) for name in pair)
    x, y = (place_title(name, domains[name]) for name in pair)
    axes = Axes(x, y, log_x=log_x, log_y=log_y, empty=_("nothing to draw"), words=words)
    return [one for one in series if len(one.x)], axes


def _points(
    id: str,
    label: str,
    records: Sequence[TrialRecord],
    pair: Pair,
    domains: dict[str, Domain],
    marks: Sequence[Mark],
) -> Series:
    across, up = ([place(record.values[name], domains[name]) for record in records] for name in pair)
    return Series(id, label, across, up, "points", marks, [record.id for record in records])


def numeric(domain: Domain) -> bool:
    """Whether its values are numbers, and no names of choices."""
    return domain.is_range or all(isinstance(value, int | float) for value in domain.choices)


def place(value: Choice, domain: Domain) -> float:
    """The value on an axis; of named choices their number."""
    return float(value) if numeric(domain) else float(domain.choices.index(value) + 1)


def place_title(name: str, domain: Domain) -> str:
    """The title of such an axis, which says what the numbers stand for."""
    if numeric(domain):
        return name
    choices = ", ".join(f"{place}: {value}" for place, value in enumerate(domain.choices, 1))
    return f"{name} ({choices})"
