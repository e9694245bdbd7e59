"""How far a baseline has come that is at work: what there is to say of it while it has no result."""

from __future__ import annotations

import datetime

from presets.language import Message, say
from state import database, runs, trials
from state.database import Store
from state.trials import Batch, Trial
from wizard import own_metric, quantity

KIND = "baseline"
# The end of what a script prints may hold a whole bar; so much of it is shown.
SHOWN = 100


def at_work(store: Store) -> Batch | None:
    """The baseline or sweep whose trials run; None where none does."""
    running = {entry.batch for entry in trials.trials(store) if entry.status == "running"}
    return next((batch for batch in reversed(trials.batches(store, KIND)) if batch.name in running), None)


def doing(store: Store, batch: Batch, *, attended: bool) -> Message:
    """How far a baseline or sweep has come that is at work, in a sentence; of a script of the user's own also what it
    printed last, which may be the only thing that tells. `attended`: a supervisor is at work."""
    listed = trials.trials(store, batch.name)
    if gone(store, batch, attended=attended):
        done, total = sum(entry.status in trials.ENDED for entry in listed), len(listed)
        if total == 1:
            return say(
                "{name} does not run: its process is gone, at {steps} steps.",
                name=batch.name,
                steps=listed[0].steps_done,
            )
        return say(
            "{name} does not run: its process is gone. {ended} of {total} trials have ended.",
            name=batch.name,
            ended=done,
            total=total,
        )
    begun = min(datetime.datetime.fromisoformat(entry.started_at) for entry in listed if entry.started_at)
    seconds = (datetime.datetime.fromisoformat(database.now()) - begun).total_seconds()
    if len(listed) == 1:
        message = _one(store, batch, listed[0], seconds)
        if (lacking := own_metric.none_so_far(store, batch)) is not None:
            message = say("{first} {second}", first=message, second=lacking)
        last = _printed(store, listed[0])
        return say("{message} It printed last: {last}", message=message, last=last) if last else message
    done = sum(entry.status in trials.ENDED for entry in listed)
    return say(
        "{name} is running, for {time}: {ended} of {total} trials have ended.",
        name=batch.name,
        time=quantity.duration(seconds),
        ended=done,
        total=len(listed),
    )


def gone(store: Store, batch: Batch, *, attended: bool) -> bool:
    """Whether none of its trials that are said to run does: their processes died, and no supervisor is there to see it
    (`attended`: one is)."""
    entries = (entry for entry in trials.trials(store, batch.name) if entry.status == "running")
    return not attended and not any(runs.alive(store.project.trial_folder(entry.id)) for entry in entries)


def _one(store: Store, batch: Batch, entry: Trial, seconds: float) -> Message:
    total, done = trials.steps_planned(trials.trial_settings(store, entry)), entry.steps_done
    time = quantity.duration(seconds)
    # Of one that has made all its steps, what is left is not training; one that has made more counts something else.
    if not total or done >= total:
        return say("{name} is running: {steps} steps done in {time}.", name=batch.name, steps=done, time=time)
    if not done:
        return say("{name} is running: 0 of {total} steps done in {time}.", name=batch.name, total=total, time=time)
    return say(
        "{name} is running: {steps} of {total} steps done in {time}, about {left} to go.",
        name=batch.name,
        steps=done,
        total=total,
        time=time,
        left=quantity.duration(seconds / done * (total - done)),
    )


def _printed(store: Store, entry: Trial) -> str:
    """The last line that a script of the user's own has printed; empty for the built-in training, and where it has
    printed nothing."""
    if not store.project.settings.command:
        return ""
    # A bar of tqdm is drawn anew on its line: what was drawn last is the line.
    said = (line.strip() for line in reversed(runs.log_tail(store.project.trial_folder(entry.id))))
    return next(filter(None, said), "")[:SHOWN]
