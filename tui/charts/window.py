"""The part of the x axis that is looked at: halved around a point, doubled, moved along; and series cut to it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from operator import le
from typing import TypeAlias, TypeVar

from tui.charts.scale import admits
from tui.charts.series import Cursor, Series, bounds

Part = TypeVar("Part")
Window: TypeAlias = tuple[float, float]
# A window of less than this share of the whole shows nothing more.
LEAST_SHARE = 1e-4


def whole(series: Sequence[Series], *, log: bool) -> Window | None:
    """From the first x to the last; None where there is nothing to look at."""
    found = bounds((one.x for one in series), log=log)
    return found if found is not None and found[1] > found[0] else None


def zoomed(window: Window | None, all: Window, around: float, factor: float, *, log: bool) -> Window | None:
    """A window `factor` times as long with the point `around` where it was; None once it is the whole."""
    low, high = _plain(window or all, log)
    first, last = _plain(all, log)
    place = min(max(_plain((around, around), log)[0], low), high)
    length = max((high - low) * factor, (last - first) * LEAST_SHARE)
    if length >= last - first:
        return None
    start = place - (place - low) / (high - low) * length
    start = min(max(start, first), last - length)
    return _back((start, start + length), log)


def moved(window: Window, all: Window, to: float, *, log: bool) -> Window:
    """The window where the point lies in it, moved as little as can be."""
    low, high = _plain(window, log)
    first, last = _plain(all, log)
    place = min(max(_plain((to, to), log)[0], first), last)
    step = min(place - low, 0.0) or max(place - high, 0.0)
    return _back((low + step, high + step), log)


def cut(series: Series, window: Window, cursor: Cursor | None) -> tuple[Series, Cursor | None]:
    """The series within the window, and the cursor by the number that its point has there, if it is in it."""
    low, high = window
    if len(series.x) and series.x[0] == series.x[0] and all(map(le, series.x, islice(series.x, 1, None))):
        indices: Sequence[int] = range(bisect_left(series.x, low), bisect_right(series.x, high))
    else:
        indices = [index for index, x in enumerate(series.x) if low <= x <= high]

    def of(part: Sequence[Part]) -> Sequence[Part]:
        if isinstance(indices, range):
            return part[indices.start : indices.stop]
        return [part[index] for index in indices] if len(part) else part

    inside = replace(
        series, x=of(series.x), y=of(series.y), raw=of(series.raw), marks=of(series.marks), ids=of(series.ids)
    )
    if cursor is None or cursor.series != series.id:
        return inside, cursor
    return inside, replace(cursor, index=indices.index(cursor.index)) if cursor.index in indices else None


def _plain(window: Window, log: bool) -> Window:
    low, high = window
    return (math.log10(low), math.log10(high)) if log and admits(low, log=True) else (low, high)


def _back(window: Window, log: bool) -> Window:
    return (10.0 ** window[0], 10.0 ** window[1]) if log else window
