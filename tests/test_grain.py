"""What one validation example is worth, against the metrics as training reckons them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from presets.grain import Grain, grain, standard_error
from training.evaluation import by_class

COUNTS = st.lists(st.integers(1, 40), min_size=2, max_size=6)


def values(confusion: torch.Tensor) -> dict[str, float]:
    # Of each cell of the table, row and column as often as it counts.
    cells = torch.cartesian_prod(*map(torch.arange, confusion.shape))
    true, said = cells.repeat_interleave(confusion.flatten(), dim=0).T
    balanced, macro = by_class(true, said, len(confusion))
    wrong = confusion.sum() - confusion.diagonal().sum()
    return {"error_rate": float(wrong / confusion.sum()), "balanced_error": balanced, "macro_f1": macro}


@given(COUNTS, st.sampled_from(["error_rate", "balanced_error", "macro_f1"]))
def test_it_is_the_most_that_one_answer_changes_where_all_were_right(counts: list[int], metric: str) -> None:
    right = torch.diag(torch.tensor(counts))
    before = values(right)[metric]
    moves = {}
    for true in range(len(counts)):
        for said in set(range(len(counts))) - {true}:
            wrong = right.clone()
            wrong[true, true] -= 1
            wrong[true, said] += 1
            moves[true, said] = abs(values(wrong)[metric] - before)
    found = grain(metric, counts)
    assert found is not None
    assert found.worth == pytest.approx(max(moves.values()))
    assert found.examples == counts[found.label] == min(counts)


def test_one_of_two_examples_of_one_of_ten_classes_is_five_points_of_the_balanced_error() -> None:
    assert grain("balanced_error", [2, *[36] * 9]) == Grain(0.05, 0, 2)
    # A class without validation examples has no error rate.
    assert grain("balanced_error", [0, 5, 20]) == Grain(0.1, 1, 5)
    assert grain("loss", [2, 36]) is None
    assert grain("error_rate", [0, 0]) is None


@pytest.mark.parametrize("metric", ["error_rate", "balanced_error"])
def test_the_standard_error_is_that_of_validation_sets_drawn_anew(metric: str) -> None:
    counts, share, random = [4, 40, 60, 30], 0.2, np.random.default_rng(0)
    drawn = []
    for _ in range(2000):
        confusion = torch.zeros(4, 4, dtype=torch.int64)
        for label, count in enumerate(counts):
            for _example in range(count):
                said = label if random.random() > share else (label + random.integers(1, 4)) % 4
                confusion[label, said] += 1
        drawn.append(values(confusion)[metric])
    told = standard_error(metric, float(np.mean(drawn)), counts)
    assert told == pytest.approx(float(np.std(drawn)), rel=0.1)
    assert standard_error("macro_f1", 0.7, counts) is None
