"""Evaluation on a whole split, or a fixed sample of it: every example counts once and equally, whatever the batch size
(P16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.batches import evaluation_batches
from training.config import METRICS, Config
from training.dataset import Split


@dataclass(frozen=True)
class Evaluation:
    """How the weights after `step` updates did: mean cross-entropy in nats (log loss), share and number of examples.

    `balanced_error`: the error rate of each class, on average. `macro_f1`: the F1 score of each class, on average.
    """

    step: int
    loss: float
    error_rate: float
    balanced_error: float
    macro_f1: float
    correct: int
    examples: int

    def metrics(self) -> dict[str, float]:
        """The values by the names that metrics.jsonl and result.json use."""
        return {f"val/{name}": getattr(self, name) for name in ("loss", "error_rate", "balanced_error", "macro_f1")}

    def cost(self, metric: str) -> float:
        """The value of a metric, turned so that lower is better."""
        return -getattr(self, metric) if METRICS[metric] == "max" else getattr(self, metric)


def evaluate(
    network: nn.Module,
    split: Split,
    config: Config,
    device: torch.device,
    precision: torch.dtype | None,
    step: int = 0,
    stop: Callable[[], bool] = lambda: False,
    examples: Tensor | None = None,
) -> Evaluation | None:
    """Loss (without label smoothing) and error rate of `network` on `split`, or on some `examples` of it; None if
    `stop` cut it short.

    Example losses are added up in float64, so that neither the batch size nor a smaller last batch weighs in.
    """
    losses, answers, truths, classes = [], [], [], 0
    network.eval()
    with torch.inference_mode():
        for inputs, labels in evaluation_batches(split, batch_size(config), device, examples):
            if stop():
                break
            with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
                logits = network(inputs)
            losses.append(F.cross_entropy(logits.float(), labels, reduction="none"))
            answers.append(logits.argmax(dim=1))
            truths.append(labels)
            classes = logits.shape[1]
    network.train()
    if stop():
        return None
    true, said = torch.cat(truths).cpu(), torch.cat(answers).cpu()
    right, count = int((true == said).sum()), len(true)
    balanced_error, macro_f1 = by_class(true, said, classes)
    return Evaluation(
        step=step,
        # On the CPU, because MPS has no float64.
        loss=float(torch.cat(losses).cpu().double().sum()) / count,
        error_rate=(count - right) / count,
        balanced_error=balanced_error,
        macro_f1=macro_f1,
        correct=right,
        examples=count,
    )


def sample(labels: Tensor, config: Config) -> Tensor | None:
    """The examples, int64 (n,) in their order, that evaluations on the way take; None: all.

    Every class has its share, rounded; which of its examples depends on the seed of the data alone, so that all trials
    of a project are evaluated on the same. Every setting but the number itself may change without changing them.
    """
    wanted = config.training.evaluation_examples
    if not wanted or wanted >= len(labels):
        return None
    # torch takes no larger seed.
    generator = torch.Generator().manual_seed(config.data.split_seed % 2**64)
    shuffled = torch.randperm(len(labels), generator=generator)
    _names, classes, sizes = labels[shuffled].unique(return_inverse=True, return_counts=True)
    # All at once: a pass over the examples for each class would take minutes where there are very many of both.
    in_class_order = classes.argsort(stable=True)
    number = torch.empty_like(in_class_order)
    number[in_class_order] = torch.arange(len(labels)) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    # Evenly spaced within each class, so that the first n of all have n/N of each.
    places = (number.double() + 0.5) / sizes[classes]
    return shuffled[places.argsort(stable=True)[:wanted]].sort().values


def batch_size(config: Config) -> int:
    """Examples per evaluation batch."""
    return config.training.evaluation_batch_size or 2 * config.training.batch_size


def by_class(true: Tensor, said: Tensor, classes: int) -> tuple[float, float]:
    """Balanced error and macro F1 of the answers `said` to examples of the classes `true`, both int64 (N,).

    A class without examples has no error rate; one without examples and answers has no F1 score either.
    """
    # Counts by class: of many classes, a table of each by each would not fit into memory.
    right, own, given = (
        torch.bincount(labels, minlength=classes).double() for labels in (true[true == said], true, said)
    )
    there, named = own > 0, own + given > 0
    return (
        float((1 - right[there] / own[there]).mean()),
        float((2 * right[named] / (own + given)[named]).mean()),
    )
