"""After a rebuild: the rows of trials, which are an index of their folders, are made to agree with these."""

from __future__ import annotations

from pathlib import Path

from state import runs, trial_progress, trials
from state.database import Store
from state.metrics import index_metrics
from state.trials import Trial


def reconcile(store: Store) -> None:
    """Make the rows of unfinished trials agree with their folders."""
    for entry in trials.trials(store):
        if entry.status in trials.ENDED:
            continue
        folder = store.project.trial_folder(entry.id)
        living, result = runs.alive(folder), runs.result(folder)
        # A process writes its result before it ends; one that was stopped goes on beside it.
        if living and (result is None or result.get("status") == "stopped"):
            trial_progress.mark_running(store, entry.id, restart=False)
        elif result is not None:
            if entry.wanted != "retry" or not _of_earlier_try(entry, folder):
                trial_progress.mark_ended(store, entry.id, result, runs.ended_at(folder))
        elif entry.status == "running":
            trial_progress.mark_queued(store, entry.id)
        elif entry.wanted == "retry":
            # It has begun, for the result before it was set aside then, and goes on from where it was lost.
            with store.transaction():
                store.database.conn.execute("UPDATE trials SET wanted = '' WHERE id = ?", [entry.id])
    everything = [entry.id for entry in trials.trials(store)]
    with store.transaction():
        for id in everything:
            trial_progress.note_spent(store, id)
    index_metrics(store, everything)


def _of_earlier_try(entry: Trial, folder: Path) -> bool:
    """Whether the result of a trial that is wished to be tried again was there before the wish."""
    told = runs.of_try(folder, entry.queued_at)
    # One of an earlier version, or that was never made ready again.
    return runs.ended_at(folder) <= entry.queued_at if told is None else not told
