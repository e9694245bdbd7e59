"""What hyperparameters are called in scripts, by the last part of their names."""

from __future__ import annotations

RATES = ("lr", "learning_rate", "base_lr", "max_lr", "eta")
DECAYS = ("weight_decay", "wd", "l2", "alpha")
MOMENTA = ("momentum", "beta1", "beta2", "ema_decay")
SHARES = ("dropout", "drop", "drop_rate", "drop_path", "label_smoothing", "smoothing", "mixup", "cutmix")
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
# Names of one and the same.
ALIKE = (RATES, DECAYS, BATCH_SIZES, CLIPS)


def leaf(key: str) -> str:
    """The last part of a dotted name, as these are written."""
    return key.rpartition(".")[2].lower().replace("-", "_")


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
