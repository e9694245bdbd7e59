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
    last = _last(run for run in runs if run.status == "complete" and (run.result or {}).get("data"))
    return None if last is None else str((last.result or {})["data"])


def on_data(runs: Iterable[Trial], wanted: str | None) -> list[Trial]:
    """The runs but for those that were made on other data than those wanted; one that says nothing of them counts."""
    return [run for run in runs if wanted is None or (run.result or {}).get("data") in (None, wanted)]


def data(runs: Iterable[Trial]) -> tuple[Finding, ...]:
    """What a review says where not all trials of a round ran on the same data; nothing where they did."""
    told = [run for run in runs if run.status == "complete" and (run.result or {}).get("data")]
    last = _last(told)
    others = [run.id for run in told if last and (run.result or {})["data"] != (last.result or {})["data"]]
    if not others:
        return ()
    message = say(
        "The data changed in the course of this round: {n} of {total} trials ({trials}) ran on other data than the "
        "last that ended, so that their results cannot be compared. Plan the round again, so that all trials have the "
        "data of now.",
        n=len(others),
        total=len(told),
        trials=_named(others),
    )
    return (Finding("data", "warn", message, "P2", {"trials": others, "total": len(told)}),)


def code_of(runs: Iterable[Trial]) -> str | None:
    """The code of the run that ended last of those that completed; None where none says with which it ran."""
    last = _last(run for run in runs if run.status == "complete" and (run.result or {}).get("code"))
    return None if last is None else str((last.result or {})["code"])


def with_code(runs: Iterable[Trial], wanted: str | None) -> list[Trial]:
    """The runs but for those of other code than that wanted; one that says nothing of it counts."""
    return [run for run in runs if wanted is None or (run.result or {}).get("code") in (None, wanted)]


def code(runs: Sequence[Trial], *, own: bool) -> tuple[Finding, ...]:
    """What a review says where not all trials of a round ran the same code; nothing where they did. `own`: it is a
    script of the user's."""
    wanted, told = code_of(runs), [run for run in runs if run.status == "complete" and (run.result or {}).get("code")]
    others = [run.id for run in told if (run.result or {})["code"] != wanted]
    if not others:
        return ()
    figures = {"trials": others, "total": len(told)}
    told_of = {"n": len(others), "total": len(told), "trials": _named(others)}
    message = say(
        "The training code changed in the course of this round, with another version of Tunebook: {n} of {total} "
        "trials ({trials}) ran other code than the last that ended, so that their results may not be comparable. Plan "
        "the round again, so that all trials run the code of now.",
        **told_of,
    )
    if own:
        message = say(
            "The files that the command names changed in the course of this round: {n} of {total} trials ({trials}) "
            "ran with others than the last that ended, so that their results may not be comparable. Plan the round "
            "again, so that all trials run with the files of now.",
            **told_of,
        )
    return (Finding("code", "warn", message, "P2", figures),)


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


def _last(runs: Iterable[Trial]) -> Trial | None:
    return max(runs, key=lambda run: (run.ended_at or "", run.number), default=None)


def _named(ids: Sequence[str]) -> list[str]:
    return [*ids[:NAMED], *([".."] if len(ids) > NAMED else [])]
