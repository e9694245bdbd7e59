"""What names tell of hyperparameters and metrics of scripts."""

from __future__ import annotations

import math

import pytest

from state.usual_names import beside, metric_values


@pytest.mark.parametrize(
    ("name", "seen", "values"),
    [
        ("accuracy", (0.5, 0.98), (0, 1)),
        ("val_acc", (50.0, 98.0), (0, 100)),
        ("eval/f1-macro", (), (0, 1)),
        ("val_loss", (0.1, 2.0), (0, math.inf)),
        ("rmse", (), (0, math.inf)),
        # A likelihood of densities, and what is measured by another scale.
        ("loss", (-1.5, 0.1), (-math.inf, math.inf)),
        ("accuracy", (120.0,), (-math.inf, math.inf)),
        ("reward", (0.1,), (-math.inf, math.inf)),
    ],
)
def test_a_metric_has_the_values_that_its_name_says_unless_others_were_seen(
    name: str, seen: tuple[float, ...], values: tuple[float, float]
) -> None:
    assert metric_values(name, seen) == values


@pytest.mark.parametrize("name", ["num_workers", "log_interval", "trainer.output_dir", "logdir", "run_name", "device"])
def test_what_bears_on_nothing_that_is_learnt_is_known_by_its_name(name: str) -> None:
    assert beside(name)


@pytest.mark.parametrize("name", ["lr", "data_dir", "model_name", "dropout", "hidden_dim", "update_freq"])
def test_what_may_bear_on_it_is_not_taken_for_such(name: str) -> None:
    assert not beside(name)
