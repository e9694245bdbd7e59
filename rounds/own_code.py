"""Whether the files that a command of the user's own names are what they were when earlier runs were made (P2)."""

from __future__ import annotations

from presets.language import Message, error_message, say
from state import launches, own_files, pipeline
from state.database import Store
from state.errors import Refusal
from state.trials import Trial


def since_best(store: Store) -> Message | None:
    """What to know before a round where the files changed since the best configuration ran, or the script is gone; None
    where they did not, or it cannot be told."""
    if lost := _gone(store):
        return lost
    entry = _outdated(store)
    if entry is None:
        return None
    return say(
        "The files that the command names ({files}) have changed since {trial} ran, by which the best configuration is "
        "known: new results may not be comparable with those before. Put the files back as they were, or go on with "
        "these and launch a trial of the round: a launch runs the best configuration again, too.",
        files=_named(store),
        trial=entry.id,
    )


def in_short(store: Store) -> Message | None:
    """The same in a line, for those who look on."""
    if lost := _gone(store):
        return lost
    entry = _outdated(store)
    if entry is None:
        return None
    return say(
        "{files}: changed since {trial} ran, by which the best configuration is known (tunebook doctor says more).",
        files=_named(store),
        trial=entry.id,
    )


def since(store: Store, entry: Trial) -> Message | None:
    """What to know before a trial is launched where the files changed since it ran; None where they did not, or it
    cannot be told."""
    if lost := _gone(store):
        return lost
    current, ran = own_files.now(store), (entry.result or {}).get("code")
    if current is None or ran is None or ran == current:
        return None
    return say(
        "The files that the command names ({files}) have changed since {trial} ran: the fresh runs show what they come "
        "to now, not what made it a candidate.",
        files=_named(store),
        trial=entry.id,
    )


def _gone(store: Store) -> Message | None:
    """That the script is not there any more; None where it is, and where the training is the built-in one."""
    try:
        own = pipeline.of(store.project)
    except Refusal:
        return None
    lost = pipeline.gone(own) if own is not None else None
    return error_message(lost) if lost is not None else None


def _outdated(store: Store) -> Trial | None:
    """The last run of the best configuration, as baseline and in launches, where none has the code of now."""
    best, current = launches.best(store), own_files.now(store)
    if best is None or current is None:
        return None
    runs = [run for run in launches.repeated(store, best.settings) if (run.result or {}).get("code")]
    if any((run.result or {})["code"] == current for run in runs):
        return None
    return next(iter(runs), None)


def _named(store: Store) -> list[str]:
    return pipeline.named_files(pipeline.own(store.project))
