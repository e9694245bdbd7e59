"""The optimizer, and its learning rate as a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fnmatch import fnmatch
from typing import Any

import torch
from torch import nn

from training.config import Config


def build(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """The configured optimizer over the trainable parameters of `model`, which is on its device already.

    As in timm, parameters of at most one dimension (scales and shifts of normalisation) and biases are not decayed, nor
    what the architecture itself excepts, such as the position embeddings of a ViT.
    """
    chosen = config.optimizer
    excepted: Iterable[str] = getattr(model, "no_weight_decay", set)()
    decayed, others = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            exempt = parameter.ndim <= 1 or name.endswith(".bias") or any(fnmatch(name, one) for one in excepted)
            (others if exempt else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": chosen.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    shared: dict[str, Any] = {"lr": chosen.learning_rate}
    if chosen.name == "sgd":
        shared |= {"momentum": chosen.momentum, "nesterov": chosen.nesterov}
    elif chosen.name == "rmsprop":
        shared |= {"momentum": chosen.momentum, "alpha": chosen.alpha, "eps": chosen.epsilon}
    else:
        shared |= {"betas": (chosen.beta1, chosen.beta2), "eps": chosen.epsilon}
    # Without a fused kernel, the next fastest: a kernel for each operation on all parameters together.
    kernel: dict[str, Any] = {"fused": True} if config.runtime.fused else {"foreach": True}
    match chosen.name:
        case "sgd":
            return torch.optim.SGD(groups, **shared, **kernel)
        case "adam":
            return torch.optim.Adam(groups, **shared, **kernel)
        case "adamw":
            return torch.optim.AdamW(groups, **shared, **kernel)
        # torch has no fused NAdam.
        case "nadam":
            return torch.optim.NAdam(groups, **shared, foreach=True)
        case "nadamw":
            # Imported where needed, as a run on texts has no other need of timm. torch's NAdam with decoupled weight
            # decay is another algorithm: its momentum follows a schedule of its own, and its steps are larger.
            from timm.optim.nadamw import NAdamW

            return NAdamW(groups, **shared, foreach=True)
        case "rmsprop":
            from timm.optim.rmsprop_tf import RMSpropTF

            return RMSpropTF(groups, **shared)
        case "lamb":
            from timm.optim.lamb import Lamb

            # Without weight decay timm's is Adam, unless it is told; scales, shifts and biases are left to Adam in any
            # case, as they are the group without decay.
            groups[0]["always_adapt"] = True
            # timm's own limit of the gradient norm is off: `regularization.gradient_clip` is the one that is shown.
            return Lamb(groups, **shared, max_grad_norm=None)
    raise ValueError(chosen.name)


def rate(config: Config, step: int) -> float:
    """The learning rate of update number `step`, counted from 1 to `training.steps`.

    It rises linearly over the warm-up steps; the update after them has the highest rate, the last update
    `final_factor` of it (constant: the highest throughout).
    """
    highest, warmup = config.optimizer.learning_rate, config.schedule.warmup_steps
    assert highest is not None  # config.check fills it in
    if step <= warmup:
        return highest * step / (warmup + 1)
    if config.schedule.name == "constant":
        return highest
    progress = (step - 1 - warmup) / max(1, config.training.steps - 1 - warmup)
    remaining = 1 - progress if config.schedule.name == "linear" else (1 + math.cos(math.pi * progress)) / 2
    final = config.schedule.final_factor
    return highest * (final + (1 - final) * remaining)
