"""How long a step takes: enough steps for a reliable figure, without waiting for the device between them (G3)."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from training import machine

# At least so many steps and at most so many, until this long or so steady: seconds, and MAD/median.
FEWEST, MOST = 5, 50
LONG_ENOUGH = 1.0
STEADY = 0.03
# Shared processors are interrupted by others at random: the fastest of three blocks is what the machine can do, and two
# blocks that agree need no third. What looks good there is timed again beside the others, so that little is enough.
BLOCKS, LONG_ENOUGH_ON_CPU = 3, 0.3
# Loading that takes less than this share of a step cannot be what limits it, and is not timed together with it.
NEGLIGIBLE = 0.02
# The second half of the steps took so much longer than the first: a device grew hot, or a neighbour began to work.
DRIFT = 1.10
REPEATS = 2
# For the comparison of kinds of step: seconds of one kind in a round, the fewest rounds, and seconds of a kind after
# which it is enough.
SLICE = 0.1
ROUNDS = 3
PATIENCE = 2.0
# So many times as many rounds as there are, drawn from them, show whether the answer hangs on a few of them: this share
# must give it too.
DRAWS, SURE = 40, 0.95
# After a few sweeps a median polish changes nothing that a timing could tell.
SWEEPS = 4

Step = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds a step, the spread (MAD/median) of the steps, and how the second half compares with the first."""

    seconds: float
    spread: float
    drift: float = 1.0


def compare(alone: Step, whole: Step, device: torch.device, expected: float, loading: float) -> tuple[Timing, Timing]:
    """Time a step, of about `expected` seconds, whose data is on the device, and one that loads its data, which takes
    about `loading` seconds by itself.

    On the CPU the first is timed undisturbed, and the second stands to it as by the clock, as its threads may wait for
    one another: that is its own.
    """
    if device.type == "cuda":
        return _until_steady(alone), _until_steady(whole)
    each = min(max(math.ceil(LONG_ENOUGH_ON_CPU / BLOCKS / expected), 1), MOST // BLOCKS)
    blocks: list[list[Lap]] = []
    while len(blocks) < BLOCKS and not (len(blocks) > 1 and _agree(blocks)):
        blocks.append([lap(alone, device) for _ in range(each)])
    undisturbed = min(statistics.median(one.undisturbed for one in block) for block in blocks)
    times = [one.undisturbed for block in blocks for one in block]
    found = Timing(undisturbed, spread(times), drift(times))
    if loading < NEGLIGIBLE * undisturbed:
        # At most that much longer, were nothing of it hidden behind the step before.
        return found, Timing(undisturbed + loading, found.spread, found.drift)
    # Not counted: it may find its data loaded while the other kind was timed.
    whole()
    loaded = [lap(whole, device).clock for _ in range(2 * each)]
    times_longer = max(1.0, min(loaded) / min(one.clock for block in blocks for one in block))
    return found, Timing(undisturbed * times_longer, spread(loaded), drift(loaded))


def _agree(blocks: list[list[Lap]]) -> bool:
    """Whether the last two blocks took the same time, as near as is asked of steps on a device."""
    one, other = (statistics.median(lap.undisturbed for lap in block) for block in blocks[-2:])
    return abs(one - other) <= STEADY * min(one, other)


def in_turn(
    steps: Sequence[Step], device: torch.device, expected: Sequence[float], answer: Callable[[list[float]], object]
) -> tuple[list[float], bool]:
    """Seconds of several kinds of step, to be compared: round after round, so that all meet the same neighbours, until
    the `answer` that follows from the seconds is sure, or enough time was spent; and whether it is sure."""
    counts = [min(max(1, math.ceil(SLICE / each)), MOST) for each in expected]
    places, dice = list(range(len(steps))), random.Random(0)
    rounds: list[list[float]] = []
    worked, sure = 0.0, False
    while len(rounds) < ROUNDS or (worked < PATIENCE * len(steps) and not sure):
        times = {place: seconds(steps[place], device, counts[place]) for place in places}
        rounds.append([times[place] for place in sorted(places)])
        worked += sum(each * count for each, count in zip(rounds[-1], counts, strict=True))
        # There and back, so that what changes all the while does not always meet the same kind first.
        places.reverse()
        sure = len(rounds) >= ROUNDS and _sure(rounds, answer, dice)
    return polished(rounds), sure


def polished(rounds: Sequence[Sequence[float]]) -> list[float]:
    """Seconds of each kind of step, given those of each kind in each round.

    A time is taken to be that of the kind, times how slow the round was, times chance; medians of the logarithms in
    turn over rounds and kinds find both (Tukey's median polish, Exploratory Data Analysis, 1977). What slows down whole
    rounds cancels, and one bad moment counts for nothing; the fastest round of each kind alone would compare moments
    that differ. The figures are those of the fastest round.
    """
    left = [[math.log(each) for each in times] for times in rounds]
    of_round, of_kind = [0.0] * len(left), [0.0] * len(left[0])
    for _ in range(SWEEPS):
        for place, times in enumerate(left):
            middle = statistics.median(times)
            of_round[place] += middle
            times[:] = [each - middle for each in times]
        for kind in range(len(of_kind)):
            middle = statistics.median(times[kind] for times in left)
            of_kind[kind] += middle
            for times in left:
                times[kind] -= middle
    return [math.exp(each + min(of_round)) for each in of_kind]


def _sure(rounds: list[list[float]], answer: Callable[[list[float]], object], dice: random.Random) -> bool:
    """Whether rounds drawn from those there are give the same answer (bootstrap)."""
    found = answer(polished(rounds))
    same = sum(answer(polished(dice.choices(rounds, k=len(rounds)))) == found for _ in range(DRAWS))
    return same >= SURE * DRAWS


@dataclass(frozen=True)
class Lap:
    """Seconds by the clock of the host, and those of them in which this thread did not wait for a processor."""

    clock: float
    undisturbed: float


def lap(step: Step, device: torch.device, count: int = 1) -> Lap:
    """Seconds a step, over so many of them. Where a device computes, it goes on while the host waits."""
    synchronize(device)
    began = time.perf_counter()
    # Within what the clock measures: a wait that only this counted would make the fastest step too fast.
    before = machine.waited() if device.type == "cpu" else None
    for _ in range(count):
        step()
    synchronize(device)
    lost = 0.0 if before is None else (machine.waited() or before) - before
    taken = time.perf_counter() - began
    # Two clocks may differ a little, and no step takes no time.
    return Lap(taken / count, max(taken - lost, 0.001 * taken) / count)


def seconds(step: Step, device: torch.device, count: int = 1) -> float:
    """Undisturbed seconds a step, over so many of them."""
    return lap(step, device, count).undisturbed


def handing_over(step: Step, device: torch.device) -> float | None:
    """Seconds until the host has handed a step to a device with nothing else to do, without waiting for it; None on
    the CPU, where the host is the device."""
    if device.type == "cpu":
        return None
    times: list[float] = []
    for _ in range(FEWEST):
        synchronize(device)
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    synchronize(device)
    return statistics.median(times)


def spread(times: list[float]) -> float:
    """The median absolute deviation as a share of the median."""
    middle = statistics.median(times)
    return statistics.median(abs(each - middle) for each in times) / middle


def drift(times: Sequence[float]) -> float:
    """How many times longer the second half took than the first, by their medians."""
    half = len(times) // 2
    return statistics.median(times[-half:]) / statistics.median(times[:half]) if half else 1.0


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _until_steady(step: Step) -> Timing:
    """Steps until their figure is reliable; what drifted is dropped and timed again."""
    found = _steady(step)
    for _ in range(REPEATS):
        if found.drift <= DRIFT:
            break
        found = _steady(step)
    return found


def _steady(step: Step) -> Timing:
    step()
    times: list[float] = []
    while len(times) < MOST:
        times += _on_cuda(step, FEWEST)
        if sum(times) >= LONG_ENOUGH or spread(times) < STEADY:
            break
    return Timing(statistics.median(times), spread(times), drift(times))


def _on_cuda(step: Step, count: int) -> list[float]:
    """By marks in the queue of the device, which waits for nobody; where the host is late, so are the marks."""
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    torch.cuda.synchronize()
    return [before.elapsed_time(after) / 1000 for before, after in pairwise(marks)]
