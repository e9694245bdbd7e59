"""What another batch size means for what was done at the one before (G9)."""

from __future__ import annotations

from presets.language import Message, say
from state import decisions, pipeline, trials
from state.database import Store

STEP = "batch_size"


def earlier(store: Store) -> int | None:
    """The batch size that was decided last; None where none was."""
    made = (entry for entry in reversed(decisions.decisions(store, all=True)) if entry.step == STEP)
    return next((entry.settings[pipeline.BATCH_SIZE] for entry in made if pipeline.BATCH_SIZE in entry.settings), None)


def consequences(store: Store, size: int, again: Message) -> Message:
    """What it means that a size is given up: what is to be tuned `again`, and which rounds have no like any more."""
    rounds = sum(_ran(store, batch, size) for batch in trials.batches(store, "round"))
    if not rounds:
        return again
    told = say("Rounds run at {size}: {rounds}; they cannot be compared with later ones.", size=size, rounds=rounds)
    return say("{first} {second}", first=again, second=told)


def _ran(store: Store, batch: trials.Batch, size: int) -> bool:
    """Whether any trial of a batch has begun at a size; planned ones can still be left."""
    listed = [entry for entry in trials.trials(store, batch.name) if trials.begun(entry)]
    return any(trials.trial_settings(store, entry).get(pipeline.BATCH_SIZE) == size for entry in listed)
