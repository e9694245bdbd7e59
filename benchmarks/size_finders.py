"""The other side of `benchmarks.probe`: one search for a batch size in a process of its own, and what it came to.

    python -m benchmarks.size_finders FINDER --config FILE --cache FOLDER [--cap BYTES] [--sizes N,N,...]

Run by the Python of .venv/peers, which has Lightning and Accelerate beside what .venv has: transformers loads
Accelerate wherever it finds it. All use the network, the optimizer and the data of the configuration.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import device as devices
from training import model as models
from training import optimizer as optimizers
from training import timing
from training.bench import Bench, budget
from training.config import Config, load
from training.data import open_dataset
from training.dataset import Dataset
from training.loop import facts

CPU = torch.device("cpu")
# Lightning's own default, and what Accelerate's users train at least to see that a size works.
STEPS = 3
# What users of Accelerate begin with, who want the largest size.
FROM = 1024
# Ludwig's BatchSizeEvaluator on the CPU: its steps, its largest size and share of the data.
LUDWIG_STEPS, LUDWIG_LARGEST, LUDWIG_SHARE = 5, 128, 0.2


@dataclass(frozen=True)
class Work:
    """What is trained: a new network and optimizer, and a step of them."""

    config: Config
    dataset: Dataset

    def built(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        network = models.build(self.config, facts(self.dataset)).train()
        return network, optimizers.build(self.config, network)

    def batch(self, size: int) -> tuple[Any, Tensor]:
        indices = torch.arange(size)
        return self.dataset.train.inputs(indices), self.dataset.train.labels[indices]


@dataclass
class Found:
    """The size that a search chose, and how often memory ran out."""

    size: int | None = None
    out_of_memory: int = 0


def main(arguments: list[str] | None = None) -> None:
    """The command line. The memory cap counts from when libraries and data are loaded, as our probe counts it."""
    parser = argparse.ArgumentParser(prog="benchmarks.size_finders", description="One search for a batch size.")
    parser.add_argument("finder", choices=("baseline", "rates", "ludwig", "power", "binsearch", "accelerate"))
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--cap", type=int)
    parser.add_argument("--sizes", type=lambda text: [int(part) for part in text.split(",")])
    options = parser.parse_args(arguments)
    if options.finder in ("power", "binsearch"):
        importlib.import_module("lightning.pytorch")
    elif options.finder == "accelerate":
        importlib.import_module("accelerate")
    config = load(options.config)
    devices.prepare(config, CPU)
    importlib.import_module("training.image_model")
    work = Work(config, open_dataset(config, options.cache))
    if options.finder == "baseline":
        print(json.dumps(data_size()))
        return
    if options.finder == "rates":
        print(json.dumps(rates(work, options.sizes)))
        return
    if options.cap:
        limit = data_size() + options.cap
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    began = time.perf_counter()
    search: Callable[[Work, Found], None] = {
        "ludwig": ludwig,
        "accelerate": accelerate,
        "power": lambda work, found: lightning(work, found, "power"),
        "binsearch": lambda work, found: lightning(work, found, "binsearch"),
    }[options.finder]
    found = Found()
    search(work, found)
    seconds = time.perf_counter() - began
    print(json.dumps({"size": found.size, "out_of_memory": found.out_of_memory, "seconds": seconds}))


def data_size() -> int:
    """The bytes of this process that RLIMIT_DATA is about."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmData"].split()[0]) * 1024


def rates(work: Work, sizes: list[int]) -> dict[int, float]:
    """Examples a second at each size, without a cap: steps in turn, three times for as long as the probe would at most;
    the medians."""
    bench = Bench(work.config, work.dataset, CPU, budget(CPU))
    first = [bench.measure(size) for size in sizes]
    # An answer that is always another is never sure.
    found = [bench.side_by_side(first, lambda _: object()) for _ in range(timing.BLOCKS)]
    return {size: statistics.median(timed[place].throughput for timed in found) for place, size in enumerate(sizes)}


def ludwig(work: Work, found: Found) -> None:
    """Ludwig's rule, from the description of its BatchSizeEvaluator: the size is doubled from 1 while the median
    throughput of five steps does not fall; the best is taken. No step is discarded."""
    network, optimizer = work.built()
    largest = min(LUDWIG_LARGEST, int(LUDWIG_SHARE * len(work.dataset.train)))
    size, best = 1, 0.0
    while size <= largest:
        try:
            times = []
            for _ in range(LUDWIG_STEPS):
                began = time.time()
                _step(network, optimizer, *work.batch(size))
                times.append(time.time() - began)
        except RuntimeError as error:
            if not devices.is_out_of_memory(error):
                raise
            found.out_of_memory += 1
            break
        rate = size / statistics.median(times)
        if rate < best:
            break
        found.size, best, size = size, rate, 2 * size


def accelerate(work: Work, found: Found) -> None:
    """Accelerate's decorator around a few steps of training, from a size that is sure to be too large."""
    from accelerate.utils import memory as theirs  # pyright: ignore[reportMissingImports]

    theirs.should_reduce_batch_size = _counting(theirs.should_reduce_batch_size, found)

    def train(size: int) -> int:
        gc.collect()
        network, optimizer = work.built()
        for _ in range(STEPS):
            _step(network, optimizer, *work.batch(size))
        return size

    search: Any = theirs.find_executable_batch_size(train, starting_batch_size=FROM)
    found.size = search()


def lightning(work: Work, found: Found, mode: str) -> None:
    """Lightning's tuner with its defaults."""
    from lightning import pytorch  # pyright: ignore[reportMissingImports]
    from lightning.pytorch.tuner import Tuner, batch_size_scaling  # pyright: ignore[reportMissingImports]

    batch_size_scaling.is_oom_error = _counting(batch_size_scaling.is_oom_error, found)
    split = work.dataset.train

    class Examples(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(split)

        def __getitems__(self, indices: list[int]) -> tuple[Any, Tensor]:
            rows = torch.tensor(indices)
            return split.inputs(rows), split.labels[rows]

    class Module(pytorch.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.own_optimizer = work.built()
            self.batch_size = 2

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return self.own_optimizer

        def train_dataloader(self) -> Any:
            # A batch is made as one, as our own loader does.
            return torch.utils.data.DataLoader(
                Examples(), batch_size=self.batch_size, shuffle=True, drop_last=True, collate_fn=lambda batch: batch
            )

        def training_step(self, batch: tuple[Any, Tensor], number: int) -> Tensor:
            inputs, labels = batch
            return functional.cross_entropy(self.network(inputs), labels)

    # It keeps a checkpoint there while it searches, and leaves it behind where memory runs out.
    with tempfile.TemporaryDirectory() as folder:
        trainer = pytorch.Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            max_epochs=1,
            default_root_dir=folder,
        )
        found.size = Tuner(trainer).scale_batch_size(Module(), mode=mode, steps_per_trial=STEPS)


def _step(network: nn.Module, optimizer: torch.optim.Optimizer, inputs: Any, labels: Tensor) -> None:
    functional.cross_entropy(network(inputs), labels).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _counting(judge: Callable[[Exception], bool], found: Found) -> Callable[[Exception], bool]:
    """A peer's own judgement of an error, counted where it says that memory ran out."""

    def judged(error: Exception) -> bool:
        verdict = judge(error)
        found.out_of_memory += verdict
        return verdict

    return judged


if __name__ == "__main__":
    main()
