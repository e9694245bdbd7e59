"""What a probe of batch sizes comes to, in words: for the command and for the page of what is in use."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from presets.language import Message, _, say
from state import pipeline
from state.database import Store
from state.measurements import Measurement
from state.probe_command import UNTIMED, UNTIMED_ABOVE
from state.project import Project
from wizard import configuration, own_batch_size, own_metric, probe, speed

# What kept a probe from recommending a larger size.
LIMITS = {
    "throughput": say("throughput, which hardly rises beyond it"),
    "memory": say("memory"),
    "data": say("the data: an epoch would have fewer than 20 steps"),
    "cap": say("the largest size that is tried"),
    "error": say("an error at the next one"),
    UNTIMED_ABOVE: say("the next one, which could not be timed"),
}


def differs(differing: Mapping[str, Any]) -> str:
    """That what is in use is measured, by what it has otherwise than the set-up."""
    words = _("With the best configuration, which has {settings} where the set-up has others:")
    return words.format(settings=_(", ").join(f"{key} = {value}" for key, value in differing.items()))


def advised(store: Store, measured: Measurement, used: Mapping[str, Any] | None) -> tuple[int, Message | None]:
    """The size to take, and why that is not the fastest, where it is not."""
    if store.project.settings.command:
        return own_batch_size.advised(store, measured, used)
    return int(measured.result["recommended"]), None


def verdict(store: Store, measured: Measurement, used: Mapping[str, Any] | None) -> Iterator[str]:
    """What is recommended and why, and what another size than that in force would mean; `used`: the configuration that
    was measured, where it is not what the set-up chose."""
    result = measured.result
    size, fewer = advised(store, measured, used)
    if fewer is not None:
        words = _("recommended: batch {size}, as the command has it; the fastest is {fastest}")
        yield words.format(size=size, fastest=result["recommended"])
        yield fewer.text()
    elif result["limited_by"] == UNTIMED:
        kept = _("kept: batch {size}, as the command has it; which is the fastest, cannot be told")
        yield kept.format(size=size)
    else:
        words = _("recommended: batch {size}, limited by {limit}")
        yield words.format(size=size, limit=LIMITS[result["limited_by"]].text())
    for message in own_metric.unwritten(store.project, measured):
        yield message.text()
    in_force = (used or configuration.current(store)).get(pipeline.BATCH_SIZE)
    if in_force in (None, size):
        return
    if used is not None:
        words = _(
            "in force: batch {size}. Another size is another experiment. It begins with {command}: that has the set-up "
            "choose what is in use, too, and the learning rate is the first to be tuned again."
        )
        command = _beginning(store.project, measured, probe.differing(store, used), size)
        yield words.format(size=in_force, command=command)
    else:
        words = _("in force: batch {size}. Take the recommended one: tunebook new {folder} --batch-size {other}")
        yield words.format(size=in_force, folder=shlex.quote(str(store.project.root)), other=size)


def _beginning(project: Project, measured: Measurement, differing: Mapping[str, Any], size: int) -> str:
    """The command by which the set-up chooses what is in use, with another batch size."""
    subject = measured.subject
    if project.settings.command:
        there = pipeline.own(project)
        chosen = [f"--set={there.theirs(key)}={value}" for key, value in differing.items()]
    else:
        entry = speed.entry_of(subject)
        architecture = entry.id if entry is not None else str(subject["model.name"])
        chosen = [f"--architecture={architecture}", f"--optimizer={subject['optimizer.name']}"]
    return shlex.join(["tunebook", "new", str(project.root), *chosen, f"--batch-size={size}"])
