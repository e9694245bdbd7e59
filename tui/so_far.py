"""All rounds and launches of a project, oldest first: what each was for, when, what it came to, and where it is now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from presets.language import _
from rounds import planning, reviewed
from state import by_metric, launches, trials
from state.database import Store
from state.measure import Measure
from state.trials import Batch, Trial
from tui import goals


@dataclass(frozen=True)
class Listed:
    """`at`: when it was planned; `value`: the best of its trials that completed, by `metric`; `place`: its page."""

    name: str
    goal: str
    at: str
    trials: int
    value: float | None
    metric: str
    state: str
    place: str


def listed(store: Store) -> list[Listed]:
    """Every round and launch that was not dropped."""
    entries: dict[str, list[Trial]] = defaultdict(list)
    for entry in trials.trials(store):
        entries[entry.batch].append(entry)
    words = {"adopt": _("adopted"), "reject": _("rejected")}
    decided = {entry.batch: words.get(entry.decision) for entry in launches.launches(store)}
    found = []
    for batch in trials.batches(store):
        if batch.kind not in (planning.KIND, "launch"):
            continue
        own, by = entries[batch.name], by_metric.of_batch(store, batch.name)
        state = decided.get(batch.name) or _state(store, batch, own)
        place = f"{batch.kind} {batch.name}"
        goal = goals.of_batch(batch)
        found.append(Listed(batch.name, goal, batch.at, len(own), best(own, by), by.metric, state, place))
    return found


def best(entries: Sequence[Trial], by: Measure) -> float | None:
    """The best value of the trials that completed, of those that were judged by the same."""
    counted = (entry for entry in by_metric.only(entries, by) if entry.status == "complete")
    values = [entry.best for entry in counted if entry.best is not None]
    return (max if by.direction == "max" else min)(values, default=None)


def _state(store: Store, batch: Batch, entries: Sequence[Trial]) -> str:
    if all(map(trials.over, entries)):
        if batch.kind != planning.KIND:
            return _("undecided")
        return _("reviewed") if reviewed.holds(store, batch) else _("ended")
    words = {"run": _("at work"), "pause": _("paused"), "stop": _("stopped")}
    return words.get(batch.wanted) or _("planned")
