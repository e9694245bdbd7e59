"""The runtime choices that the probe measured and kept: recorded together with the batch size, as settings (G4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from presets.language import Message, say, stored, told
from state import decisions
from state.database import Store
from state.errors import Refusal
from state.measurements import Measurement
from wizard import configuration, quantity
from wizard.question import Option

# What a choice must bring, as in `training.choices`.
GAIN = 1.05
PRECISION = "runtime.precision"
# An answer to the question of the batch size.
FLOAT32 = "float32"


def decide(store: Store, found: Measurement) -> None:
    """Record what the probe chose; nothing where it chose nothing, unless an earlier choice is to be taken back."""
    tried: list[dict[str, Any]] = found.result.get("tried") or []
    settings = {each["key"]: each["value"] for each in tried if each["kept"]}
    earlier = decisions.decision(store, configuration.RUNTIME)
    if settings == (dict(earlier.settings) if earlier is not None else {}):
        return
    figures = [stored(_figures(each)) for each in tried]
    decisions.decide(
        store,
        configuration.RUNTIME,
        question=stored(say("How should a step be computed? (It changes the time, and rounding at most.)")),
        options=[],
        recommended=_words(settings),
        chosen=_words(settings),
        reason=stored(_reason(tried)),
        evidence=figures,
        settings=settings,
    )


def options(found: Measurement) -> tuple[Option, ...]:
    """Where the probe chose to compute in bfloat16: not to."""
    if not any(each["key"] == PRECISION and each["kept"] for each in found.result.get("tried") or ()):
        return ()
    words = say("compute in float32, which rounds less, and measure the sizes again; slower, by the figures above")
    return (Option(FLOAT32, FLOAT32, words),)


def insist(store: Store, precision: str) -> None:
    """Record that steps are computed in a precision whatever is faster; "auto": leave it to the probe again. Refuses
    what is no matter of the built-in training."""
    if store.project.settings.command:
        raise Refusal("In which precision your own script computes is decided by your script.")
    earlier = decisions.decision(store, configuration.PRECISION)
    settings = {} if precision == "auto" else {PRECISION: precision}
    if settings == (dict(earlier.settings) if earlier is not None else {}):
        return
    decisions.decide(
        store,
        configuration.PRECISION,
        question=stored(say("In which precision should steps be computed? (bfloat16 rounds more.)")),
        options=[],
        recommended=None,
        chosen=precision,
        reason=stored(insistence()),
        evidence=[],
        settings=settings,
    )


def insistence() -> Message:
    """Why a precision is not left to the probe."""
    return say("chosen by hand")


def evidence(found: Measurement) -> Iterator[Message]:
    """Each choice with its figures, or why there is none."""
    if words := found.result.get("unchosen"):
        yield told(words["message"], words["said"])
    tried: list[dict[str, Any]] = found.result.get("tried") or []
    if tried:
        yield say(
            "Before, runtime choices were tried, which change rounding at most (bfloat16 most of all), in steps of "
            "{size} examples; what is faster is kept:",
            # An earlier version did not write it.
            size=tried[0].get("size", 16),
        )
    yield from (_figures(each) for each in tried)


def _figures(each: dict[str, Any]) -> Message:
    name, value = each["key"], quantity.setting(each["value"])
    before, seconds = quantity.duration(each["before"]), quantity.duration(each["seconds"])
    if each["kept"]:
        return say(
            "{name} = {value}: {seconds} a step instead of {before}, kept", **_said(name, value, seconds, before)
        )
    said = _said(name, value, seconds, before)
    without = say("{name} = {value}: {seconds} a step, {before} without, not kept", **said)
    if not _faster(each):
        return without
    if not each.get("agrees", True):
        return say("{figures}: its gradients come out wrong here, by a mistake of torch or the driver", figures=without)
    if not each.get("sure", True):
        return say("{figures}: the times varied too much to tell", figures=without)
    if each["preparation"]:
        return say("{figures}: it takes {time} first, more than it saves", figures=without, time=_preparation(each))
    if each["key"] == "runtime.precision":
        return say(
            "{figures}: others kept the cores busy, which says little of a quiet machine, and it rounds more; measure "
            "again when it is quiet",
            figures=without,
        )
    return say(
        "{figures}: others kept the cores busy, where threads that wait for one another lose most; on a quiet machine "
        "more of them may be faster",
        figures=without,
    )


def _faster(each: dict[str, Any]) -> bool:
    """Whether it was enough faster to be kept, had nothing spoken against it."""
    return each["before"] >= GAIN * each["seconds"]


def _preparation(each: dict[str, Any]) -> Message:
    return quantity.duration(each["preparation"])


def _said(name: str, value: str, seconds: Message, before: Message) -> dict[str, Any]:
    return {"name": name, "value": value, "seconds": seconds, "before": before}


def _reason(tried: list[dict[str, Any]]) -> Message:
    kept = [_figures(each) for each in tried if each["kept"]] or [_figures(each) for each in tried if _faster(each)]
    if not kept:
        return say("nothing that was tried was faster by 5%")
    reason = kept[0]
    for more in kept[1:]:
        reason = say("{reason}; {more}", reason=reason, more=more)
    return reason


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {quantity.setting(value)}" for key, value in settings.items()) or "-"
