"""The statistics against scipy, against enumeration by hand, and on the data that breaks formulas."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from rounds import statistics

COSTS = st.lists(st.floats(), min_size=1, max_size=12)
FINITE = st.lists(st.integers(-9999, 9999).map(lambda value: value / 100), min_size=2, max_size=10)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_the_best_of_n_is_the_mean_over_all_subsets(n: int) -> None:
    costs = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6]
    by_hand = np.mean([min(subset) for subset in itertools.combinations(costs, n)])
    best = statistics.best_of(costs, n)
    assert best.mean == pytest.approx(by_hand)
    assert best.none_feasible == 0


def test_infeasible_trials_count_as_draws_that_gave_nothing() -> None:
    """Of the 10 pairs of five trials, three hold only infeasible ones; the mean is over the other seven."""
    costs = [2.0, 1.0, math.inf, math.nan, math.inf]
    best = statistics.best_of(costs, 2)
    assert best.none_feasible == pytest.approx(0.3)
    assert best.mean == pytest.approx((4 * 1.0 + 3 * 2.0) / 7)


def test_without_any_feasible_trial_there_is_no_best() -> None:
    best = statistics.best_of([math.nan, math.inf], 1)
    assert math.isnan(best.mean)
    assert best.none_feasible == 1


@pytest.mark.parametrize("n", [0, 4])
def test_more_draws_than_trials_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="best of"):
        statistics.best_of([1.0, 2.0, 3.0], n)


@given(COSTS, st.data())
def test_the_best_of_more_is_never_worse(costs: list[float], data: Any) -> None:
    n = data.draw(st.integers(1, len(costs)))
    finite = [cost for cost in costs if math.isfinite(cost)]
    best = statistics.best_of(costs, n)
    assert 0 <= best.none_feasible <= 1
    if finite and max(map(abs, finite)) < 1e100:
        slack = 1e-9 * (1 + max(finite) - min(finite))
        assert min(finite) - slack <= best.mean <= max(finite) + slack
        if n < len(costs) and len(finite) == len(costs):
            assert statistics.best_of(costs, n + 1).mean <= best.mean + slack


@pytest.mark.parametrize("q", [0.05, 0.25, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_quantiles_of_the_best_are_those_of_all_subsets(n: int, q: float) -> None:
    costs = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, math.inf]
    best = sorted(min(subset) for subset in itertools.combinations(costs, n))
    by_hand = next(cost for cost in best if sum(other <= cost for other in best) / len(best) >= q - 1e-12)
    assert statistics.quantile_of_best(costs, n, q) == by_hand


def test_the_quantile_is_infinite_where_too_many_trials_are_infeasible() -> None:
    assert statistics.quantile_of_best([1.0, math.inf, math.inf], 1, 0.3) == 1.0
    assert statistics.quantile_of_best([1.0, math.inf, math.inf], 1, 0.5) == math.inf
    with pytest.raises(ValueError, match="between 0 and 1"):
        statistics.quantile_of_best([1.0], 1, 1.0)


@pytest.mark.filterwarnings("ignore:Precision loss")  # scipy's, where a group is constant
@given(FINITE, FINITE)
def test_welch_is_scipys(one: list[float], other: list[float]) -> None:
    p = statistics.welch(one, other)
    if len({*one}) > 1 or len({*other}) > 1:
        assert p == pytest.approx(scipy.stats.ttest_ind(one, other, equal_var=False, alternative="less")[1], abs=1e-6)


def test_the_floor_stands_in_for_a_deviation_that_is_too_small() -> None:
    """With equal floors the test is Student's: t = 1 / (0.5 * sqrt(2 / 3)) at 4 degrees of freedom."""
    p = statistics.welch([1.0, 1.0, 1.0], [2.0, 2.0, 2.0], floor=0.5)
    assert p == pytest.approx(scipy.stats.t.sf(1 / (0.5 * math.sqrt(2 / 3)), 4))


@pytest.mark.parametrize(("one", "other"), [([1.0], [1.0, 2.0]), ([1.0, 1.0], [2.0, 2.0]), ([], [])])
def test_welch_cannot_tell_from_one_run_or_from_runs_that_do_not_differ(one: list[float], other: list[float]) -> None:
    assert math.isnan(statistics.welch(one, other))


@given(FINITE)
def test_the_interval_is_scipys(values: list[float]) -> None:
    low, high = statistics.mean_interval(values, 0.9)
    error = scipy.stats.sem(values)
    if error == 0:
        assert low == high == values[0]
    else:
        expected = scipy.stats.t.interval(0.9, len(values) - 1, np.mean(values), error)
        assert (low, high) == pytest.approx(expected, rel=1e-6, abs=1e-6 * max(map(abs, values)))


def test_one_value_has_no_interval() -> None:
    assert statistics.mean_interval([3.0]) == (-math.inf, math.inf)


DUNNETT = {
    5: (2.02, 2.44, 2.68, 2.85, 2.98, 3.08, 3.16, 3.24, 3.30),
    10: (1.81, 2.15, 2.34, 2.47, 2.56, 2.64, 2.70, 2.76, 2.81),
    20: (1.72, 2.03, 2.19, 2.30, 2.39, 2.46, 2.51, 2.56, 2.60),
    math.inf: (1.64, 1.92, 2.06, 2.16, 2.23, 2.29, 2.34, 2.38, 2.42),
}


@pytest.mark.parametrize("freedom", DUNNETT)
def test_how_far_the_best_of_many_is_ahead_by_chance_is_what_dunnett_published(freedom: float) -> None:
    """Dunnett (1955), table 1a: one-sided, level 5 %, groups of equal size, 1 to 9 beside the control."""
    found = [round(statistics.best_by_chance(many, 1, freedom), 2) for many in range(1, 10)]
    assert found == list(DUNNETT[freedom])


@given(st.integers(1, 50), st.integers(1, 30), st.sampled_from([0.01, 0.05, 0.1]))
@settings(deadline=None)
def test_one_value_is_ahead_by_chance_as_student_says(runs: int, freedom: int, level: float) -> None:
    found = statistics.best_by_chance(1, runs, freedom, level)
    assert found == pytest.approx(float(scipy.stats.t.ppf(1 - level, freedom)), rel=1e-4)


@pytest.mark.parametrize(("many", "runs", "freedom"), [(20, 3, 2), (8, 2, 1), (40, 5, 12)])
def test_the_best_of_many_is_ahead_by_chance_as_often_as_is_said(many: int, runs: int, freedom: int) -> None:
    random = np.random.default_rng(0)
    control = random.normal(size=100_000) / math.sqrt(runs)
    estimated = np.sqrt(random.chisquare(freedom, 100_000) / freedom)
    ahead = (random.normal(size=(100_000, many)).max(axis=1) - control) / math.sqrt(1 + 1 / runs) / estimated
    assert np.mean(ahead > statistics.best_by_chance(many, runs, freedom)) == pytest.approx(0.05, abs=0.003)


@given(FINITE, FINITE)
@settings(max_examples=50, deadline=None)
def test_the_probability_of_improvement_is_mann_whitneys(one: list[float], other: list[float]) -> None:
    found = statistics.improvement(one, other)
    wins = scipy.stats.mannwhitneyu(other, one).statistic / (len(one) * len(other))
    assert found.probability == pytest.approx(wins)
    assert 0 <= found.low <= found.high <= 1


def test_the_interval_of_the_probability_of_improvement_covers() -> None:
    """Two normals one deviation apart: P = 0.76. The interval of 3 runs, and of 8, holds it in 95 % of 400 launches."""
    true = scipy.stats.norm.cdf(1 / math.sqrt(2))
    for runs in (3, 8):
        random = np.random.default_rng(runs)
        covered = 0
        for _ in range(400):
            candidate, best = random.normal(-1, 1, runs).tolist(), random.normal(0, 1, runs).tolist()
            found = statistics.improvement(candidate, best)
            covered += found.low <= true <= found.high
        assert covered >= 0.91 * 400


def test_three_wins_of_three_do_not_make_it_certain() -> None:
    """Its ends solve |seen - true| = z sd(true), Newcombe's equation; sides turned about, it is mirrored."""
    found = statistics.improvement([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert (found.probability, found.high) == (1, 1)
    assert 0.3 < found.low < 0.9
    spread = found.low * (1 - found.low) / 9
    spread *= 1 + 2 * (1 - found.low) / (2 - found.low) + 2 * found.low / (1 + found.low)
    assert 1 - found.low == pytest.approx(scipy.stats.norm.ppf(0.975) * math.sqrt(spread))
    turned = statistics.improvement([4.0, 5.0, 6.0], [1.0, 2.0, 3.0])
    assert (turned.probability, turned.low) == (0, 0)
    assert turned.high == pytest.approx(1 - found.low)


def test_a_run_that_diverged_loses() -> None:
    assert statistics.improvement([math.nan, math.inf], [1.0]).probability == 0
    assert statistics.improvement([1.0], [math.nan, math.inf]).probability == 1
    with pytest.raises(ValueError, match="at least one"):
        statistics.improvement([], [1.0])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_no_finite_number_is_too_large(values: list[float]) -> None:
    statistics.welch(values, values)
    statistics.mean_interval(values)


@given(st.floats(-1e300, 1e300), st.integers(2, 9))
def test_equal_values_have_exactly_their_mean_and_no_deviation(value: float, count: int) -> None:
    assert statistics.mean([value] * count) == value
    assert statistics.deviation([value] * count) == 0


def test_precedence_counts_what_lies_below_the_best_of_the_other_group() -> None:
    assert statistics.precedence([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert statistics.precedence([1, 2, 3, 6], [5, 4, 7, 8]) == pytest.approx(2 * 24 / 336)
    # Only the best, of the other group, a tie: chance.
    assert (
        statistics.precedence([1, 9, 9, 9], [2, 3, 4, 5])
        == statistics.precedence([5, 6], [1, 2])
        == statistics.precedence([1, 1], [1, 2])
        == 1
    )
    assert statistics.precedence([1, 2, math.inf], [math.inf] * 3) == pytest.approx(2 * 6 / 30)
    with pytest.raises(ValueError, match="at least one trial"):
        statistics.precedence([], [1])


def test_precedence_is_exact_for_groups_that_only_chance_tells_apart() -> None:
    random = np.random.default_rng(0)
    below = 0
    for _ in range(2000):
        groups = sorted((random.normal(size=8).tolist(), random.normal(size=8).tolist()), key=min)
        below += statistics.precedence(groups[0], groups[1]) <= 0.05
    # Of 16 trials the first five are of one group in 2.6 % of the orders.
    assert below / 2000 == pytest.approx(0.0256, abs=0.011)
