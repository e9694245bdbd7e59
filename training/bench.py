"""A training step on the bench: the run's own model, optimizer, data and update, at one batch size after another."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from training import ascent, memory, timing
from training import device as devices
from training import model as models
from training import optimizer as optimizers
from training.ascent import Size
from training.batches import Inputs, derived_seed, training_batches
from training.checkpoint import Checkpoints, Progress
from training.config import Config
from training.dataset import Dataset, Split
from training.evaluation import Evaluation
from training.loop import facts, update
from training.sentence import brief

# On the CPU the first step of a size chooses its kernels, and the second is as fast as any.
WARMUP_STEPS = {"cuda": 3, "mps": 3, "cpu": 1}
# A machine so slow that these steps take longer than this is warm after fewer.
WARMUP_SECONDS = 2.0
# Batches that are timed from the device's memory, in turn; texts differ in length from one to the next.
BATCHES = 4
# Batches that are loaded without being used, to time the input pipeline alone: so many, or for so many seconds.
LOADED, LOADING_SECONDS = 8, 0.3
CHECK_STEPS = 10
# Streams of batches that never end: more steps than anybody measures.
ENDLESS = 1_000_000_000

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why something could not be done at a batch size; `out_of_memory`, or else the device may be unusable now."""

    out_of_memory: bool
    message: str


class Bench:
    """What is measured. `budget`: the bytes that a run may take on the device, model included, by `budget` or as
    another process found it; `cap`: the user's."""

    def __init__(self, config: Config, dataset: Dataset, device: torch.device, budget: int, cap: int | None = None):
        self.config, self.dataset, self.device = config, dataset, device
        self.precision = devices.precision(config, device)
        load_libraries(config)
        self.watch = memory.Watch()
        self.budget = budget
        if device.type == "cpu":
            # What is over a cap of the user's, but not much, is measured; what is far over it need not be tried.
            self.watch.limit(min(memory.available(), cap + cap // 4 if cap else sys.maxsize))
        self.lengths = {"train": lengths(dataset.train), "validation": lengths(dataset.validation)}
        self.build()

    def build(self) -> None:
        """The network and its optimizer, anew. Raises ConfigError, and what torch raises when memory runs out."""
        torch.manual_seed(derived_seed(self.config.training.seed, "initialisation"))
        self.network = models.build(self.config, facts(self.dataset)).to(self.device).train()
        self.optimizer = optimizers.build(self.config, self.network)
        for group in self.optimizer.param_groups:
            # All the work of a step without its effect, so that no size meets a network that has diverged.
            group["lr"] = 0.0
        self.forward: Any = self.network

    def measure(self, size: int) -> Size:
        """Time and memory of a step with so many examples."""
        found = self._attempt(lambda: self._measure(size))
        if isinstance(found, Size):
            return found
        return Size(size, "out_of_memory" if found.out_of_memory else "failed", found.message)

    def side_by_side(self, sizes: list[Size], answer: Callable[[list[Size]], object]) -> list[Size]:
        """The sizes timed once more in turn, so that what a neighbour does to one of them, it does to all; until the
        answer that follows from them is sure."""
        found = self._attempt(lambda: self._side_by_side(sizes, answer))
        return sizes if isinstance(found, Failure) else found

    def check(self, size: int, folder: Path) -> Failure | None:
        """Steps at this size, an evaluation batch and checkpoints as the run will have them: None if they fit the
        budget. `folder` is where the checkpoints are tried, and is gone afterwards."""
        try:
            checked = self._attempt(lambda: self._check(size, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(checked, Failure):
            return checked
        if checked > self.budget:
            return Failure(True, "Training, evaluation and checkpoints together take more than the memory budget.")
        return None

    def _compile(self, batches: list[tuple[Inputs, Tensor]]) -> None:
        """Compile the network as the run does, and take a step with each of the batches: the first one of a shape
        takes seconds and memory that no later one does.

        Texts are measured uncompiled: their batches differ in length, and torch soon gives up compiling for each.
        """
        if not self.config.runtime.compile or self.lengths["train"] is not None:
            return
        # Of many sizes, torch would compile the first ones only (torch._dynamo.config.recompile_limit).
        torch.compiler.reset()
        self.forward = torch.compile(self.network, dynamic=False)
        for batch in batches:
            self._update(*batch)
        timing.synchronize(self.device)

    def _measure(self, size: int) -> Size:
        self._compile([self._longest(self.dataset.train, "train", size)])
        self._restart_peak()
        expected = self._warm_up(size)
        with closing(self._batches(size)) as batches:
            # Images are all of one size, and one batch of them takes as long as another.
            held = itertools.cycle(list(itertools.islice(batches, BATCHES if self.lengths["train"] is not None else 1)))
        with closing(self._batches(size)) as batches:
            first = timing.seconds(lambda: next(batches), self.device)
            count = min(max(1, int(LOADING_SECONDS / first)), LOADED)
            loading = timing.seconds(lambda: next(batches), self.device, count)
            alone, whole = timing.compare(
                lambda: self._update(*next(held)), lambda: self._update(*next(batches)), self.device, expected, loading
            )
            handing_over = timing.handing_over(lambda: self._update(*next(held)), self.device)
        return Size(
            size,
            "measured",
            step_seconds=alone.seconds,
            spread=alone.spread,
            drift=alone.drift,
            examples_per_second=size / alone.seconds,
            peak_memory=self._peak(),
            allocated_memory=torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None,
            input_seconds=loading,
            end_to_end_seconds=whole.seconds,
            host_seconds=handing_over,
        )

    def _side_by_side(self, sizes: list[Size], answer: Callable[[list[Size]], object]) -> list[Size]:
        held = [self._longest(self.dataset.train, "train", size.batch_size) for size in sizes]
        self._compile(held)
        steps = [lambda batch=batch: self._update(*batch) for batch in held]

        def retimed(seconds: list[float]) -> list[Size]:
            return [ascent.retimed(size, each) for size, each in zip(sizes, seconds, strict=True)]

        expected = [size.step_seconds or timing.SLICE for size in sizes]
        times, _sure = timing.in_turn(steps, self.device, expected, lambda seconds: answer(retimed(seconds)))
        return retimed(times)

    def _batches(self, size: int) -> Generator[tuple[Inputs, Tensor], None, None]:
        """Batches as the run loads them, without an end."""
        training = dataclasses.replace(self.config.training, batch_size=size, steps=ENDLESS)
        config = dataclasses.replace(self.config, training=training)
        yield from training_batches(config, self.dataset.train, self.device, first_step=1)

    def _warm_up(self, size: int) -> float:
        """Steps that are not counted, as the first ones take longer; the seconds of the last.

        They use the longest examples, so that the peak of memory is that of the worst batch.
        """
        batch = self._longest(self.dataset.train, "train", size)
        began = time.perf_counter()
        seconds = 0.0
        for _ in range(WARMUP_STEPS[self.device.type]):
            before = time.perf_counter()
            self._update(*batch)
            timing.synchronize(self.device)
            seconds = time.perf_counter() - before
            if time.perf_counter() - began > WARMUP_SECONDS:
                break
        return seconds

    def _check(self, size: int, folder: Path) -> int:
        training = self._longest(self.dataset.train, "train", size)
        self._compile([training])
        self._restart_peak()
        for _ in range(CHECK_STEPS if self.device.type == "cuda" else 1):
            self._update(*training)
        wanted = self.config.training.evaluation_batch_size or 2 * size
        inputs, _ = self._longest(self.dataset.validation, "validation", min(wanted, len(self.dataset.validation)))
        self.network.eval()
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision is not None),
        ):
            self.network(inputs)
        self.network.train()
        timing.synchronize(self.device)
        self._save_checkpoints(folder)
        return self._peak()

    def _save_checkpoints(self, folder: Path) -> None:
        """As many best weights as a run holds in memory between two saves, and the save (Lightning issue 18985)."""
        checkpoints, progress = Checkpoints(folder, self.config), Progress()
        for step in range(self.config.training.keep_checkpoints):
            checkpoints.consider(Evaluation(step, 0.0, 0.0, 0.0, 0.0, 0, 1), self.network, progress)
        checkpoints.save(self.network, self.optimizer, progress)

    def _update(self, inputs: Inputs, labels: Tensor) -> None:
        update(self.forward, self.optimizer, inputs, labels, self.config, self.precision)

    def _longest(self, split: Split, name: str, size: int) -> tuple[Inputs, Tensor]:
        """The batch of the longest texts; of images, which are all of one size, the first ones."""
        of = self.lengths[name]
        indices = torch.arange(size) if of is None else of.topk(size).indices
        inputs = split.inputs(indices)
        on_device: Any = (
            inputs.to(self.device)
            if isinstance(inputs, Tensor)
            else {key: tensor.to(self.device) for key, tensor in inputs.items()}
        )
        return on_device, split.labels[indices].to(self.device)

    def _attempt(self, work: Callable[[], T]) -> T | Failure:
        try:
            return work()
        except (RuntimeError, MemoryError, OSError) as error:
            failure = Failure(devices.is_out_of_memory(error), brief(error))
        # Only out here are the error and the tensors that its traceback holds gone (torch issue 18853).
        if failure.out_of_memory:
            self._recover()
        return failure

    def _recover(self) -> None:
        """A network and an optimizer whose state is whole: memory may have run out in the middle of an update."""
        del self.network, self.forward, self.optimizer
        devices.release_memory(self.device)
        self.build()

    def _restart_peak(self) -> None:
        devices.release_memory(self.device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self.watch.restart()

    def _peak(self) -> int:
        return self.watch.peak() if self.device.type == "cpu" else devices.peak_memory(self.device)


def load_libraries(config: Config) -> None:
    """Import what builds the model: the libraries take memory too, but that is not what a batch size decides."""
    importlib.import_module("training.image_model" if config.model.library == "timm" else "training.text_model")


def budget(device: torch.device, cap: int | None = None) -> int:
    """The bytes that a run may take on the device, so that neighbours and the fragments of memory have room; a cap of
    the user's is taken at its word."""
    limit = cap or sys.maxsize
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        # What this process holds already is its own.
        free += torch.cuda.memory_reserved(device)
        # Memory runs out for us before it does for the driver, and neighbours are left alone.
        torch.cuda.set_per_process_memory_fraction(min(1.0, 0.95 * free / total, limit / total), device)
        return max(0, min(limit, int(min(0.90 * total, free - max(512 * 2**20, 0.05 * total)))))
    if device.type == "mps":
        # Shared with the screen and with everything else. Of itself torch allows more than Metal recommends, and the
        # machine would be swapping long before that says so.
        recommended = torch.mps.recommended_max_memory()
        torch.mps.set_per_process_memory_fraction(min(1.0, limit / recommended))
        return min(limit, int(0.7 * recommended))
    return min(limit, int(0.8 * memory.available()))


def lengths(split: Split) -> Tensor | None:
    """The number of tokens of each text, int64 (N,); None for images."""
    if isinstance(split.inputs(torch.zeros(1, dtype=torch.int64)), Tensor):
        return None
    parts: list[Any] = [split.inputs(indices) for indices in torch.arange(len(split)).split(1024)]
    return torch.cat([part["attention_mask"].sum(dim=1) for part in parts])
