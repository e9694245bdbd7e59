"""The optimizers: the algorithm that each name stands for, by the updates that it makes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.optim.nadamw import NAdamW
from torch import nn

from training import config, optimizer

SETTINGS = {
    "data.task": "image-classification",
    "data.path": "none",
    "model.library": "timm",
    "model.name": "resnet18",
    "optimizer.name": "nadamw",
    "optimizer.learning_rate": 0.01,
    "optimizer.beta1": 0.95,
    "optimizer.beta2": 0.99,
    "optimizer.weight_decay": 0.1,
    "training.steps": 20,
    "training.batch_size": 8,
    "training.evaluate_every": 20,
}


def updated(build: type[torch.optim.Optimizer] | None, **options: Any) -> torch.Tensor:
    """The weights after 20 noisy gradients, by the configured optimizer or by another one."""
    network = nn.Linear(5, 4, bias=False)
    nn.init.ones_(network.weight)
    if build is None:
        made = optimizer.build(config.check(config.unflat(SETTINGS)), network)
    else:
        made = build(network.parameters(), **options)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        network.weight.grad = network.weight.detach() + torch.randn(4, 5, generator=generator)
        made.step()
    return network.weight.detach()


def test_nadamw_is_the_algorithm_that_its_ranges_and_the_warm_start_were_found_with() -> None:
    """AlgoPerf's, which timm has; torch's NAdam with decoupled weight decay takes other steps."""
    same = {"lr": 0.01, "betas": (0.95, 0.99), "eps": 1e-8, "weight_decay": 0.1}
    ours = updated(None)
    torch.testing.assert_close(ours, updated(NAdamW, **same, foreach=False))
    others = updated(torch.optim.NAdam, **same, decoupled_weight_decay=True)
    assert float((ours - others).abs().max()) > 0.01


def test_the_momentum_decay_that_the_catalogue_says_of_nadam_is_torchs() -> None:
    made = optimizer.build(config.check(config.unflat({**SETTINGS, "optimizer.name": "nadam"})), nn.Linear(5, 4))
    assert made.defaults["momentum_decay"] == pytest.approx(0.004)
