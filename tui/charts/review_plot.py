"""The plot that goes with a finding of a review: axis plot, best of n, curves or isolation (P12)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any, Literal

from presets.language import _
from rounds.curves import NAMED
from rounds.finding import Finding
from rounds.isolation import axis
from rounds.plan import RoundPlan
from rounds.record import TRAINING_LOSS, VALIDATION_LOSS, Direction, TrialRecord, ranked, turned, usable
from state.measure import known_as
from tui.charts.pair_plot import numeric, place, place_title
from tui.charts.plot import Axes
from tui.charts.series import Mark, Series
from tui.theme import MARKS

# As many curves as can be told apart.
CURVES = 6
# Less of the height than this, and points that differ look alike.
FOOT = 0.1
# The checks that look at curves (rounds.curves), and those that accuse trials beside the best.
OF_CURVES = ("curves", "overfitting", "still improving", "saturated", "unsteady", "steps", "evaluation")
OF_LOSS = ("rising loss", "instability", "unsettled")
OF_ALL = ("overfitting", "unsettled", "rising loss")


def plot(
    finding: Finding, plan: RoundPlan, records: Sequence[TrialRecord], direction: Direction, metric: str
) -> tuple[list[Series], Axes]:
    """Series and axes for a finding; the axis plot of the first dimension where a finding has no plot of its own."""
    match _kind(finding):
        case "best of":
            return _best_of(finding.figures["progress"], metric)
        case "levels":
            return _levels(finding.figures, direction, metric)
        case "loss":
            loss = VALIDATION_LOSS if finding.check == "unsettled" else TRAINING_LOSS
            return _curves(finding, records, direction, loss, log_y=True)
        case "curves":
            return _curves(finding, records, direction, metric)
        case "axis":
            name = _first(finding, plan)
            return against(name, finding, plan, records, direction, metric) if name else ([], _axes("", metric))


def _kind(finding: Finding) -> Literal["best of", "levels", "loss", "curves", "axis"]:
    if finding.check == "points" and "progress" in finding.figures:
        return "best of"
    if finding.check == "isolation" and finding.figures.get("levels"):
        return "levels"
    if finding.check in OF_LOSS:
        return "loss"
    return "curves" if finding.check in OF_CURVES else "axis"


def against(
    name: str, finding: Finding, plan: RoundPlan, records: Sequence[TrialRecord], direction: Direction, metric: str
) -> tuple[list[Series], Axes]:
    """The axis plot of a hyperparameter, with the trials of the finding's study; of all where it names none."""
    of = finding.figures.get("study")
    if of in {study.name for study in plan.studies}:
        records = [record for record in records if record.study == of]
    return _axis(plan, records, name, direction, metric)


def others(finding: Finding, plan: RoundPlan) -> list[str]:
    """The hyperparameters that a finding's study varies (all that vary, where it names none) and that its own plot does
    not show."""
    shown = _first(finding, plan) if _kind(finding) == "axis" else None
    return [name for name in _varied(finding, plan) if name != shown]


def _varied(finding: Finding, plan: RoundPlan) -> list[str]:
    of = finding.figures.get("study")
    studies = [study for study in plan.studies if study.name == of] or plan.studies
    return list(dict.fromkeys(dimension.name for study in studies for dimension in study.dimensions))


def _first(finding: Finding, plan: RoundPlan) -> str | None:
    """The hyperparameter that a finding is about; the first one of its study where it is about none, or all."""
    names = _varied(finding, plan)
    named = finding.figures.get("dimension") or (finding.action.payload.get("name") if finding.action else None)
    return named if named in names else names[0] if names else None


def _axis(
    plan: RoundPlan, records: Sequence[TrialRecord], name: str, direction: Direction, metric: str
) -> tuple[list[Series], Axes]:
    domain = next(d.domain for study in plan.studies for d in study.dimensions if d.name == name)
    points = axis(records, name, direction)
    marks: list[Mark] = [
        "best" if point["is_best"] else "feasible" if point["best"] is not None else "infeasible" for point in points
    ]
    series = Series(
        name,
        "",
        [place(point["value"], domain) for point in points],
        [math.nan if point["best"] is None else point["best"] for point in points],
        kind="points",
        marks=marks,
        ids=[point["trial"] for point in points],
    )
    log = numeric(domain) and domain.scale == "log"
    reach = (float(domain.low), float(domain.high)) if domain.is_range else None
    costs = [turned(point["best"], direction) for point in points if point["best"] is not None]
    axes = _axes(place_title(name, domain), metric, x_range=reach, log_x=log)
    return [series], replace(axes, log_y=_flattened(costs))


def _flattened(costs: Sequence[float]) -> bool:
    """Whether a few bad trials would press the better half, or the best quarter to a tenth of the worst, into the foot
    of a linear axis, and a logarithmic one shows all of them; of a metric to be maximised it would not."""
    if not costs or min(costs) <= 0:
        return False
    order, reach = sorted(costs), max(costs) - min(costs)
    quarter = order[: max(len(order) // 4, 2)][-1]
    foot = min(costs) + FOOT * reach
    return median(costs) < foot or (quarter < foot and quarter < FOOT * max(costs))


def _best_of(progress: Sequence[dict[str, Any]], metric: str) -> tuple[list[Series], Axes]:
    # In short words: with the titles they are to fit on 80 columns.
    names = {"mean": _("mean of best"), "likely": _("19 of 20 better"), "lucky": _("1 of 20 better")}
    series = [
        Series(
            part,
            label,
            [float(row["n"]) for row in progress],
            [math.nan if row[part] is None else row[part] for row in progress],
        )
        for part, label in names.items()
    ]
    return series, _axes(_("trials"), metric)


def _levels(figures: Any, direction: Direction, metric: str) -> tuple[list[Series], Axes]:
    levels = figures["levels"]
    fair = [level for level in levels if level["fair"] is not None]
    best = min(fair, key=lambda level: turned(level["fair"], direction), default=None)
    series = Series(
        "levels",
        figures.get("name", figures["key"]),
        [float(place) for place in range(1, len(levels) + 1)],
        [math.nan if level["best"] is None else level["best"] for level in levels],
        kind="points",
        marks=[
            "infeasible" if level["best"] is None else "best" if best and level["best"] == best["best"] else "feasible"
            for level in levels
        ],
        ids=[level["trial"] or "" for level in levels],
    )
    title = "  ".join(f"{place}: {_label(level)}" for place, level in enumerate(levels, 1))
    return [series], _axes(title, metric)


def _label(level: Any) -> str:
    # Findings of earlier versions have none.
    if label := level.get("label"):
        return label.replace(" .. ", "-")
    return str(level["value"]) if level["low"] is None else f"{level['low']:.3g}-{level['high']:.3g}"


def _curves(
    finding: Finding, records: Sequence[TrialRecord], direction: Direction, metric: str, *, log_y: bool = False
) -> tuple[list[Series], Axes]:
    order = ranked(records, direction)
    accused = set(finding.figures.get("all_with" if finding.check in OF_ALL else "best_with", ()))
    shown = _chosen(order, [record for record in order if record.id in accused], direction)
    # What diverged has a curve too, up to where it did.
    shown += [record for record in records if not record.feasible and record.curves.get(metric)][: CURVES - len(shown)]
    series = [
        Series(
            record.id,
            record.id.rpartition("-")[2],
            [float(step) for step, _value in record.curves.get(metric, ())],
            [value for _step, value in record.curves.get(metric, ())],
            ids=[record.id] * len(record.curves.get(metric, ())),
        )
        for record in shown
    ]
    costs = [turned(value, direction) for one in series for value in one.y if usable(value)]
    return series, replace(_axes(_("step"), metric), log_y=log_y or _flattened(costs))


def _chosen(order: Sequence[TrialRecord], accused: Sequence[TrialRecord], direction: Direction) -> list[TrialRecord]:
    """As many of the ranked trials as can be told apart, in their order: the best, those that the finding names, of the
    others it accuses first those that lost most of what they had reached, and the next best."""

    def lost(record: TrialRecord) -> float:
        if record.final is None or record.best is None or not usable(record.final):
            return math.inf
        return turned(record.final, direction) - turned(record.best, direction)

    worst = sorted(accused[NAMED:], key=lost, reverse=True)
    chosen = list(dict.fromkeys(record.id for record in (*order[:1], *accused[:NAMED], *worst, *order)))[:CURVES]
    return [record for record in order if record.id in chosen]


def _axes(x_title: str, metric: str, *, x_range: tuple[float, float] | None = None, log_x: bool = False) -> Axes:
    words: dict[Mark, str] = {mark: word.text() for mark, word in MARKS.items()}
    return Axes(x_title, known_as(metric), x_range=x_range, log_x=log_x, empty=_("nothing to draw"), words=words)
