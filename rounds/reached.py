"""What an adopted configuration comes to, by runs that were not chosen for their results where there are any (G16)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rounds import alike, launching, reviewing
from state import by_metric, configurations, launches, measure, trials
from state.database import Store
from state.launches import Launch
from state.measure import Measure
from state.trials import Trial


@dataclass(frozen=True)
class Reached:
    """The mean of so many runs; None where none of them has a result. `selected`: it is the one run of several that the
    configuration was chosen for, which flatters it. `other`: the metric that they were judged by, where that is another
    than the project's is now."""

    value: float | None
    runs: int
    selected: bool
    other: str = ""


def reached(store: Store, entry: Launch) -> Reached:
    """What an adopted or rejected configuration came to: its fresh runs, see `fresh`; without any, the run that it was
    judged by. Where none was judged by the project's metric of now, by that of then."""
    if repeated := fresh(store, configurations.configuration(store, entry.candidate).settings):
        return repeated
    if entry.evidence.get("back"):
        # It came to what it was adopted for.
        entry = _adopted(store, entry.candidate)
    if selection := entry.evidence.get("selection"):
        # Of a launch that was not repeated.
        _by, other = _judged(store, [trials.trial(store, selection["trial"])])
        return Reached(selection["best"], 1, selected=True, other=other)
    complete = [run for run in _own(store, entry) if run.status == "complete"]
    by, other = _judged(store, complete)
    listed = _finite([run.best for run in by_metric.only(complete, by)])
    best = (max if by.direction == "max" else min)(listed, default=None)
    return Reached(best, 0 if best is None else 1, selected=len(listed) > 1, other=other)


def _judged(store: Store, runs: Sequence[Trial]) -> tuple[Measure, str]:
    """By what runs are to be counted, and its name where that is not the project's metric of now: that of now where any
    of them was judged by it, otherwise that of the last."""
    now = measure.of_project(store.project.settings)
    last = max(runs, key=lambda run: (run.ended_at or "", run.number), default=None)
    by = now if last is None or any(run.measure == now for run in runs) else last.measure or now
    return by, "" if by == now else by.metric


def _own(store: Store, entry: Launch) -> list[Trial]:
    """The runs that a configuration was judged by: all of a baseline, of a launch those of its own side."""
    listed = trials.trials(store, entry.batch)
    if trials.batch(store, entry.batch).kind != launching.KIND:
        return listed
    wanted = configurations.identity_of(configurations.configuration(store, entry.candidate).settings)
    return [run for run in listed if reviewing.identity(store, run) == wanted]


def best_and_baseline(store: Store) -> tuple[Launch | None, Launch | None]:
    """The decision that made the best configuration, and that about the last baseline, by which it is measured; None
    where there is none, where it is a baseline itself, and where it ran on other data, with other code, or was judged
    by another metric."""
    adopted = [entry for entry in launches.launches(store) if entry.decision == "adopt"]
    if not adopted:
        return None, None
    of_baselines = [entry for entry in adopted if trials.batch(store, entry.batch).kind == "baseline"]
    first = None if adopted[-1] in of_baselines else next(reversed(of_baselines), None)
    if first is not None:
        settings = configurations.configuration(store, adopted[-1].candidate).settings
        own, runs = _own(store, first), _fresh(store, settings) or _own(store, adopted[-1])
        elsewhere = bool(own) and not _as_made_last(own, runs)
        if elsewhere or reached(store, first).other != reached(store, adopted[-1]).other:
            first = None
    return adopted[-1], first


def source(store: Store) -> tuple[str, ...]:
    """Where the best configuration comes from: the baseline, or the launch and the trial that made it known."""
    best, _first = best_and_baseline(store)
    if best is None:
        return ()
    batch = trials.batch(store, best.batch)
    entered = launching.entrants(batch.plan) if batch.kind == launching.KIND else ()
    return (best.batch, *(entrant.trial for entrant in entered if entrant.candidate == best.candidate))


def _adopted(store: Store, candidate: str) -> Launch:
    """The last decision that made a configuration the best one, other than the way back to it."""
    return next(
        entry
        for entry in reversed(launches.launches(store))
        if (entry.candidate, entry.decision) == (candidate, "adopt") and not entry.evidence.get("back")
    )


def fresh(store: Store, settings: Mapping[str, Any]) -> Reached | None:
    """What a configuration came to by its fresh runs, those in all launches, on either side, and those of rounds that
    tried it again, on the data and with the code of the last of them; None where it has none with a result."""
    complete = [run for run in _fresh(store, settings) if run.status == "complete"]
    by, other = _judged(store, complete)
    counted = by_metric.only(complete, by)
    found = _finite([run.best for run in _as_made_last(counted, counted)])
    return Reached(fmean(found), len(found), selected=False, other=other) if found else None


def _fresh(store: Store, settings: Mapping[str, Any]) -> list[Trial]:
    return [*launching.runs_of(store, settings), *reviewing.tried_again(store, settings)]


def _as_made_last(runs: Sequence[Trial], others: Sequence[Trial]) -> list[Trial]:
    """The runs on the data and with the code of the last of others."""
    on_data = alike.made_with(runs, "data", alike.latest(others, "data"))
    return alike.made_with(on_data, "code", alike.latest(others, "code"))


def _finite(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
