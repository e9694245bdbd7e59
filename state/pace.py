"""How fast a command of the user's own trains: as it says itself, or by the clock between the rows that it writes.

What the clock says of a whole run is not asked: the start of an interpreter with its libraries takes as long at any
size. Standard library only, as the process that measures needs no other.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from state import printed
from state.errors import said
from state.foreign import Reader

RATE, EPOCH = "examples_per_second", "epoch_seconds"
# Rows that come closer together than this say more about how often we look than about the command: 5 % of a second.
SHORTEST_SECONDS = 1.0
Reason = Literal["no steps", "too soon"]


@dataclass(frozen=True)
class Pace:
    """Examples a second and their spread, and seconds of an epoch with its evaluation: None where nothing says so. By a
    `column` of the rows, what is `printed`, the steps between `rows` or of a progress `bar`, or `epochs` alone."""

    examples_per_second: float | None
    spread: float | None
    epoch_seconds: float | None
    by: Literal["column", "printed", "rows", "bar", "epochs"]


class Watch:
    """What a run says of its pace while it goes on. `output`: the folder that it writes to; `log`: what it prints, of
    which what is there already is another's."""

    def __init__(self, output: Path, log: Path, metric: str):
        self._reader, self._log = Reader(output, metric), log
        self._offset = log.stat().st_size if log.exists() else 0
        self._seen: list[tuple[float, int]] = []
        self._column: list[float] = []
        self._printed: list[float] = []
        self._counted = printed.Counted()
        self._bar: list[tuple[float, int]] = []
        self._first: float | None = None

    @property
    def silent(self) -> bool:
        """Whether it has written no file that could be read."""
        return not self._reader.found

    def look(self, *, ended: bool = False) -> None:
        """Read what is new; `ended`: nothing more comes."""
        rows, now = self._reader.read(ended=ended), time.monotonic()
        self._column.extend(float(row[RATE]) for row in rows if row.get(RATE, 0) > 0)
        # Lines that come together say one thing: so many steps had been made by now.
        if rows:
            self._seen.append((now, int(rows[-1]["step"])))
        text = self._prints()
        self._printed.extend(printed.rates(text))
        if self._counted.add(printed.bars(text)):
            self._bar.append((now, self._counted.steps))
        if self._first is None and (self._seen or self._printed or self._bar):
            self._first = now

    def enough(self, seconds: float) -> bool:
        """Whether it has told more than one thing, the first of them so many seconds ago."""
        told = max(map(len, (self._seen, self._printed, self._bar))) > 1
        return told and self._first is not None and time.monotonic() - self._first > seconds

    def pace(self, size: int) -> Pace | Reason:
        """The pace at a batch size, or why it cannot be told."""
        return pace(size, self._seen, self._column, self._printed, self._bar, self._reader.counted_by)

    def _prints(self) -> bytes:
        """What it has printed since, up to where a line ends or a bar is drawn anew."""
        try:
            with open(self._log, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return b""
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        self._offset += end
        return data[:end]


def pace(
    size: int,
    seen: Sequence[tuple[float, int]],
    column: Sequence[float],
    prints: Sequence[float],
    bar: Sequence[tuple[float, int]],
    counted_by: Collection[str],
) -> Pace | Reason:
    """The pace at a batch size. `seen`: time and step of rows, which `counted_by` says the kind of; `column`, `prints`:
    examples a second as rows have them, and as they are printed; `bar`: time and step of a progress bar."""
    kind = set(counted_by)
    between, drawn = _a_second(seen), _a_second(bar)
    epoch = 1 / between if between and kind == {"epoch"} else None
    if column:
        return Pace(*_middle(column), epoch, "column")
    if prints:
        return Pace(*_middle(prints), epoch, "printed")
    if between and kind == {"step"}:
        return Pace(between * size, None, None, "rows")
    if drawn:
        return Pace(drawn * size, None, epoch, "bar")
    if epoch is not None:
        return Pace(None, None, epoch, "epochs")
    told = seen and seen[-1][1] > 0 and kind in ({"step"}, {"epoch"})
    return "too soon" if told or bar else "no steps"


def _a_second(seen: Sequence[tuple[float, int]]) -> float | None:
    """How many steps, or epochs, a second lie between the first and the last; None where they are too close."""
    if not seen:
        return None
    (first_time, first), (last_time, last) = seen[0], seen[-1]
    seconds = last_time - first_time
    return (last - first) / seconds if last > first and seconds >= SHORTEST_SECONDS else None


def _middle(rates: Sequence[float]) -> tuple[float, float | None]:
    """The median and the spread about it, None of one figure alone. The first covers the start as well."""
    counted = rates[1:] or rates
    middle = statistics.median(counted)
    spread = statistics.median(abs(rate - middle) for rate in counted) / middle if len(counted) > 1 else None
    return middle, spread


def comparable(lines: Sequence[Mapping[str, Any]]) -> tuple[str, dict[int, float]] | None:
    """What is known of all measured sizes, RATE or EPOCH, and by that how much they do in a time, which says how they
    compare: an epoch has the same examples at any size. None where they have nothing in common."""
    for name in (RATE, EPOCH):
        if lines and all(line.get(name) for line in lines):
            return name, {line["batch_size"]: line[name] if name == RATE else 1 / line[name] for line in lines}
    return None


def why_unknown(reason: Reason | Literal["silent"], longest: float) -> dict[str, Any]:
    """The reason of `pace` for people; `longest`: the seconds that a run is watched."""
    if reason == "no steps":
        return said(
            "It writes neither steps, nor epochs, nor examples_per_second, and prints no progress bar, so its speed "
            "cannot be told."
        )
    if reason == "silent":
        return said("It wrote nothing in {seconds:g} s, so its speed cannot be told.", seconds=longest)
    return said(
        "Its lines came less than {seconds:g} s apart, or there was one only: how much of its time were steps, and how "
        "much its start, cannot be told.",
        seconds=SHORTEST_SECONDS,
    )
