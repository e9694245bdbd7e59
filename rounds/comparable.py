"""Which trials can be set beside those of a study: the same but for what it varies, by data and metric of now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from rounds import alike, pairs, queue
from rounds.plan import RoundPlan
from state import by_metric, configurations, measure, trials
from state.database import Store
from state.trials import Batch, Trial


def trials_of(store: Store, plan: RoundPlan, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Trial, dict[str, Any]]]:
    """The trials of these batches that are the same but for what the plan's study varies, with their settings; none on
    other data than what ran last, and none that was judged by another metric than the project's."""
    (study,) = plan.studies
    varied = {dimension.key for dimension in study.dimensions}
    wanted = rest({**plan.base, **study.overrides}, varied)
    data = alike.latest(trials.trials(store), "data")
    now = measure.of_project(store.project.settings)
    for batch in batches:
        began = trials.batch_settings(store, batch.name)
        for entry in by_metric.only(alike.made_with(trials.trials(store, batch.name), "data", data), now):
            settings = trials.overridden(began, entry)
            beside = varied | pairs.idle(settings).keys()
            if rest(settings, beside) == rest(wanted, beside):
                yield batch, entry, settings


def rest(settings: Mapping[str, Any], varied: Collection[str]) -> dict[str, Any]:
    """What two trials must share to be compared: all but what is varied, and what differs by chance."""
    return {key: value for key, value in configurations.tried(settings).items() if key not in varied}


def to_come(batch: Batch, entry: Trial) -> bool:
    """Whether a trial runs, or will: what was stopped, as a round or alone, may never."""
    return entry.status == "running" or (queue.waits(entry) and batch.wanted != "stop")
