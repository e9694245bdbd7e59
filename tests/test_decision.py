"""The rule for a launch: how often it errs, what it needs, and the runs that break formulas; complexity in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from presets.language import Message
from rounds.decision import RUNS, SIMPLE, bars, complexity, judge
from rounds.record import Direction
from rounds.statistics import ANY, mean_interval, pooled, welch

SCORES = st.lists(st.floats() | st.sampled_from([0.1, 0.2]), max_size=9)


def launched(gain: float, adds_complexity: bool, launches: int = 250) -> float:
    """Share of launches that end in adoption when the candidate is better by `gain` standard deviations."""
    random = np.random.default_rng(1)
    adopted = 0
    for _ in range(launches):
        candidate, best = random.normal(-gain, 1, RUNS[-1]), random.normal(0, 1, RUNS[-1])
        verdict = judge([], [], "min", adds_complexity)
        while verdict.runs:
            runs = verdict.runs
            verdict = judge(candidate[:runs].tolist(), best[:runs].tolist(), "min", adds_complexity)
        assert verdict.decision in ("adopt", "reject")
        adopted += verdict.decision == "adopt"
    return adopted / launches


@pytest.mark.parametrize(
    ("gain", "adds_complexity", "low", "high"),
    [(0, False, 0.05, 0.16), (0, True, 0.01, 0.1), (1, False, 0.64, 0.84), (2, False, 0.97, 1), (2, True, 0.93, 1)],
)
def test_the_rule_errs_as_rarely_as_it_promises(gain: float, adds_complexity: bool, low: float, high: float) -> None:
    """The whole flow with its looks at 3, 5 and 8 runs: 10 % false adoptions, 5 % where complexity is added."""
    assert low <= launched(gain, adds_complexity) <= high


def test_a_clear_gain_is_adopted_with_its_figures() -> None:
    candidate, best = [0.10, 0.11, 0.09, 0.10, 0.105], [0.15, 0.16, 0.14, 0.155, 0.15]
    verdict = judge(candidate, best, "min", adds_complexity=True)
    assert verdict.decision == "adopt"
    # Both sides are about as steady, so that it is Welch's test but for a digit.
    assert verdict.p_value == pytest.approx(
        scipy.stats.ttest_ind(candidate, best, equal_var=False, alternative="less")[1], rel=0.3
    )
    assert verdict.gain == pytest.approx(0.05)
    assert verdict.improvement is not None
    assert verdict.improvement.probability == 1
    assert verdict.candidate is not None
    mean, low, high = verdict.candidate
    assert low < mean < high
    assert mean == pytest.approx(0.101)
    assert verdict.message.text().startswith("Adopt: better by 0.05 on average over 5 runs each (one-sided p = ")


def test_sides_with_different_numbers_of_runs_are_not_said_to_have_as_many() -> None:
    """Earlier runs of the best configuration count again, so that it may have more than the candidate."""
    best = [0.15, 0.16, 0.14, 0.155, 0.15, 0.15, 0.145, 0.16]
    adopted = judge([0.10, 0.11, 0.09], best, "min", False).message.text()
    assert "over 3 runs of the candidate and 8 of the best configuration (one-sided p = " in adopted
    undecided = judge([0.14, 0.16, 0.14], best, "min", False)
    assert undecided.decision == "repeat"
    assert undecided.message.text().startswith(
        "Undecided after 3 runs of the candidate and 8 of the best configuration: better by "
    )
    assert "Train both at least 5 times in all." in undecided.message.text()
    for worse in (judge([0.15, 0.16, 0.15], best, "min", False), judge([0.2, 0.21, 0.2], best, "min", False)):
        assert "3 runs of the candidate and 8 of the best configuration" in worse.message.text()
    assert "Train both 8 times in all." in judge([0.14, 0.16, 0.14, 0.15, 0.16], best, "min", False).message.text()


def test_the_direction_turns_the_decision_and_not_the_figures() -> None:
    low, high = [0.10, 0.11, 0.09], [0.15, 0.16, 0.14]
    down, up = judge(low, high, "min", False), judge(high, low, "max", False)
    assert (down.decision, up.decision) == ("adopt", "adopt")
    assert down.gain == pytest.approx(up.gain)
    assert up.candidate is not None
    assert up.candidate[0] == pytest.approx(0.15)
    assert up.candidate[1] < up.candidate[0] < up.candidate[2]
    assert judge(low, high, "max", False).decision == "reject"


def test_one_lucky_run_is_never_enough() -> None:
    verdict = judge([0.01], [0.5, 0.5, 0.5], "min", False)
    assert (verdict.decision, verdict.runs, verdict.p_value) == ("repeat", 3, None)
    assert judge([], [], "min", False).decision == "repeat"


@pytest.mark.parametrize(("runs", "more"), [(2, 5), (3, 5), (4, 5), (5, 8), (7, 8), (8, 0), (12, 0)])
def test_the_undecided_are_run_again_up_to_eight_times(runs: int, more: int) -> None:
    best = [1.0, 2.0, 3.0, 4.0] * 3
    candidate = [score - 0.2 for score in best]
    verdict = judge(candidate[:runs], best[:runs], "min", False)
    assert (verdict.decision, verdict.runs) == (("repeat", more) if more else ("reject", 0))


def test_complexity_must_be_worth_a_deviation() -> None:
    """Many runs make a small gain significant; it is adopted where it is free, and rejected where it is not."""
    random = np.random.default_rng(0)
    best = random.normal(0, 1, 60).tolist()
    candidate = random.normal(-0.6, 1, 60).tolist()
    assert judge(candidate, best, "min", adds_complexity=False).decision == "adopt"
    rejected = judge(candidate, best, "min", adds_complexity=True)
    assert rejected.decision == "reject"
    assert rejected.effect is not None
    assert 0 < rejected.effect < 1
    assert "adds complexity" in rejected.message.text()


@pytest.mark.parametrize(("direction", "side"), [("min", (0.02, 0.021, 0.022)), ("max", (0.98, 0.979, 0.978))])
def test_an_interval_ends_where_the_metric_does(direction: Direction, side: tuple[float, ...]) -> None:
    """With few runs and the deviation of both sides it would reach beyond; nothing else changes."""
    other = [0.5, 0.54, 0.58]
    whole, cut = (judge(list(side), other, direction, False, within) for within in (ANY, (0.0, 1.0)))
    assert whole.candidate is not None
    assert whole.candidate[1] < 0 or whole.candidate[2] > 1
    assert cut.candidate == (whole.candidate[0], max(whole.candidate[1], 0.0), min(whole.candidate[2], 1.0))
    assert (whole.cut, cut.cut) == (False, True)
    assert (cut.best, cut.p_value, cut.decision) == (whole.best, whole.p_value, whole.decision)


def test_the_deviation_of_both_sides_stands_in_for_one_that_is_too_small() -> None:
    """Three runs that happen to agree are not believed to be that steady: neither in p nor in the interval."""
    candidate, best = [0.100, 0.101, 0.100], [0.110, 0.135, 0.110]
    verdict, sd = judge(candidate, best, "min", False), pooled((candidate, best))
    assert sd is not None
    assert verdict.p_value == pytest.approx(welch(candidate, best, sd))
    assert verdict.candidate is not None
    assert verdict.candidate[1:] == pytest.approx(mean_interval(candidate, floor=sd))


@pytest.mark.parametrize(
    ("candidate", "best", "decision", "words"),
    [
        ([0.1, math.nan, 0.1], [0.2, 0.3, 0.2], "reject", "1 of 3 runs of the candidate diverged"),
        ([math.inf] * 3, [math.inf] * 3, "reject", "3 of 3 runs"),
        ([0.1, 0.2, 0.1], [math.nan] * 3, "cannot tell", "nothing to compare"),
        ([0.1, 0.1, 0.1], [0.1, 0.1, 0.1], "reject", "exactly the same"),
        ([0.1, 0.1, 0.1], [0.2, 0.2, 0.2], "cannot tell", "check that the seed is used"),
        ([0.3, 0.31, 0.29], [0.1, 0.11, 0.09], "reject", "no better"),
    ],
)
def test_runs_that_diverged_or_do_not_differ(
    candidate: list[float], best: list[float], decision: str, words: str
) -> None:
    verdict = judge(candidate, best, "min", False)
    assert verdict.decision == decision
    assert words in verdict.message.text()


def test_a_look_is_counted_by_the_runs_that_were_made_diverged_ones_among_them() -> None:
    """By those with a result alone, the last look was held to the threshold of the one before, and asked for eight."""
    best = [1.0, 2.0, 3.0, 4.0] * 2
    candidate = [score - 0.2 for score in best]
    verdict = judge(candidate, [*best[:-1], math.nan], "min", False)
    assert (verdict.decision, verdict.runs, verdict.look) == ("reject", 0, 3)
    assert verdict.threshold == SIMPLE[1][2]
    assert "without the runs of the best configuration that diverged: 1 of 8." in verdict.message.text()


def test_a_run_of_the_best_that_diverged_is_counted_and_the_others_are_compared() -> None:
    verdict = judge([0.10, 0.11, 0.09], [0.5, 0.51, 0.49, math.nan], "min", False)
    assert (verdict.decision, verdict.diverged) == ("adopt", (0, 1))


@given(SCORES, SCORES, st.sampled_from(["min", "max"]), st.booleans())
@settings(deadline=None)
def test_there_is_a_verdict_on_any_runs(
    candidate: list[float], best: list[float], direction: Any, adds_complexity: bool
) -> None:
    verdict = judge(candidate, best, direction, adds_complexity)
    assert (verdict.runs > 0) == (verdict.decision == "repeat")
    assert Message.from_json(verdict.message.json()).text()


def test_a_change_is_told_in_words_and_what_it_switches_on_adds_complexity() -> None:
    old = {
        "optimizer.name": "sgd",
        "optimizer.learning_rate": 0.1,
        "optimizer.weight_decay": 0.0,
        "schedule.name": "constant",
        "schedule.warmup_steps": 100,
        "augmentation.flip": False,
        "training.seed": 0,
        "runtime.threads": 0,
        "training.evaluation_batch_size": 0,
        "model.layers": 0,
    }
    new = {
        **old,
        "optimizer.learning_rate": 0.0312345678,
        "optimizer.weight_decay": 1e-4,
        "schedule.name": "cosine",
        "schedule.warmup_steps": 0,
        "training.seed": 7,
        "runtime.threads": 2,
        "training.evaluation_batch_size": 512,
        "model.layers": 6,
    }
    found = complexity(old, new)
    assert [message.text() for message in found.changes] == [
        "optimizer.learning_rate changes from 0.1 to 0.03123.",
        "optimizer.weight_decay is switched on, at 0.0001.",
        "schedule.name is switched on, at cosine.",
        "schedule.warmup_steps is switched off; it was 100.",
        "training.evaluation_batch_size changes from 0 to 512.",
        "model.layers changes from 0 to 6.",
    ]
    assert [message.values["key"] for message in found.added] == ["optimizer.weight_decay", "schedule.name"]


def test_another_optimizer_is_a_change_but_its_settings_are_no_switches() -> None:
    old = {"optimizer.name": "sgd", "optimizer.momentum": 0.9, "optimizer.weight_decay": 0.0}
    new = {"optimizer.name": "adamw", "optimizer.beta1": 0.9, "optimizer.weight_decay": 0.01}
    found = complexity(old, new)
    assert found.added == ()
    assert [message.text() for message in found.changes] == [
        "optimizer.name changes from sgd to adamw.",
        "optimizer.momentum is gone; it was 0.9.",
        "optimizer.weight_decay changes from 0 to 0.01.",
        "optimizer.beta1 is new, at 0.9.",
    ]


def test_in_a_pipeline_of_ones_own_any_setting_may_be_a_switch() -> None:
    found = complexity({"ema": 0, "[/red]": "猫"}, {"ema": 1, "[/red]": "狗", "mixup": 0.2, "note": None})
    assert [message.text() for message in found.added] == ["ema is switched on, at 1.", "mixup is switched on, at 0.2."]
    assert found.changes[1].text() == "[/red] changes from 猫 to 狗."


def test_equal_configurations_do_not_differ() -> None:
    assert complexity({"a.b": 1}, {"a.b": 1}) == complexity({}, {"training.seed": 3})


def test_an_undecided_candidate_that_was_as_good_is_not_said_to_be_better_by_nothing() -> None:
    verdict = judge([0.1, 0.2, 0.3], [0.3, 0.1, 0.2], "min", adds_complexity=False)
    assert verdict.decision == "repeat"
    assert verdict.message.text().startswith("Undecided after 3 runs each: as good on average.")


def test_an_undecided_candidate_that_was_worse_is_said_to_be_worse() -> None:
    verdict = judge([0.06, 0.07, 0.08], [0.02, 0.07, 0.05], "min", False)
    assert verdict.decision == "repeat"
    assert "worse by 0.0233 on average" in verdict.message.text()


@pytest.mark.parametrize(
    ("runs", "options", "threshold", "why"),
    [
        (3, {}, 0.02, "(look 1 of 3)"),
        (8, {}, 0.08, "(look 3 of 3)"),
        (3, {"entrants": 3, "adds_complexity": True}, 0.003, "(look 1 of 3, candidates: 3, adds complexity)"),
        (8, {"entrants": 3, "adds_complexity": True}, 0.02, "(look 3 of 3, candidates: 3, adds complexity)"),
        (12, {"late": 1}, 0.02, "(look 4, 3 are planned)"),
        (16, {"late": 2}, 0.005, "(look 5, 3 are planned)"),
    ],
)
def test_a_verdict_says_what_its_p_was_held_against_and_why(
    runs: int, options: dict[str, Any], threshold: float, why: str
) -> None:
    best = [1.0, 2.0, 3.0, 4.0] * 4
    candidate = [score - 0.3 for score in best]
    verdict = judge(candidate[:runs], best[:runs], "min", **{"adds_complexity": False, **options})
    assert verdict.threshold == pytest.approx(threshold)
    assert verdict.message.text().endswith(f"Adopting took p below {threshold:g} {why}.")


def test_what_a_candidate_needs_is_said_before_it_starts() -> None:
    assert "p is below 0.005, 0.02, 0.05 after 3, 5, 8 runs" in bars(3, adds_complexity=False).text()
    # Fewer runs at first are the first look; with more, it is passed.
    assert "0.02, 0.05, 0.08 after 2, 5, 8 runs" in bars(1, adds_complexity=False, first=2).text()
    assert "0.05, 0.08 after 6, 8 runs" in bars(1, adds_complexity=False, first=6).text()
    assert "p is below 0.04 after 10 runs of each (otherwise 0.08)" in bars(1, adds_complexity=True, first=10).text()
    told = bars(1, adds_complexity=True).text()
    assert "p is below 0.01, 0.03, 0.04 after 3, 5, 8 runs of each (otherwise 0.02, 0.05, 0.08)" in told


def test_an_interval_that_rests_on_both_sides_says_so() -> None:
    """Runs of 0.05, 0.04 and 0.04 had an interval from 0 to 0.1465, and nothing said why."""
    verdict = judge([0.05, 0.04, 0.04], [0.10, 0.30, 0.20], "min", False)
    assert verdict.rests is not None
    assert "The interval of the candidate rests on 0.071, the deviation from run to run of both" in verdict.rests.text()
    assert "differ by less (0.0058)" in verdict.rests.text()
    assert judge([0.05, 0.04, 0.04], [0.10, 0.11, 0.10], "min", False).rests is None
