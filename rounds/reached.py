"""What an adopted configuration comes to, by runs that were not chosen for their results where there are any (G16)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

from rounds import launching
from state import configurations, trials
from state.database import Store
from state.launches import Launch


@dataclass(frozen=True)
class Reached:
    """The mean of so many runs; None where none of them has a result. `fresh`: their seeds were drawn for launches. Of
    one that is not, the single run is the one that the configuration was adopted for, which flatters it."""

    value: float | None
    runs: int
    fresh: bool


def reached(store: Store, entry: Launch) -> Reached:
    """What an adopted or rejected configuration came to: its fresh runs in all launches, on either side; without any,
    the run that it was judged by."""
    settings = configurations.configuration(store, entry.candidate).settings
    fresh = [run.best for run in launching.runs_of(store, settings) if run.status == "complete"]
    if found := _finite(fresh):
        return Reached(fmean(found), len(found), fresh=True)
    if selection := entry.evidence.get("selection"):
        own = _finite([selection["best"]])
    else:
        sign = -1.0 if store.project.settings.direction == "max" else 1.0
        listed = [run.best for run in trials.trials(store, entry.batch) if run.status == "complete"]
        own = sorted(_finite(listed), key=lambda value: sign * value)[:1]
    return Reached(own[0] if own else None, len(own), fresh=False)


def _finite(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
