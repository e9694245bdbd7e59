"""The statistics of a round and of a launch, exact where that is possible. Lower is better here: costs,
not scores; whoever calls turns the sign."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

# So near to a value that was seen that it is inside every interval around it.
BESIDE = 1e-9
ANY = (-math.inf, math.inf)


@dataclass(frozen=True)
class BestOf:
    """The lowest of n costs drawn without replacement: its mean where any is finite (NaN where none can be), and the
    probability that none is."""

    n: int
    mean: float
    none_feasible: float


def best_of(costs: Sequence[float], n: int) -> BestOf:
    """The unbiased estimate (U-statistic) of the best of n, 1 <= n <= len(costs); infeasible trials enter as infinity.
    Drawn with replacement it would be too high (Tang et al. 2020, arXiv:2004.13705).

    Raises ValueError for any other n.
    """
    ranked = _ranked(costs, n)
    size, lowest, share, feasible, above = len(ranked), ranked[0], n / len(ranked), 0.0, 0.0
    # `share` of the subsets of size n have rank r as their best: C(N - r - 1, n - 1) / C(N, n), by its ratio.
    for rank, cost in enumerate(ranked[: size - n + 1]):
        if math.isinf(cost):
            break
        feasible += share
        above += share * (cost - lowest)
        share *= (size - n - rank) / max(size - rank - 1, 1)
    if not feasible:
        return BestOf(n, math.nan, 1.0)
    none = 0.0 if math.isclose(feasible, 1) else 1 - feasible
    return BestOf(n, lowest + above / feasible, none)


def quantile_of_best(costs: Sequence[float], n: int, q: float) -> float:
    """The smallest cost that the best of n, drawn without replacement, reaches with probability at least q (exact).

    Infinite where it takes an infeasible trial to get there. Raises ValueError unless 1 <= n <= len(costs), 0 < q < 1.
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    ranked = _ranked(costs, n)
    size = len(ranked)
    # P(the best of n ranks below r) = C(N - r, n) / C(N, n), here by its ratio from rank to rank.
    missed = 1.0
    for rank, cost in enumerate(ranked):
        missed *= max(size - n - rank, 0) / (size - rank)
        # Not sensitive to the last bit, where q falls on a step.
        if 1 - missed >= q - 1e-12:
            return cost
    raise AssertionError("the last rank is always reached")


def welch(candidate: Sequence[float], best: Sequence[float], floor: float = 0.0) -> float:
    """One-sided p-value of Welch's t-test that the candidate's mean cost is not below the best configuration's.

    `floor`: smallest standard deviation to believe in either group. NaN where a group has fewer than two values or
    both deviations are zero.
    """
    from scipy.special import stdtr

    if min(len(candidate), len(best)) < 2:
        return math.nan
    groups = (candidate, best)
    errors = [max(deviation(group), floor) / math.sqrt(len(group)) for group in groups]
    error = math.hypot(*errors)
    if not error:
        return math.nan
    freedom = 1 / sum((own / error) ** 4 / (len(group) - 1) for own, group in zip(errors, groups, strict=True))
    return float(stdtr(freedom, (mean(candidate) - mean(best)) / error))


def mean_interval(
    values: Sequence[float], confidence: float = 0.95, floor: float = 0.0, within: tuple[float, float] = ANY
) -> tuple[float, float]:
    """Student's t-interval of the mean; `floor` as in `welch`. The widest there is with fewer than two values.

    It is cut at the ends of what a mean can be (`within`), which takes nothing from its coverage: the true mean does
    not lie beyond them.
    """
    from scipy.special import stdtrit

    if len(values) < 2:
        return within
    error = max(deviation(values), floor) / math.sqrt(len(values))
    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2)) * error
    return (max(mean(values) - half, within[0]), min(mean(values) + half, within[1]))


@functools.lru_cache(maxsize=256)
def best_by_chance(many: int, runs: int, freedom: float, level: float = 0.05) -> float:
    """How far the best of so many single values is ahead of the mean of so many runs by chance, in at most a share
    `level` of all cases: in estimated deviations (of so many degrees of freedom, infinite where it is known) of such a
    difference, sqrt(1 + 1 / runs) times that from run to run. many, runs >= 1; 0 < level < 0.5. Raises ValueError for
    a deviation that rests on nothing.

    Dunnett's one-sided critical value for a control of its own size (Dunnett 1955, J. Am. Stat. Assoc. 50, 1096): the
    values share the control and the estimate, so that Bonferroni's bound is far above it for few degrees of freedom.
    """
    import numpy as np
    from scipy.special import gammaincinv, ndtr

    if freedom <= 0:
        raise ValueError(f"a deviation cannot rest on {freedom} degrees of freedom")

    of_control, heights = np.polynomial.hermite_e.hermegauss(40)
    heights = heights / heights.sum()
    estimated, widths = np.ones(1), np.ones(1)
    if not math.isinf(freedom):
        places, widths = np.polynomial.legendre.leggauss(200)
        widths = widths / 2
        estimated = np.sqrt(gammaincinv(freedom / 2, (places + 1) / 2) * 2 / freedom)

    def held(times: float) -> float:
        bounds = times * math.sqrt(1 + 1 / runs) * estimated[:, None] + of_control / math.sqrt(runs)
        return float(widths @ (ndtr(bounds) ** many) @ heights)

    low, high = 0.0, 1.0
    while held(high) < 1 - level:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if held(middle) < 1 - level else (low, middle)
    return high


def share_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of a share of which `count` of `total` were seen. Raises ValueError unless
    0 <= count <= total and total > 0."""
    from scipy.special import betaincinv

    if not 0 <= count <= total or not total:
        raise ValueError(f"{count} of {total} is no share")
    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return (low, high)


def precedence(ahead: Sequence[float], behind: Sequence[float]) -> float:
    """Two-sided p-value of the precedence test (Nelson 1963, Technometrics 5, 491): how likely so many of the lowest
    costs are all of one group where only chance tells the groups apart; 1 where `ahead` is not. Exact, whatever the
    costs are distributed like: of N trials, n in a group, the first r are all its own in n (n - 1) ... of N (N - 1) ...
    orders.

    Of a group only its best counts, and how many of the other are below that: not the trials that were far off in what
    else was varied. Raises ValueError for an empty group.
    """
    if not ahead or not behind:
        raise ValueError("each group needs at least one trial")
    below, total = sum(cost < min(behind) for cost in ahead), len(ahead) + len(behind)
    either = sum(math.perm(len(group), below) for group in (ahead, behind))
    return min(either / math.perm(total, below), 1.0)


@dataclass(frozen=True)
class Improvement:
    """P(a run of the candidate beats a run of the best configuration), ties counted half, with its interval."""

    probability: float
    low: float
    high: float


def improvement(candidate: Sequence[float], best: Sequence[float], confidence: float = 0.95) -> Improvement:
    """Mann-Whitney's U over the pairs, with Newcombe's interval for it (2006, Statistics in Medicine 25, method 5).

    Unlike a bootstrap it is not empty where every run of one side wins, as it often is with three runs a side. Infinite
    costs lose. Raises ValueError for an empty group.
    """
    from scipy.optimize import brentq

    if not candidate or not best:
        raise ValueError("each group needs at least one run")
    ours, theirs = ([cost if math.isfinite(cost) else math.inf for cost in group] for group in (candidate, best))
    pairs = len(ours) * len(theirs)
    share = sum((own < other) + 0.5 * (own == other) for own in ours for other in theirs) / pairs
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    runs = (len(ours) + len(theirs)) / 2 - 1

    def beyond(true: float) -> float:
        """How much further than z deviations a true value lies from what was seen."""
        variance = true * (1 - true) * (1 + runs * (1 - true) / (2 - true) + runs * true / (1 + true)) / pairs
        return abs(share - true) - z * math.sqrt(variance)

    # Just beside what was seen: at 0 and 1 the variance is none, which would be a root, too.
    root: Callable[..., Any] = brentq
    low = root(beyond, 0.0, share - share * BESIDE) if share else 0.0
    high = root(beyond, share + (1 - share) * BESIDE, 1.0) if share < 1 else 1.0
    return Improvement(share, float(low), float(high))


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, exact for equal values. Raises IndexError without any."""
    return values[0] + sum((value - values[0]) / len(values) for value in values)


def deviation(values: Sequence[float]) -> float:
    """Standard deviation with n - 1; exactly zero for equal values, NaN for fewer than two."""
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.hypot(*(value - middle for value in values)) / math.sqrt(len(values) - 1)


def pooled(groups: Iterable[Sequence[float]]) -> float | None:
    """The standard deviation within groups, each weighted by its degrees of freedom; None without a second run."""
    repeated = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in repeated)
    if not freedom:
        return None
    return math.sqrt(sum((len(group) - 1) * deviation(group) ** 2 for group in repeated) / freedom)


def _ranked(costs: Sequence[float], n: int) -> list[float]:
    if not 1 <= n <= len(costs):
        raise ValueError(f"the best of {n} cannot be drawn from {len(costs)} trials")
    return sorted(cost if math.isfinite(cost) else math.inf for cost in costs)
