"""Batch norm over parts of the batch: against plain batch norm on each part, and in a real run."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests import training_runs
from training import ghost_norm, model
from training.config import ConfigError
from training.dataset import Facts


def by_hand(norm: nn.Module, inputs: Tensor, sizes: list[int]) -> Tensor:
    """Plain batch norm on one part after the other."""
    return torch.cat([norm(part) for part in inputs.split(sizes)])


@pytest.mark.parametrize(
    ("examples", "ghost", "sizes"),
    [
        (64, 64, [64]),
        (128, 64, [64, 64]),
        (96, 32, [32, 32, 32]),
        (100, 32, [34, 33, 33]),
        (65, 32, [33, 32]),
        (33, 32, [33]),
        (10, 64, [10]),
        (7, 2, [3, 2, 2]),
    ],
)
def test_parts_are_normalised_as_batches_of_their_own(examples: int, ghost: int, sizes: list[int]) -> None:
    """Outputs, gradients and running averages, also where the batch is no multiple of the ghost size."""
    torch.manual_seed(0)
    inputs = torch.randn(examples, 3, 4, 4) * 2 + 1
    plain = nn.BatchNorm2d(3)
    ghostly = nn.Sequential(copy.deepcopy(plain))
    assert ghost_norm.apply(ghostly, ghost) == 1
    one, other = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    expected, found = by_hand(plain, one, sizes), ghostly(other)
    assert torch.equal(found, expected)
    expected.square().sum().backward()
    found.square().sum().backward()
    assert one.grad is not None
    assert other.grad is not None
    assert torch.equal(one.grad, other.grad)
    for name, average in plain.state_dict().items():
        assert torch.equal(ghostly.state_dict()[f"0.{name}"], average)
    assert torch.equal(plain.eval()(inputs), ghostly.eval()(inputs))


def test_no_remainder_of_a_single_example_is_normalised_alone() -> None:
    for examples in range(2, 200):
        for ghost in (1, 2, 4, 8, 32, 64):
            parts = torch.arange(examples).tensor_split(ghost_norm.count(examples, ghost))
            assert min(map(len, parts)) >= min(2, examples)
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
            assert max(map(len, parts)) <= max(1.5 * ghost + 1, 3)


def test_a_network_of_timm_trains_with_ghost_batches_and_its_weights_keep_their_names(
    digits: Path, tmp_path: Path
) -> None:
    config = training_runs.configuration(digits, training__ghost_batch_size=6)
    facts = Facts(10, mean=(0.5,), std=(0.5,))
    names = model.build(training_runs.configuration(digits), facts).state_dict().keys()
    assert model.build(config, facts).state_dict().keys() == names
    code, result = training_runs.run_here(training_runs.write_toml(tmp_path / "c.toml", config), tmp_path / "run")
    assert (code, result["status"]) == (0, "complete")


def test_a_network_without_batch_norm_refuses_ghost_batches(digits: Path) -> None:
    config = training_runs.configuration(digits, model__name="test_vit", training__ghost_batch_size=8)
    with pytest.raises(ConfigError, match=r"ghost_batch_size: 8; allowed: 0: test_vit has no batch norm"):
        model.build(config, Facts(10, mean=(0.5,), std=(0.5,)))
