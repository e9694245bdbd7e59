"""Training, step by step."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import device as devices
from training import model as models
from training import optimizer as optimizers
from training.batches import Inputs, derived_seed, training_batches
from training.checkpoint import Checkpoints, Progress
from training.config import Config, flat
from training.dataset import Dataset
from training.evaluation import Evaluation, evaluate, sample
from training.meter import Diverged, Meter
from training.record import Metrics


class Stopped(BaseException):
    """The run was asked to stop; a BaseException, like KeyboardInterrupt, so that nobody takes it for a failure."""


@dataclass
class Run:
    """A run under way. What it holds is true at any moment, so also when training ends by an exception."""

    config: Config
    folder: Path
    device: torch.device
    stop: Callable[[], bool]
    started: float
    """When the run was asked for, by time.monotonic."""
    progress: Progress = field(default_factory=Progress)
    parameters: int | None = None
    first_step_seconds: float | None = None


def train(run: Run, dataset: Dataset) -> None:
    """Train to the last step, going on from the last checkpoint if there is one.

    Raises Diverged, Stopped, ConfigError for settings that do not fit data or model, OSError for a full disk, and what
    torch raises when memory runs out.
    """
    config, device = run.config, run.device
    devices.prepare(config, device)
    precision = devices.precision(config, device)
    torch.manual_seed(derived_seed(config.training.seed, "initialisation"))
    checkpoints = Checkpoints(run.folder / "checkpoints", config, dataset.identity, uses(config, dataset))
    network = models.build(config, facts(dataset), saved=checkpoints.saved()).to(device)
    optimizer = optimizers.build(config, network)
    run.parameters = sum(parameter.numel() for parameter in network.parameters())

    run.progress = progress = checkpoints.restore(network, optimizer)
    if dataset.tokenizer:
        dataset.tokenizer.save(checkpoints.folder)
    if progress.step:
        print(f"goes on after step {progress.step}", flush=True)
    metrics = Metrics(run.folder / "metrics.jsonl", progress.step, progress.evaluated)
    meter = Meter(metrics, progress.watch, config, len(dataset.classes))
    batches = training_batches(config, dataset.train, device, first_step=progress.step + 1)

    examples = sample(dataset.validation.labels, config)

    # Evaluation, whose batches have other shapes, goes without; the weights are the same.
    forward: Any = torch.compile(network, dynamic=False) if config.runtime.compile else network
    began = time.monotonic() - progress.seconds
    pace = Pace(config.training.batch_size, progress.step)
    network.train()
    while not run.stop():
        if evaluation_due(progress, config):
            meter.fetch()
            throughput = pace.measure(progress.step)
            evaluation = evaluate(
                network, dataset.validation, config, device, precision, progress.step, run.stop, examples
            )
            if evaluation is None:
                break
            progress.seconds = time.monotonic() - began
            metrics.write(progress.step, {"seconds": progress.seconds} | evaluation.metrics() | throughput)
            require_finite(evaluation)
            progress.final = evaluation
            checkpoints.consider(evaluation, network, progress)
            say(run, meter.latest, throughput)
            pace.restart(progress.step)
        if progress.step == config.training.steps:
            break
        if progress.step and checkpoints.due():
            meter.fetch()
            since = time.monotonic()
            metrics.sync()
            checkpoints.save(network, optimizer, progress)
            pace.leave_out(since)

        inputs, labels = next(batches)
        step = progress.step + 1
        rate = optimizers.rate(config, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        devices.seed_noise(device, derived_seed(config.training.seed, "noise", step))
        loss, norm = update(forward, optimizer, inputs, labels, config, precision)
        progress.step = step
        progress.seconds = time.monotonic() - began
        meter.add(step, loss, norm, rate, progress.seconds)
        if run.first_step_seconds is None:
            meter.fetch()
            run.first_step_seconds = time.monotonic() - run.started
            pace.restart(step)
        elif meter.due():
            meter.fetch()

    meter.fetch()
    metrics.sync()
    checkpoints.save(network, optimizer, progress)
    if progress.step < config.training.steps or evaluation_due(progress, config):
        raise Stopped
    if examples is not None and not progress.sampled:
        on_the_whole(run, network, dataset, precision, checkpoints)
        progress.seconds = time.monotonic() - began
        checkpoints.save(network, optimizer, progress)


def on_the_whole(
    run: Run, network: nn.Module, dataset: Dataset, precision: torch.dtype | None, checkpoints: Checkpoints
) -> None:
    """Evaluate on the whole validation split what was chosen by a sample of it: the kept checkpoints and the last
    weights, which the network has before and after. The best of them by the whole split is the run's result."""
    config, progress = run.config, run.progress
    assert progress.final is not None
    last = {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}
    whole: dict[int, Evaluation] = {}
    for entry in dict.fromkeys((*progress.best, progress.final)):
        if entry.step == progress.step:
            network.load_state_dict(last)
        else:
            checkpoints.load(entry.step, network)
        evaluation = evaluate(network, dataset.validation, config, run.device, precision, entry.step, run.stop)
        if evaluation is None:
            raise Stopped
        require_finite(evaluation)
        whole[entry.step] = evaluation
        if entry in progress.best:
            # Written once more: a checkpoint says of itself what the whole split does.
            checkpoints.hold(entry.step, network)
    network.load_state_dict(last)
    metric = config.training.metric
    progress.sampled = list(dict.fromkeys((*progress.best, progress.final)))
    progress.best = sorted(
        (whole[entry.step] for entry in progress.best), key=lambda entry: (entry.cost(metric), entry.step)
    )
    progress.final = whole[progress.step]


def require_finite(evaluation: Evaluation) -> None:
    """Raise Diverged for a loss that is not finite."""
    if not math.isfinite(evaluation.loss):
        raise Diverged(
            "The validation loss became {value} at step {step}.", step=evaluation.step, value=str(evaluation.loss)
        )


def update(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Inputs,
    labels: Tensor,
    config: Config,
    precision: torch.dtype | None,
) -> tuple[Tensor, Tensor]:
    """One optimizer step. The loss and the norm of the gradient before clipping, both scalars still on the device."""
    try:
        loss = _gradient(network, inputs, labels, config, precision)
    except RuntimeError as error:
        if not devices.give_up_exactness(error):
            raise
        optimizer.zero_grad(set_to_none=True)
        loss = _gradient(network, inputs, labels, config, precision)
    # Without a limit nothing is clipped, but the norm is always wanted (P22).
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.regularization.gradient_clip or math.inf)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss, norm


def _gradient(
    network: nn.Module, inputs: Inputs, labels: Tensor, config: Config, precision: torch.dtype | None
) -> Tensor:
    """The loss, whose gradient the parameters have afterwards."""
    with torch.autocast(labels.device.type, dtype=precision, enabled=precision is not None):
        logits = network(inputs)
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=config.regularization.label_smoothing)
    loss.backward()
    return loss.detach()


def facts(dataset: Dataset) -> models.Facts:
    """What the network must know of a data set."""
    classes, tokenizer = len(dataset.classes), dataset.tokenizer
    if tokenizer:
        return models.Facts(classes, vocabulary_size=tokenizer.vocabulary_size, pad_id=tokenizer.pad_id)
    return models.Facts(classes, mean=dataset.mean, std=dataset.std)


def uses(config: Config, dataset: Dataset) -> dict[str, str]:
    """What weights say of themselves, so that `training.predict` can use them where the data are not, and whatever
    became of the configuration: that, the classes in the order of the outputs, and what the network was told."""
    return {
        "settings": json.dumps(flat(config)),
        "classes": json.dumps(dataset.classes),
        "facts": json.dumps(dataclasses.asdict(facts(dataset))),
    }


class Pace:
    """Examples a second between evaluations; evaluations, checkpoints and the slow first step are left out."""

    def __init__(self, batch_size: int, step: int):
        """`step`: the last one that was taken already."""
        self.batch_size = batch_size
        self.restart(step)

    def restart(self, step: int) -> None:
        self.step, self.since = step, time.monotonic()

    def leave_out(self, since: float) -> None:
        """Do not count the time from `since`, by time.monotonic, to now."""
        self.since += time.monotonic() - since

    def measure(self, step: int) -> dict[str, float]:
        """The metric, if there was a step since the last restart; the device must have finished its work."""
        if step == self.step:
            return {}
        return {"examples_per_second": (step - self.step) * self.batch_size / (time.monotonic() - self.since)}


def evaluation_due(progress: Progress, config: Config) -> bool:
    """Whether the weights as they are still have to be evaluated: every so many steps, and after the last."""
    step = progress.step
    at_step = step > 0 and (step % config.training.evaluate_every == 0 or step == config.training.steps)
    return at_step and step > progress.evaluated


def say(run: Run, train_loss: float, throughput: dict[str, float]) -> None:
    """A line on the last evaluation, for who watches. `train_loss`: nan where the run goes on from just before it."""
    assert run.progress.final is not None
    evaluation = run.progress.final
    # The loss is told in any case, and beside it what people call mistakes.
    judged = "error_rate" if run.config.training.metric == "loss" else run.config.training.metric
    trained = "" if math.isnan(train_loss) else f"  train loss {train_loss:.4f}"
    pace = "".join(f"  {value:.0f} examples/s" for value in throughput.values())
    print(
        f"step {evaluation.step}/{run.config.training.steps}{trained}  "
        f"validation loss {evaluation.loss:.4f}  {judged} {getattr(evaluation, judged):.4f}{pace}",
        flush=True,
    )
