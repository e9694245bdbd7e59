"""Whether the best configuration, or a trial, was judged by another metric than the project is by now (G0)."""

from __future__ import annotations

from presets.language import Message, say
from state import by_metric, launches, measure
from state.database import Store
from state.measure import Measure
from state.trials import Trial


def since_best(store: Store) -> Message | None:
    """That no run of the best configuration, as baseline and in launches, was judged by the metric of now; None where
    one was, and where it has none."""
    best, now = launches.best(store), measure.of_project(store.project.settings)
    if best is None or not any(by != now for by in by_metric.of_batches(store).values()):
        return None
    judged = [run.measure for run in launches.repeated(store, best.settings) if run.measure is not None]
    if not judged or now in judged:
        return None
    return say(
        "The runs of the best configuration were judged by {former}, the project is by {metric} since: nothing can be "
        "compared with it before it has run again, which the next launch does. Rounds of before are compared with none "
        "of now.",
        former=named(judged[0], now),
        metric=named(now, judged[0]),
    )


def since(store: Store, entry: Trial) -> Message | None:
    """What to know before a trial is launched that was judged by another metric; None where it was not."""
    by, now = entry.measure, measure.of_project(store.project.settings)
    if by in (None, now):
        return None
    return say(
        "{trial} was judged by {former}: what made it a candidate says nothing about {metric}, by which the fresh runs "
        "are judged.",
        trial=entry.id,
        former=named(by, now),
        metric=named(now, by),
    )


def named(by: Measure, other: Measure) -> Message | str:
    """A metric beside another, with its direction where that alone differs."""
    if by.metric != other.metric:
        return by.metric
    if by.direction == "max":
        return say("{metric} (higher is better)", metric=by.metric)
    return say("{metric} (lower is better)", metric=by.metric)
