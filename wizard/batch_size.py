"""Sixth decision: the batch size, by measured speed and memory, never by validation performance (G3-G10)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from presets.language import Message, say, told
from state import decisions
from state.database import Store
from state.errors import Invalid
from state.measurements import Measurement
from wizard import (
    another_size,
    architecture,
    batch_table,
    checks,
    configuration,
    inspection,
    loading,
    measuring,
    neighbours,
    optimizer,
    own_sizes,
    probe,
    quantity,
    runtime,
    scaling,
    steps,
)
from wizard.question import Choice, Option, Question, Settled

STEP = "batch_size"
# Median absolute deviation of step times, as a share of the median, beyond which near sizes cannot be told apart.
UNSTEADY = 0.1
# A size beyond the measured ones is taken where it is expected to need no more than this share of the memory budget:
# what it really takes is not known.
ROOMY = 0.5
# Beyond it kernels of CUDA refuse to launch.
LARGEST = 65_535


def ask(store: Store) -> Question:
    """The measured sizes with speed, memory, time and cost; the largest one that still pays is recommended."""
    found = probe.known(store)
    lines = probe.measured(found)
    best = int(found.result["recommended"])
    return Question(
        step=STEP,
        rows=("G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10"),
        text=say(
            "How many examples should a training step take? (Another number from {least} to {most} can be typed.)",
            least=scaling.least(store),
            most=_most(store, found),
        ),
        evidence=tuple(_evidence(store, found, best)),
        options=(
            *(
                Option(line["batch_size"], str(line["batch_size"]), _note(line, best))
                for line in lines
                if line["batch_size"] <= found.result["largest_feasible"]
            ),
            *loading.options(store, _line(lines, best)),
            *runtime.options(found),
        ),
        recommended=best,
        reason=neighbours.beside(found, _reason(found.result, lines, best)),
        table=batch_table.table(store, found, steps.planned_examples(store)),
        free="integer",
    )


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """The batch size; one that was neither seen nor can be expected to work is refused."""
    if chosen in (loading.DECODE_ONCE, loading.WORKERS):
        changes = loading.chosen(store, str(chosen))
        return Settled({}, loading.reason(changes), lambda: _load_so(store, changes))
    if chosen == runtime.FLOAT32:
        return Settled({}, runtime.insistence(), lambda: _in_float32(store))
    found = probe.known(store)
    size, least, most = int(chosen), scaling.least(store), _most(store, found)
    if size == 1 and architecture.normalisation(store) == "batch":
        raise Invalid("Batch norm has no statistics over 1 example. Choose at least 2; 16 and more are better.")
    if not least <= size <= most:
        raise Invalid(
            "A batch size of {size} is not known to work: choose from {least} to {most}.",
            size=size,
            least=least,
            most=most,
        )
    reason = question.reason
    if size != question.recommended:
        reason = say(
            "chosen by hand: a step takes {time}; the recommended size is {best}",
            time=quantity.duration(probe.step_seconds(found, size)),
            best=question.recommended or 0,
        )
    if (earlier := another_size.earlier(store)) is not None and earlier != size:
        reason = say("{reason} {consequences}", reason=reason, consequences=consequences(store, earlier))
    warning = _unmeasured(store, found, size) if size > found.result["largest_feasible"] else None
    return Settled({"training.batch_size": size}, reason, lambda: runtime.decide(store, found), warning)


def valid(store: Store, decision: decisions.Decision) -> bool:
    """Whether the decision still stands: it was made by the probe of what is chosen now, or measuring that again said
    the same (G6)."""
    found = probe.fresh(store)
    if found is None or "training.batch_size" not in decision.settings:
        # Without a size, the data were to come faster first.
        return False
    size = decision.settings["training.batch_size"]
    same = found.result["recommended"] == decision.recommended and size <= _most(store, found)
    # With what a size was chosen, its runtime choices were; in another precision they are to be made anew.
    unchanged = ("data", "architecture", "weights", "optimizer", configuration.PRECISION)
    return measuring.known_at(store, found, decision.at) or (same and configuration.same(store, decision, *unchanged))


def _most(store: Store, found: Measurement) -> int:
    """The largest size that was seen to work, or that leaves much room in memory by those that were: of few examples
    only small sizes are measured, so that an epoch keeps 20 steps."""
    largest, lines = int(found.result["largest_feasible"]), probe.measured(found)
    if found.result["sizes"][-1]["batch_size"] > largest:
        # One was seen not to work.
        return largest
    room = ROOMY * found.result["memory_budget"] - _memory(lines, largest)
    if room <= 0:
        return largest
    more = math.floor(room / _growth(lines))
    return max(largest, min(largest + more, inspection.examples(store), LARGEST))


def _memory(lines: list[dict[str, Any]], size: int) -> float:
    """The bytes that a size beyond the measured ones is expected to take at most."""
    return lines[-1]["peak_memory"] + _growth(lines) * (size - lines[-1]["batch_size"])


def _growth(lines: list[dict[str, Any]]) -> float:
    """The bytes that an example more takes: on the line through the two largest sizes, or through 0 and the largest
    where that rises faster. As long as parameters and the optimizer's state are the peak, small sizes take the same."""
    *smaller, last = lines
    slopes = [
        (last["peak_memory"] - line["peak_memory"]) / (last["batch_size"] - line["batch_size"]) for line in smaller[-1:]
    ]
    return max([last["peak_memory"] / last["batch_size"], *slopes])


def _unmeasured(store: Store, found: Measurement, size: int) -> Message:
    return say(
        "a batch of {size} was not measured. By the sizes that were, it takes at most about {memory} of {budget}; an "
        "epoch has {steps} steps.",
        size=size,
        memory=quantity.memory(_memory(probe.measured(found), size)),
        budget=quantity.memory(found.result["memory_budget"]),
        steps=inspection.examples(store) // size,
    )


def _load_so(store: Store, changes: dict[str, Any]) -> None:
    loading.decide(store, changes)
    probe.start(store)


def _in_float32(store: Store) -> None:
    runtime.insist(store, runtime.FLOAT32)
    probe.start(store)


def consequences(store: Store, size: int) -> Message:
    """What it means to give up a size."""
    again = say(
        "Before, it was {size}. Another size is another experiment: tune again, first {hyperparameters}, then "
        "regularization.*.",
        size=size,
        hyperparameters=[part.key for part in optimizer.hyperparameters(store)],
    )
    return another_size.consequences(store, size, again)


def _reason(result: dict[str, Any], lines: list[dict[str, Any]], best: int) -> Message:
    line = _line(lines, best)
    speed = quantity.throughput(line["batch_size"] / line["seconds"])
    if len(lines) == 1 and result["limited_by"] in own_sizes.BOUNDS:
        return own_sizes.alone(result, speed)
    match result["limited_by"]:
        case "memory":
            return say(
                "The largest size within the memory of the device ({budget}); {speed}, and throughput still rises.",
                budget=quantity.memory(result["memory_budget"]),
                speed=speed,
            )
        case "data":
            return say(
                "The largest size that leaves 20 steps in an epoch of these data; {speed}, and throughput still rises.",
                speed=speed,
            )
        case "error":
            return say("The largest size before one that failed with an error; {speed}.", speed=speed)
        case "cap":
            return say("The largest size that is allowed; {speed}, and throughput still rises.", speed=speed)
        case _:
            return own_sizes.saturated(result, speed)


def _evidence(store: Store, found: Measurement, best: int) -> Iterator[Message]:
    result, lines = found.result, probe.measured(found)
    yield say(
        "Measured with real steps (forward, backward, {optimizer}) of the real model on {device}, {precision}.",
        optimizer=found.subject["optimizer.name"],
        device=result["device"],
        precision=result["precision"],
    )
    yield from runtime.evidence(found)
    yield from neighbours.busy(found)
    cap, there = found.subject["memory_cap"], found.subject["device_memory"]
    if cap > there > 0:
        yield say(
            "The memory cap of {cap} limits nothing: the device has {memory} in all.",
            cap=quantity.memory(cap),
            memory=quantity.memory(there),
        )
    yield from _interruption(store, result)
    if (spread := max((line["spread"] for line in lines), default=0.0)) > UNSTEADY:
        yield say("Step times vary by up to {spread:.0%}: the order of near sizes may be chance.", spread=spread)
    if (earlier := another_size.earlier(store)) is not None:
        yield consequences(store, earlier)
    if (effect := loading.effect(store, found, best)) is not None:
        yield effect
    if (waiting := loading.advice(store, _line(lines, best))) is not None:
        yield waiting
    yield from batch_table.bottlenecks(found)
    for line in result["sizes"]:
        message = line.get("message") or line["outcome"]
        if line["outcome"] == "out_of_memory":
            yield say("A batch of {size} does not fit: {message}", size=line["batch_size"], message=message)
        elif line["outcome"] != "measured":
            yield say("A batch of {size} failed: {message}", size=line["batch_size"], message=message)
    yield say(
        "Adding up the gradients of several batches before a step (gradient accumulation) would imitate a larger batch "
        "at the same throughput: nothing is gained."
    )
    yield say(
        "The batch size sets the speed, not the quality: tuned well, any size reaches the same result. So it is "
        "decided here and never searched."
    )
    yield say(
        "Total times assume that twice the batch needs half the steps (perfect scaling). That ends at some size, which "
        "depends on data, model and optimizer; beyond it larger batches only cost more."
    )
    if (compared := steps.compared(store)) is not None:
        yield checks.verdict(compared)
    yield say(
        "A budget of epochs takes the time under examples whatever the size; a budget of steps takes longer the larger "
        "the batch. Device seconds and cost follow from the examples: `tunebook probe --price ... --power ... "
        "--steps ...` counts them for other lengths."
    )
    if architecture.normalisation(store) == "batch":
        entry = architecture.chosen(store)
        yield say(
            "{title} uses batch norm: its statistics come from {size} examples at a time. Well below 32 they are "
            "noisy; with another size the same weights behave a little differently.",
            title=entry.title if entry else configuration.current(store)["model.name"],
            size=best,
        )


def _interruption(store: Store, result: dict[str, Any]) -> Iterator[Message]:
    """What cut the measurement short, or a later one."""
    match result.get("reason"):
        case "oom_killer":
            yield say(
                "The kernel ended the measurement because memory ran out; the sizes measured before it still hold."
            )
        case "killed":
            yield say(
                "The measurement was killed, most likely because memory ran out; the sizes measured before it still "
                "hold."
            )
        case "crashed" | "device":
            yield say(
                "The measurement was cut short; the sizes measured before it still hold. {message}",
                message=told(result.get("message") or "", result.get("said")),
            )
    if said := probe.failure(store):
        yield say("Measuring again came to nothing: {said} The figures are those of before.", said=said)


def _line(lines: list[dict[str, Any]], best: int) -> dict[str, Any]:
    return next((line for line in lines if line["batch_size"] == best), lines[-1])


def _note(line: dict[str, Any], best: int) -> Message:
    if line["batch_size"] == best:
        return say("the largest that pays")
    if line["batch_size"] < best:
        return say("works, with less throughput")
    return say("fits, but throughput does not rise any more")
