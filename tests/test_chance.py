"""Better than chance or not: exact figures held against scipy, and the cases where nothing can be told."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from presets.language import Message
from training.evaluation import by_class
from wizard.chance import against_chance, level

COUNTS = st.lists(st.integers(0, 400), min_size=1, max_size=6).filter(lambda counts: sum(counts) > 0)


@given(COUNTS, st.data())
def test_the_figures_are_scipys(per_class: list[int], data: st.DataObject) -> None:
    examples = sum(per_class)
    correct = data.draw(st.integers(0, examples))
    found = against_chance(correct, per_class)
    test = scipy.stats.binomtest(correct, examples, max(per_class) / examples, alternative="greater")
    assert found.p_value == pytest.approx(test.pvalue, abs=1e-9)
    interval = scipy.stats.binomtest(correct, examples).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-7)


@given(COUNTS, st.data())
def test_the_verdict_never_contradicts_the_interval(per_class: list[int], data: st.DataObject) -> None:
    found = against_chance(data.draw(st.integers(0, sum(per_class))), per_class)
    if abs(found.low - found.majority) > 1e-9:
        assert (found.verdict == "better") == (found.low > found.majority)
    assert Message.from_json(found.message.json()) == found.message


def test_copies_in_the_validation_split_are_judged_once() -> None:
    """140 of 200 right would be clear; 14 of the 20 pictures that the 200 are copies of is not."""
    assert against_chance(140, [100, 100]).verdict == "better"
    found, alone = against_chance(140, [100, 100], 20), against_chance(14, [10, 10])
    assert (found.verdict, found.accuracy) == ("not better", 0.7)
    assert (found.low, found.high, found.p_value) == (alone.low, alone.high, alone.p_value)
    assert "140 of 200 validation examples are right, 70.0%" in found.message.text()
    assert "as much as 20 that differ" in found.message.text()
    assert against_chance(200, [100, 100], 5).verdict == "cannot tell"


def test_digits_learnt_well_are_clearly_better() -> None:
    found = against_chance(342, [36] * 10)
    assert found.verdict == "better"
    assert found.message.text() == (
        "Clearly better than chance: 342 of 360 validation examples are right, 95.0% (95% interval 92.2% to 97.0%); "
        "always naming the largest class gives 10.0%."
    )


def test_the_majority_class_is_the_chance_level_not_one_over_the_classes() -> None:
    """90 % right sounds good, and is what one gets by always answering the class that has 90 % of the examples."""
    found = against_chance(90, [90, 10])
    assert found.verdict == "not better"
    assert "Not clearly better than chance: 90 of 100" in found.message.text()


@pytest.mark.parametrize("per_class", [[100], [100, 0], [3, 1], [99, 1]])
def test_a_split_on_which_even_a_perfect_result_may_be_luck_cannot_tell(per_class: list[int]) -> None:
    found = against_chance(sum(per_class), per_class)
    assert found.verdict == "cannot tell"
    assert "Hold out more" in found.message.text()


def test_guessing_is_called_better_in_at_most_the_promised_share() -> None:
    """4000 guessers on 100 balanced examples of two classes: the exact test may err in 2.5 %."""
    guesses = np.random.default_rng(0).binomial(100, 0.5, 4000)
    assert np.mean([against_chance(int(correct), [50, 50]).verdict == "better" for correct in guesses]) < 0.03


@pytest.mark.parametrize(("correct", "per_class"), [(0, []), (0, [0, 0]), (5, [4]), (-1, [4]), (1, [-1, 4])])
def test_impossible_counts_are_refused(correct: int, per_class: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        against_chance(correct, per_class)


@given(st.lists(st.integers(0, 40), min_size=2, max_size=6).filter(any))
def test_the_level_of_a_metric_is_what_training_gives_an_answer_that_ignores_the_example(per_class: list[int]) -> None:
    truths = torch.repeat_interleave(torch.arange(len(per_class)), torch.tensor(per_class))
    always = torch.full_like(truths, int(np.argmax(per_class)))
    balanced_error, macro_f1 = by_class(truths, always, len(per_class))
    assert level("balanced_error", per_class) == pytest.approx(balanced_error)
    assert level("macro_f1", per_class) == pytest.approx(macro_f1)
    shares = torch.tensor(per_class) / sum(per_class)
    loss = torch.nn.functional.nll_loss(shares.log().expand(len(truths), -1), truths)
    assert level("loss", per_class) == pytest.approx(float(loss), abs=1e-5)
