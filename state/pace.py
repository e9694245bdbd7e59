"""How fast a command of the user's own trains: as it says itself, or by the clock between the rows that it writes.

What the clock says of a whole run is not asked: the start of an interpreter with its libraries takes as long at any
size. Standard library only, as the process that measures needs no other.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from state import printed
from state.errors import said
from state.foreign import Reader
from state.printed import SHORTEST_SECONDS, Bars, Drawn

RATE, EPOCH = "examples_per_second", "epoch_seconds"
# What tells nothing in so long cannot be measured, unless the user has more patience: libraries and data take their
# time to load.
START_SECONDS = 180.0
# So many times as long is proposed to who has more patience.
LONGER = 5
# So long at most it runs; an epoch that is the first thing told may be followed by another one, with its evaluation.
LONGEST_SECONDS, AGAIN = 60.0, 2.5
# A bar that moves by no more than so many steps an epoch counts no batches.
BATCHES_IN_EPOCH = 1.5
# What is printed without an end of its line is not kept for longer than this many bytes.
LONGEST_LINE = 2**20
Reason = Literal["no steps", "mixed", "too soon", "short bar", "silent"]


@dataclass(frozen=True)
class Pace:
    """Examples a second and their spread, and seconds of an epoch with its evaluation: None where nothing says so. By a
    `column` of the rows, what is `printed`, the steps between `rows` or of a progress `bar`, which goes to `of` and may
    have a `name`, or `epochs` alone."""

    examples_per_second: float | None
    spread: float | None
    epoch_seconds: float | None
    by: Literal["column", "printed", "rows", "bar", "epochs"]
    of: int | None = None
    name: str = ""


class Watch:
    """What a run says of its pace while it goes on. `output`: the folder that it writes to; `log`: what it prints, of
    which what is there already is another's. `bars`: the progress bars in it, but for those that are `passed` over.
    `patience`: seconds for its first sign.
    """

    def __init__(
        self,
        output: Path,
        log: Path,
        metric: str,
        patience: float = START_SECONDS,
        passed: frozenset[tuple[str, int]] = frozenset(),
    ):
        self._reader, self._log, self.patience = Reader(output, metric), log, patience
        self._offset = log.stat().st_size if log.exists() else 0
        self._seen: list[tuple[float, int]] = []
        self._column: list[float] = []
        self._printed: list[float] = []
        self.bars = Bars(passed)
        self._first: float | None = None
        self._began = time.monotonic()
        self._told: float | None = None

    @property
    def silent(self) -> bool:
        """Whether it has written no file that could be read."""
        return not self._reader.found

    @property
    def waiting(self) -> bool:
        """Whether it has told nothing of its training yet."""
        return self._told is None

    @property
    def names(self) -> list[str]:
        """What it has written of results, by the names that the script has for them."""
        return self._reader.measured()

    def look(self, *, ended: bool = False) -> None:
        """Read what is new; `ended`: nothing more comes."""
        rows, now = self._reader.read(ended=ended), time.monotonic()
        self._column.extend(float(row[RATE]) for row in rows if 0 < row.get(RATE, 0) < math.inf)
        # Lines that come together say one thing: so many steps had been made by now.
        if rows:
            self._seen.append((now, int(rows[-1]["step"])))
            # Lines that say no step may be several of one epoch.
            if "line" not in self._reader.counted_by:
                self.bars.row(int(rows[-1]["step"]))
        text = self._prints()
        self._printed.extend(printed.rates(text))
        self.bars.add(printed.bars(text), now)
        if self._first is None and (self._seen or self._printed):
            self._first = now
        bar = self.bars.longest()
        # One of an unknown name may be of data, with the training still to come, and so may one that has ended.
        if self._first is not None or (bar is not None and bar.sure and not bar.once):
            self._told = self._told or now
        else:
            self._told = None

    def enough(self, seconds: float) -> bool:
        """Whether it has told more than one thing, the first so many seconds ago, or a bar has moved for as long."""
        bar, told = self.bars.longest(), max(len(self._seen), len(self._printed)) > 1
        if bar is not None and bar.sure and bar.seconds > seconds:
            return True
        return told and self._first is not None and time.monotonic() - self._first > seconds

    def too_long(self) -> bool:
        """Whether nothing more is to be expected that would tell its pace: by what it took to tell anything at all."""
        took = time.monotonic() - self._began
        if self._told is None:
            return took > self.patience
        return took > max(LONGEST_SECONDS, AGAIN * (self._told - self._began))

    def pace(self, size: int) -> Pace | Reason:
        """The pace at a batch size, or why it cannot be told."""
        return pace(size, self._seen, self._column, self._printed, self.bars.longest(), self._reader.counted_by)

    def _prints(self) -> bytes:
        """What it has printed since, up to where a line ends or a bar is drawn anew."""
        try:
            with open(self._log, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return b""
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end and len(data) > LONGEST_LINE:
            end = len(data)
        self._offset += end
        return data[:end]


def pace(
    size: int,
    seen: Sequence[tuple[float, int]],
    column: Sequence[float],
    prints: Sequence[float],
    bar: Drawn | None,
    counted_by: Collection[str],
) -> Pace | Reason:
    """The pace at a batch size. `seen`: time and step of rows, which `counted_by` says the kind of; `column`, `prints`:
    examples a second as rows have them, and as they are printed; `bar`: the progress bar that is most likely that of
    training."""
    kind = set(counted_by)
    between, drawn = _a_second(seen), None
    if bar is not None and bar.seconds >= SHORTEST_SECONDS:
        drawn = bar.steps / bar.seconds
    epoch = 1 / between if between and kind == {"epoch"} else None
    if column:
        return Pace(*_middle(column), epoch, "column")
    if prints:
        return Pace(*_middle(prints), epoch, "printed")
    if between and kind == {"step"}:
        return Pace(between * size, None, None, "rows")
    # A bar that is no faster than the epochs counts them.
    if bar is not None and drawn and not (epoch and drawn * epoch < BATCHES_IN_EPOCH):
        return Pace(drawn * size, None, epoch, "bar", bar.of, bar.name)
    if epoch is not None:
        return Pace(None, None, epoch, "epochs")
    if bar is not None:
        return "short bar"
    if seen and seen[-1][1] > 0 and kind in ({"step"}, {"epoch"}):
        return "too soon"
    return "mixed" if len(kind) > 1 else "no steps"


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


def counts_batches(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the bars of sizes count batches, as far as that can be told: the larger these are, the fewer there are of
    them (by rounding not always in proportion). Files, epochs and the like are as many at every size."""
    bars = [(line["batch_size"], line["of"]) for line in lines if line.get("of")]
    return all(of * math.sqrt(size / bars[0][0]) <= bars[0][1] for size, of in bars[1:])


def comparable(lines: Sequence[Mapping[str, Any]]) -> tuple[str, dict[int, float]] | None:
    """What is known of all measured sizes, RATE or EPOCH, and by that how much they do in a time, which says how they
    compare: an epoch has the same examples at any size. None where they have nothing in common."""
    for name in (RATE, EPOCH):
        if lines and all(0 < (line.get(name) or 0) < math.inf for line in lines):
            return name, {line["batch_size"]: line[name] if name == RATE else 1 / line[name] for line in lines}
    return None


def why_unknown(reason: Reason, bars: Bars, patience: float = START_SECONDS) -> dict[str, Any]:
    """The reason of `pace` for people. `bars`: what was seen of progress bars; `patience`: that of the watch."""
    if reason == "silent" and bars.others:
        return said(
            "It told nothing of its speed in {seconds:g} s; by their names the progress bars that it printed so far "
            "are of something else than training ({names}). Where it takes longer to begin, let the probe wait for so "
            "many minutes: tunebook probe --patience {minutes:g}.",
            seconds=patience,
            names=", ".join(bars.others),
            minutes=LONGER * patience / 60,
        )
    if reason == "no steps" and bars.others:
        return said(
            "It writes neither steps, nor epochs, nor examples_per_second, and by their names the progress bars that "
            "it prints are of something else than training ({names}), so its speed cannot be told.",
            names=", ".join(bars.others),
        )
    if reason == "no steps":
        return said(
            "It writes neither steps, nor epochs, nor examples_per_second, and prints no progress bar, so its speed "
            "cannot be told."
        )
    if reason == "mixed":
        return said(
            "Some of its lines have a step, others an epoch alone or nothing that counts, so its speed cannot be told "
            "by them."
        )
    if reason == "silent":
        return said(
            "It told nothing of its speed in {seconds:g} s. Where it takes longer to begin, let the probe wait for so "
            "many minutes: tunebook probe --patience {minutes:g}, or o in the set-up.",
            seconds=patience,
            minutes=LONGER * patience / 60,
        )
    if reason == "short bar" and (bar := bars.longest()) is not None:
        return said(
            "Its progress bar ({bar}) moved for less than {seconds:g} s, or by one step only: how much of its time "
            "were steps, and how much its start, cannot be told.",
            bar=f"{bar.name} 0/{bar.of}".strip(),
            seconds=SHORTEST_SECONDS,
        )
    return said(
        "Its lines came less than {seconds:g} s apart, or there was one only: how much of its time were steps, and how "
        "much its start, cannot be told.",
        seconds=SHORTEST_SECONDS,
    )
