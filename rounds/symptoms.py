"""What the curves of one trial say: overfitting, unsteady end, still improving, saturated, rising training loss.

The detectors were designed on AlgoPerf's public logs (Dahl et al. 2023, arXiv:2306.07179), with additions. A fifth of
a short curve is too little to estimate its noise from, so the steps between evaluations count as well, and so does
what one validation example can change: where a class has two, one of them makes a jump that looks like a trend.
Validation that gets worse together with the training loss (tests/test_real_curves.py) is a training that broke down,
be it early, late, or from the first step on, and where the validation loss stays as it is, an answer or two have tipped
over: neither is overfitting. Nor is a validation loss beyond what wrong answers can cost a network that is as sure as
its training loss says (`unsettled`): then the network that is evaluated is not the one that is trained, since the rate
is too high, or since batch norm has averaged its statistics over too few steps; and nothing that still improves at its
end. And single evaluations that differ much hide a steady improvement from a comparison of the best ones; the slope of
the last two fifths shows it, sooner that of the loss. How often each is seen, rightly and wrongly,
benchmarks/statistics.py tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from rounds.record import TRAINING_LOSS, VALIDATION_LOSS, Direction, TrialRecord, leading, turned, usable

# With fewer evaluations the last fifth is too short to tell noise from trend.
FEWEST_EVALUATIONS = 20
LATE, LAST = 0.2, 0.1
# An overfitting trial is best before this share of its steps; a saturated one after this share already.
BEST_BEFORE, SATURATED_BY = 0.9, 0.25
# Blocks over which the training loss is compared, their fewest points, and how far it must rise.
BLOCKS, POINTS_PER_BLOCK = 10, 5
FEWEST_LOSSES = 3 * POINTS_PER_BLOCK
RISE_IN_MAD = 5
# How many times what a wrong answer costs the validation loss may be (our judgement): trainings of the digits on few
# examples, or on random labels, stay below it.
BEYOND_WRONG = 1.5
# Median absolute deviation to standard deviation, of a normal distribution.
MAD_TO_DEVIATION = 1.4826
# Standard error of a median to that of a mean, of a normal distribution.
MEDIAN_TO_MEAN = math.sqrt(math.pi / 2)
# A rise of less than this share of what was gained is no trouble, however smooth the curve.
RISE_OF_FALL = 0.05
# A slope is a trend from so many of its standard errors on: errors that go on from one evaluation to the next, as those
# of a training do, make it look surer than it is.
TREND, TREND_SHARE = 3.5, 2 * LATE
# Where the validation loss, which is smoother, falls beyond doubt, this much of a trend is enough of the metric.
AGREES = 1.0


@dataclass(frozen=True)
class Symptoms:
    """What one trial's curves show; None where there are too few points to tell. `late_noise`: the largest of three
    estimates of how much evaluations late in training differ, in the metric's unit."""

    trial: str
    late_noise: float | None
    overfitting: bool | None
    unsettled: bool | None
    still_improving: bool | None
    saturated: bool | None
    rising_loss: bool | None


def symptoms(
    record: TrialRecord, direction: Direction, noise: float | None = None, *, own_script: bool = False
) -> Symptoms:
    """Look at the validation and training curves of a feasible trial. `noise`: standard deviation from run to run;
    `own_script`: what wrote them may count the two losses otherwise."""
    curve = [(step, turned(value, direction)) for step, value in _usable(record.curves.get(record.metric, ()))]
    rising = rising_loss([value for _, value in record.curves.get(TRAINING_LOSS, ())])
    if len(curve) < FEWEST_EVALUATIONS:
        return Symptoms(record.id, None, None, None, None, None, rising)
    steps, values = [step for step, _ in curve], [value for _, value in curve]
    end = max(record.steps, steps[-1])
    late = max(late_noise(values), step_noise(values), resolution(values))
    unit = max(late, noise or 0.0, record.grain)
    least = max(noise or 0.0, record.grain)
    losses = [value for _, value in _usable(record.curves.get(VALIDATION_LOSS, ()))]
    lowest = min(values)
    place = values.index(lowest)
    # The best of many evaluations is lucky: its neighbours say how good it was there.
    around = median(values[max(place - 1, 0) : place + 2])
    last = fmean(values[-max(round(LAST * len(values)), 1) :])
    worse = steps[place] < BEST_BEFORE * end and last - around > 2 * unit
    # At the end a single evaluation is lucky too: of three neighbours the middle one tells what was gained.
    count = sum(step <= (1 - LATE) * end for step in steps)
    before, reached = min(values[:count], default=math.inf), min(medians(values[count:]), default=math.inf)
    improving = before - reached > 2 * unit or falls(values, least) or (falls(losses) and falls(values, least, AGREES))
    validation, training = (record.curves.get(kind, ()) for kind in (VALIDATION_LOSS, TRAINING_LOSS))
    apart = unsettled(validation, training, steps[place], own_script=own_script)
    # Where training itself broke down, nothing was learnt by heart, and no regulariser mends that.
    overfitting = (
        worse
        and not improving
        and not apart
        and not rising
        and not trains_worse(record.curves.get(TRAINING_LOSS, ()), steps[place])
        and (record.metric == VALIDATION_LOSS or loses(record.curves.get(VALIDATION_LOSS, ()), steps[place]))
    )
    early = min((value for step, value in curve if step <= SATURATED_BY * end), default=math.inf)
    return Symptoms(
        record.id,
        late,
        overfitting,
        unsettled=apart,
        still_improving=improving,
        saturated=not (worse or apart) and early - lowest <= unit,
        rising_loss=rising,
    )


def unsettled(
    validation: Sequence[tuple[int, float]], training: Sequence[tuple[int, float]], step: int, *, own_script: bool
) -> bool:
    """Whether the validation loss lies, at its end or mostly since a step, beyond what wrong answers can cost: how sure
    a network is, the training loss tells (t of it is reached by log(1/t) more than it began with, which is how much it
    loses where it is as sure of what is wrong). With too few values it is not known to."""
    losses, values = _usable(validation), [value for _, value in training]
    if len(losses) < FEWEST_EVALUATIONS or len(values) < 2 * POINTS_PER_BLOCK or not all(map(usable, values)):
        return False
    level = median(values[-max(round(LAST * len(values)), POINTS_PER_BLOCK) :])
    if level <= 0 or values[0] <= 0:
        return False
    most = BEYOND_WRONG * (values[0] + max(-math.log(level), 0.0))
    if own_script and min(value for _, value in losses) > most:
        # It may be counted otherwise, as a sum over all examples.
        return False
    last = fmean(value for _, value in losses[-max(round(LAST * len(losses)), 1) :])
    return max(last, median(value for at, value in losses if at >= step)) > most


def loses(curve: Iterable[tuple[int, float]], step: int) -> bool:
    """Whether the validation loss ends above where it was at a step, by more than it differs from one evaluation to
    the next; without enough of it nothing speaks against that."""
    known = _usable(curve)
    if len(known) < FEWEST_EVALUATIONS:
        return True
    values = [value for _, value in known]
    place = max(sum(at <= step for at, _ in known) - 1, 0)
    around = median(values[max(place - 1, 0) : place + 2])
    last = fmean(values[-max(round(LAST * len(values)), 1) :])
    return last - around > max(late_noise(values), step_noise(values))


def falls(values: Sequence[float], least: float = 0.0, sure: float = TREND) -> bool:
    """Whether the last two fifths slope down, by so many of the slope's standard errors, by more than `least`, and by
    more than next to nothing of all that was gained. With too few values they are not known to."""
    if len(values) < FEWEST_EVALUATIONS:
        return False
    tail = values[-max(round(TREND_SHARE * len(values)), 5) :]
    slope, rest = line(tail)
    fall = -slope * (len(tail) - 1)
    gained = median(values[: max(round(LAST * len(values)), 1)]) - min(values)
    error = rest / math.sqrt(sum((place - (len(tail) - 1) / 2) ** 2 for place in range(len(tail))))
    return fall > max(least, RISE_OF_FALL * gained) and -slope > sure * error


def late_noise(values: Sequence[float]) -> float:
    """Standard deviation of the last fifth (at least five values) around its own straight line (two degrees lost)."""
    return line(values[-max(round(LATE * len(values)), 5) :])[1]


def line(values: Sequence[float]) -> tuple[float, float]:
    """The slope of the straight line through at least three values, a step each, and their standard deviation around
    it."""
    middle, center = fmean(values), (len(values) - 1) / 2
    spread = sum((place - center) ** 2 for place in range(len(values)))
    slope = sum((place - center) * (value - middle) for place, value in enumerate(values)) / spread
    rest = [value - middle - slope * (place - center) for place, value in enumerate(values)]
    return slope, math.sqrt(sum(value * value for value in rest) / (len(values) - 2))


def step_noise(values: Sequence[float]) -> float:
    """Standard deviation from the steps between successive values after the first quarter, by their median deviation,
    which a trend or a single jump does not move. Needs at least three values."""
    steps = [after - before for before, after in pairwise(values[len(values) // 4 :])]
    middle = median(steps)
    return MAD_TO_DEVIATION * median(abs(step - middle) for step in steps) / math.sqrt(2)


def medians(values: Sequence[float]) -> list[float]:
    """The middle one of every three neighbours; of fewer values none."""
    return [median(values[place : place + 3]) for place in range(len(values) - 2)]


def resolution(values: Sequence[float]) -> float:
    """The smallest step between two different values: an error rate on few examples can tell no finer difference."""
    distinct = sorted(set(values))
    return min((high - low for low, high in pairwise(distinct)), default=0.0)


def rising_loss(values: Sequence[float]) -> bool | None:
    """Whether the training loss ends clearly above its lowest level; one that is not finite has. None: too short."""
    if not all(map(usable, values)):
        return True
    if len(values) < FEWEST_LOSSES:
        return None
    blocks = min(BLOCKS, len(values) // POINTS_PER_BLOCK)
    edges = [round(place * len(values) / blocks) for place in range(blocks + 1)]
    parts = [values[left:right] for left, right in pairwise(edges)]
    levels = [median(part) for part in parts]
    deviation = median(median(abs(v - level) for v in part) for part, level in zip(parts, levels, strict=True))
    rise, fall = levels[-1] - min(levels), levels[0] - min(levels)
    return rise > max(RISE_IN_MAD * deviation, RISE_OF_FALL * fall)


def trains_worse(curve: Sequence[tuple[int, float]], step: int) -> bool:
    """Whether the training loss ends no lower than it began, or above the level that it had come to by a step: by more
    than two standard errors of the difference of two medians, be it in the last tenth or in the last three values. With
    too few values it is not known to."""
    values = [value for _, value in curve]
    size = max(round(LAST * len(values)), POINTS_PER_BLOCK)
    if len(values) < 2 * size:
        return False
    last = values[-size:]
    if not all(map(usable, last)):
        return True
    # One value only tells where it began, so that its own spread is not known.
    if values[0] - median(last) <= 2 * MEDIAN_TO_MEAN * _spread(last) / math.sqrt(size):
        return True
    place = max(sum(at <= step for at, _ in curve), 1)
    # Early on the loss falls so fast that only what is close to the step tells its level there.
    before = values[max(place - size, place // 2) : place]
    # Of fewer values than a block has nobody knows how much they spread.
    spread = _spread(before if len(before) >= POINTS_PER_BLOCK else last)
    return _above(last, before, max(spread, _spread(last))) or _above(values[-3:], before, spread)


def _above(last: Sequence[float], before: Sequence[float], spread: float) -> bool:
    """Whether the median of the last values lies above that of earlier ones by more than two standard errors."""
    error = MEDIAN_TO_MEAN * spread * math.sqrt(1 / len(last) + 1 / len(before))
    return median(last) - median(before) > 2 * error


def _spread(values: Sequence[float]) -> float:
    """Standard deviation by the median deviation from the median."""
    middle = median(values)
    return MAD_TO_DEVIATION * median(abs(value - middle) for value in values)


def noise_of(records: Iterable[TrialRecord], direction: Direction, noise: float | None) -> float | None:
    """The unit in which differences are judged: the noise from run to run where it is known, else the median late noise
    of the best trials, which tends to be smaller; None where neither is known. A few runs that agree, or an end that is
    flat, do not make it finer than what one validation example is worth."""
    best = leading(records, direction)
    if noise is None:
        late = [symptoms(record, direction).late_noise for record in best]
        known = [value for value in late if value is not None]
        noise = median(known) if known else None
    return None if noise is None else max(noise, *(record.grain for record in best), 0.0)


def _usable(curve: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(step, value) for step, value in curve if usable(value)]
