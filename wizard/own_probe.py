"""Batch sizes of the user's own pipeline: their command runs for a while at each size, and what it writes is timed."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from presets.language import Message, say, told
from state import (
    decisions,
    declared,
    files,
    gpus,
    measurements,
    pace,
    pipeline,
    probe_command,
    run_command,
    runs,
    trials,
)
from state.database import Store
from state.decisions import Decision
from state.errors import Invalid, Refusal
from state.measurements import Measurement
from state.pipeline import Pipeline
from state.project import Project
from wizard import another_size, configuration, machine, measuring, neighbours, own, own_metric, own_sizes, quantity
from wizard.question import Choice, Option, Question, Settled

STEP, KIND = "batch_size", "probe"
PROBE = "probe"
# From an eighth of the size that the command has to sixteen times that.
BELOW, ABOVE = 3, 4
# How many times its own steps a command makes that ended too soon to be timed.
LONGER = (16, 256)
# What does not change the time of a step.
NOT_TIMED = (pipeline.BATCH_SIZE, pipeline.STEPS, pipeline.SEED)


def subject(store: Store, used: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All that the throughput of a batch size depends on (G6), with the values of the command, or those of `used`."""
    there = pipeline.own(store.project)
    device = machine.at_hand(each=store.project.settings.gpus)
    # A learning rate changes no time either, and a sweep of the baseline decides it anew.
    apart = {*NOT_TIMED, own.rate(store.project)}
    values = {key: value for key, value in _values(store, used).items() if key not in apart}
    return {
        "command": store.project.settings.command,
        "code": run_command.code_of(there.directory, pipeline.named_files(there)),
        "values": values,
        "device": device.name,
        "device_memory": device.memory,
        "cores": device.cores,
    }


def _values(store: Store, used: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the command has, but for what is another in the configuration `used`. A fraction, such as a decay or a
    dropout, is no other amount of work."""
    values = own.values(store.project)
    others = {key: used[key] for key in values if used and not isinstance(used.get(key, 0.0), float)}
    return {**values, **others}


def start(store: Store, used: Mapping[str, Any] | None = None) -> str:
    """Start a probe, detached, and return its id; one that is under way for the same command goes on. `used`: with the
    values of this configuration."""
    about = subject(store, used)
    running = measuring.under_way(store, KIND, about)
    if running is not None:
        return running
    measuring.end_former(store, KIND)
    there = pipeline.own(store.project)
    pipeline.check(there)
    each = store.project.settings.gpus
    if lacking := gpus.short(each):
        raise lacking
    values = {**configuration.checked(store), **(used or {})}
    if pipeline.BATCH_SIZE not in values:
        raise Refusal(
            "None of the hyperparameters ({names}) is known to be the batch size, so there is none to measure. If one "
            'is, name it in tunebook.toml, under [pipeline]: batch_size = "NAME". Otherwise put {field} into the '
            "command there, and a value: tunebook new {folder} --set batch_size=64.",
            folder=shlex.quote(str(store.project.root)),
            names=[there.theirs(key) for key in there.hyperparameters()] or ["-"],
            field="{batch_size}",
        )
    sizes = _sizes(int(values[pipeline.BATCH_SIZE]))
    id = measurements.next_id(store, KIND)
    folder = files.make_folder(store.project.measurement_folder(id))
    planned = []
    for size in sizes:
        place, sized = folder / f"size-{size}", {**values, pipeline.BATCH_SIZE: size}
        # Each writes into a folder of its own: what a run before it has written would be taken for its own.
        once, twice = (_planned(there, sized, place / name) for name in ("again", "once-more"))
        planned.append({**_planned(there, sized, place), "again": {**once, "again": twice}})
    before = _fresh(store, about)
    timed = before is not None and before.result["limited_by"] != probe_command.UNTIMED
    asked = {
        "size": int(values[pipeline.BATCH_SIZE]),
        "sizes": sizes,
        "runs": planned,
        "directory": str(there.directory),
        "metric": store.project.settings.metric,
        "device": about["device"],
        "patience": 60 * (store.project.settings.patience_minutes or 0.0),
        "earlier": before.result["recommended"] if before is not None and timed else None,
    }
    files.write_atomically(folder / probe_command.ASKED, json.dumps(asked, ensure_ascii=False, indent=1))
    files.write_atomically(folder / measuring.SUBJECT, json.dumps(about, ensure_ascii=False))
    for earlier in folder.parent.glob(f"{KIND}-*"):
        if runs.result(earlier) is None and not runs.alive(earlier):
            # What a probe that was killed has started would be timed along.
            runs.end_orphans(earlier)
    # As its trials will, it sees so many GPUs: a script that finds more may well train on all of them.
    runs.start([sys.executable, "-P", "-m", "state.probe_command", str(folder)], folder, gpus.emptiest(each))
    return id


def _planned(there: Pipeline, values: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """A run of the command, which writes below a folder, and longer ones where it has a number of steps."""
    steps = values.get(pipeline.STEPS)
    longer = [
        _filled(there, {**values, pipeline.STEPS: steps * times}, place / f"{times}-times")
        for times in LONGER
        if isinstance(steps, int)
    ]
    return {**_filled(there, values, place), "longer": longer}


def _filled(there: Pipeline, values: Mapping[str, Any], place: Path) -> dict[str, Any]:
    output = files.make_folder(place / run_command.OUTPUT)
    filled = pipeline.fill(there, values, output, place / "input")
    return {"command": filled, "output": str(output), "steps": trials.steps_planned(values)}


def doing(project: Project, id: str) -> Message:
    """What a probe is at, in a sentence."""
    folder = project.measurement_folder(id)
    asked = files.read_json(folder / probe_command.ASKED) or {}
    sizes = asked.get("sizes", [])
    measured, _offset = files.read_lines(folder / probe_command.SIZES)
    if measured and measured[-1]["outcome"] == "untimed":
        # What cannot be timed ends the ascent, but for the command's own size.
        return say("The command is run for a while with a batch of {size}.", size=asked["size"])
    # What is known of a size may be corrected by a later line.
    done = len({line["batch_size"] for line in measured})
    if done < len(sizes):
        return say("The command is run for a while with a batch of {size}.", size=sizes[done])
    return say("The command is run for a while at each size.")


def fresh(store: Store, used: Mapping[str, Any] | None = None) -> Measurement | None:
    """The latest probe; None where the command, its code, its values or the device are others now (G6)."""
    return _fresh(store, subject(store, used))


def _fresh(store: Store, about: Mapping[str, Any]) -> Measurement | None:
    found = measuring.fresh(store, KIND, about)
    measured = [] if found is None else [line for line in found.result["sizes"] if line["outcome"] == "measured"]
    # An earlier version took a pace for measured that was not finite.
    return found if all(pace.comparable([line]) for line in measured) else None


def needed(store: Store) -> bool:
    """Whether a probe was asked for that has neither ended nor failed."""
    decision = decisions.decision(store, STEP)
    return decision is not None and decision.chosen == PROBE and fresh(store) is None and _failure(store) is None


def ask(store: Store) -> Question:
    """Before a probe: keep the size that the command has, or measure; after it, the measured sizes."""
    found = fresh(store)
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
    best, size = int(found.result["recommended"]), int(_values(store, used)[pipeline.BATCH_SIZE])
    own_too = any(line["batch_size"] == size < best for line in found.result["sizes"] if line["outcome"] == "measured")
    return (size, _fewer_steps(size, best)) if own_too and _counts_epochs(store) else (best, None)


def settle(store: Store, question: Question, chosen: Choice) -> Settled:
    """The batch size; measuring starts at once, and the question comes again with its figures."""
    if chosen == PROBE:
        return Settled({}, say("to be measured first"), lambda: start(store))
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
    found = fresh(store)
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
    failure = _failure(store)
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
    failure = _failure(store)
    return () if failure is None else (say("The probe came to no result: {reason}", reason=failure),)


def _failure(store: Store) -> Message | None:
    """What a probe of this command said that came to no result; None where there is none, or it is at work."""
    id = measuring.last(store, KIND, subject(store))
    if id is None or measuring.under_way(store, KIND, subject(store)) is not None:
        return None
    result = runs.result(store.project.measurement_folder(id)) or {}
    words = str(result.get("message") or "")
    return told(words, result.get("said")) if words else say("it was stopped")


def _sizes(size: int) -> list[int]:
    """Doubling sizes around the one that the command has, and that one."""
    lowest = max(0, (size - 1).bit_length() - BELOW)
    return sorted({size, *(2**power for power in range(lowest, (size - 1).bit_length() + ABOVE + 1))})


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
