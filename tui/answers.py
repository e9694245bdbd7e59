"""Answers of the set-up that are given as options: what can be no answer is refused before anything runs for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from presets import catalogue
from presets.language import Message, say
from state.errors import Invalid, Refusal
from training.config import METRICS
from wizard import data, initial, loading, metric, own_batch_size, runtime, steps

# The step to its option.
OPTIONS = {"data": "--held-out", "batch_size": "--batch-size", "initial": "--learning-rate", "steps": "--steps"}
# Of a command of the user's own.
OWN_OPTIONS = {**OPTIONS, "metric": "--measured-on", "initial": "--set"}
# What is another name for one minus a metric that there is.
COMPLEMENTS = {"accuracy": "error_rate", "acc": "error_rate", "balanced_accuracy": "balanced_error"}


def option(step: str, *, own: bool) -> str:
    """The option of `tunebook new` that answers the question of a step."""
    return (OWN_OPTIONS if own else OPTIONS).get(step, f"--{step}")


def check(given: Mapping[str, str]) -> None:
    """Refuse an answer to a question for a number that is none, or none that is possible; the words that such a
    question offers pass. The last word has the question, which knows the data and the model."""
    for step, (fits, wanted, words) in _NUMBERS.items():
        if step in given and given[step] not in words and not _fits(given[step], fits):
            raise _unfit(OPTIONS[step], given[step], wanted)


def check_built_in(given: Mapping[str, str]) -> None:
    """The same of the built-in training alone: its metrics and optimizers have names."""
    check(given)
    name = given.get("metric", "").partition(metric.STAND_IN)[0]
    if name in COMPLEMENTS:
        raise Invalid(
            "--metric {name}: the built-in training has {other}, which is 1 - {name}; it selects the same trials.",
            name=name,
            other=COMPLEMENTS[name],
        )
    if name and name not in METRICS:
        raise _unfit("--metric", name, [*METRICS])
    optimizers = [entry.name for entry in catalogue.optimizers()]
    if (name := given.get("optimizer", "")) and name not in optimizers:
        raise _unfit("--optimizer", name, optimizers)


def _unfit(option: str, value: str, wanted: Message | list[str]) -> Refusal:
    return Invalid("{name}: {value!r} does not fit; wanted: {wanted}", name=option, value=value, wanted=wanted)


def _fits(words: str, fits: Callable[[str], bool]) -> bool:
    try:
        return fits(words)
    except ValueError:
        return False


def _whole(words: str) -> bool:
    return int(words) >= 1


_NUMBERS: dict[str, tuple[Callable[[str], bool], Message, tuple[str, ...]]] = {
    "data": (
        lambda words: 0 < float(words) <= data.LARGEST_FRACTION,
        say("a number above 0, at most {largest:g}", largest=data.LARGEST_FRACTION),
        (data.USE,),
    ),
    "batch_size": (
        _whole,
        say("a whole number from 1 on"),
        (own_batch_size.PROBE, loading.DECODE_ONCE, loading.WORKERS, runtime.FLOAT32),
    ),
    "initial": (
        lambda words: 0 < float(words) < math.inf,
        say("a number above 0, such as 0.1 or 1e-3"),
        (initial.USE, initial.GHOST),
    ),
    "steps": (_whole, say("a whole number from 1 on"), (steps.MEASURE, steps.COMPARE)),
}
