"""Which batch the project is about, and which round is meant where none is named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rounds import planning, queue
from state import launches, trials
from state.database import Store
from state.errors import NotFound, NotYet, Refusal
from state.trials import Batch, Trial


def foremost(store: Store, batches: Sequence[Batch], entries: Sequence[Trial]) -> Batch | None:
    """The round or launch that the project is about: what is at work, else the newest, as which a launch counts that
    was reopened since. Where that is a launch that was decided, an older one that was not comes first; of several that
    were, the one that was decided last. One that was stopped before any of its trials began is nobody's concern, nor is
    a launch that can no longer be decided, since the best configuration is another."""
    listed = in_turn(store, [batch for batch in batches if batch.kind != "baseline"])
    at_work = [batch for batch in listed if queue.under_way(batch, entries)]
    moot = {batch.name for batch in launches.undecided(store)} - {batch.name for batch in launches.waiting(store)}
    concern = [batch for batch in listed if batch.name not in moot and not _abandoned(batch, entries)]
    found = next(reversed(at_work or concern), None)
    if found is None or found.kind != "launch" or launches.decided(store, found.name) is None:
        return found
    if undecided := waiting(store, entries):
        return undecided[-1]
    last = launches.last(store)
    return max((batch for batch in concern if batch.name in last), key=lambda batch: last[batch.name].number)


def waiting(store: Store, entries: Sequence[Trial]) -> list[Batch]:
    """The launches that wait for their runs or for a decision, the one that was begun, or reopened, last at the end;
    without what was stopped before any of its runs began."""
    return [batch for batch in in_turn(store, launches.waiting(store)) if not _abandoned(batch, entries)]


def in_turn(store: Store, batches: Sequence[Batch]) -> list[Batch]:
    """In the order in which they were begun, where a launch stands that was to run more: when that was decided."""
    again = {name: entry.at for name, entry in launches.last(store).items() if entry.decision == "repeat"}

    def turn(batch: Batch) -> int:
        moment = again.get(batch.name, "")
        return max(place for place, other in enumerate(batches) if other is batch or other.at <= moment)

    return sorted(batches, key=lambda batch: (turn(batch), batch.name in again))


def as_begun(batches: Sequence[Batch], entries: Sequence[Trial]) -> list[Batch]:
    """In the order in which their trials began, be that long after they were planned; what has not begun comes last. A
    store that was built anew does not know when: there the time of planning stands for it."""
    began: dict[str, list[str]] = defaultdict(list)
    planned_at = {batch.name: batch.at for batch in batches}
    for entry in entries:
        if trials.begun(entry) and entry.batch in planned_at:
            began[entry.batch].append(entry.started_at or planned_at[entry.batch])
    return sorted(batches, key=lambda batch: (batch.name not in began, min(began[batch.name], default="")))


def meant(store: Store) -> Batch:
    """The round that a command means which names none: what is at work, else the one that something was done with last,
    be it planned, run, paused, stopped, extended or reviewed. Refuses where there is none."""
    rounds = trials.batches(store, planning.KIND)
    if not rounds:
        raise no_round(store)
    everything = trials.trials(store)
    at_work = [batch for batch in rounds if queue.under_way(batch, everything)]
    return latest(store, at_work or rounds)


def latest(store: Store, batches: Sequence[Batch]) -> Batch:
    """The one that something was done with last; of those that nothing tells apart the newest."""
    touched: dict[str, str] = defaultdict(str, trials.asked(store))
    for entry in trials.trials(store):
        moments = (entry.queued_at, entry.started_at or "", entry.ended_at or "")
        touched[entry.batch] = max(touched[entry.batch], *moments)
    return max(reversed(batches), key=lambda batch: max(touched[batch.name], batch.at, batch.reviewed or ""))


def planned(store: Store) -> list[Batch]:
    """The rounds that nobody has run, oldest first."""
    return [batch for batch in trials.batches(store, planning.KIND) if batch.wanted == ""]


def no_round(store: Store) -> Refusal:
    """What to say where there is no round, or none but what was dropped."""
    if dropped := trials.dropped(store):
        return NotFound(
            "There is no round but what was dropped. Plan one: tunebook round plan. A dropped one is taken back by its "
            "name: tunebook round run {name}",
            name=dropped[-1],
        )
    return NotYet("There is no round yet. Plan one: tunebook round plan")


def _abandoned(batch: Batch, entries: Sequence[Trial]) -> bool:
    own = [entry for entry in entries if entry.batch == batch.name]
    # What was begun has cost something, and goes on where it was stopped.
    return batch.wanted == "stop" and bool(own) and not any(e.status in trials.ENDED or e.steps_done for e in own)
