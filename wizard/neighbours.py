"""What others did to the machine while batch sizes were measured on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from presets.language import Message, say
from state.measurements import Measurement

# Others keep so much of the cores busy that times say little about a quiet machine, as in `training.machine`.
BUSY = 0.25


def busy(found: Measurement) -> Iterator[Message]:
    """That others kept the processor busy meanwhile, as far as the probe could tell: it measures that, or, beside a
    script of the user's own, whose work it cannot tell from theirs, knows the load before it began."""
    load, cores = _load(found)
    others = found.result.get("busy_cores")
    if isinstance(others, int | float):
        words = say(
            "While it was measured, others kept {others:.1f} of {cores} cores busy (load {load:.1f} at the start).",
            others=others,
            cores=cores,
            load=load or 0.0,
        )
        if doubtful(found):
            words = say(
                "{words} The figures are too pessimistic, and which of the fastest sizes comes first may be chance. "
                "Measure again when the machine is quiet.",
                words=words,
            )
        yield words
    elif doubtful(found):
        yield say(
            "The machine was busy with other work (load {load:.1f} on {cores} cores): the figures are too pessimistic. "
            "Measure again when it is quiet.",
            load=load,
            cores=cores,
        )


def doubtful(found: Measurement) -> bool:
    """Whether they kept it so busy that the figures say little."""
    load, cores = _load(found)
    others = found.result.get("busy_cores")
    if isinstance(others, int | float):
        return others > BUSY * cores
    return isinstance(load, int | float) and load > cores + 1


def beside(found: Measurement, reason: Message) -> Message:
    """What is recommended, and why; with a word on busy neighbours, since what else is said of them is further down."""
    if not doubtful(found):
        return reason
    return say("{reason} The machine was busy with other work meanwhile: that may be chance.", reason=reason)


def _load(found: Measurement) -> tuple[Any, int]:
    """The load before it began, if it is known, and the cores that there were."""
    # A group may have a quota of less than the cores that it shares with others.
    cores = found.result.get("reachable_cores") or found.subject["cores"] or os.cpu_count() or 1
    return found.result.get("load_average"), cores
