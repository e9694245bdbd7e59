"""How fast this machine trains an architecture: what a probe measured here, otherwise a stated estimate (G1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from presets import catalogue
from presets.catalogue import Architecture
from presets.language import Message, say
from state import measurements
from state.database import Store
from wizard.machine import Device

# A training step is a forward pass and two backward ones.
PASSES_OF_A_STEP = 3
# Multiply-accumulates a second in training: per core of a server's processor, and per GPU (our judgement). The first
# probe replaces both.
PER_CORE, PER_GPU = 20e9, 5e12
# Networks of depthwise convolutions do little work for the memory they move: this share of the speed (our judgement).
LIGHT = frozenset(("mobile", "hybrid"))
LIGHT_SHARE = 0.25
# Trials of a round, by which costs are compared.
ROUND = 20
WORKING_DAY_HOURS = 8.0
# Several rounds should fit into a day.
ROUND_SHARE = 0.25
# First guesses of a run's length: enough examples to see learning end, not fewer passes than 5 nor more than 30.
EXAMPLES = 300_000
PASSES = (5, 30)
# The first guess when only fine-tuning: Devlin et al. 2019 take two to four. What the curves say corrects it.
FINE_TUNING_PASSES = 3


@dataclass(frozen=True)
class Speed:
    """Multiply-accumulates a second in training for dense networks, and where the figure comes from."""

    dense: float
    source: Message

    def seconds(self, entry: Architecture, inputs: int, examples: float) -> float:
        """Time to train on so many examples, each `inputs` pixels a side or tokens long."""
        return examples * PASSES_OF_A_STEP * macs(entry, inputs) / (self.dense * _share(entry))


def of(store: Store, device: Device) -> Speed:
    """The speed that the latest probe on this device shows, or an estimate by the kind of device."""
    found = measurements.latest(store, "probe")
    if found is not None and found.subject.get("device") == device.name:
        entry = entry_of(found.subject)
        best = max((float(line.get("examples_per_second") or 0) for line in found.result["sizes"]), default=0.0)
        if entry is not None and best:
            inputs = found.subject.get("data.image_size") or found.subject["data.max_length"]
            dense = best * PASSES_OF_A_STEP * macs(entry, int(inputs)) / _share(entry)
            return Speed(dense, say("as {id} measured it with {name}", id=found.id, name=entry.id))
    return estimated(device)


def entry_of(subject: Mapping[str, Any]) -> Architecture | None:
    """The entry of the catalogue that a probe was made with; None for a typed name."""
    return next((known for known in catalogue.architectures() if _is(known, subject)), None)


def estimated(device: Device) -> Speed:
    """What such a device does usually; a probe knows better."""
    if device.kind == "cpu":
        dense = PER_CORE * device.cores
        return Speed(
            dense, say("a usual figure for {cores} CPU cores; the probe measures it later", cores=device.cores)
        )
    return Speed(PER_GPU, say("a cautious figure for a GPU; the probe measures it later"))


def day_hours(store: Store) -> float:
    """Hours that a day of tuning may take: the budget, where it is less than a working day."""
    budget = store.project.settings.budget_hours
    return min(budget, WORKING_DAY_HOURS) if budget else WORKING_DAY_HOURS


def allowed_seconds(store: Store) -> float:
    """Time that one round may take, so that several fit into a day."""
    return day_hours(store) * 3600 * ROUND_SHARE


def macs(entry: Architecture, inputs: int) -> float:
    """Multiply-accumulates of an example of this size: with the area of images, with the length of texts."""
    return entry.macs * (inputs / entry.input_size) ** (2 if entry.library == "timm" else 1)


def first_guess(examples: int) -> int:
    """Examples that a first run from scratch sees, for so many in the training split."""
    return examples * passes(examples)


def passes(examples: int) -> int:
    """Passes over so many examples of a first run from scratch."""
    fewest, most = PASSES
    return min(most, max(fewest, math.ceil(EXAMPLES / examples)))


def trial_seconds(speed: Speed, entry: Architecture, inputs: int, found: Mapping[str, Any]) -> float:
    """Time of one trial from scratch, by the first guess of its length."""
    return speed.seconds(entry, inputs, first_guess(int(found["splits"]["train"]["examples"])))


def _is(entry: Architecture, subject: Mapping[str, Any]) -> bool:
    """Whether a probe was made with it: families of transformers share one model, whose sizes are settings; published
    weights go by another name. What weights on this machine are the size of, is not told."""
    if subject.get("model.pretrained") == "hub" and entry.library == "transformers":
        return subject["model.name"] == entry.pretrained
    return subject["model.name"] == entry.model and all(
        subject.get(key) == value for key, value in entry.settings.items()
    )


def _share(entry: Architecture) -> float:
    return LIGHT_SHARE if entry.kind in LIGHT else 1.0
