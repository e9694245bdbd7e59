"""How many batches of its batch size a step of the user's own command takes: on how many processes, how often."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from state import declared, pipeline
from state.metrics import number
from state.pipeline import Pipeline
from state.usual_names import ACCUMULATIONS, leaf

# How launchers are told of the processes on this machine: torchrun, accelerate, deepspeed, mpirun.
_PROCESSES = re.compile(r"--?(nproc[-_]per[-_]node|num[-_]processes|num[-_]gpus|np)")
# A bar of a script that calls it so (Transformers, accelerate) counts steps; others count batches.
_IN_STEPS = "gradient_accumulation_steps"
# Of these, the script itself makes the batches of its processes and of its steps.
_OF_ALL = ("global_batch_size",)


def processes(there: Pipeline, gpus: int) -> int:
    """How many processes the command trains with, as its launcher is told; `gpus`: those that it gets, where that goes
    by them. 1 where nothing says so."""
    if leaf(there.theirs(pipeline.BATCH_SIZE)) in _OF_ALL:
        return 1
    words = there.command[: declared.begin(there)]
    for word, following in zip(words, (*words[1:], ""), strict=True):
        flag, equals, value = word.partition("=")
        if _PROCESSES.fullmatch(flag):
            said = value if equals else following
            return max(int(said), 1) if said.isdecimal() else max(gpus, 1)
    return 1


def accumulated(there: Pipeline, values: Mapping[str, Any]) -> tuple[int, bool]:
    """How many batches each process takes for a step, as a value of the command, the command or its script says, and
    whether its progress bar moves by steps all the same."""
    fixed = pipeline.fixed(there, ACCUMULATIONS)
    said = [
        *((leaf(key), value) for key, value in values.items() if leaf(key) in ACCUMULATIONS),
        *([(leaf(fixed[2].rpartition("{")[2].rstrip("}")), fixed[1])] if fixed else []),
        *((leaf(one.name), one.default) for one in declared.arguments(there) if leaf(one.name) in ACCUMULATIONS),
    ]
    name, value = said[0] if said else ("", 1)
    times = number(value)
    if times is None or not 1 <= times <= pipeline.MOST or leaf(there.theirs(pipeline.BATCH_SIZE)) in _OF_ALL:
        return 1, False
    return int(times), name == _IN_STEPS
