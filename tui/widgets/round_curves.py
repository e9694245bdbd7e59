"""The curves of a round as its chart draws them: a line for each trial, and where the infeasible ones broke off."""

from __future__ import annotations

import math
from collections.abc import Sequence

from presets.language import _
from state import by_metric, metrics, trials
from state.database import Store
from state.measure import known_as
from state.trials import Trial
from tui.charts.plot import Axes
from tui.charts.series import Mark, Series
from tui.theme import MARKS
from tui.widgets.growing import Curves
from tui.widgets.trial_table import ranked, short

# How many curves the legend names; the letters of the others stand in the table.
NAMED = 3
# What can be shown beside that by which a round is judged.
OTHERS = ("val/error_rate", "val/loss", "train/loss", "grad_norm")


def metrics_of(store: Store, name: str) -> list[str]:
    """By which a round is judged, and which others its trials recorded."""
    own = f"val/{by_metric.of_batch(store, name).metric}"
    recorded = metrics.names(store, name)
    return [own, *(other for other in OTHERS if other != own and other in recorded)]


def plot(store: Store, name: str, listed: Sequence[Trial], metric: str, grown: Curves) -> tuple[list[Series], Axes]:
    """Series and axes of a metric of a round's trials; `grown` keeps what was read of it before."""
    curves = grown.read(store, listed, metric)
    by = by_metric.of_batch(store, name)
    best = ranked(by_metric.only(listed, by), by.direction)[:NAMED]
    # Every trial has a series, drawn or not, so that its letter and colour stay.
    series = [
        Series(
            entry.id,
            short(entry) if entry in best else "",
            curves[entry.id].steps,
            curves[entry.id].values,
            ids=(short(entry),) * len(curves[entry.id].steps),
        )
        for entry in listed
    ]
    bad = [entry for entry in listed if entry.status == "infeasible"]
    if bad:
        ends = [_end(curves[entry.id].steps, curves[entry.id].values, entry.steps_done) for entry in bad]
        marks: list[Mark] = ["infeasible"] * len(bad)
        xs, ys = [x for x, _y in ends], [y for _x, y in ends]
        series.append(Series("infeasible", "", xs, ys, "points", marks, [entry.id for entry in bad]))
    if best and best[0].best_step is not None:
        step = best[0].best_step
        value = curves[best[0].id].at(step)
        series.append(Series("best", "", [step], [value], "points", ["best"], [best[0].id]))
    planned = trials.steps_planned(trials.trial_settings(store, listed[0])) if listed else None
    axes = Axes(
        _("step"),
        known_as(metric),
        x_range=(0, planned) if planned else None,
        empty=_("no evaluation yet"),
        words={mark: word.text() for mark, word in MARKS.items()},
    )
    return series, axes


def _end(steps: Sequence[int], values: Sequence[float], done: int) -> tuple[int, float]:
    """Where a curve broke off: its last value that is finite; without one the last step, which has no place on y."""
    found = ((step, value) for step, value in zip(reversed(steps), reversed(values), strict=True))
    return next(((step, value) for step, value in found if math.isfinite(value)), (done, math.nan))
