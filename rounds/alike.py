"""Under which conditions runs were made: what differs between those of two sides may be no merit of either (P2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from presets.language import Message, say
from state.trials import Trial

# What besides its configuration a result depends on, as it says itself.
PARTS = {
    "code": say("code"),
    "versions": say("versions of libraries"),
    "device": say("device"),
    "precision": say("precision"),
}
Conditions = tuple[str, ...]


def conditions(entry: Trial) -> Conditions:
    """What besides the configuration the result of a run depends on: runs that differ in it cannot be compared."""
    result = entry.result or {}
    return tuple(repr(result.get(part)) for part in PARTS)


def known(runs: Iterable[Trial]) -> frozenset[Conditions]:
    """The conditions of the runs that came to their end; what broke off may not say all of its own."""
    return frozenset(conditions(run) for run in runs if run.status == "complete")


def changed(kinds: Iterable[Conditions]) -> list[Message]:
    """In what several conditions differ."""
    return [word for word, *values in zip(PARTS.values(), *kinds, strict=True) if len(set(values)) > 1]


def apart(tried: Iterable[Trial], kept: Iterable[Trial]) -> bool:
    """Whether no run of the one side was made under the conditions of any of the other."""
    ours, theirs = known(tried), known(kept)
    return bool(ours and theirs) and ours.isdisjoint(theirs)


def unlike(tried: Sequence[Trial], kept: Sequence[Trial]) -> Message | None:
    """In what the runs of a candidate and of the best configuration differ, and how many of each kind there are on
    either side; None where all were made alike."""
    complete = [[conditions(run) for run in side if run.status == "complete"] for side in (tried, kept)]
    kinds = list(dict.fromkeys(kind for side in complete for kind in side))
    if len(kinds) < 2:
        return None
    ours, theirs = ([side.count(kind) for kind in kinds] for side in complete)
    return say(
        "Not all of these runs were made alike; what differs: {parts}. Runs of each kind: {ours} of the candidate, "
        "{theirs} of the best configuration.",
        parts=changed(kinds),
        ours=ours,
        theirs=theirs,
    )
