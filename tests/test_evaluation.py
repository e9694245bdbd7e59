"""Evaluation counts every example once and equally, and leaves the network as it was."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import balanced_accuracy_score, f1_score
from torch import nn

from tests.training_runs import configuration
from training import loop, model
from training.config import Config
from training.data import open_dataset
from training.dataset import Dataset
from training.evaluation import by_class, evaluate

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(digits: Path) -> Dataset:
    return open_dataset(configuration(digits))


@pytest.fixture
def network(digits: Path, dataset: Dataset) -> nn.Module:
    torch.manual_seed(0)
    built = model.build(configuration(digits), loop.facts(dataset))
    # Running averages of batch normalisation that are not the initial ones.
    with torch.no_grad():
        built(dataset.train.inputs(torch.arange(32)))
    return built


def with_batch(config: Config, size: int) -> Config:
    return dataclasses.replace(config, training=dataclasses.replace(config.training, evaluation_batch_size=size))


def test_a_smaller_last_batch_weighs_no_more_than_its_examples(digits: Path, dataset: Dataset, network: nn.Module):
    split = dataset.validation
    network.eval()
    with torch.inference_mode():
        logits = network(split.inputs(torch.arange(len(split))))
        loss = F.cross_entropy(logits.double(), split.labels).item()
        answers = logits.argmax(1)
        wrong = int((logits.argmax(1) != split.labels).sum())
    # One by one, in batches that leave a rest of one, and all at once.
    for size in (1, len(split) - 1, 1000):
        scored = evaluate(network, split, with_batch(configuration(digits), size), CPU, None, step=3)
        assert scored is not None
        assert scored.loss == pytest.approx(loss, rel=1e-5)
        assert scored.error_rate == wrong / len(split)
        assert scored.balanced_error == pytest.approx(1 - balanced_accuracy_score(split.labels, answers))
        # What scikit-learn's stubs call text may be a number.
        f1: Any = f1_score
        assert scored.macro_f1 == pytest.approx(f1(split.labels, answers, average="macro", zero_division=0))
        assert (scored.correct, scored.examples, scored.step) == (len(split) - wrong, len(split), 3)


def test_the_network_goes_on_training_unchanged(digits: Path, dataset: Dataset, network: nn.Module):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    evaluate(network, dataset.validation, configuration(digits), CPU, None)
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_label_smoothing_is_left_out_of_the_validation_loss(digits: Path, dataset: Dataset, network: nn.Module):
    plain = evaluate(network, dataset.validation, configuration(digits), CPU, None)
    smoothed = configuration(digits, regularization__label_smoothing=0.3)
    assert evaluate(network, dataset.validation, smoothed, CPU, None) == plain


def test_an_evaluation_that_is_cut_short_has_no_value(digits: Path, dataset: Dataset, network: nn.Module):
    answers = iter([False, True, True])
    config = with_batch(configuration(digits), 8)
    assert evaluate(network, dataset.validation, config, CPU, None, stop=lambda: next(answers)) is None


def test_bfloat16_on_the_cpu_stays_close_to_float32(digits: Path, dataset: Dataset, network: nn.Module):
    exact = evaluate(network, dataset.validation, configuration(digits), CPU, None)
    rough = evaluate(network, dataset.validation, configuration(digits), CPU, torch.bfloat16)
    assert exact is not None
    assert rough is not None
    assert rough.loss == pytest.approx(exact.loss, rel=0.05)
    assert rough.loss != exact.loss


def test_a_class_that_is_not_there_counts_neither_for_nor_against():
    """Of three classes, the last has no example and is never named; the second is always taken for the first."""
    balanced_error, macro_f1 = by_class(torch.tensor([0] * 8 + [1] * 2), torch.tensor([0] * 10), 3)
    assert balanced_error == 0.5
    assert macro_f1 == pytest.approx((16 / 18 + 0) / 2)


def test_any_number_of_classes_is_counted_in_little_memory():
    """A table of each class by each would be larger than what a process can address."""
    classes = 2**22
    true = torch.tensor([5, 5, classes - 1])
    balanced_error, macro_f1 = by_class(true, torch.tensor([5, 0, classes - 1]), classes)
    assert balanced_error == 0.25
    assert macro_f1 == pytest.approx((2 / 3 + 0 + 1) / 3)


def test_the_best_checkpoint_is_the_one_with_the_highest_macro_f1(digits: Path, dataset: Dataset, network: nn.Module):
    scored = evaluate(network, dataset.validation, configuration(digits), CPU, None)
    assert scored is not None
    assert [scored.cost(name) > 0 for name in ("loss", "error_rate", "balanced_error", "macro_f1")] == [
        True,
        True,
        True,
        False,
    ]
