"""Batch norm over parts of the batch ("ghost batches", Hoffer et al. 2017, arXiv:1705.08741) (P23, G10).

What batch norm does depends on how many examples its statistics come from. With ghost batches that number stays as it
is when the batch grows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def apply(network: nn.Module, size: int) -> int:
    """Have every batch norm of `network` normalise about `size` examples at a time in training; how many there are.

    Weights, running averages and their names stay as they are, and evaluation uses the running averages as ever.
    """
    found = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for module in found:
        setattr(module, "forward", _Ghost(module, size))  # noqa: B010 (types know a method, not an attribute)
    return len(found)


class _Ghost:
    """The forward pass of one batch norm. Each part also updates the running averages, one after the other, as if it
    were a batch of its own."""

    def __init__(self, module: nn.Module, size: int):
        self.whole: Any = module.forward
        self.module, self.size = module, size

    def __call__(self, inputs: Tensor) -> Tensor:
        parts = count(len(inputs), self.size)
        if not self.module.training or parts == 1:
            return self.whole(inputs)
        return torch.cat([self.whole(part) for part in inputs.tensor_split(parts)])


def count(examples: int, size: int) -> int:
    """The number of parts of a batch: all of nearly one size (they differ by one example at most), as near to `size`
    as can be, and none of a single example, which has no statistics."""
    return max(1, min(round(examples / size), examples // 2))
