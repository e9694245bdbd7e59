"""What the plan of a round starts from, and what of it another session, or an editor, has changed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from presets.language import _, sentences
from rounds import planning
from state import launches, trials
from state.database import Store
from state.project import Settings


@dataclass(frozen=True)
class StartingPoint:
    """The hash of the best configuration, which rounds and launches (`rounds`) there are, with when each was reviewed,
    and what tunebook.toml says."""

    best: str | None
    rounds: Mapping[str, str | None]
    settings: Settings


def of(store: Store) -> StartingPoint:
    """What a plan made now starts from."""
    best = launches.best(store)
    reviewed = {entry.name: entry.reviewed for entry in trials.batches(store)}
    return StartingPoint(best and best.hash, reviewed, store.project.settings)


def changes(before: StartingPoint, now: StartingPoint) -> str:
    """Why a plan is another all at once; "" where nothing needs to be said."""
    changed = []
    if now.best != before.best:
        changed.append(_("The best configuration has changed, and this design starts from it now."))
    if new := [name for name in now.rounds if name not in before.rounds and name.startswith(planning.KIND)]:
        words = _("Planned meanwhile: {names}. This design goes on from there now.")
        changed.append(words.format(names=_(", ").join(new)))
    return sentences(*changed) if changed else ""
