"""Runtime choices that change the time of a step, measured at one size: the fastest of each is kept (G4).

Memory format, fused optimizer, threads, and bfloat16 where the processor computes in it, which alone rounds otherwise:
the others change no more than the order of sums. Compilation is tried on CUDA only, and kept where what it saves over
the planned examples is more than it takes.
"""

from __future__ import annotations

import dataclasses
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch

from training import bench, machine, memory, timing
from training import device as devices
from training import model as models
from training import optimizer as optimizers
from training.batches import derived_seed, training_batches
from training.config import Config, check, flat, unflat
from training.dataset import Dataset
from training.loop import facts, update

# Examples of a step: on the CPU, and the fewest on a GPU. The most are enough for any, and still loaded soon.
SIZE, MOST = 16, 512
# Of a GPU that is busy all the time, twice the examples take twice the time; of one that waits for its host to hand
# over kernels, hardly more, and what is chosen there says little of the sizes that people train with.
BUSY = 1.7
# A choice that brings less is not worth another number in the last digit.
GAIN = 1.05
# Gradients may be so many times as long, or as short, as without the setting: noise and rounding make less of it.
LONGER = 2.0


@dataclass(frozen=True)
class Tried:
    """A setting with another value: the examples of a step, seconds of one before, with it, and of its preparation;
    whether it is kept, whether the times were clear of chance, and whether it gave the gradient that there was
    before."""

    key: str
    value: Any
    size: int
    before: float
    seconds: float
    preparation: float
    kept: bool
    sure: bool = True
    agrees: bool = True


class Timed(Protocol):
    """A step of so many examples, and the seconds that it takes."""

    @property
    def size(self) -> int: ...

    @property
    def seconds(self) -> float: ...


T = TypeVar("T", bound=Timed)
# Before each setting is tried: its key, how many were tried before, and how many there are.
Progress = Callable[[str, int, int], None]


def choose(
    config: Config,
    dataset: Dataset,
    device: torch.device,
    cap: int | None,
    planned: int,
    progress: Progress,
    largest: int,
) -> list[Tried] | None:
    """Try each setting against the best so far, side by side; None where memory has no room for two networks.
    `planned`: the examples that a run will see; `largest`: the most that a step may take."""
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        if device.type == "cpu":
            memory.Watch().limit(min(memory.available(), cap or sys.maxsize))
        else:
            # For its limit.
            bench.budget(device, cap)
        return _choose(config, dataset, device, planned, progress, largest)
    except (RuntimeError, MemoryError) as error:
        if not devices.is_out_of_memory(error):
            raise
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        # What is measured next is to find all of the device's memory.
        devices.release_memory(device)
        memory.Watch().restart()
    return None


def changed(config: Config, tried: list[Tried]) -> Config:
    """The configuration with what is kept."""
    return check(unflat(flat(config) | {each.key: each.value for each in tried if each.kept}))


def _choose(
    config: Config, dataset: Dataset, device: torch.device, planned: int, progress: Progress, largest: int
) -> list[Tried]:
    least = min(SIZE, len(dataset.train))
    # On the CPU few examples are enough, and a size that does not fit leaves buffers there.
    most = least if device.type == "cpu" else max(least, min(MOST, largest))
    candidates, tried = list(_candidates(config, device)), []
    best = None
    for key, value in candidates:
        progress(key, len(tried), len(candidates))
        best = best or busy(lambda size: _Step(config, dataset, device, size), device, least, most)
        try:
            other = _Step(check(unflat(flat(best.config) | {key: value})), dataset, device, best.size)
        except RuntimeError as error:
            # Not every machine with a GPU has the compilers that compilation needs. A GPU that has failed is another
            # thing: nothing more can be measured here.
            if key != "runtime.compile" or devices.is_out_of_memory(error) or devices.has_failed(error):
                raise
            print(f"{key} cannot be tried here: {error}", file=sys.stderr, flush=True)
            continue
        neighbours = machine.Neighbours()
        (before, seconds), sure = timing.in_turn((best, other), device, [best.seconds, other.seconds], _pays)
        preparation = max(0.0, other.first - best.first) if key == "runtime.compile" else 0.0
        # A gain that hangs on a few of the rounds may be chance: another probe would choose otherwise.
        kept = sure and _pays([before, seconds]) and (before - seconds) * planned / best.size > preparation
        # On cores that others keep busy, threads that wait for one another lose most: that says nothing of a quiet day,
        # and is no reason to round more.
        if key in ("runtime.threads", "runtime.precision") and neighbours.busy():
            kept = False
        agrees = _agree(best.norms, other.norms)
        tried.append(Tried(key, value, best.size, before, seconds, preparation, kept := kept and agrees, sure, agrees))
        if kept:
            best = other
    return tried


def busy(step: Callable[[int], T], device: torch.device, least: int, most: int) -> T:
    """Of steps of doubling sizes from `least` to `most`, the first that keeps the device busy, and fits beside one of
    twice the size, or the last that does."""
    found = step(least)
    while 2 * found.size <= most:
        try:
            larger = step(2 * found.size)
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
            break
        if larger.seconds >= BUSY * found.seconds:
            del larger
            break
        found = larger
    devices.release_memory(device)
    return found


def _pays(seconds: list[float]) -> bool:
    """Whether a step with the setting is enough faster than before."""
    before, after = seconds
    return before >= GAIN * after


def _agree(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    """Whether gradients of the same weights and examples, by their norms, are as long with a setting as before.

    Convolutions of torch 2.14 in bfloat16, for one, take memory that nothing was written to where an image is down to a
    pixel: now and then their gradient is NaN, or anything."""
    usual, found = torch.stack(before).float().median(), torch.stack(after).float()
    # Neither is true of NaN, which both ends are where one is.
    return bool(found.max() <= LONGER * usual) and bool(usual <= LONGER * found.min())


def _candidates(config: Config, device: torch.device) -> Iterator[tuple[str, Any]]:
    if config.data.task == "image-classification":
        yield "runtime.channels_last", not config.runtime.channels_last
    if config.optimizer.name in ("sgd", "adam", "adamw"):
        yield "runtime.fused", not config.runtime.fused
    if device.type == "cpu":
        if not config.runtime.threads and machine.cores() > 1:
            yield "runtime.threads", max(1, machine.cores() // 2)
        # Emulated, it is slower, and how much depends on the moment.
        if config.runtime.precision == "auto" and torch.backends.mkldnn.is_available() and machine.has_bfloat16():
            yield "runtime.precision", "bfloat16"
    elif device.type == "cuda" and config.data.task == "image-classification":
        # Batches of texts are as long as their longest one, and each length would be compiled for itself.
        yield "runtime.compile", True


class _Step:
    """A training step under a configuration; `first`: what the first took, `seconds`: the faster of two later ones."""

    def __init__(self, config: Config, dataset: Dataset, device: torch.device, size: int):
        self.config, self.device, self.size = config, device, size
        self.precision = devices.precision(config, device)
        self.threads = config.runtime.threads or machine.cores()
        torch.manual_seed(derived_seed(config.training.seed, "initialisation"))
        network = models.build(config, facts(dataset)).to(device).train()
        self.optimizer = optimizers.build(config, network)
        for group in self.optimizer.param_groups:
            group["lr"] = 0.0
        self.network: Any = torch.compile(network, dynamic=False) if config.runtime.compile else network
        few = dataclasses.replace(config.training, batch_size=size, steps=1)
        batches = training_batches(dataclasses.replace(config, training=few), dataset.train, device, first_step=1)
        self.batch = next(batches)
        # Of the gradient at each step; still on the device, which nothing waits for.
        self.norms: list[torch.Tensor] = []
        self.first, self.seconds = self._timed(), min(self._timed(), self._timed())

    def __call__(self) -> None:
        if self.device.type == "cpu":
            torch.set_num_threads(self.threads)
        _loss, norm = update(self.network, self.optimizer, *self.batch, self.config, self.precision)
        self.norms.append(norm)

    def _timed(self) -> float:
        began = time.perf_counter()
        self()
        timing.synchronize(self.device)
        return time.perf_counter() - began
