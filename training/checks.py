"""Checks of a configuration by short runs: `python -m training.checks --check NAME --config FILE --output FOLDER`.

one-batch   can the network learn one batch by heart? If not, the fault is in inputs, labels or model (G12).
shuffle     does it learn more from the labels than from shuffled ones? (G12)
length      in how many steps does the fastest of some constant rates fit the training split? (P15)
batch-size  how does the validation result come along at several batch sizes, each at some constant rates? (G7)

All train at a constant rate without regularisation. FOLDER gets progress.jsonl and result.json; of batch-size also
so_far.json, with what result.json will have, after every run. Exit codes: 0 complete (passed or not), 1 failed, 143
stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from training import device as devices
from training import model as models
from training import optimizer as optimizers
from training import record
from training.batches import Inputs, derived_seed, evaluation_batches, training_batches
from training.config import METRICS, Config, ConfigError, load
from training.data import open_dataset
from training.dataset import Dataset, Split
from training.evaluation import Evaluation, evaluate
from training.loop import Stopped, facts, update
from training.sentence import said, said_by
from training.splits import DataError
from training.train import EXIT_CODES, StopRequest, log_traceback, unexpected

CHECKS = ("one-batch", "shuffle", "length", "batch-size")
# One batch by heart: so many examples, so many steps at each of these shares of the chosen rate.
EXAMPLES, STEPS, LOOK_EVERY = 32, 300, 10
SHARES = (1.0, 0.1, 0.01)
# Shuffled labels need not be learnt to the end: the losses part early, or they do not.
SHUFFLE_STEPS = 300
# Two standard errors apart, losses differ by more than their noise.
CLEARLY = 2.0
# Rates of the length sweep by their shares of the chosen one, and how often it may go on beyond its boundary.
SWEEP = (0.1, 10**-0.5, 1.0, 10**0.5, 10.0)
BEYOND = 2
# The training split is fitted when so few of it are still wrong; it is looked at by a sample, so many times a run.
FITTED = 0.01
SAMPLE, LOOKS = 2000, 40
# Rates at each batch size by their shares of the chosen one scaled to that size, and the most steps of a run.
NEAR_RATES = (1 / 3, 1.0, 3.0)
MOST_STEPS = 20_000

# (done, total), in steps.
Progress = Callable[[int, int], None]


def main(arguments: list[str] | None = None) -> NoReturn:
    """The command line."""
    parser = argparse.ArgumentParser(prog="checks", description="Check a configuration by short runs.")
    parser.add_argument("--check", choices=CHECKS, required=True)
    parser.add_argument("--config", type=Path, required=True, help="the configuration (TOML)")
    parser.add_argument("--output", type=Path, required=True, help="folder for progress.jsonl and result.json")
    parser.add_argument("--sizes", type=int, nargs="+", default=[], help="the batch sizes of batch-size")
    parser.add_argument("--cache", type=Path, help="folder in which decoded data is kept for other runs")
    options = parser.parse_args(arguments)
    try:
        with record.lock(options.output):
            sys.exit(run(options.check, options.config, options.output, options.cache, options.sizes))
    except (record.Busy, OSError) as error:
        sys.exit(str(error))


def run(check: str, path: Path, folder: Path, cache: Path | None, sizes: Sequence[int] = ()) -> int:
    """Carry out one check and write result.json; the exit code."""
    stop = StopRequest()
    result: dict[str, Any]
    began = time.monotonic()
    try:
        stop.listen()
        config = plain(load(path))
        device = devices.choose(config)
        devices.prepare(config, device)
        dataset = open_dataset(config, cache)
        with (folder / "progress.jsonl").open("w", encoding="utf-8") as file:
            bench = Bench(config, dataset, device, stop, _reporter(file), folder, tuple(sorted(sizes)))
            work = {"one-batch": one_batch, "shuffle": shuffle, "length": length, "batch-size": batch_size}[check]
            result = {"status": "complete", "check": check, **work(bench)}
    except Stopped:
        result = {"status": "stopped", **said("Stopped when asked to.")}
    except (ConfigError, DataError) as error:
        result = {"status": "failed", **said_by(error)}
    except Exception as error:
        result = unexpected(error)
        log_traceback(folder, False)
    record.write_json(folder / "result.json", {**result, "seconds": round(time.monotonic() - began, 3)})
    print(result.get("message") or json.dumps(result), flush=True)
    return EXIT_CODES.get(result["status"], 1)


def plain(config: Config) -> Config:
    """The configuration at a constant rate, without regularisation and augmentation."""
    optimizer = dataclasses.replace(config.optimizer, weight_decay=0.0)
    regularization = type(config.regularization)(gradient_clip=config.regularization.gradient_clip)
    return dataclasses.replace(
        config,
        optimizer=optimizer,
        schedule=type(config.schedule)(),
        regularization=regularization,
        augmentation=type(config.augmentation)(),
    )


@dataclasses.dataclass
class Bench:
    """What every check trains on."""

    config: Config
    dataset: Dataset
    device: torch.device
    stop: Callable[[], bool]
    report: Progress
    folder: Path
    sizes: tuple[int, ...] = ()

    def learn(self, rate: float, batches: Iterable[tuple[Inputs, Tensor]]) -> Iterator[tuple[int, nn.Module, Tensor]]:
        """Train a fresh network on the batches at a rate; after each update its number, the network and the loss."""
        config = dataclasses.replace(
            self.config, optimizer=dataclasses.replace(self.config.optimizer, learning_rate=rate)
        )
        precision = devices.precision(config, self.device)
        torch.manual_seed(derived_seed(config.training.seed, "initialisation"))
        network = models.build(config, facts(self.dataset)).to(self.device)
        optimizer = optimizers.build(config, network)
        network.train()
        for step, (inputs, labels) in enumerate(batches, 1):
            if self.stop():
                raise Stopped
            loss, _norm = update(network, optimizer, inputs, labels, config, precision)
            yield step, network, loss

    def batches(self, split: Split, steps: int) -> Iterator[tuple[Inputs, Tensor]]:
        """The batches of a run of so many steps on a split."""
        training = dataclasses.replace(self.config.training, steps=steps)
        return training_batches(dataclasses.replace(self.config, training=training), split, self.device, first_step=1)

    def evaluate(self, network: nn.Module) -> Evaluation:
        """How the network does on the validation split."""
        precision = devices.precision(self.config, self.device)
        found = evaluate(network, self.dataset.validation, self.config, self.device, precision, stop=self.stop)
        if found is None:
            raise Stopped
        return found

    @property
    def rate(self) -> float:
        """The chosen learning rate."""
        rate = self.config.optimizer.learning_rate
        assert rate is not None  # config.check fills it in
        return rate


def one_batch(bench: Bench) -> dict[str, Any]:
    """Learn a few examples by heart, at the chosen rate and at lower ones. Passed: every one of them is right."""
    chosen = evenly(bench.dataset.train.labels, EXAMPLES)
    inputs, labels = next(evaluation_batches(_Part(bench.dataset.train, chosen), len(chosen), bench.device))
    tried = []
    for place, share in enumerate(SHARES):
        entry = {"learning_rate": bench.rate * share, "steps": STEPS, "error_rate": 1.0, "loss": None}
        for step, network, loss in bench.learn(bench.rate * share, ((inputs, labels) for _ in range(STEPS))):
            if step % LOOK_EVERY:
                continue
            bench.report(place * STEPS + step, len(SHARES) * STEPS)
            value = loss.item()
            entry |= {"steps": step, "loss": record.finite(value)}
            if not math.isfinite(value):
                break
            # As in training: the running averages of batch norm lag behind.
            with torch.no_grad():
                answers = network(inputs).argmax(dim=1)
            entry["error_rate"] = float((answers != labels).float().mean())
            if entry["error_rate"] == 0:
                break
        tried.append(entry)
        if entry["error_rate"] == 0:
            break
    best = min(tried, key=lambda entry: entry["error_rate"])
    return {"passed": best["error_rate"] == 0, "examples": len(chosen), **best, "tried": tried}


def shuffle(bench: Bench) -> dict[str, Any]:
    """Learn from the labels and from shuffled ones, for as many steps at the same rate.

    Passed: the training loss is clearly lower with the labels. What is right on the validation split after shuffled
    labels can only be luck, and says nothing.
    """
    # How much a single loss varies is not known.
    steps = max(2, min(bench.config.training.steps, SHUFFLE_STEPS))
    train = bench.dataset.train
    generator = torch.Generator().manual_seed(derived_seed(bench.config.training.seed, "shuffled labels"))
    shuffled = _Relabelled(train, train.labels[torch.randperm(len(train), generator=generator)])
    for place, share in enumerate(SHARES):
        found: dict[str, Any] = {"steps": steps, "learning_rate": bench.rate * share}
        tails: list[Sequence[float]] = []
        for turn, (name, split) in enumerate((("labels", train), ("shuffled", shuffled))):
            losses = []
            for step, _network, loss in bench.learn(bench.rate * share, bench.batches(split, steps)):
                losses.append(loss)
                if step % LOOK_EVERY == 0:
                    bench.report((2 * place + turn) * steps + step, 2 * len(SHARES) * steps)
            tail = torch.stack(losses[-max(2, steps // 4) :]).tolist()
            tails.append(tail)
            found[name] = {"loss": record.finite(statistics.fmean(tail))}
        if all(math.isfinite(value) for tail in tails for value in tail):
            return {**found, "passed": _clearly_lower(*tails), "diverged": False}
    return {"passed": False, "diverged": True, "steps": steps, "learning_rate": bench.rate * SHARES[-1]}


def length(bench: Bench) -> dict[str, Any]:
    """Train at several constant rates until the training split is fitted, at most for the configured steps.

    `steps`: those of the fastest, None where none fits it. Where the fastest is at the boundary of the sweep, the sweep
    goes on beyond it. `tried` has each rate with the steps it took and the lowest error it came to.
    """
    limit = bench.config.training.steps
    every = max(1, limit // LOOKS)
    sample = evenly(bench.dataset.train.labels, SAMPLE)
    tried: dict[float, dict[str, Any]] = {}
    waiting = [bench.rate * share for share in SWEEP]
    beyond = 0
    while waiting:
        rate = waiting.pop(0)
        tried[rate] = _fit(bench, rate, limit, every, sample, len(tried))
        best = min(tried.values(), key=_order)
        edge = {min(tried): 10**-0.5, max(tried): 10**0.5}.get(best["learning_rate"])
        if not waiting and edge is not None and beyond < BEYOND:
            waiting, beyond = [best["learning_rate"] * edge], beyond + 1
    best = min(tried.values(), key=_order)
    return {
        "passed": best["steps"] is not None,
        "steps": best["steps"],
        "limit": limit,
        "fitted": FITTED,
        "sample": len(sample),
        "learning_rate": best["learning_rate"],
        "error_rate": best["error_rate"],
        "at_boundary": best["learning_rate"] in (min(tried), max(tried)),
        "tried": [tried[rate] for rate in sorted(tried)],
    }


def _fit(bench: Bench, rate: float, limit: int, every: int, sample: Tensor, place: int) -> dict[str, Any]:
    error = 1.0
    for step, network, loss in bench.learn(rate, bench.batches(bench.dataset.train, limit)):
        if step % every and step != limit:
            continue
        bench.report(place * limit + step, (len(SWEEP) + BEYOND) * limit)
        if not math.isfinite(loss.item()):
            break
        now = _error(network, _Part(bench.dataset.train, sample), bench.device)
        error = min(error, now)
        if now <= FITTED:
            return {"learning_rate": rate, "steps": step, "error_rate": now}
    return {"learning_rate": rate, "steps": None, "error_rate": error}


def batch_size(bench: Bench) -> dict[str, Any]:
    """Train at several batch sizes, each at three constant rates, for as many examples as the configured run sees.

    Every size is evaluated after the same examples. Each rate has its curve, as far as the loss stays finite; what
    they come to is for the reader to say.
    """
    training = bench.config.training
    sizes = bench.sizes or (training.batch_size,)
    examples = min(training.steps * training.batch_size, MOST_STEPS * min(sizes))
    lengths = {size: max(1, round(examples / size)) for size in sizes}
    looks = min(LOOKS, *lengths.values())
    total, done = len(NEAR_RATES) * sum(lengths.values()), 0
    found: dict[str, Any] = {"metric": training.metric, "direction": METRICS[training.metric]}
    found |= {"examples": examples, "looks": looks, "sizes": []}
    for size, steps in lengths.items():
        # Smaller batches cannot be cut into the statistics of a larger one.
        ghost = training.ghost_batch_size if training.ghost_batch_size <= size else 0
        config = dataclasses.replace(
            bench.config, training=dataclasses.replace(training, batch_size=size, ghost_batch_size=ghost)
        )
        here = dataclasses.replace(bench, config=config)
        due = {round(look * steps / looks) for look in range(1, looks + 1)}
        tried: list[dict[str, Any]] = []
        found["sizes"].append({"batch_size": size, "steps": steps, "tried": tried})
        for share in NEAR_RATES:
            rate = share * scaled_rate(bench.rate, size / training.batch_size, config.optimizer.name)
            tried.append({"learning_rate": rate, "curve": _curve(here, rate, steps, due, done, total)})
            record.write_json(bench.folder / "so_far.json", found)
            done += steps
    return found


def scaled_rate(rate: float, factor: float, optimizer: str) -> float:
    """The rate to start from when the batch is `factor` times as large: linear for SGD, by the square root for adaptive
    optimizers (Goyal et al. 2017; Malladi et al. 2022)."""
    return rate * (factor if optimizer == "sgd" else math.sqrt(factor))


def _curve(bench: Bench, rate: float, steps: int, due: set[int], done: int, total: int) -> list[tuple[int, float]]:
    """Step and validation result at the steps that are due, up to where the loss is no longer finite."""
    curve = []
    for step, network, loss in bench.learn(rate, bench.batches(bench.dataset.train, steps)):
        if step not in due:
            continue
        bench.report(done + step, total)
        if not math.isfinite(loss.item()):
            break
        value = bench.evaluate(network).metrics()[f"val/{bench.config.training.metric}"]
        if not math.isfinite(value):
            break
        curve.append((step, value))
    return curve


def _order(entry: dict[str, Any]) -> tuple[float, float]:
    return (math.inf if entry["steps"] is None else entry["steps"], entry["error_rate"])


def _error(network: nn.Module, split: Split, device: torch.device) -> float:
    wrong = 0
    network.eval()
    with torch.inference_mode():
        for inputs, labels in evaluation_batches(split, 256, device):
            wrong += int((network(inputs).argmax(dim=1) != labels).sum())
    network.train()
    return wrong / len(split)


def _clearly_lower(low: Sequence[float], high: Sequence[float]) -> bool:
    spread = math.sqrt(statistics.variance(low) / len(low) + statistics.variance(high) / len(high))
    return statistics.fmean(high) - statistics.fmean(low) > CLEARLY * spread


def evenly(labels: Tensor, most: int) -> Tensor:
    """The places of at most so many examples, the first of each class, then the second of each, and so on."""
    by_class = torch.argsort(labels, stable=True)
    counts = torch.bincount(labels)
    starts = counts.cumsum(dim=0) - counts
    turns = torch.empty_like(labels)
    turns[by_class] = torch.arange(len(labels)) - starts[labels[by_class]]
    return torch.argsort(turns, stable=True)[:most]


class _Part:
    """Some of the examples of a split."""

    def __init__(self, split: Split, places: Tensor):
        self.split, self.places = split, places
        self.labels = split.labels[places]

    def inputs(self, indices: Tensor) -> Inputs:
        return self.split.inputs(self.places[indices])

    def __len__(self) -> int:
        return len(self.places)


class _Relabelled:
    """A split with other labels."""

    def __init__(self, split: Split, labels: Tensor):
        self.split, self.labels = split, labels

    def inputs(self, indices: Tensor) -> Inputs:
        return self.split.inputs(indices)

    def __len__(self) -> int:
        return len(self.split)


def _reporter(file: Any) -> Progress:
    def report(done: int, total: int) -> None:
        file.write(json.dumps({"done": done, "total": total}) + "\n")
        file.flush()

    return report


if __name__ == "__main__":
    main()
