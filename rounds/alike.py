"""Under which conditions runs were made: what differs between those of two sides may be no merit of either (P2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from presets.language import Message, say
from rounds.finding import Finding
from state.trials import Trial

# What besides its configuration a result depends on, as it says itself.
PARTS = {
    "code": say("code"),
    "versions": say("versions of libraries"),
    "device": say("device"),
    "precision": say("precision"),
    "data": say("data"),
}
# Trials named in one sentence.
NAMED = 3
Conditions = tuple[str, ...]


def conditions(entry: Trial) -> Conditions:
    """What besides the configuration the result of a run depends on: runs that differ in it cannot be compared."""
    result = entry.result or {}
    return tuple(repr(result.get(part)) for part in PARTS)


def known(runs: Iterable[Trial]) -> frozenset[Conditions]:
    """The conditions of the runs that came to their end; what broke off may not say all of its own."""
    return frozenset(conditions(run) for run in runs if run.status == "complete")


def changed(kinds: Iterable[Conditions]) -> list[Message]:
    """In what several conditions differ. Of its data an older result says nothing, which is no difference."""
    unknown = {"data": {repr(None)}}
    return [
        word
        for (part, word), *values in zip(PARTS.items(), *kinds, strict=True)
        if len(set(values) - unknown.get(part, set())) > 1
    ]


def data_of(runs: Iterable[Trial]) -> str | None:
    """The data of the run that ended last of those that say on what data they were made; None where none does."""
    told = (run for run in runs if run.status == "complete" and (run.result or {}).get("data"))
    last = max(told, key=lambda run: (run.ended_at or "", run.number), default=None)
    return None if last is None else str((last.result or {})["data"])


def on_data(runs: Iterable[Trial], wanted: str | None) -> list[Trial]:
    """The runs but for those that were made on other data than those wanted; one that says nothing of them counts."""
    return [run for run in runs if wanted is None or (run.result or {}).get("data") in (None, wanted)]


def data(runs: Iterable[Trial]) -> tuple[Finding, ...]:
    """What a review says where not all trials of a round ran on the same data; nothing where they did."""
    told = [run for run in runs if run.status == "complete" and (run.result or {}).get("data")]
    last = max(told, key=lambda run: (run.ended_at or "", run.number), default=None)
    others = [run.id for run in told if last and (run.result or {})["data"] != (last.result or {})["data"]]
    if not others:
        return ()
    message = say(
        "The data changed in the course of this round: {n} of {total} trials ({trials}) ran on other data than the "
        "last that ended, so that their results cannot be compared. Plan the round again, so that all trials have the "
        "data of now.",
        n=len(others),
        total=len(told),
        trials=[*others[:NAMED], *([".."] if len(others) > NAMED else [])],
    )
    return (Finding("data", "warn", message, "P2", {"trials": others, "total": len(told)}),)


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
