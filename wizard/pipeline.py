"""Zeroth decision: is there a training pipeline already, or should the built-in one serve? (G0)"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path

from presets.language import say, stored
from state import decisions, pipeline, project
from state.database import Store
from state.errors import Invalid, Unanswered
from state.project import Project, Settings
from wizard import own

STEP = "pipeline"
BUILT_IN, OWN = "built-in", "own"
# Names of metrics of which more is better, or less; anything else must be said.
MORE = ("acc", "top1", "top5", "f1", "auc", "map", "iou", "bleu", "rouge", "r2", "precision", "recall", "score", "dice")
LESS = ("loss", "error", "err", "rmse", "mse", "mae", "perplexity", "ppl", "wer", "cer", "nll", "bpc")


def create(root: Path, settings: Settings, assignments: Iterable[str] = ()) -> Project:
    """Start a project on a command of the user's own; `assignments` as `own.changed` takes them. Refuses a command that
    cannot run, and values for hyperparameters that it has not; nothing is made then."""
    return project.create(root, planned(root, settings, assignments).settings)


def planned(root: Path, settings: Settings, assignments: Iterable[str] = ()) -> Project:
    """What `create` makes, not made yet. Refuses the same."""
    check_metric(settings.metric)
    place = root.expanduser().resolve()
    named = own.roles(settings, pipeline.own(Project(place, settings)))
    there = pipeline.own(Project(place, named))
    pipeline.check(there)
    found = "" if "/" in there.command[0] else pipeline.program(there) or ""
    listed = Project(place, dataclasses.replace(named, program=found, hyperparameters=own.listed(there)))
    return Project(place, dataclasses.replace(listed.settings, **own.changed(listed, assignments)))


def check_metric(metric: str) -> None:
    """Refuse a metric without a name, and one with a value."""
    if not metric.strip():
        raise Unanswered(
            "Say which value that your script writes is to be tuned, by its name there, such as eval_accuracy. (On the "
            "command line: --metric eval_accuracy)"
        )
    name, equals, value = metric.partition("=")
    with contextlib.suppress(ValueError):
        if equals and math.isfinite(float(value)):
            raise Invalid(
                "{metric}: a metric is a name, as it stands in what your script writes: {name}. What guessing reaches, "
                "or a known result, is said apart (on the command line: --chance {value}).",
                metric=metric,
                name=name.strip(),
                value=value.strip(),
            )


def direction(metric: str) -> str:
    """Whether less or more of a metric is better, by its name. Refuses where the name does not tell."""
    check_metric(metric)
    words = metric.lower().replace("/", "_").replace("-", "_").split("_")
    less = any(word in LESS or word.endswith("loss") for word in words)
    more = any(word.startswith(MORE) for word in words)
    if less == more:
        raise Unanswered(
            "Is more of {metric} better, or less? Say so. (On the command line: --direction max, or --direction min)",
            metric=metric,
        )
    return "min" if less else "max"


def decide(store: Store) -> None:
    """Record which pipeline trains, where that was not recorded yet."""
    if decisions.decision(store, STEP) is not None:
        return
    settings = store.project.settings
    evidence = [say("The command: {command}", command=settings.command)] if settings.command else []
    reason = (
        say("there is a pipeline already: it is run as it is, by its command")
        if settings.command
        else say("there is none yet for these data")
    )
    decisions.decide(
        store,
        STEP,
        question=stored(say("Is there a training pipeline already, or should the built-in one serve?")),
        options=[BUILT_IN, OWN],
        recommended=None,
        chosen=OWN if settings.command else BUILT_IN,
        reason=stored(reason),
        evidence=[stored(message) for message in evidence],
        settings={},
    )
