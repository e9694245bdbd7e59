"""Loss and gradient norm of every update, gathered on the device, and the watch for a run that diverges.

Reading a value from a GPU waits for all work queued there, so values are fetched many at a time. When they are fetched
depends on the clock; what is written and what counts as diverged depends on the steps alone.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.config import Config
from training.record import Metrics
from training.sentence import Spoken, Value

# Values are fetched after so many steps or seconds, whichever is first.
FETCH_STEPS = 50
FETCH_SECONDS = 2.0
# A longer run logs evenly spaced steps, about so many, not a mean over them: their spread and quantiles stay true.
LOGGED_STEPS = 1000
# Diverged, though every number is finite: in so many windows in a row the mean loss is so many times that of the start
# (our judgement).
WINDOW_STEPS = 50
WINDOWS = 3
FACTOR = 2.0


class Diverged(Spoken):
    """The run cannot be saved: `step` is the update at which that was certain."""

    def __init__(self, message: str, *, step: int, **values: Value):
        super().__init__(message, step=step, **values)
        self.step = step


@dataclass
class Watch:
    """What the divergence rule remembers between steps; plain numbers, so that a checkpoint can hold it."""

    initial: float | None = None
    window: list[float] = field(default_factory=list)
    high_windows: int = 0

    def see(self, step: int, loss: float, norm: float, config: Config, classes: int) -> None:
        """Take note of one update. Raises Diverged.

        The start is the loss of the first update, or that of guessing if this is higher: a network that is fine-tuned
        from next to no loss may pass through a hump.
        """
        if not math.isfinite(loss):
            raise Diverged("The training loss became {value} at step {step}.", step=step, value=str(loss))
        if not math.isfinite(norm):
            raise Diverged("The gradient norm became {value} at step {step}.", step=step, value=str(norm))
        if self.initial is None:
            self.initial = max(loss, math.log(classes))
        if step <= config.schedule.warmup_steps:
            return
        self.window.append(loss)
        if len(self.window) < WINDOW_STEPS:
            return
        mean = math.fsum(self.window) / len(self.window)
        self.high_windows = self.high_windows + 1 if mean > FACTOR * self.initial else 0
        self.window = []
        if self.high_windows == WINDOWS:
            raise Diverged(
                "The training loss stayed above twice its initial value, {initial:.4g}, for {count} steps: it averaged "
                "{mean:.4g} up to step {step}.",
                step=step,
                initial=self.initial,
                count=WINDOWS * WINDOW_STEPS,
                mean=mean,
            )


class Meter:
    """Collects the numbers of each update on the device and passes them on to metrics.jsonl and to the watch."""

    def __init__(self, metrics: Metrics, watch: Watch, config: Config, classes: int):
        self.metrics, self.watch, self.config, self.classes = metrics, watch, config, classes
        self.every = math.ceil(config.training.steps / LOGGED_STEPS)
        self.latest = math.nan
        self._pending: list[tuple[int, float, float]] = []
        self._values: list[Tensor] = []
        self._fetched = time.monotonic()

    def add(self, step: int, loss: Tensor, norm: Tensor, rate: float, seconds: float) -> None:
        """Take in one update, without waiting for it: `loss` and `norm` are scalars on the device."""
        self._pending.append((step, rate, seconds))
        self._values += [loss, norm]

    def due(self) -> bool:
        """Whether enough has come together to be fetched."""
        return len(self._pending) >= FETCH_STEPS or time.monotonic() - self._fetched > FETCH_SECONDS

    def fetch(self) -> None:
        """Wait for the updates so far, write their metrics and judge them. Raises Diverged."""
        if self._pending:
            values = torch.stack([value.float() for value in self._values]).tolist()
            pending, self._pending, self._values = self._pending, [], []
            for (step, rate, seconds), loss, norm in zip(pending, values[::2], values[1::2], strict=True):
                self.latest = loss
                finite = math.isfinite(loss) and math.isfinite(norm)
                if step == 1 or step % self.every == 0 or not finite:
                    self.metrics.write(
                        step, {"seconds": seconds, "train/loss": loss, "grad_norm": norm, "learning_rate": rate}
                    )
                self.watch.see(step, loss, norm, self.config, self.classes)
        self._fetched = time.monotonic()
