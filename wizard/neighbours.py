"""What others did to the machine while batch sizes were measured on it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from presets.language import Message, say
from state.measurements import Measurement

# Others keep so much of the cores busy that times say little about a quiet machine, as in `training.machine`.
BUSY = 0.25


def busy(found: Measurement) -> Iterator[Message]:
    """That others kept the processor busy meanwhile, as far as the probe could tell: it measures that, or, beside a
    script of the user's own, whose work it cannot tell from theirs, knows the load before it began."""
    load, cores = found.result.get("load_average"), found.subject["cores"] or os.cpu_count() or 1
    # A group may have a quota of less than the cores that it shares with others.
    cores = found.result.get("reachable_cores") or cores
    others = found.result.get("busy_cores")
    if isinstance(others, int | float):
        words = say(
            "While it was measured, others kept {others:.1f} of {cores} cores busy (load {load:.1f} at the start).",
            others=others,
            cores=cores,
            load=load or 0.0,
        )
        if others > BUSY * cores:
            words = say(
                "{words} The figures are too pessimistic, and which of the fastest sizes comes first may be chance. "
                "Measure again when the machine is quiet.",
                words=words,
            )
        yield words
    elif isinstance(load, int | float) and load > cores + 1:
        yield say(
            "The machine was busy with other work (load {load:.1f} on {cores} cores): the figures are too pessimistic. "
            "Measure again when it is quiet.",
            load=load,
            cores=cores,
        )
