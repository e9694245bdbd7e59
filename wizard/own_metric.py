"""Which of the values that the user's own script writes is the metric: what there is where none has its name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from presets.language import Message, say
from state import metrics
from state.database import Store
from state.errors import Refusal
from state.measurements import Measurement
from state.project import Project, Settings, change
from state.trials import Batch, Trial
from wizard import pipeline
from wizard.question import Option

# What stands before a name among the answers, where it is to become the metric.
AS_METRIC = "metric="


def other_metrics(settings: Settings, first: Trial) -> tuple[Option, ...]:
    """What the script wrote instead of the metric that was named, as answers that take it for the metric; the most
    alike first. None where the run failed otherwise, or wrote nothing."""
    if first.reason != "no metric":
        return ()
    names = [name for name in (first.result or {}).get("names", ()) if isinstance(name, str)]
    return tuple(
        Option(f"{AS_METRIC}{name}", name, _as_metric(name, _direction(settings, name)))
        for name in most_alike(settings.metric, names)
    )


def most_alike(metric: str, names: Iterable[str]) -> list[str]:
    """The names, those first that have a word of the metric, or its beginning; of training last."""

    return sorted(names, key=lambda name: (not _alike(metric, name), "train" in name.lower()))


def _alike(metric: str, name: str) -> bool:
    pairs = [(one, other) for one in _words(metric) for other in _words(name)]
    return any(one.startswith(other) or other.startswith(one) for one, other in pairs)


def _words(name: str) -> list[str]:
    # Two letters are the beginning of too much.
    return [word for word in re.split(r"[\W_]+", name.lower()) if len(word) > 2]


def take_metric(project: Project, name: str) -> Project:
    """The project tuned by another value that its script writes. The level to beat was one of something else where
    less of it is better and of the former was more, or the other way round, and where its name has nothing of that."""
    direction = _direction(project.settings, name)
    return change(project, metric=name, direction=direction, chance=level(project.settings, name, direction))


def level(former: Settings, name: str, direction: str) -> float | None:
    """The level to beat that stays where the metric becomes another; None where it was one of something else."""
    alike = name == former.metric or _alike(former.metric, name)
    return former.chance if direction == former.direction and alike else None


def _direction(settings: Settings, name: str) -> str:
    try:
        return pipeline.direction(name)
    except Refusal:
        # Its name does not tell; it was meant for the same.
        return settings.direction


def _as_metric(name: str, direction: str) -> Message:
    if direction == "max":
        return say("tune by {name}, of which more is better, and run it once more", name=name)
    return say("tune by {name}, of which less is better, and run it once more", name=name)


def unwritten(project: Project, found: Measurement) -> Iterator[Message]:
    """That the script wrote no value of the metric, though others; it may do so at the end of an epoch alone."""
    metric = project.settings.metric
    seen = [wrote for line in found.result["sizes"] if (wrote := line.get("wrote"))]
    names = most_alike(metric, dict.fromkeys(name for wrote in seen for name in wrote["names"]))
    if not names or not {metric, f"val/{metric}"}.isdisjoint(names):
        return
    told = {
        "metric": metric,
        "names": names,
        "folder": shlex.quote(str(project.root)),
        "name": shlex.quote(names[0]),
    }
    if any(wrote["ended"] for wrote in seen):
        yield say(
            "It ran to its end and wrote no {metric}; there is: {names}. Is one of these names the metric, the project "
            "can take it: tunebook new {folder} --metric {name}",
            **told,
        )
        return
    yield say(
        "As far as it was run, it wrote no {metric}; there is: {names}. That is well where {metric} comes later, at "
        "the end of an epoch say. Is one of these names the metric, the project can take it: tunebook new {folder} "
        "--metric {name}",
        **told,
    )


def none_so_far(store: Store, batch: Batch) -> Message | None:
    """That trials at work have written values, but none of the metric; None where they have, or have written none."""
    metric = store.project.settings.metric
    names = metrics.names(store, batch.name) - {"epoch", "learning_rate", "examples_per_second"}
    if not store.project.settings.command or not names or f"val/{metric}" in names:
        return None
    return say(
        "It has written no {metric} so far; there is: {names}.", metric=metric, names=most_alike(metric, sorted(names))
    )
