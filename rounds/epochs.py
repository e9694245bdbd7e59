"""How many epochs a run is, where the data have grown or shrunk since its number of steps was decided (P15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets.language import Message, say
from rounds.steps import STEPS
from state import configurations, decisions, launches, measurements
from state.database import Store
from state.pipeline import BATCH_SIZE

# An epoch that is longer or shorter by less than this share is told by nobody (our judgement).
TOLD = 0.1


def since_decided(store: Store, base: Mapping[str, Any]) -> Message | None:
    """What the steps of a configuration were in epochs when they were decided, and what they are now; None where that
    is about the same, and where the examples are not known, as those of a script of the user's own."""
    steps, decided = base.get(STEPS), _decided(store, base)
    looked = [(found.at, found.result.get("splits")) for found in measurements.measurements(store, "inspection")]
    counts = [(at, int(splits["train"]["examples"])) for at, splits in looked if splits]
    before = [count for at, count in counts if decided is not None and at <= decided]
    if not (before and isinstance(steps, int)):
        return None
    then, now = before[-1], counts[-1][1]
    if abs(now - then) < TOLD * then:
        return None
    seen = steps * int(base[BATCH_SIZE])
    return say(
        "The number of steps, {steps}, was decided at {then} training examples (epochs: {before:.3g}). There are {now} "
        "by now (epochs: {after:.3g}). To change that: --steps N",
        steps=steps,
        then=then,
        now=now,
        before=seen / then,
        after=seen / now,
    )


def _decided(store: Store, base: Mapping[str, Any]) -> str | None:
    """When the number of steps of a configuration was decided: in the set-up, or with the first launch that has it."""
    found = decisions.decision(store, "steps")
    if found is not None and found.settings.get(STEPS) == base.get(STEPS):
        return found.at
    adopted = ((entry.at, configurations.configuration(store, entry.candidate)) for entry in launches.in_force(store))
    return next((at for at, own in adopted if own.settings.get(STEPS) == base.get(STEPS)), None)
