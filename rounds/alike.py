"""Under which conditions runs were made: what differs between those of two sides may be no merit of either (P2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from presets.language import Message, say
from rounds.changed_metric import named
from rounds.finding import Finding
from state import by_metric, configurations, launches, measure, trials
from state.database import Store
from state.measure import Measure
from state.pipeline import BATCH_SIZE, STEPS
from state.trials import Trial

# What besides its configuration a result depends on, as it says itself.
PARTS = {
    "metric": say("metric"),
    "code": say("code"),
    "versions": say("versions of libraries"),
    "device": say("device"),
    "precision": say("precision"),
    "data": say("data"),
}
# Trials named in one sentence.
NAMED = 3
Conditions = tuple[str, ...]
# Of these a review says that they changed.
Part = Literal["data", "code"]


def conditions(entry: Trial) -> Conditions:
    """What besides the configuration the result of a run depends on: runs that differ in it cannot be compared."""
    told = {**(entry.result or {}), "metric": entry.measure}
    return tuple(repr(told.get(part)) for part in PARTS)


def with_measure(kind: Conditions, by: Measure) -> Conditions:
    """The same conditions, but for by what the result is judged."""
    return tuple(repr(by) if part == "metric" else value for part, value in zip(PARTS, kind, strict=True))


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


def latest(runs: Iterable[Trial], part: Part) -> str | None:
    """What the run that ended last was made on, or with, of those that say so; None where none does."""
    told = [run for run in runs if run.status == "complete" and (run.result or {}).get(part)]
    last = max(told, key=lambda run: (run.ended_at or "", run.number), default=None)
    return None if last is None else str((last.result or {})[part])


def made_with(runs: Iterable[Trial], part: Part, wanted: str | None) -> list[Trial]:
    """The runs but for those that were made on, or with, another than that wanted; one that says nothing counts."""
    return [run for run in runs if wanted is None or (run.result or {}).get(part) in (None, wanted)]


def outdated(store: Store, base: Mapping[str, Any] | None = None) -> frozenset[str]:
    """The batches on other data than what ran last, and those that were judged by another metric than the project's, or
    its direction: what they showed is a hint by now. So are those at another batch size than a configuration, where one
    is given: with it optimizer and regularisation are to be tuned again (G9)."""
    made = trials.data_of_batches(store)
    latest_data = next((data for _batch, data in reversed(made) if data), None)
    like_now = {name for name, data in made if latest_data is None or data in (None, latest_data)}
    found = {name for name, _data in made} - like_now | by_other_metric(store).keys()
    if base is not None:
        made_from = {batch.name: batch.configuration for batch in trials.batches(store)}
        sizes = {
            name: configurations.configuration(store, own).settings.get(BATCH_SIZE) for name, own in made_from.items()
        }
        found |= {name for name, size in sizes.items() if size != base.get(BATCH_SIZE)}
    return frozenset(found)


def incomparable(store: Store) -> list[str]:
    """The rounds at another batch size, or with another number of steps, than the best configuration has, those on
    other data than what ran last, and those that were judged by another metric than the project's: later ones cannot
    be compared with them (G0, G9, P15)."""
    best = launches.best(store)
    if best is None:
        return []
    bases = {
        batch.name: configurations.configuration(store, batch.configuration).settings
        for batch in trials.batches(store, "round")
    }
    others = outdated(store)
    return [
        name
        for name, base in bases.items()
        if name in others or any(base.get(key) != best.settings.get(key) for key in (BATCH_SIZE, STEPS))
    ]


def by_other_metric(store: Store) -> dict[str, Measure]:
    """By what the batches were judged that were not by the project's metric, or its direction, of now."""
    now = measure.of_project(store.project.settings)
    return {name: by for name, by in by_metric.of_batches(store).items() if by != now}


def metric(runs: Sequence[Trial], by: Measure, now: Measure) -> tuple[Finding, ...]:
    """What a review says of a round whose results are not all `by` one metric, and of one that is by another than the
    project's is `now`; nothing of others."""
    complete = [run for run in runs if run.status == "complete"]
    others = [run.id for run in complete if run.measure not in (None, by)]
    figures = {"trials": others, "metric": by.metric, "now": now.metric}
    if by != now and complete:
        message = say(
            "This round was judged by {metric}, the project is by {now} since: its results say nothing about that, and "
            "are compared with no others. A launch runs its best trial and the best configuration again, by {now}.",
            metric=named(by, now),
            now=named(now, by),
        )
    elif others:
        message = say(
            "The metric changed in the course of this round: {n} of {total} trials ({trials}) were judged by another "
            "than the last that ended ({metric}), and count for nothing here. Plan the round again, so that all trials "
            "are judged by one metric.",
            n=len(others),
            total=len(complete),
            trials=_few(others),
            metric=by.metric,
        )
    else:
        return ()
    return (Finding("metric", "warn", message, "G0", figures),)


def data(runs: Sequence[Trial]) -> tuple[Finding, ...]:
    """What a review says where not all trials of a round ran on the same data; nothing where they did."""
    figures, told = _others(runs, "data")
    if not told:
        return ()
    message = say(
        "The data changed in the course of this round: {n} of {total} trials ({trials}) ran on other data than the "
        "last that ended, so that their results cannot be compared. Plan the round again, so that all trials have the "
        "data of now.",
        **told,
    )
    return (Finding("data", "warn", message, "P2", figures),)


def code(runs: Sequence[Trial], *, own: bool) -> tuple[Finding, ...]:
    """What a review says where not all trials of a round ran the same code; nothing where they did. `own`: it is a
    script of the user's."""
    figures, told = _others(runs, "code")
    if not told:
        return ()
    message = say(
        "The training code changed in the course of this round, with another version of Tunebook: {n} of {total} "
        "trials ({trials}) ran other code than the last that ended, so that their results may not be comparable. Plan "
        "the round again, so that all trials run the code of now.",
        **told,
    )
    if own:
        message = say(
            "The files that the command names changed in the course of this round: {n} of {total} trials ({trials}) "
            "ran with others than the last that ended, so that their results may not be comparable. Plan the round "
            "again, so that all trials run with the files of now.",
            **told,
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


def _others(runs: Sequence[Trial], part: Part) -> tuple[dict[str, Any], dict[str, Any]]:
    """The trials that were made on, or with, another than the one that ended last: the figures of a finding, and what
    its sentence is filled with; nothing where there are none."""
    wanted = latest(runs, part)
    told = [run for run in runs if run.status == "complete" and (run.result or {}).get(part)]
    others = [run.id for run in told if (run.result or {})[part] != wanted]
    if not others:
        return {}, {}
    figures = {"trials": others, "total": len(told)}
    return figures, {"n": len(others), "total": len(told), "trials": _few(others)}


def _few(ids: Sequence[str]) -> list[str]:
    return [*ids[:NAMED], *([".."] if len(ids) > NAMED else [])]
