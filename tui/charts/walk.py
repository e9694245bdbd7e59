"""Where the cursor of a plot goes: along a series from point to point, and across to the nearest point of another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from tui.charts.scale import admits
from tui.charts.series import Cursor, Series


class Walk:
    """The ways over these series. A step from None, or from a point that is gone, leads to `start`."""

    def __init__(self, series: Sequence[Series], *, log_x: bool = False, log_y: bool = False) -> None:
        self._series = {one.id: one for one in series}
        self._log_x = log_x
        self._log_y = log_y
        self._paths: dict[str, tuple[int, ...]] = {}

    def start(self) -> Cursor | None:
        """The best point, else the last one of the first series; None where there is no point."""
        walkable = [one for one in self._series.values() if self.path(one)]
        for one in walkable:
            best = [index for index in self.path(one) if one.mark(index) == "best"]
            if best:
                return Cursor(one.id, best[0])
        return Cursor(walkable[0].id, self.path(walkable[0])[-1]) if walkable else None

    def along(self, cursor: Cursor | None, steps: int, columns: int) -> Cursor | None:
        """So many points on (back: negative); where there are more points than `columns`, so many columns."""
        one = cursor and cursor.of(self._series.values())
        if not cursor or not one or not self.path(one):
            return self.start()
        places = self.path(one)
        stride = max(len(places) // max(columns, 1), 1)
        place = self._place(one, one.x[cursor.index], cursor.index) + steps * stride
        return Cursor(one.id, places[min(max(place, 0), len(places) - 1)])

    def edge(self, cursor: Cursor | None, end: int) -> Cursor | None:
        """The first (0) or the last (-1) point of the series."""
        one = cursor and cursor.of(self._series.values())
        return Cursor(one.id, self.path(one)[end]) if one and self.path(one) else self.start()

    def across(self, cursor: Cursor | None, steps: int) -> Cursor | None:
        """The point nearest in x of the series so many further on; after the last comes the first."""
        one = cursor and cursor.of(self._series.values())
        walkable = [each for each in self._series.values() if self.path(each)]
        if not cursor or not one or one not in walkable:
            return self.start()
        other = walkable[(walkable.index(one) + steps) % len(walkable)]
        x = one.x[cursor.index]
        place = self._place(other, x, 0)
        near = self.path(other)[max(place - 1, 0) : place + 1]
        return Cursor(other.id, min(near, key=lambda index: abs(other.x[index] - x)))

    def path(self, series: Series) -> tuple[int, ...]:
        """The points that the cursor visits, in order of x: those with a place (single points need none on y)."""
        if series.id not in self._paths:
            places = [
                index
                for index, (x, y) in enumerate(zip(series.x, series.y, strict=True))
                if admits(x, log=self._log_x) and (series.kind == "points" or admits(y, log=self._log_y))
            ]
            self._paths[series.id] = tuple(sorted(places, key=lambda index: series.x[index]))
        return self._paths[series.id]

    def _place(self, series: Series, x: float, index: int) -> int:
        """Where on the path the point is, or would be; points of one x follow each other by index."""
        places = self.path(series)
        return min(bisect_left(places, (x, index), key=lambda at: (series.x[at], at)), len(places) - 1)
