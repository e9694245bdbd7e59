"""What may make unstable training stable, in the order in which to try it: the goal "stabilise" of a round (P22).

Each remedy is a question with its values, and a range in which the learning rate is tuned along for each of them: well
above the best rate so far, since that is what more stable training is for.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from presets import catalogue
from presets.language import Message, say
from rounds.roles import OPTIMIZER
from rounds.space import Domain
from rounds.steps import EVERY, LONGEST_WARMUP, STEPS, WARMUP
from state.errors import Invalid, Refusal

RATE, CLIP = "optimizer.learning_rate", "regularization.gradient_clip"
# Clipping starts at this quantile of the norms (playbook).
QUANTILE = 0.9
# How far a remedy lets the learning rate rise, and fall, against the best one.
UP, DOWN = 10.0, 3.0


@dataclass(frozen=True)
class Remedy:
    """What a round asks that may make training stable: the hyperparameter with its values, where it searches besides,
    and why."""

    code: str
    key: str
    values: Domain
    ranges: Mapping[str, Domain]
    notes: tuple[Message, ...]


def remedies(base: Mapping[str, Any], norms: Sequence[float]) -> list[Remedy]:
    """The remedies for a configuration, the first to be tried first; clipping only where gradient norms are known."""
    require(base)
    rate, optimizer = float(base[RATE]), str(base.get(OPTIMIZER, ""))
    higher = {RATE: Domain("float", rate / DOWN, rate * UP, "log")}
    found = []
    warmups = warmup_steps(int(base[STEPS]))
    if warmups:
        message = say("First remedy: a warm-up, over orders of magnitude; the learning rate may go higher with it.")
        note = say(
            "A warm-up above a twentieth of the steps takes training time: give such a round as many steps more."
        )
        found.append(Remedy("warm-up", WARMUP, Domain("list", choices=(0, *warmups)), higher, (message, note)))
    if norms:
        limit = clip_at(norms)
        message = say(
            "Second remedy: clip the gradient at {limit:.2g}, the 90th percentile of the {count} norms recorded.",
            limit=limit,
            count=len(norms),
        )
        note = say("Were more than half of the updates clipped, that would only be a lower learning rate.")
        found.append(Remedy("clipping", CLIP, Domain("list", choices=(0.0, limit)), higher, (message, note)))
    others = [entry.name for entry in catalogue.optimizers() if entry.name != optimizer]
    if OPTIMIZER in base and others:
        kin = next((other for other in ("adamw", "nadamw", "sgd") if other in others), others[0])
        message = say("Third remedy: another optimizer, {name}, each with its own ranges.", name=kin)
        found.append(Remedy("optimizer", OPTIMIZER, Domain("categorical", choices=(optimizer, kin)), {}, (message,)))
    message = say("Last remedy: search lower learning rates. It costs training speed, so it comes after the others.")
    return [*found, Remedy("lower rate", RATE, Domain("float", rate / UP, rate, "log"), {}, (message,))]


def choose(listed: Sequence[Remedy], asked: Collection[str], tried: Collection[str]) -> Remedy:
    """The remedy that a round asks about; where it asks nothing the first whose hyperparameter was not `tried` yet, and
    when all were, the last. Refuses a question that is none of the remedies."""
    if not asked:
        return next((remedy for remedy in listed[:-1] if remedy.key not in tried), listed[-1])
    found = [remedy for remedy in listed if {remedy.key} == set(asked)]
    if not found:
        raise Invalid(
            "A round against instability asks about one remedy: one of {known}, not {keys}.",
            known=[remedy.key for remedy in listed],
            keys=sorted(asked),
        )
    return found[0]


def warmup_steps(steps: int) -> tuple[int, ...]:
    """Warm-ups over orders of magnitude, up to a tenth of the steps, which is the last of them."""
    longest = int(steps * LONGEST_WARMUP)
    powers = [10**exponent for exponent in range(1, 6) if 10**exponent <= longest]
    # A tenth itself, where that is well above the last power.
    return tuple([*powers, longest] if longest >= 1 and longest > 2 * (powers[-1] if powers else 0) else powers)


def clip_at(norms: Sequence[float]) -> float:
    """The 90th percentile of the norms, to two digits."""
    return float(f"{percentile(norms):.2g}")


def percentile(norms: Sequence[float]) -> float:
    """The 90th percentile: the least of the norms that so many of them do not exceed."""
    return sorted(norms)[math.ceil(QUANTILE * len(norms)) - 1]


def require(settings: Mapping[str, Any]) -> None:
    """Refuse a pipeline of the user's own that lacks what a check and the remedies set."""
    for key in (RATE, STEPS, EVERY):
        if key not in settings:
            raise Refusal(
                "The command has no setting {key}, so its stability is not checked here: try by hand a warm-up, then "
                "clipping of the gradient, another optimizer, a lower learning rate last.",
                key=key,
            )
