"""Seventh decision: the first configuration, as simple as it gets (G11)."""

from __future__ import annotations

import math
from typing import Any

from presets import catalogue
from presets.language import _, say
from state.database import Store
from state.decisions import Decision
from state.errors import Refusal
from training import config
from wizard import configuration, optimizer, quantity
from wizard.question import Choice, Option, Question, Settled, Table

STEP = "initial"
USE = "use"
# Nothing that is not needed: what these add is found out later, one at a time.
SIMPLE: dict[str, Any] = {
    "schedule.name": "constant",
    "schedule.warmup_steps": 0,
    "regularization.label_smoothing": 0.0,
    "regularization.dropout": 0.0,
    "regularization.drop_path": 0.0,
    "regularization.gradient_clip": 0.0,
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
    rate = _rate(store)
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
            say("Learning rate {rate:g}: {source}.", rate=rate.default, source=rate.source),
        ),
        options=(Option(USE, USE, say("learning rate {rate:g}", rate=rate.default)),),
        recommended=USE,
        reason=say("simple, fast, small; learning rate: {source}", source=rate.source),
        table=_table(store, float(rate.default)),
        free="number",
    )


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """The simple settings, and the learning rate: the preset's, or the one typed."""
    if chosen == USE:
        return Settled({optimizer.LEARNING_RATE: float(_rate(store).default), **SIMPLE}, question.reason)
    rate = float(chosen)
    if not (math.isfinite(rate) and rate > 0):
        raise Refusal("{rate:g}: a learning rate is more than 0.", rate=rate)
    reason = say("simple, fast, small; the learning rate {rate:g} was chosen by hand", rate=rate)
    return Settled({optimizer.LEARNING_RATE: rate, **SIMPLE}, reason)


def valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: for this optimizer, and from scratch or not as it was then."""
    then = configuration.settled(store, decision.id)
    now = configuration.settled(store)
    return then.get("optimizer.name") == now.get("optimizer.name") and bool(then.get("model.pretrained")) == bool(
        now.get("model.pretrained")
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
