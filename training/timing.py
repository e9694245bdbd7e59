"""How long a step takes: enough steps for a reliable figure, without waiting for the device between them (G3)."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

# engine.md 1.3: at least 5 steps and at most 50, until one second of them or a spread below 3 %.
FEWEST, MOST = 5, 50
LONG_ENOUGH = 1.0
STEADY = 0.03
# Shared processors are interrupted by others at random: the fastest of three blocks is what the machine can do.
BLOCKS = 3
# The second half of the steps took so much longer than the first: a device grew hot, or a neighbour began to work.
DRIFT = 1.10
REPEATS = 2
# For the comparison of sizes: seconds of one of them in a round, seconds after which it is enough, and how much faster
# a round must be to count as such.
SLICE = 0.1
PATIENCE = 6.0
SURE = 0.01

Step = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds a step, the spread (MAD/median) of the steps, and how the second half compares with the first."""

    seconds: float
    spread: float
    drift: float = 1.0


def compare(steps: Sequence[Step], device: torch.device, expected: float) -> list[Timing]:
    """Time several kinds of step, each of which takes about `expected` seconds."""
    if device.type == "cuda":
        return [_until_steady(step) for step in steps]
    each = min(max(math.ceil(LONG_ENOUGH / BLOCKS / expected), math.ceil(FEWEST / BLOCKS)), MOST // BLOCKS)
    blocks: list[list[list[float]]] = [[] for _ in steps]
    # In turn, so that a neighbour who keeps the processors busy for a while slows down all kinds alike.
    for _ in range(BLOCKS):
        for step, own in zip(steps, blocks, strict=True):
            # Not counted: it may find its data loaded while the other kind was timed.
            step()
            own.append([seconds(step, device) for _ in range(each)])
    timings = []
    for own in blocks:
        times = [each for block in own for each in block]
        timings.append(Timing(min(map(statistics.median, own)), spread(times), drift(times)))
    return timings


def fastest(steps: Sequence[Step], device: torch.device, expected: Sequence[float]) -> list[float]:
    """Seconds of several kinds of step, to be compared: in turn, round after round, so that all meet the same
    neighbours; of each the fastest round, until further rounds show nothing faster."""
    counts = [min(max(1, math.ceil(SLICE / each)), MOST) for each in expected]
    best = [math.inf] * len(steps)
    began, unchanged, rounds = time.perf_counter(), 0, 0
    while rounds < BLOCKS or (unchanged < BLOCKS and time.perf_counter() - began < PATIENCE):
        times = [seconds(step, device, count) for step, count in zip(steps, counts, strict=True)]
        faster = any(new < (1 - SURE) * old for new, old in zip(times, best, strict=True))
        best = [min(new, old) for new, old in zip(times, best, strict=True)]
        rounds, unchanged = rounds + 1, 0 if faster else unchanged + 1
    return best


def seconds(step: Step, device: torch.device, count: int = 1) -> float:
    """Seconds a step, by the clock of the host, over so many of them."""
    synchronize(device)
    began = time.perf_counter()
    for _ in range(count):
        step()
    synchronize(device)
    return (time.perf_counter() - began) / count


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
