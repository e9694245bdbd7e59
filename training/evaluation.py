"""Evaluation on a whole split: every example counts once and equally, whatever the batch size (P16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from training.batches import evaluation_batches
from training.config import Config
from training.dataset import Split


@dataclass(frozen=True)
class Evaluation:
    """How the weights after `step` updates did: mean cross-entropy in nats, share and number of examples."""

    step: int
    loss: float
    error_rate: float
    correct: int
    examples: int

    def metrics(self) -> dict[str, float]:
        """The values by the names that metrics.jsonl and result.json use."""
        return {"val/loss": self.loss, "val/error_rate": self.error_rate}


def evaluate(
    network: nn.Module,
    split: Split,
    config: Config,
    device: torch.device,
    precision: torch.dtype | None,
    step: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> Evaluation | None:
    """Loss (without label smoothing) and error rate of `network` on `split`; None if `stop` cut it short.

    Example losses are added up in float64, so that neither the batch size nor a smaller last batch weighs in.
    """
    size = config.training.evaluation_batch_size or 2 * config.training.batch_size
    losses, correct = [], []
    network.eval()
    with torch.inference_mode():
        for inputs, labels in evaluation_batches(split, size, device):
            if stop():
                break
            with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
                logits = network(inputs)
            losses.append(F.cross_entropy(logits.float(), labels, reduction="none"))
            correct.append(logits.argmax(dim=1) == labels)
    network.train()
    if stop():
        return None
    right = int(torch.cat(correct).sum())
    return Evaluation(
        step=step,
        # On the CPU, because MPS has no float64.
        loss=float(torch.cat(losses).cpu().double().sum()) / len(split),
        error_rate=(len(split) - right) / len(split),
        correct=right,
        examples=len(split),
    )
