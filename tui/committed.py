"""From which commit a trial ran, and what its folder had beside that, as it is told."""

from __future__ import annotations

from collections.abc import Iterator

from presets.language import _, sentences
from state import provenance
from state.database import Store
from state.trials import Trial


def commit(store: Store, entry: Trial) -> str:
    """The commit, and in brackets how the files differed from it; empty where no commit is known."""
    known = (entry.result or {}).get("commit")
    return sentences(known, *_differences(store, entry)) if known else ""


def _differences(store: Store, entry: Trial) -> Iterator[str]:
    result = entry.result or {}
    if (store.project.trial_folder(entry.id) / provenance.PATCH).exists():
        yield _("(changed since: see changes.patch in the trial's folder)")
    elif provenance.changed(result):
        yield _("(what differed from it was not kept)")
    untracked = result.get("untracked") or {}
    if count := untracked.get("count"):
        names, more = _(", ").join(untracked["first"]), count - len(untracked["first"])
        words = _("(not in it: {names}, and {more} more)") if more else _("(not in it: {names})")
        yield words.format(names=names, more=more)
