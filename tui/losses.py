"""What a project has lost of its records, as commands and screens say it."""

from __future__ import annotations

from presets.language import Message, error_message, say
from state import strays
from state.database import Store


def lost(store: Store) -> Message | None:
    """That the journal has lost what it had, or never had what folders of trials speak of; None where all is there."""
    if store.journal_lost():
        return error_message(store.loss())
    if not (folders := strays.unmoved(store)):
        return None
    return say(
        "Folders of trials that the journal has no record of: {n}, such as {first}. If it was lost, bring it back from "
        "a backup before anything new is run. A new trial never takes over what is in such a folder: the folder is "
        "kept as {aside} when a trial gets its name.",
        n=len(folders),
        first=folders[0],
        aside=strays.aside(folders[0]).name,
    )
