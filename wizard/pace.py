"""How long a trial of so many steps takes, by the probe, and what evaluating takes of it (G13, P16)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from presets import sampling
from state.database import Store
from wizard import configuration, inspection, machine, probe, speed

EVALUATIONS = 40
# An evaluation is a forward pass only, about a third of a training step.
FORWARD_SHARE = 1 / 3
# Where evaluating would take longer than training does, a sample is taken at once; a review may propose one for less.
WORTH = 0.5


@dataclass(frozen=True)
class Pace:
    """What the time of a trial follows from: `step`, the seconds of one with its data; examples of a batch and of the
    splits; `kept`, how many weights are evaluated on all in the end where a sample chose them; trials `at_once`."""

    step: float
    batch: int
    training: int
    validation: int
    kept: int
    at_once: int

    @property
    def evaluation(self) -> float:
        """Seconds of an evaluation of all validation examples."""
        return self.validation / self.batch * self.step * FORWARD_SHARE


def known(store: Store) -> Pace:
    """The pace of what is decided now. Refuses without a probe of it."""
    values, splits = configuration.current(store), inspection.known(store)["splits"]
    batch = values["training.batch_size"]
    return Pace(
        step=probe.step_seconds(probe.known(store), batch),
        batch=batch,
        training=int(splits["train"]["examples"]),
        validation=int(splits["validation"]["examples"]),
        # The best ones and the last.
        kept=values["training.keep_checkpoints"] + 1,
        at_once=machine.at_hand(values["runtime.device"]).trials_at_once,
    )


def every(steps: int) -> int:
    """Steps between evaluations: 40 in a run, or as many as it has steps where these are fewer."""
    return math.ceil(steps / EVALUATIONS)


def evaluations(steps: int) -> int:
    """How often a run is evaluated on the way, at its last step too."""
    return math.ceil(steps / every(steps))


def share(pace: Pace, steps: int) -> float:
    """What evaluating all validation examples each time takes of the time of a trial."""
    evaluating = evaluations(steps) * pace.evaluation
    return evaluating / (steps * pace.step + evaluating)


def sample(pace: Pace, steps: int) -> int:
    """The validation examples that an evaluation on the way takes; 0: all of them."""
    return sampling.examples(pace.validation, share(pace, steps), WORTH)


def evaluating(pace: Pace, steps: int) -> float:
    """Seconds of a trial that go to evaluations."""
    if taken := sample(pace, steps):
        return (evaluations(steps) * taken / pace.validation + pace.kept) * pace.evaluation
    return evaluations(steps) * pace.evaluation


def trial_seconds(pace: Pace, steps: int) -> float:
    """Time of one trial with its evaluations; without the start of the process."""
    return steps * pace.step + evaluating(pace, steps)


def round_seconds(pace: Pace, steps: int) -> float:
    """Time of a round of 20 trials."""
    return turns(pace) * trial_seconds(pace, steps)


def turns(pace: Pace) -> int:
    """How many trials of a round run one after another."""
    return math.ceil(speed.ROUND / pace.at_once)


def passes(pace: Pace, steps: int) -> float:
    """Passes over the training split."""
    return steps * pace.batch / pace.training
