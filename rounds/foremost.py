"""Which batch the project is about, and which round is meant where none is named."""

from __future__ import annotations

from collections.abc import Sequence

from rounds import planning, queue
from state import trials
from state.database import Store
from state.errors import Refusal
from state.trials import Batch, Trial


def foremost(batches: Sequence[Batch], entries: Sequence[Trial]) -> Batch | None:
    """The round or launch that the project is about: what is at work, else the newest; one that was stopped before any
    of its trials ended is nobody's concern."""
    listed = [batch for batch in batches if batch.kind != "baseline"]
    at_work = [batch for batch in listed if queue.under_way(batch, entries)]
    concern = [batch for batch in listed if not _abandoned(batch, entries)]
    return next(reversed(at_work or concern), None)


def to_run(store: Store) -> Batch:
    """The round that `tunebook round run` means without a name: the newest that has trials left and was not stopped,
    since a stop says that no more are wanted of it. Refuses where there is none."""
    rounds = trials.batches(store, planning.KIND)
    left = {entry.batch for entry in trials.unfinished(store) if not trials.stopped_alone(entry)}
    open_ = [batch for batch in rounds if batch.name in left]
    if wanted := [batch for batch in open_ if batch.wanted != "stop"]:
        return wanted[-1]
    if open_:
        raise Refusal(
            "No round waits to be run. Plan another: tunebook round plan. A stopped one goes on by its name: tunebook "
            "round run {name}",
            name=open_[-1].name,
        )
    if rounds:
        raise Refusal("Every round has ended. Plan another: tunebook round plan")
    raise no_round(store)


def no_round(store: Store) -> Refusal:
    """What to say where there is no round, or none but what was dropped."""
    if dropped := trials.dropped(store):
        return Refusal(
            "There is no round but what was dropped. Plan one: tunebook round plan. A dropped one is taken back by its "
            "name: tunebook round run {name}",
            name=dropped[-1],
        )
    return Refusal("There is no round yet. Plan one: tunebook round plan")


def latest(batches: Sequence[Batch], entries: Sequence[Trial]) -> Batch:
    """The one whose trials worked last, whatever its number; of those that never did the newest."""
    at: dict[str, str] = {}
    for entry in entries:
        moment = entry.ended_at or entry.started_at or ""
        at[entry.batch] = max(at.get(entry.batch, ""), moment)
    return max(reversed(batches), key=lambda batch: at.get(batch.name, ""))


def _abandoned(batch: Batch, entries: Sequence[Trial]) -> bool:
    own = [entry for entry in entries if entry.batch == batch.name]
    return batch.wanted == "stop" and bool(own) and not any(entry.status in trials.ENDED for entry in own)
