"""Batch sizes of the user's own pipeline: their command runs for a while at each size, and what it writes is timed."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from presets.language import Message, say, told
from state import files, gpus, measurements, pace, pipeline, probe_command, run_command, runs, trials
from state.database import Store
from state.errors import Refusal
from state.measurements import Measurement
from state.pipeline import Pipeline
from state.project import Project
from wizard import configuration, machine, measuring, own, own_examples

KIND = "probe"
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
    made_with = {key: value for key, value in values(store, used).items() if key not in apart}
    return {
        "command": store.project.settings.command,
        "code": run_command.code_of(there.directory, pipeline.named_files(there)),
        "values": made_with,
        "device": device.name,
        "device_memory": device.memory,
        "cores": device.cores,
    }


def values(store: Store, used: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the command has, but for what is another in the configuration `used`. A fraction, such as a decay or a
    dropout, is no other amount of work."""
    there = own.values(store.project)
    others = {key: used[key] for key in there if used and not isinstance(used.get(key, 0.0), float)}
    return {**there, **others}


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
    each_step, by_steps = own_examples.accumulated(there, values)
    at_once = own_examples.processes(there, each)
    before = _fresh(store, about)
    timed = before is not None and before.result["limited_by"] != probe_command.UNTIMED
    asked = {
        "size": int(values[pipeline.BATCH_SIZE]),
        "sizes": sizes,
        "runs": planned,
        # How many of its batches a step takes, and what moves its progress bar by one.
        "step_batches": at_once * each_step,
        "bar_batches": at_once * (each_step if by_steps else 1),
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
    first = len(measured) == 1 and measured[0]["outcome"] not in ("measured", "untimed")
    if first or (measured and measured[-1]["outcome"] == "untimed"):
        # What cannot be timed ends the ascent, but for the command's own size; after a first that fails, that comes.
        return say("The command is run for a while with a batch of {size}.", size=asked["size"])
    # What is known of a size may be corrected by a later line.
    done = {line["batch_size"] for line in measured}
    if left := [size for size in sizes if size not in done]:
        return say("The command is run for a while with a batch of {size}.", size=left[0])
    return say("The command is run for a while at each size.")


def fresh(store: Store, used: Mapping[str, Any] | None = None) -> Measurement | None:
    """The latest probe; None where the command, its code, its values or the device are others now (G6)."""
    return _fresh(store, subject(store, used))


def _fresh(store: Store, about: Mapping[str, Any]) -> Measurement | None:
    found = measuring.fresh(store, KIND, about)
    measured = [] if found is None else [line for line in found.result["sizes"] if line["outcome"] == "measured"]
    # An earlier version took a pace for measured that was not finite.
    return found if all(pace.comparable([line]) for line in measured) else None


def failure(store: Store) -> Message | None:
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
