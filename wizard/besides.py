"""Why a decision sets what its own reason is not about: the values that come along with what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets import catalogue
from presets.catalogue import CatalogueError
from presets.language import Message, say, stored
from state.decisions import Decision
from training import config

# What the question of a step is about; the reason of its answer is that of these values.
ABOUT = {
    "architecture": ("model.",),
    "optimizer": ("optimizer.name",),
    "initial": ("optimizer.learning_rate",),
    "steps": ("training.steps",),
}
RATE, GHOST = "optimizer.learning_rate", "training.ghost_batch_size"


def reasons(entry: Decision, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Dotted name to reason, of what the decision set besides what it is about, as the store keeps messages."""
    about = ABOUT.get(entry.step)
    if about is None:
        return {}
    if entry.step == "initial" and entry.chosen == "ghost":
        about = (GHOST,)
    besides = [key for key in entry.settings if not key.startswith(about)]
    return {key: stored(_reason(entry, key, values)) for key in besides}


def _reason(entry: Decision, key: str, values: Mapping[str, Any]) -> Message:
    if entry.step == "optimizer" or key == RATE:
        return _of_optimizer(key, values)
    if entry.step == "architecture":
        return say("by the data and what the network takes ({about})", about=_meaning(key))
    if entry.step == "steps":
        return say("goes with the number of steps ({about})", about=_meaning(key))
    if entry.settings[key]:
        return say("as it was before ({about})", about=_meaning(key))
    return say("off at first: it is added when there is evidence for it ({about})", about=_meaning(key))


def _of_optimizer(key: str, values: Mapping[str, Any]) -> Message:
    """Where a hyperparameter of the optimizer starts, by the catalogue."""
    name = str(values.get("optimizer.name", ""))
    try:
        known = catalogue.hyperparameter(key, name, fine_tuning=bool(values.get("model.pretrained")))
    except CatalogueError:
        return say("as usual for {optimizer} ({about})", optimizer=name, about=_meaning(key))
    return say("as usual for {optimizer}: {source}", optimizer=name, source=known.source)


def _meaning(key: str) -> Message:
    return Message(config.about(key)[0])
