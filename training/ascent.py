"""Which batch sizes to try, and which one to recommend: pure arithmetic over measured sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

# Never 1: batch norm has no statistics over one example.
FIRST, SMALLEST = 8, 2
# A doubling of the batch that brings less throughput than this does not pay (G5).
GAIN = 1.05
REFINEMENTS = 2
# A size within this of the best throughput is fast enough (G5).
FAST_ENOUGH = 0.95
# What was timed at another moment, beside other neighbours, may be the answer from this share of the best on.
CLOSE = 0.5
# What a share of the best throughput may differ by from one probe to the next, where cores are shared.
NOISE = 0.05
# The same where others keep the cores busy, to whom a small size may lose more than a large one.
LOUD_NOISE = 0.15
# A throughput that falls below this share of the best is no knee but one bad size, or a bad moment.
FALL = 0.9
# Beyond so much spread, or so many times longer in the second half, or with data than device and data one after the
# other, something else was timed with the steps.
DISTURBED, FAR_LONGER = 0.25, 1.5
# Beyond it CUDA kernels refuse to launch (a grid dimension has 16 bits).
LARGEST = 65_535

Limit = Literal["throughput", "memory", "data", "cap", "error"]


@dataclass(frozen=True)
class Size:
    """One line of sizes.jsonl. Seconds are per step: `step_seconds` with the data on the device already,
    `input_seconds` for the data alone, `end_to_end_seconds` for both, `host_seconds` until the host has handed a step
    to the device (None on the CPU). `spread` is MAD/median, `drift` how many times longer the second half of the steps
    took; memory is in bytes."""

    batch_size: int
    outcome: Literal["measured", "out_of_memory", "failed"]
    message: str = ""
    step_seconds: float | None = None
    spread: float | None = None
    examples_per_second: float | None = None
    peak_memory: int | None = None
    allocated_memory: int | None = None
    drift: float | None = None
    input_seconds: float | None = None
    end_to_end_seconds: float | None = None
    host_seconds: float | None = None

    def fits(self, budget: int) -> bool:
        """Whether it was seen to work within the memory budget."""
        return self.peak_memory is not None and self.peak_memory <= budget

    @property
    def disturbed(self) -> bool:
        """Whether its own figures say that something else took part of the time."""
        together = FAR_LONGER * ((self.step_seconds or 0.0) + (self.input_seconds or 0.0))
        spread, drift = self.spread or 0.0, self.drift or 1.0
        return spread > DISTURBED or drift > FAR_LONGER or (self.end_to_end_seconds or 0.0) > together

    @property
    def throughput(self) -> float:
        """Examples a second of a measured size, the data on the device already."""
        assert self.examples_per_second is not None
        return self.examples_per_second


# Times sizes that were measured before once more, side by side.
Again = Callable[[list[Size]], list[Size]]


@dataclass(frozen=True)
class Shared:
    """What processors that are shared with others need besides: `again` times sizes once more side by side, `anew`
    measures one that was disturbed once more by itself and gives the figures to keep, and `busy` says whether others
    keep the processors busy."""

    again: Again
    anew: Callable[[Size], Size]
    busy: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Cap:
    """The largest size to try, and whose limit that is."""

    size: int
    limit: Limit


@dataclass(frozen=True)
class Recommendation:
    """The size to train with, the largest that fits, the smallest within 5 % of the best throughput, and why."""

    recommended: int
    largest_feasible: int
    saturation: int
    limited_by: Limit


def cap(examples: int, wanted: int | None) -> Cap:
    """The largest size worth trying: an epoch keeps 20 steps, as far as that leaves 8 examples in a step (nnU-Net)."""
    limits = [
        Cap(min(max(FIRST, examples // 20), examples), "data"),
        Cap(min(wanted or LARGEST, LARGEST), "cap"),
    ]
    least = min(limits, key=lambda limit: limit.size)
    return Cap(on_grid(least.size), least.limit)


def ascend(
    measure: Callable[[int], Size],
    highest: Cap,
    budget: int,
    shared: Shared | None = None,
) -> tuple[list[Size], Limit]:
    """Measure doubling sizes until one does not fit, throughput stops rising, or the cap; the sizes, and what ended it.

    The memory of the next size is predicted and the jump shortened accordingly; the prediction can only be too low, as
    memory is convex in the batch size. On `shared` processors sizes are timed anew side by side, before one that seems
    slow is believed to be, and those that may be the answer at the end; before that, each that was disturbed is
    measured anew. Where others keep them busy, throughput is not believed to stop rising until a larger size says so
    too: two sizes at a bad moment ended an ascent at 16 that goes to 64.
    """
    sizes: list[Size] = []
    size, compared = min(FIRST, highest.size), False
    while True:
        found = measure(size)
        fitting = [known for known in sizes if known.fits(budget)]
        sizes.append(found)
        if found.outcome == "failed":
            return sizes, "error"
        if not found.fits(budget):
            # On the CPU, libraries keep the largest buffers they ever had, so that smaller sizes would look larger.
            if not (shared and fitting):
                refine(measure, sizes, budget)
            ended_by: Limit = "memory"
            break
        shortened = bool(fitting) and size < min(2 * fitting[-1].batch_size, highest.size)
        fitting.append(found)
        compared = shared is not None and knee(rates_of(fitting)) is not None
        if shared and compared:
            fitting = compare(calm(fitting, shared.anew), shared.again)
            _replace(sizes, fitting)
        end = knee(rates_of(fitting))
        if end is not None and not (shared and shared.busy() and end == size):
            ended_by = "throughput"
            break
        if shortened:
            ended_by = "memory"
            break
        if highest.size < 1.25 * size:
            ended_by = highest.limit
            break
        following = min(within(fitting, budget), highest.size)
        if following <= size:
            ended_by = "memory"
            break
        size = following
    fitting = [known for known in sizes if known.fits(budget)]
    if shared and not compared and len(fitting) > 1:
        _replace(sizes, compare(calm(fitting, shared.anew), shared.again))
    return sizes, ended_by


def knee(rates: dict[int, float]) -> int | None:
    """The first size, of rising ones with their examples a second, that does not bring what it must for its share of a
    doubling; None while all do. One that falls far below the best is passed over once, and one beyond which a larger
    size brings all of its share always: something else kept it."""
    before, best, fell = 0, 0.0, False
    for size, rate in rates.items():

        def brings(other: int, before: int = before, best: float = best) -> bool:
            return rates[other] >= best * GAIN ** math.log2(other / before)

        if before and not brings(size):
            kept = any(brings(larger) for larger in rates if larger > size)
            if not kept and (fell or rate >= FALL * best):
                return size
            fell = True
        else:
            fell = False
        before, best = size, max(best, rate)
    return None


def rates_of(sizes: list[Size]) -> dict[int, float]:
    """Examples a second of measured sizes, by batch size."""
    return {size.batch_size: size.throughput for size in sizes}


def saturation(rates: dict[int, float], earlier: int | None = None, noise: float = NOISE) -> int:
    """The first size, of rising ones with their examples a second, that is within 5 % of the best throughput (G5).

    How far the ascent went beyond the knee, by chance or for a comparison, does not change the answer: where throughput
    saturates, larger sizes bring ever less of their share. Neither does
    `noise` change the `earlier` answer of a probe of the same: where a step takes a fixed time and a time for each
    example, some power of two often lies so near that line that now it and now its double would be the answer by chance
    alone; and each change means tuning again (G9).
    """
    end = knee(rates) or max(rates)
    if earlier in rates:
        best = max(rate for size, rate in rates.items() if size <= max(end, earlier))
        smaller = [rate for size, rate in rates.items() if size < earlier]
        if rates[earlier] >= (FAST_ENOUGH - noise) * best and max(smaller, default=0) < (FAST_ENOUGH + noise) * best:
            return earlier
    rising = {size: rate for size, rate in rates.items() if size <= end}
    return next(size for size, rate in rising.items() if rate >= FAST_ENOUGH * max(rising.values()))


def calm(fitting: list[Size], anew: Callable[[Size], Size]) -> list[Size]:
    """The sizes, those that were disturbed measured anew."""
    return [anew(size) if size.disturbed else size for size in fitting]


def calmer(size: Size, newer: Size) -> Size:
    """Which figures to keep of a size that was disturbed: the newer ones unless they were disturbed too and took longer
    with data. Of its memory enough is known."""
    if newer.outcome != "measured" or (newer.disturbed and _whole(newer) >= _whole(size)):
        return size
    return replace(newer, peak_memory=size.peak_memory, allocated_memory=size.allocated_memory)


def compare(fitting: list[Size], again: Again) -> list[Size]:
    """The sizes, those that may be the answer, and the largest with them, timed anew side by side.

    What was timed at different moments met different neighbours: everything from CLOSE of the best throughput on is
    compared, and so is what comes that near by the new figures.
    """
    compared = {fitting[-1].batch_size}
    while True:
        best = max(size.throughput for size in fitting)
        near = {size.batch_size for size in fitting if size.throughput >= CLOSE * best}
        if near <= compared:
            return fitting
        compared |= near
        _replace(fitting, again([size for size in fitting if size.batch_size in compared]))


def _replace(sizes: list[Size], newer: list[Size]) -> None:
    by_size = {size.batch_size: size for size in newer}
    sizes[:] = [by_size.get(size.batch_size, size) for size in sizes]


def within(fitting: list[Size], budget: int) -> int:
    """Twice the last size, or less where the line through the last two says that twice will not fit."""
    last = fitting[-1]
    # Small sizes do not count: while parameters and optimizer state are the peak, the curve is flat.
    rising = [size for size in fitting if _peak(size) > 1.05 * _peak(fitting[0])]
    if len(rising) < 2:
        return 2 * last.batch_size
    before = rising[-2]
    slope = (_peak(last) - _peak(before)) / (last.batch_size - before.batch_size)
    if slope <= 0:
        return 2 * last.batch_size
    reach = last.batch_size + (budget - _peak(last)) / slope
    return 2 * last.batch_size if reach >= 2.04 * last.batch_size else on_grid(int(reach))


def refine(measure: Callable[[int], Size], sizes: list[Size], budget: int) -> None:
    """Try between the largest size that fits and the smallest that does not, at most twice; appends to `sizes`."""
    for _ in range(REFINEMENTS):
        bad = min(size.batch_size for size in sizes if not size.fits(budget))
        good = max((size.batch_size for size in sizes if size.fits(budget)), default=0)
        middle = on_grid((good + bad) // 2)
        if middle <= good or middle < SMALLEST:
            return
        sizes.append(measure(middle))
        if sizes[-1].outcome == "failed":
            return


def recommend(
    sizes: list[Size], budget: int, ended_by: Limit, earlier: int | None = None, noise: float = NOISE
) -> Recommendation | None:
    """The largest feasible size, but none beyond the point where throughput stopped rising (G5); None if none fits.
    `earlier`: what a probe of the same recommended before, which `noise` does not change."""
    fitting = sorted((size for size in sizes if size.fits(budget)), key=lambda size: size.batch_size)
    if not fitting:
        return None
    enough = saturation(rates_of(fitting), earlier, noise)
    largest = fitting[-1].batch_size
    recommended = min(largest, enough)
    return Recommendation(recommended, largest, enough, "throughput" if recommended < largest else ended_by)


def retimed(size: Size, seconds: float) -> Size:
    """The size with another time of a step; with data it takes as many times longer as before, and the host the same
    share of it."""
    assert size.step_seconds is not None
    whole, host = size.end_to_end_seconds, size.host_seconds
    return replace(
        size,
        step_seconds=seconds,
        examples_per_second=size.batch_size / seconds,
        end_to_end_seconds=whole and whole * seconds / size.step_seconds,
        host_seconds=host and host * seconds / size.step_seconds,
    )


def on_grid(size: int) -> int:
    """The size rounded down to an eighth of a power of two, which from 64 on is a multiple of 8."""
    step = max(1, 2 ** (size.bit_length() - 1) // 8)
    return size // step * step


def _peak(size: Size) -> int:
    assert size.peak_memory is not None
    return size.peak_memory


def _whole(size: Size) -> float:
    return size.end_to_end_seconds or size.step_seconds or 0.0
