"""Whether the best configuration so far is better than a baseline that has run since, as far as anybody can tell."""

from __future__ import annotations

from statistics import fmean

from presets.language import Message, say
from state import by_metric, configurations, launches, measure, trials
from state.configurations import Configuration
from state.database import Store
from state.trials import Trial
from wizard import configuration
from wizard.verdict import BaselineVerdict


def untold(store: Store) -> Message | None:
    """That the best configuration so far is another one, which has runs, but none judged by the metric of now."""
    best = launches.best(store)
    if best is None or _runs_by_now(store, best) or not launches.complete_runs(store, best.settings):
        return None
    if configurations.identity_of(best.settings) == configurations.identity_of(configuration.checked(store)):
        return None
    return say(
        "No run of the best configuration so far ({name}) was judged by {metric}, so that nobody can tell whether this "
        "one is better. It stays the best as long as this is not adopted, and rounds go on from it: a launch of one of "
        "their trials runs it again, judged by {metric}.",
        name=best.hash,
        metric=store.project.settings.metric,
    )


def known(store: Store, verdict: BaselineVerdict) -> Message | None:
    """That the best configuration so far is another one with a better result on the same data; None where it is not."""
    best, now = launches.best(store), trials.trial(store, verdict.trial)
    if best is None or best.hash == configurations.name_of(store, configuration.checked(store)) or now.best is None:
        return None
    data, runs_now = (now.result or {}).get("data"), _runs_by_now(store, best)
    runs = [run for run in runs_now if (run.result or {}).get("data") in (None, data)]
    if not runs:
        return None
    reached = fmean(run.best for run in runs if run.best is not None)
    if (now.best - reached) * (-1 if store.project.settings.direction == "max" else 1) <= 0:
        return None
    return say(
        "Worse than the best configuration so far ({name}): {metric} {value} against {best} (mean of {n} runs). That "
        "one stays the best as long as this is not adopted, and rounds go on from it. To compare two architectures or "
        "optimizers, tune both in one round: tunebook round plan --goal compare.",
        name=best.hash,
        metric=store.project.settings.metric,
        value=f"{now.best:.4g}",
        best=f"{reached:.4g}",
        n=len(runs),
    )


def _runs_by_now(store: Store, best: Configuration) -> list[Trial]:
    """The complete runs of a configuration that were judged by the metric of now."""
    return by_metric.only(launches.complete_runs(store, best.settings), measure.of_project(store.project.settings))
