"""What hyperparameters and metrics are called in scripts, by their names or the last part of them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection

RATES = ("lr", "learning_rate", "base_lr", "max_lr", "eta")
DECAYS = ("weight_decay", "wd", "l2", "alpha")
MOMENTA = ("momentum", "beta1", "beta2", "ema_decay")
SHARES = ("dropout", "drop", "drop_rate", "drop_path", "label_smoothing", "smoothing", "mixup", "cutmix")
OPTIMIZERS = ("optimizer", "optim", "opt", "optimiser", "optimizer_name", "optim_name", "optimizer_type", "optim_type")
# What a group of settings calls the thing itself: `optim.name`.
KINDS = ("name", "type", "kind", "class", "algorithm")
WARMUPS = ("warmup", "warmup_steps", "warmup_ratio", "warmup_epochs")
CLIPS = ("clip", "clip_grad", "grad_clip", "gradient_clip", "max_grad_norm")
SEEDS = ("seed", "random_seed", "random_state", "manual_seed", "rng_seed")
BATCH_SIZES = (
    "batch_size",
    "batchsize",
    "bs",
    "train_batch_size",
    "per_device_train_batch_size",
    "batch",
    "bsz",
    "batch_sz",
    "minibatch",
    "mini_batch",
    "minibatch_size",
    "mini_batch_size",
    "train_bs",
    "train_batch",
    "batch_size_train",
    "global_batch_size",
    "per_device_batch_size",
    "per_gpu_batch_size",
    "per_gpu_train_batch_size",
    "batch_size_per_gpu",
    "batch_size_per_device",
    "samples_per_gpu",
)
STEPS = (
    "steps",
    "max_steps",
    "num_steps",
    "n_steps",
    "train_steps",
    "total_steps",
    "num_training_steps",
    "iterations",
    "max_iterations",
    "num_iterations",
    "iters",
    "max_iters",
    "num_iters",
    "train_iters",
)
EPOCHS = ("epochs", "num_epochs", "n_epochs", "max_epochs", "num_train_epochs")
# What takes what was saved, to go on from it.
RESUMES = ("resume", "auto_resume", "resume_from", "resume_path", "resume_from_checkpoint", "from_checkpoint")
# Words of the names of metrics that are a share, of 1 or of 100, and of those that are 0 where all is right.
OF_ONE = {"acc", "accuracy", "top1", "top5", "f1", "auc", "auroc", "iou", "dice", "precision", "recall"}
ABOVE_ZERO = {"error", "err", "rmse", "mse", "mae", "perplexity", "ppl", "wer", "cer", "loss"}
# Names of one and the same.
ALIKE = (RATES, DECAYS, BATCH_SIZES, CLIPS)


def leaf(key: str) -> str:
    """The last part of a dotted name, as these are written."""
    return key.rpartition(".")[2].lower().replace("-", "_")


def names_optimizer(key: str) -> bool:
    """Whether a setting says which optimizer trains."""
    name, group = leaf(key), leaf(key.rpartition(".")[0])
    return name in OPTIMIZERS or (name in KINDS and group in OPTIMIZERS)


def alike(key: str) -> tuple[str, ...]:
    """What else a hyperparameter of this name may be called, the name itself first."""
    name = leaf(key)
    return next((tuple(dict.fromkeys((name, *names))) for names in ALIKE if name in names), (name,))


def possible(key: str, value: float) -> bool:
    """Whether a value can be, as far as the name tells what it is of."""
    name = leaf(key)
    if name in RATES:
        return value > 0
    if name in DECAYS:
        return value >= 0
    # Of these two, the number is a parameter of a distribution.
    if name in (*MOMENTA, *SHARES) and name not in ("mixup", "cutmix"):
        return 0 <= value < 1
    return True


def metric_values(name: str, seen: Collection[float]) -> tuple[float, float]:
    """The lowest and the highest value that a metric of this name has as a rule; infinite where the name does not tell,
    and where a value that was seen says otherwise, as a loss below 0 does."""
    words, top = set(re.split(r"[^a-z0-9]+", name.lower())), max(seen, default=0.0)
    low, high = -math.inf, math.inf
    if words & OF_ONE:
        low, high = 0.0, 1.0 if top <= 1 else 100.0
    elif words & ABOVE_ZERO:
        low = 0.0
    return (low, high) if all(low <= value <= high for value in seen) else (-math.inf, math.inf)
