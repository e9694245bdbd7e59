"""The project's way as one plot: the result of every trial in its order, and the best so far."""

from __future__ import annotations

import math
from itertools import accumulate

from presets.language import _
from state import by_metric, measure, trials
from state.database import Store
from tui.charts.plot import Axes
from tui.charts.series import Mark, Series
from tui.theme import MARKS


def progress(store: Store) -> tuple[list[Series], Axes]:
    """A point for each trial that has ended, the best one marked, and a line of the best so far; without those that
    were judged by another metric than the project's."""
    settings = store.project.settings
    better = max if settings.direction == "max" else min
    ended = [entry for entry in trials.trials(store) if entry.status in trials.ENDED]
    ended = by_metric.only(ended, measure.of_project(settings))
    values = [entry.best if entry.status == "complete" and entry.best is not None else math.nan for entry in ended]
    finite = [value for value in values if math.isfinite(value)]
    top = better(finite, default=math.nan)
    marks: list[Mark] = ["infeasible" if math.isnan(v) else "best" if v == top else "feasible" for v in values]
    numbers = [float(entry.number) for entry in ended]
    known = [(number, value) for number, value in zip(numbers, values, strict=True) if math.isfinite(value)]
    series = [
        Series("so far", _("best so far"), [n for n, _v in known], list(accumulate((v for _n, v in known), better))),
        Series("trials", _("trials"), numbers, values, "points", marks, [entry.id for entry in ended]),
    ]
    words: dict[Mark, str] = {mark: word.text() for mark, word in MARKS.items()}
    return series, Axes(_("trial"), settings.metric, empty=_("no trial has ended yet"), words=words)
