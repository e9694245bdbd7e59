"""The settings of one training run: each with its type, its meaning, its default and what it may be.

A configuration has eight sections; a setting is named by section and key (`optimizer.learning_rate`). `training.config`
reads and checks them. This module uses the standard library alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from training.sentence import Sentence, phrase


@dataclass(frozen=True)
class Limits:
    """What a setting may be. `low` and `high` are inclusive; `above` and `below` are not."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] | tuple[int, ...] = ()

    def admits(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if isinstance(value, float) and not math.isfinite(value):
            return False
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def sentence(self) -> Sentence:
        if self.choices:
            return phrase("one of {names}", names=", ".join(map(str, self.choices)))
        parts: list[Sentence] = []
        if self.low is not None:
            parts.append(phrase("at least {bound:g}", bound=self.low))
        if self.above is not None:
            parts.append(phrase("more than {bound:g}", bound=self.above))
        if self.high is not None:
            parts.append(phrase("at most {bound:g}", bound=self.high))
        if self.below is not None:
            parts.append(phrase("less than {bound:g}", bound=self.below))
        if not parts:
            return phrase("any")
        return reduce(lambda low, high: phrase("{low} and {high}", low=low, high=high), parts)

    def __str__(self) -> str:
        return str(self.sentence())


def _setting(default: Any, about: str, **limits: Any) -> Any:
    return field(default=default, metadata={"about": about, "limits": Limits(**limits)})


def _required(about: str, **limits: Any) -> Any:
    return field(metadata={"about": about, "limits": Limits(**limits)})


TASKS = ("image-classification", "text-classification")
# What is measured on the validation split, and whether the lowest or the highest value is the best.
METRICS = {"error_rate": "min", "balanced_error": "min", "macro_f1": "max", "loss": "min"}
# The hyperparameters that each optimizer has, with the library's own default where it has one: torch.optim 2.14; of
# nadamw, rmsprop and lamb timm 1.0 (NAdamW, RMSpropTF with the momentum and epsilon of timm's recipes for it, Lamb).
OPTIMIZERS: dict[str, dict[str, float | bool | None]] = {
    "sgd": {"learning_rate": None, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0},
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
    "adamw": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-2},
    "nadam": {"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
    "nadamw": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-2},
    "rmsprop": {"learning_rate": 1e-2, "momentum": 0.9, "alpha": 0.9, "epsilon": 1e-3, "weight_decay": 0.0},
    "lamb": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-6, "weight_decay": 1e-2},
}


@dataclass(frozen=True)
class Model:
    library: str = _required("who provides the architecture", choices=("timm", "transformers"))
    name: str = _required("model name in timm, or model type in transformers (bert, distilbert, ...)")
    pretrained: str = _setting(
        "", "empty: from scratch; 'hub': the library's own weights over the network; otherwise a local path"
    )
    layers: int = _setting(0, "transformers from scratch: number of layers; 0: the checkpoint's own", low=0)
    hidden_size: int = _setting(0, "transformers from scratch: width; 0: the checkpoint's own", low=0)
    heads: int = _setting(0, "transformers from scratch: attention heads; 0: the checkpoint's own", low=0)
    vocabulary_size: int = _setting(
        8000, "transformers from scratch: size of the tokenizer trained on the training split", low=300
    )


@dataclass(frozen=True)
class Data:
    task: str = _required("what is learnt", choices=TASKS)
    path: str = _required("folder of class folders (images), file or folder of files (texts)")
    text_column: str = _setting("text", "texts: the column that holds the text")
    label_column: str = _setting("label", "texts: the column that holds the class")
    encoding: str = _setting("", "texts: character encoding; empty: UTF-8")
    image_size: int = _setting(224, "images: height and width in pixels after resizing", low=8, high=2048)
    channels: int = _setting(3, "images: 3 for colour, 1 for grey", choices=(1, 3))
    max_length: int = _setting(128, "texts: longest sequence in tokens, longer ones are cut", low=4, high=65536)
    validation_fraction: float = _setting(
        0.2, "share held out for validation where there is no ready-made split", above=0, below=1
    )
    split_seed: int = _setting(0, "seed of the hold-out split; one project, one split", low=0)


@dataclass(frozen=True)
class Optimizer:
    """Only the hyperparameters of the chosen optimizer (`OPTIMIZERS`) have a value; the others are None."""

    name: str = _required("optimizer, by torch's name in lower case", choices=tuple(OPTIMIZERS))
    learning_rate: float | None = _setting(None, "step size", above=0)
    momentum: float | None = _setting(None, "momentum of sgd and rmsprop", low=0, below=1)
    nesterov: bool | None = _setting(None, "SGD's Nesterov variant")
    alpha: float | None = _setting(None, "rmsprop: decay of the mean square", low=0, below=1)
    beta1: float | None = _setting(None, "decay of the first moment", low=0, below=1)
    beta2: float | None = _setting(None, "decay of the second moment", low=0, below=1)
    epsilon: float | None = _setting(None, "term added to the denominator", above=0)
    weight_decay: float | None = _setting(
        None, "L2 penalty (sgd, adam, nadam, rmsprop) or decay apart from the gradient (adamw, nadamw, lamb)", low=0
    )


@dataclass(frozen=True)
class Schedule:
    name: str = _setting(
        "constant", "course of the learning rate after warm-up", choices=("constant", "linear", "cosine")
    )
    warmup_steps: int = _setting(0, "steps over which the rate rises linearly from 0", low=0)
    final_factor: float = _setting(0.0, "linear and cosine: last rate as a share of the highest", low=0, high=1)


@dataclass(frozen=True)
class Regularization:
    label_smoothing: float = _setting(0.0, "share of the target spread over all classes", low=0, below=1)
    dropout: float = _setting(0.0, "dropout rate, where the architecture has dropout", low=0, below=1)
    drop_path: float = _setting(0.0, "stochastic depth rate, where the architecture has it", low=0, below=1)
    gradient_clip: float = _setting(0.0, "largest gradient norm; 0: no clipping", low=0)


@dataclass(frozen=True)
class Augmentation:
    flip: bool = _setting(False, "images: mirrored left to right at random")
    crop_padding: int = _setting(0, "images: random crop after padding by so many pixels", low=0, high=512)


@dataclass(frozen=True)
class Training:
    steps: int = _required("number of optimizer steps", low=1)
    batch_size: int = _required("examples per step", low=1, high=65535)
    evaluate_every: int = _required("steps between evaluations on the validation split", low=1)
    evaluation_batch_size: int = _setting(
        0, "examples per evaluation batch; 0: twice the training batch", low=0, high=1_000_000
    )
    evaluation_examples: int = _setting(
        0,
        "validation examples of the evaluations on the way, a fixed stratified sample; 0: all. The kept checkpoints "
        "and the last weights are evaluated on all of them in the end",
        low=0,
    )
    ghost_batch_size: int = _setting(
        0, "batch norm: examples that its statistics come from in training; 0: the whole batch", low=0, high=65535
    )
    keep_checkpoints: int = _setting(3, "best checkpoints kept besides the last", low=1)
    metric: str = _setting(
        "error_rate",
        "validation metric that selects the best checkpoint: the highest macro_f1, the lowest of the others",
        choices=tuple(METRICS),
    )
    seed: int = _setting(0, "seed of initialisation, order of the data, dropout and augmentation", low=0)


@dataclass(frozen=True)
class Runtime:
    device: str = _setting("auto", "where it runs", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = _setting(
        "auto", "auto: bfloat16 autocast on CUDA where supported, else float32", choices=("auto", "float32", "bfloat16")
    )
    threads: int = _setting(0, "CPU threads; 0: all cores. Results on the CPU depend on it in the last digits", low=0)
    channels_last: bool = _setting(False, "images: memory format of convolutions; faster for many networks")
    fused: bool = _setting(True, "optimizer: the whole update in one kernel, where torch has one")
    compile: bool = _setting(False, "the network compiled by torch before the first step; pays in long runs on CUDA")
    workers: int = _setting(
        0, "images that do not fit into memory: threads that decode them; 0: as many as compute", low=0
    )
    decode_once: bool = _setting(
        False, "images that do not fit into memory: decoded once onto the disk, instead of again in every epoch"
    )
    deterministic: bool = _setting(True, "same seed, same machine, same result; may cost some speed on CUDA")


@dataclass(frozen=True)
class Config:
    """A whole, valid configuration, built by `load`, `parse` or `check`; a changed one by `dataclasses.replace`."""

    model: Model
    data: Data
    optimizer: Optimizer
    schedule: Schedule
    regularization: Regularization
    augmentation: Augmentation
    training: Training
    runtime: Runtime


SECTIONS: dict[str, type] = {
    "model": Model,
    "data": Data,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "regularization": Regularization,
    "augmentation": Augmentation,
    "training": Training,
    "runtime": Runtime,
}
