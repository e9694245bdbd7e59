"""Seventh decision: the first configuration, as simple as it gets (G11)."""

from __future__ import annotations

import math
from typing import Any

from presets import catalogue
from presets.language import Message, _, say
from state import decisions
from state.database import Store
from state.decisions import Decision
from state.errors import Invalid, NotYet, Refusal
from training import config
from wizard import architecture, configuration, optimizer, quantity
from wizard.question import Choice, Option, Question, Settled, Table

STEP = "initial"
USE, GHOST = "use", "ghost"
# A typed rate so many times beyond the catalogue's range is most likely a slip.
FAR = 10
GHOST_KEY = "training.ghost_batch_size"
# Examples that ghost batch norm takes its statistics from (P23), offered from twice as many a step on.
GHOST_SIZE = 64
# Nothing that is not needed: what these add is found out later, one at a time.
SIMPLE: dict[str, Any] = {
    "schedule.name": "constant",
    "schedule.warmup_steps": 0,
    "regularization.label_smoothing": 0.0,
    "regularization.dropout": 0.0,
    "regularization.drop_path": 0.0,
    "regularization.gradient_clip": 0.0,
    GHOST_KEY: 0,
    "augmentation.flip": False,
    "augmentation.crop_padding": 0,
}
# Settings that mean nothing for the other task.
OF_IMAGES = {
    "data.image_size",
    "data.channels",
    "augmentation.flip",
    "augmentation.crop_padding",
    "runtime.channels_last",
}
OF_TEXTS = {
    "model.layers",
    "model.hidden_size",
    "model.heads",
    "model.vocabulary_size",
    "data.text_column",
    "data.label_column",
    "data.encoding",
    "data.max_length",
}


def ask(store: Store) -> Question:
    """Every setting of the first configuration that means something for the task, and its meaning."""
    rate, ghost = _rate(store), _ghost(store)
    batch = configuration.current(store)["training.batch_size"]
    return Question(
        step=STEP,
        rows=("G11",),
        text=say("Start with this configuration? (A number is another learning rate.)"),
        evidence=(
            say("A constant learning rate, no augmentation, no regularisation but the optimizer's own, nothing extra."),
            say(
                "What matters first is that it is simple and fast, and clearly better than chance; everything else is "
                "added later, when there is evidence for it."
            ),
            *((_about_ghost(batch),) if ghost else ()),
        ),
        options=(
            Option(USE, USE, say("learning rate {rate:g}", rate=rate.default)),
            *((Option(GHOST, GHOST, _ghost_reason(batch)),) if ghost else ()),
        ),
        recommended=USE,
        reason=say("simple, fast, small; learning rate: {source}", source=Message(rate.source)),
        table=_table(store, float(rate.default)),
        free="number",
    )


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """The simple settings, and the learning rate: the preset's, or the one typed, which leaves ghost batch norm as it
    was."""
    usual = float(_rate(store).default)
    if chosen == USE:
        return Settled({optimizer.LEARNING_RATE: usual, **SIMPLE}, question.reason)
    if chosen == GHOST:
        reason = _ghost_reason(configuration.current(store)["training.batch_size"])
        return Settled({optimizer.LEARNING_RATE: usual, **SIMPLE, GHOST_KEY: GHOST_SIZE}, reason)
    rate = float(chosen)
    if not (math.isfinite(rate) and rate > 0):
        raise Invalid("{rate:g}: a learning rate is more than 0.", rate=rate)
    reason = say("simple, fast, small; the learning rate {rate:g} was chosen by hand", rate=rate)
    earlier = decisions.decision(store, STEP)
    kept = earlier.settings.get(GHOST_KEY, 0) if earlier is not None and _ghost(store) else 0
    settings = {optimizer.LEARNING_RATE: rate, **SIMPLE, GHOST_KEY: kept}
    return Settled(settings, reason, warning=_far_off(rate, _rate(store)))


def _far_off(rate: float, known: catalogue.Hyperparameter) -> Message | None:
    """What to mind about a rate that is ten times beyond all that is usually tried; it is not refused."""
    if known.low is None or known.high is None or known.low / FAR <= rate <= known.high * FAR:
        return None
    return say(
        "The learning rate {rate:g} is far outside the range in which this optimizer is usually tried, {low:g} to "
        "{high:g}. If it was a slip, decide the first configuration anew.",
        rate=rate,
        low=known.low,
        high=known.high,
    )


def valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: for this optimizer, from scratch or not as it was then, and with ghost batch
    norm only where that applies."""
    if decision.settings.get(GHOST_KEY) and not _ghost(store):
        return False
    then = configuration.settled(store, decision.id)
    now = configuration.settled(store)
    return then.get("optimizer.name") == now.get("optimizer.name") and bool(then.get("model.pretrained")) == bool(
        now.get("model.pretrained")
    )


def with_ghost(store: Store) -> str:
    """The answer that takes ghost batch norm. Refuses where that does not apply."""
    values, kind = configuration.current(store), architecture.normalisation(store)
    if kind is None:
        raise NotYet(
            "Ghost batch norm is for networks with batch norm; whether {name} has it, the probe did not note yet. "
            "Measure again with: tunebook probe --again",
            name=values["model.name"],
        )
    if kind != "batch":
        raise Refusal("Ghost batch norm is for networks with batch norm; {name} has none.", name=values["model.name"])
    if not _ghost(store):
        raise Refusal(
            "Ghost batch norm is offered at a batch size of {least} or more; here {name} gets {size}.",
            least=2 * GHOST_SIZE,
            name=values["model.name"],
            size=values["training.batch_size"],
        )
    return GHOST


def _ghost(store: Store) -> bool:
    """Whether ghost batch norm applies: to a network with batch norm, at a batch size well above its own."""
    large = configuration.current(store)["training.batch_size"] >= 2 * GHOST_SIZE
    return large and architecture.normalisation(store) == "batch"


def _about_ghost(batch: int) -> Message:
    return say(
        "Batch norm takes its statistics from {batch} examples at a time, which hardly vary: what their noise does "
        "against overfitting is lost. Ghost batch norm keeps it. It is off at first, like all that a first result can "
        "do without; what tells is a round with and one without.",
        batch=batch,
    )


def _ghost_reason(batch: int) -> Message:
    return say(
        "ghost batch norm: statistics of {size} examples at a time instead of {batch}, so that they stay as noisy as "
        "in a small batch; a step takes a little longer",
        size=GHOST_SIZE,
        batch=batch,
    )


def _rate(store: Store) -> catalogue.Hyperparameter:
    return next(part for part in optimizer.hyperparameters(store) if part.key == optimizer.LEARNING_RATE)


def _table(store: Store, rate: float) -> Table:
    values = {**configuration.current(store), **SIMPLE, optimizer.LEARNING_RATE: rate}
    elsewhere = OF_TEXTS if values["data.task"] == config.TASKS[0] else OF_IMAGES
    rows = tuple(
        (key, quantity.setting(value), _(config.about(key)[0]))
        for key, value in values.items()
        if value != "" and key not in elsewhere
    )
    return Table((say("setting"), say("value"), say("meaning")), rows)
