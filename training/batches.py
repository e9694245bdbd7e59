"""The batches of a run: which examples, in which order, on the device, and what is random about them.

Everything random is drawn from a generator whose seed is derived from the run's seed and the epoch or step it is for.
So nothing has to be remembered to go on after an interruption: the run sees what it would have seen anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import Tensor

from training.config import Config, ConfigError, Problem
from training.dataset import Split
from training.sentence import phrase

Inputs = Tensor | dict[str, Tensor]


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A seed of 63 bits for one purpose, such as ("order", epoch); different purposes give unrelated seeds."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def training_batches(
    config: Config, split: Split, device: torch.device, first_step: int
) -> Iterator[tuple[Inputs, Tensor]]:
    """The inputs and labels of each update from `first_step` on. Raises ConfigError if the split is below one batch.

    Every epoch is a permutation of the split by (seed, epoch); what does not fill a batch at its end is left out.
    """
    size = config.training.batch_size
    if len(split) < size:
        allowed = phrase("at most {n}, the number of training examples", n=len(split))
        raise ConfigError((Problem("training.batch_size", size, allowed),))
    return _augmented(config, _loaded_ahead(split, _order(config, len(split), first_step), device), first_step)


def evaluation_batches(
    split: Split, size: int, device: torch.device, examples: Tensor | None = None
) -> Iterator[tuple[Inputs, Tensor]]:
    """The inputs and labels of the whole split in its order, or of some `examples` of it, `size` at a time; the last
    batch may be smaller."""
    return _loaded_ahead(split, (torch.arange(len(split)) if examples is None else examples).split(size), device)


def augment(images: Tensor, padding: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Random crops after zero padding, and random mirroring, of images (B, C, H, W), each image on its own."""
    count, channels, height, width = images.shape
    tops, lefts = torch.randint(2 * padding + 1, (2, count, 1), generator=generator)
    mirrored = torch.randint(2, (count, 1), generator=generator) * int(flip)
    across = torch.arange(width)
    rows = tops + torch.arange(height)
    columns = lefts + torch.where(mirrored == 1, width - 1 - across, across)
    # Drawn on the CPU, so that one seed means the same crops on every device.
    rows, columns = (_copied(_pinned(each, images.device), images.device) for each in (rows, columns))
    images = F.pad(images, (padding, padding, padding, padding))
    examples = torch.arange(count, device=images.device)[:, None, None, None]
    return images[
        examples,
        torch.arange(channels, device=images.device)[:, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


def _order(config: Config, examples: int, first_step: int) -> Iterator[Tensor]:
    size = config.training.batch_size
    permutation, permuted = torch.empty(0), -1
    for step in range(first_step, config.training.steps + 1):
        epoch, batch = divmod(step - 1, examples // size)
        if epoch != permuted:
            generator = torch.Generator().manual_seed(derived_seed(config.training.seed, "order", epoch))
            permutation, permuted = torch.randperm(examples, generator=generator), epoch
        yield permutation[batch * size : (batch + 1) * size]


def _augmented(
    config: Config, batches: Iterator[tuple[Inputs, Tensor]], first_step: int
) -> Iterator[tuple[Inputs, Tensor]]:
    chosen = config.augmentation
    for step, (inputs, labels) in enumerate(batches, first_step):
        if isinstance(inputs, Tensor) and (chosen.flip or chosen.crop_padding):
            generator = torch.Generator().manual_seed(derived_seed(config.training.seed, "augmentation", step))
            inputs = augment(inputs, chosen.crop_padding, chosen.flip, generator)
        yield inputs, labels


def _loaded_ahead(split: Split, order: Iterable[Tensor], device: torch.device) -> Iterator[tuple[Inputs, Tensor]]:
    """Load one batch ahead in a thread, so that reading and decoding overlap with the work of the device."""
    with ThreadPoolExecutor(1) as background:
        loading = None
        for indices in order:
            following = background.submit(_load, split, indices, device)
            if loading:
                yield _on_device(loading.result(), device)
            loading = following
        if loading:
            yield _on_device(loading.result(), device)


def _load(split: Split, indices: Tensor, device: torch.device) -> tuple[Inputs, Tensor]:
    inputs, labels = split.inputs(indices), split.labels[indices]
    return _each(inputs, lambda tensor: _pinned(tensor, device)), _pinned(labels, device)


def _pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """From pinned memory a copy to a CUDA device does not wait for the work that is queued there."""
    return tensor.pin_memory() if device.type == "cuda" else tensor


def _on_device(batch: tuple[Inputs, Tensor], device: torch.device) -> tuple[Inputs, Tensor]:
    inputs, labels = batch
    return _each(inputs, lambda tensor: _copied(tensor, device)), _copied(labels, device)


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    """On the device. Only pinned memory is kept until the copy is made, whoever lets go of the tensor before."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def _each(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    if isinstance(inputs, Tensor):
        return change(inputs)
    return {name: change(tensor) for name, tensor in inputs.items()}
