"""What hyperparameters and metrics are called in scripts, by their names or the last part of them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

RATES = ("lr", "learning_rate", "base_lr", "max_lr", "eta")
DECAYS = ("weight_decay", "wd", "l2", "alpha")
MOMENTA = ("momentum", "beta1", "beta2", "ema_decay")
SHARES = (
    "dropout",
    "drop",
    "drop_rate",
    "drop_path",
    "drop_path_rate",
    "dropout_rate",
    "dropout_p",
    "label_smoothing",
    "smoothing",
    "mixup",
    "mixup_alpha",
    "cutmix",
    "cutmix_alpha",
    "prob",
    "probability",
    "reprob",
    "hflip",
    "vflip",
)
OPTIMIZERS = ("optimizer", "optim", "opt", "optimiser", "optimizer_name", "optim_name", "optimizer_type", "optim_type")
# What a group of settings calls the thing itself: `optim.name`.
KINDS = ("name", "type", "kind", "class", "algorithm")
WARMUPS = (
    "warmup",
    "warmup_steps",
    "warmup_ratio",
    "warmup_epochs",
    "warmup_fraction",
    "warmup_proportion",
    "pct_start",
)
CLIPS = (
    "clip",
    "clip_grad",
    "grad_clip",
    "gradient_clip",
    "gradient_clip_val",
    "max_grad_norm",
    "clip_grad_norm",
    "grad_clip_norm",
    "clip_norm",
)
SEEDS = ("seed", "random_seed", "random_state", "manual_seed", "rng_seed", "seed_everything")
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
EPOCHS = (
    "epochs",
    "num_epochs",
    "n_epochs",
    "max_epochs",
    "num_train_epochs",
    "train_epochs",
    "total_epochs",
    "max_epoch",
    "num_epoch",
    "epoch",
)
# By how many batches one step is made: examples of a step are so many times the batch size.
ACCUMULATIONS = (
    "gradient_accumulation_steps",
    "gradient_accumulation",
    "grad_accum_steps",
    "grad_accumulation_steps",
    "grad_accum",
    "accumulate_grad_batches",
    "accumulation_steps",
    "accum_steps",
    "accum_iter",
    "update_freq",
)
# What takes what was saved, to go on from it.
RESUMES = ("resume", "auto_resume", "resume_from", "resume_path", "resume_from_checkpoint", "from_checkpoint")
# Words of the names of metrics that are a share, of 1 or of 100, and of those that are 0 where all is right.
OF_ONE = {"acc", "accuracy", "top1", "top5", "f1", "auc", "auroc", "iou", "dice", "precision", "recall"}
ABOVE_ZERO = {"error", "err", "rmse", "mse", "mae", "perplexity", "ppl", "wer", "cer", "loss"}
# A part of a network, or of a library, may stand before these: `hidden_dropout_prob`, `adam_beta2`.
# Of a `lr_drop` in epochs it says nothing.
_ENDINGS = {*SHARES, *MOMENTA} - {"drop"}
# What has no part in what is learnt: how it is run, and what is written or measured of it, how often and where.
_BESIDE = re.compile(
    r"(log|logging|print|save|eval|val|valid|validation|test|checkpoint|ckpt|disp|display|report|summary|wandb)_.*"
    r"|(.*_)?(workers?|threads|gpus|devices?|nodes|rank|port|prefetch_factor|pin_memory)"
    r"|((out|output|log|work|run|result|results|exp|experiment|save|default_root)_?)(dir|directory|folder|path|name)"
    r"|out|output|outdir|verbose|verbosity|progress_bar|wandb|tensorboard"
)
# Names of one and the same.
ALIKE = (RATES, DECAYS, BATCH_SIZES, CLIPS)


def leaf(key: str) -> str:
    """The last part of a dotted name, as these are written."""
    return key.rpartition(".")[2].lower().replace("-", "_")


def called(key: str, names: Sequence[str]) -> str:
    """Which of these names a hyperparameter has; empty where it has none of them."""
    name = leaf(key)
    return next((one for one in names if name == one or (one in _ENDINGS and name.endswith(f"_{one}"))), "")


def beside(key: str) -> bool:
    """Whether what is called so has most likely no part in what is learnt."""
    return bool(_BESIDE.fullmatch(leaf(key)))


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
    if called(key, (*MOMENTA, *SHARES)) and not name.startswith(("mixup", "cutmix")):
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
