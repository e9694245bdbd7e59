"""The configurations worth comparing: those that were the best once, candidates, and the best trial of each round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from presets.language import Message, _, say
from rounds import planning
from rounds.reached import reached
from state import by_metric, configurations, launches, measure, trials
from state.database import Store
from state.launches import Launch
from state.trials import Batch, over
from tui.widgets.trial_table import ranked

DECIDED = {"adopt": say("the best once"), "reject": say("rejected"), "repeat": say("undecided")}


@dataclass(frozen=True)
class Contender:
    """A configuration: where it comes from, what became of it, its result as the mean of so many `runs`, and the page
    on which it stands. `selected`: whether it is known by the very result that is shown."""

    name: str
    what: Message
    value: float | None
    runs: int
    selected: bool
    settings: dict[str, Any]
    place: str
    best: bool = False
    other: str = ""
    """The metric that `value` is of, where that is another than the project's."""

    @property
    def counted(self) -> str:
        """How many runs the result is of; the one that was the best of several says so."""
        return _("{n}, best").format(n=self.runs) if self.selected else str(self.runs or "-")


def contenders(store: Store) -> list[Contender]:
    """The best configuration first, then the others, the last first."""
    last = {entry.batch: entry for entry in launches.launches(store)}
    adopted = [entry for entry in last.values() if entry.decision == "adopt"]
    now = max(adopted, key=lambda entry: entry.number, default=None)
    found = [_launched(store, entry, entry is now) for entry in last.values()]
    for batch in trials.batches(store):
        if batch.kind == "launch" and batch.name not in last:
            found.append(_waiting(store, batch))
        elif batch.kind == planning.KIND:
            found += _best_trial(store, batch)
    return sorted(reversed(found), key=lambda one: not one.best)


def _launched(store: Store, entry: Launch, now: bool) -> Contender:
    batch, came_to = trials.batch(store, entry.batch), reached(store, entry)
    return Contender(
        entry.batch,
        say("the best now") if now else DECIDED[entry.decision],
        came_to.value,
        came_to.runs,
        came_to.selected,
        configurations.configuration(store, entry.candidate).settings,
        f"launch {entry.batch}" if batch.kind == "launch" else "decisions",
        now,
        came_to.other,
    )


def _waiting(store: Store, batch: Batch) -> Contender:
    settings = configurations.configuration(store, batch.plan["candidate"]).settings
    return Contender(batch.name, say("undecided"), None, 0, False, settings, f"launch {batch.name}")


def _best_trial(store: Store, batch: Batch) -> Iterator[Contender]:
    listed = trials.trials(store, batch.name)
    by = by_metric.of_batch(store, batch.name)
    other = "" if by == measure.of_project(store.project.settings) else by.metric
    for entry in ranked(by_metric.only(listed, by), by.direction)[:1]:
        what = say("best of {name}", name=batch.name)
        if not all(map(over, listed)):
            what = say("best of {name} so far", name=batch.name)
        settings = trials.trial_settings(store, entry)
        yield Contender(entry.id, what, entry.best, 1, True, settings, f"trial {entry.id}", other=other)
