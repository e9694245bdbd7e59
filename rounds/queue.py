"""What is to be done about each trial: the wishes of batches and trials, turned into what to start and what to stop."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from presets.language import Message, told
from state import trials
from state.database import Store, now
from state.trials import Batch, Trial, stopped_alone

# Within this time of the end of a trial the next one begins, where torch is loaded.
BETWEEN = datetime.timedelta(seconds=5)


def waits(entry: Trial) -> bool:
    """Whether a trial is started once its batch runs and its turn comes."""
    return entry.status in ("queued", "stopped") and not stopped_alone(entry)


def waiting(batch: Batch, unfinished: Iterable[Trial]) -> list[Trial]:
    """The trials of a batch that are to be started, in order: none while it does not run. Stopped ones go on with
    their batch, except those that were stopped by themselves."""
    if batch.wanted != "run":
        return []
    return [entry for entry in unfinished if entry.batch == batch.name and waits(entry)]


def dropped(batch: Batch, unfinished: Iterable[Trial]) -> list[Trial]:
    """The trials that were stopped before they began."""
    return [
        entry
        for entry in unfinished
        if entry.batch == batch.name and entry.status == "queued" and entry.wanted == "stop"
    ]


def to_stop(batch: Batch, entry: Trial) -> bool:
    """Whether a running trial is to end now, saved but unfinished."""
    return "stop" in (batch.wanted, entry.wanted)


def waits_for(batches: Iterable[Batch], entries: Sequence[Trial]) -> tuple[Trial, Message] | None:
    """A trial that is due and does not start, and why, where there is a reason (no room on the disk, say)."""
    due = (entry for batch in batches for entry in waiting(batch, entries))
    held = (entry for entry in due if entry.status == "queued" and entry.message)
    return next(((entry, told(entry.message, entry.said)) for entry in held), None)


def starting(store: Store, batch: Batch) -> bool:
    """Whether the trials of a batch wait for nothing but what they are made of: not for room, nor for those of another
    batch, and none of theirs has just ended, which the next one follows. A script of the user's own brings what it
    needs."""
    entries = trials.unfinished(store)
    held = any(entry.status == "running" for entry in entries) or waits_for([batch], entries) is not None
    if store.project.settings.command or not waiting(batch, entries) or held:
        return False
    read = datetime.datetime.fromisoformat
    ended = [at for status, at in trials.last_ended(store, batch.name, 1) if status != "stopped"]
    return not ended or read(now()) - read(ended[0]) >= BETWEEN


def under_way(batch: Batch, entries: Iterable[Trial]) -> bool:
    """Whether any trial of the batch runs or is to be started."""
    own = [entry for entry in entries if entry.batch == batch.name]
    return any(entry.status == "running" for entry in own) or bool(waiting(batch, own))


def work(batches: Iterable[Batch], unfinished: Iterable[Trial]) -> bool:
    """Whether a supervisor has anything to do: a trial that runs, or one that is to be started."""
    entries = list(unfinished)
    return any(entry.status == "running" for entry in entries) or any(waiting(batch, entries) for batch in batches)
