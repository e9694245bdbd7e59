"""The question how many examples a step of the user's own command takes, before and after its probe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets.language import Message, say
from state import decisions, declared, pipeline, probe_command
from state.database import Store
from state.decisions import Decision
from state.errors import Invalid
from state.measurements import Measurement
from wizard import another_size, measuring, neighbours, own, own_metric, own_probe, own_sizes, quantity
from wizard.question import Choice, Option, Question, Settled

STEP = "batch_size"
PROBE = "probe"


def needed(store: Store) -> bool:
    """Whether a probe was asked for that has neither ended nor failed."""
    decision = decisions.decision(store, STEP)
    return (
        decision is not None
        and decision.chosen == PROBE
        and own_probe.fresh(store) is None
        and own_probe.failure(store) is None
    )


def ask(store: Store) -> Question:
    """Before a probe: keep the size that the command has, or measure; after it, the measured sizes."""
    found = own_probe.fresh(store)
    size = int(own.values(store.project)[pipeline.BATCH_SIZE])
    if found is None:
        return _ask_unmeasured(store, size)
    lines = [line for line in found.result["sizes"] if line["outcome"] == "measured"]
    if found.result["limited_by"] == probe_command.UNTIMED:
        return _ask_untimed(store, found, lines, size)
    best = int(found.result["recommended"])
    reason = neighbours.beside(found, own_sizes.reason(found.result, own_sizes.speed(lines, best)))
    kept, fewer = advised(store, found)
    return Question(
        step=STEP,
        rows=("G3", "G4", "G5", "G9"),
        text=_text(size),
        evidence=(
            *own_sizes.evidence(found),
            *_failed(store),
            *_told(store),
            *own_metric.unwritten(store.project, found),
            *([] if fewer is None else [fewer]),
        ),
        warnings=tuple(own_metric.unwritten(store.project, found)),
        options=tuple(
            Option(line["batch_size"], str(line["batch_size"]), own_sizes.note(line["batch_size"], best))
            for line in lines
        ),
        recommended=kept,
        reason=reason if fewer is None else say("As the command has it: it learns in as many steps as it does now."),
        table=own_sizes.table(lines),
        free="integer",
    )


def advised(store: Store, found: Measurement, used: Mapping[str, Any] | None = None) -> tuple[int, Message | None]:
    """The size to take, and, where it is the command's own (or that of `used`) although a larger one is faster, why:
    without a number of steps in the command nobody can keep it the same, and a script that counts epochs makes
    fewer."""
    best, size = int(found.result["recommended"]), int(own_probe.values(store, used)[pipeline.BATCH_SIZE])
    own_too = any(line["batch_size"] == size < best for line in found.result["sizes"] if line["outcome"] == "measured")
    return (size, _fewer_steps(size, best)) if own_too and _counts_epochs(store) else (best, None)


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """The batch size; measuring starts at once, and the question comes again with its figures."""
    if chosen == PROBE:
        return Settled({}, say("to be measured first"), lambda: own_probe.start(store))
    size = int(chosen)
    if size < 1:
        raise Invalid("{size}: a step takes at least 1 example.", size=size)
    reason = question.reason
    if chosen != question.recommended:
        reason = say("chosen by hand, as the command has it or as it was typed")
        if (steps := _other_steps(store, size)) is not None:
            reason = say("{first} {second}", first=say("Chosen by hand."), second=steps)
    if (earlier := another_size.earlier(store)) is not None and earlier != size:
        reason = say("{reason} {consequences}", reason=reason, consequences=consequences(store, earlier))
    return Settled({pipeline.BATCH_SIZE: size}, reason)


def consequences(store: Store, size: int) -> Message:
    """What it means to give up a size."""
    again = say(
        "Before, it was {size}. Another size is another experiment: tune again what was tuned, first the learning "
        "rate.",
        size=size,
    )
    return another_size.consequences(store, size, again)


def _told(store: Store) -> tuple[Message, ...]:
    """The same, where a size was decided before."""
    earlier = another_size.earlier(store)
    return () if earlier is None else (consequences(store, earlier),)


def valid(store: Store, decision: Decision) -> bool:
    """Whether the decision still stands: a size was chosen, for what the command is now, and nobody has given the
    command yet another one since."""
    values = decision.question.get("values", {})
    size = own.values(store.project).get(pipeline.BATCH_SIZE)
    # An earlier version did not keep which size the command had.
    if decision.chosen == PROBE or size not in (values.get("size", size), decision.chosen):
        return False
    asked = values.get("command")
    # Decided on figures, these must still be true; decided without any, the command must be the same.
    if asked is not None:
        return asked == store.project.settings.command
    found = own_probe.fresh(store)
    if found is None or found.at > decision.at:
        return False
    return measuring.known_at(store, found, decision.at) or decision.recommended == _advised(store, found)


def _advised(store: Store, found: Measurement) -> int:
    """What `ask` recommends by a probe."""
    if found.result["limited_by"] == probe_command.UNTIMED:
        return int(own.values(store.project)[pipeline.BATCH_SIZE])
    return advised(store, found)[0]


def _text(size: int) -> Message:
    """The question about measured sizes, with the one that the command has."""
    return say(
        "How many examples should a training step take? As it stands, the command has {size}. (Another number can be "
        "typed.)",
        size=size,
    )


def _ask_unmeasured(store: Store, size: int) -> Question:
    failure = own_probe.failure(store)
    measure = say(
        "run the command for a while at each size and read how fast it is; each takes seconds to a few minutes"
    )
    return Question(
        step=STEP,
        rows=("G3", "G9"),
        text=say(
            "How many examples should a training step take, with {command}? As it stands it has {size}.",
            command=store.project.settings.command,
            size=size,
        ),
        evidence=(
            *_failed(store),
            *_told(store),
            say(
                "The batch size sets the speed, not the quality: tuned well, any size reaches the same result. So it "
                "is decided here and never searched."
            ),
        ),
        options=(
            Option(PROBE, PROBE, measure),
            Option(size, str(size), say("as the command has it; how fast that is, is not known")),
        ),
        recommended=size if failure else PROBE,
        reason=say("Measured, it is known which size makes the best use of this machine.")
        if not failure
        else say("What the command has is known to be used; another number can be typed."),
        free="integer",
    )


def _ask_untimed(store: Store, found: Measurement, lines: list[dict[str, Any]], size: int) -> Question:
    """After a probe that could not tell how fast every size is: a guess is no reason for another one."""
    return Question(
        step=STEP,
        rows=("G3", "G9"),
        text=_text(size),
        evidence=(
            *own_sizes.evidence(found),
            *_failed(store),
            *_told(store),
            *own_metric.unwritten(store.project, found),
        ),
        warnings=(*own_sizes.untimed(found), *own_metric.unwritten(store.project, found)),
        options=(Option(size, str(size), _as_it_has_it(lines, size)),),
        recommended=size,
        reason=say("As the command has it: which size is the fastest cannot be told."),
        table=own_sizes.with_size(own_sizes.table(lines), size) if lines else None,
        free="integer",
    )


def _as_it_has_it(lines: list[dict[str, Any]], size: int) -> Message:
    """That the command has the size, and how fast it is where that was measured."""
    if all(line["batch_size"] != size for line in lines):
        return say("as the command has it; how fast that is, is not known")
    return say("as the command has it: {speed}", speed=own_sizes.speed(lines, size))


def _failed(store: Store) -> tuple[Message, ...]:
    """That the newest probe came to no result, in a sentence; what one before it measured holds."""
    failure = own_probe.failure(store)
    return () if failure is None else (say("The probe came to no result: {reason}", reason=failure),)


def _counts_epochs(store: Store) -> bool:
    """Whether nothing in the command says how many steps it trains, so that its epochs, most likely, do."""
    return pipeline.STEPS not in pipeline.own(store.project).names


def _other_steps(store: Store, chosen: int) -> Message | None:
    """What a size changes of the number of steps of a command that counts epochs, beside the size that the command has,
    or where it has this one, its script; None where nothing, or where steps are counted."""
    there = pipeline.own(store.project)
    script = declared.of_name(there, there.theirs(pipeline.BATCH_SIZE))
    known = (own.values(store.project).get(pipeline.BATCH_SIZE), script.default if script else None)
    size = next((one for one in known if isinstance(one, int) and one > 0 and one != chosen), None)
    if size is None or not _counts_epochs(store):
        return None
    if chosen > size:
        return _fewer_steps(size, chosen)
    return say(
        "Your command takes no number of steps. Where it counts epochs, a batch of {chosen} makes {times} times as "
        "many steps as one of {size} in the same epochs: that is another, longer training.",
        chosen=chosen,
        size=size,
        times=quantity.digits(size / chosen),
    )


def _fewer_steps(size: int, best: int) -> Message:
    return say(
        "Your command takes no number of steps. Where it counts epochs, a batch of {best} makes {times} times fewer "
        "steps than one of {size} in the same epochs, and learns less: take it together with as many more epochs.",
        best=best,
        size=size,
        times=quantity.digits(best / size),
    )
