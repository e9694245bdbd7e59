"""The gradient norm of the best trials: against the step, and how often it was how large (P12, P22)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from presets.language import _
from rounds.remedies import percentile
from tui.charts.plot import Axes
from tui.charts.series import Series

# Parts of the range of the norms, on a logarithmic axis.
BINS = 24

Curves = Mapping[str, Sequence[tuple[int, float]]]


def against_step(curves: Curves, metric: str) -> tuple[list[Series], Axes]:
    """A line for each trial."""
    series = [
        Series(
            trial,
            trial.rpartition("-")[2],
            [float(step) for step, _value in curve],
            [value for _step, value in curve],
            ids=[trial] * len(curve),
        )
        for trial, curve in curves.items()
    ]
    return series, Axes(_("step"), metric, log_y=True, empty=_("nothing to draw"))


def histogram(curves: Curves, metric: str) -> tuple[list[Series], Axes]:
    """The share of the recorded updates of all these trials in each part of the range, and their 90th percentile."""
    norms = sorted(value for curve in curves.values() for _step, value in curve if 0 < value < math.inf)
    axes = Axes(metric, _("share of updates"), log_x=True, empty=_("nothing to draw"))
    if not norms:
        return [], axes
    low, high = math.log(norms[0]), math.log(norms[-1])
    high = max(high, low + 1e-6)
    counts = [0] * BINS
    for value in norms:
        counts[min(int((math.log(value) - low) / (high - low) * BINS), BINS - 1)] += 1
    edges = [math.exp(low + (high - low) * place / BINS) for place in range(BINS + 1)]
    # The outline of the bars, from the axis and back to it.
    across = [edges[0], *(edge for pair in pairwise(edges) for edge in pair), edges[-1]]
    up = [0.0, *(count / len(norms) for count in counts for _side in range(2)), 0.0]
    limit = percentile(norms)
    return [
        Series("norms", metric, across, up),
        Series("limit", _("90% are at most that"), [limit, limit], [0.0, max(up)]),
    ], axes
