"""Which comparisons a launch has decided or begun: started again with new runs, each would pass by chance some time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from presets.language import Message, restored, say
from rounds import alike, reviewing
from rounds.alike import Conditions
from rounds.decision import RUNS
from state import by_metric, configurations, launches, measure, trials
from state.configurations import Configuration
from state.database import Store
from state.errors import Refusal
from state.launches import Launch
from state.trials import Batch, Trial


@dataclass(frozen=True)
class Comparison:
    """Two configurations that a launch has compared by fresh runs, or is comparing (`decision` is None): `pair` has the
    `likeness` of each, `best` the hash of the one that was to be replaced; `dropped`: another candidate went on, and
    was decided about. `candidates`: the trials that it launched; `conditions`: those of its runs (`alike`)."""

    launch: str
    decision: Launch | None
    pair: frozenset[str]
    best: str
    dropped: bool
    candidates: tuple[str, ...]
    conditions: frozenset[Conditions]


def likeness(settings: Mapping[str, Any]) -> str:
    """What a configuration is as far as it is shown, with four digits of each number: typed in again, it is the same
    one and no other."""
    return configurations.identity_of({key: _as_shown(value) for key, value in settings.items()})


def comparisons(store: Store) -> tuple[Comparison, ...]:
    """What launches are comparing, then what they have decided, the last first. One that was stopped before any of its
    runs ended shows nothing, and one that was decided without fresh runs decided nothing for good."""
    last, going, over = launches.last(store), [], []
    now = measure.of_project(store.project.settings)
    for batch in trials.batches(store, "launch"):
        decision = last.get(batch.name)
        runs = trials.trials(store, batch.name)
        if (
            runs
            and decision is not None
            and decision.decision != "repeat"
            and by_metric.of_batch(store, batch.name) != now
        ):
            # By another metric the same two were another question.
            continue
        entered = (batch.plan, *batch.plan.get("rivals", ()))
        about = tuple(entry["trial"] for entry in entered), alike.known(runs)
        if decision is None or decision.decision == "repeat":
            if batch.wanted != "stop" or any(run.status in trials.ENDED for run in runs):
                best = batch.plan["best"]
                pairs = (_pair(store, entry["candidate"], best) for entry in entered)
                going += [Comparison(batch.name, None, pair, best, False, *about) for pair in pairs]
        elif decision.previous is not None and _rested(decision):
            best = decision.previous
            for candidate in dict.fromkeys((decision.candidate, *(entry["candidate"] for entry in entered))):
                pair, dropped = _pair(store, candidate, best), candidate != decision.candidate
                over.append((decision.number, Comparison(batch.name, decision, pair, best, dropped, *about)))
    return (*reversed(going), *(entry for _number, entry in sorted(over, key=itemgetter(0), reverse=True)))


def met(
    known: Iterable[Comparison], entry: Trial, candidate: Mapping[str, Any], best: Configuration
) -> Comparison | None:
    """The comparison of the candidate that `entry` made known with the best configuration: one that is open against
    this very one, or one that was decided, whichever was the best then; None where there is none, or where code or
    machine are others since."""
    pair = {likeness(candidate), likeness(best.settings)}
    return next(
        (
            found
            for found in known
            if found.pair == pair
            and (found.decision is not None or found.best == best.hash)
            and _same_conditions(found, entry)
        ),
        None,
    )


def require_open(store: Store, entry: Trial, candidate: Mapping[str, Any], best: Configuration) -> None:
    """Refuse a comparison that a launch has decided or has begun, with what can be done instead."""
    found = met(comparisons(store), entry, candidate, best)
    if found is None:
        return
    words = _against(store, found, entry, candidate, best)
    known = {reviewing.identity(store, trials.trial(store, name)) for name in found.candidates}
    # What was the best then may come back as a candidate.
    known.add(configurations.identity_of(configurations.configuration(store, found.best).settings))
    if configurations.identity_of(candidate) in known:
        raise Refusal(words.id, **words.values)
    raise Refusal(
        "{trial} differs from what {launch} compared by less than the four digits of a number that are shown. {why}",
        trial=entry.id,
        launch=found.launch,
        why=words,
    )


def _against(
    store: Store, found: Comparison, entry: Trial, candidate: Mapping[str, Any], best: Configuration
) -> Message:
    """Why a comparison that is known is not begun again, and what can be done instead."""
    last, figures = found.decision, {"trial": entry.id, "launch": found.launch}
    if last is None:
        return say(
            "{launch} compares {trial} with the best configuration, and has not been decided. Begun once more beside "
            "it, chance would have a second try. Go on with it: tunebook launch {launch}",
            **figures,
        )
    why = restored(last.reason)
    if found.dropped:
        return say(
            "{launch} has run {trial} with fresh seeds already, and dropped it, since another candidate did better. "
            "Begun anew, chance would have a second try. Launch another candidate (tunebook launch --trial ID), or "
            "plan a larger round (tunebook round plan).",
            **figures,
        )
    if last.decision == "adopt":
        by_hash = {
            likeness(configurations.configuration(store, name).settings): name for name in (last.candidate, found.best)
        }
        return say(
            "{launch} has compared {trial} with the best configuration already and adopted one of them: {why} To take "
            "that back: tunebook launch --back {hash} --reason TEXT",
            why=why,
            hash=by_hash[likeness(candidate)],
            **figures,
        )
    if last.previous != best.hash:
        return say(
            "{launch} has compared {trial} with the best configuration already: {why} Repeated until it comes out "
            "otherwise, chance would decide. Launch another candidate (tunebook launch --trial ID), or plan a larger "
            "round (tunebook round plan).",
            why=why,
            **figures,
        )
    return say(
        "{launch} has compared {trial} with the best configuration already: {why} Repeated until it is adopted, "
        "chance would adopt it. Launch another candidate (tunebook launch --trial ID), or plan a larger round "
        "(tunebook round plan). To add runs to those of {launch}, all of them judged together: tunebook launch "
        "--reopen {launch} --reason TEXT, or n on its page",
        why=why,
        **figures,
    )


def late_looks(store: Store, batch: Batch, runs: int) -> int:
    """How often a launch was decided upon with at least as many runs of each side as the last planned look has, and
    fewer than `runs`."""
    seen = (entry.evidence for entry in launches.launches(store) if entry.batch == batch.name and _rested(entry))
    counts = {_fewest(evidence["sides"], str(evidence.get("survivor", "candidate"))) for evidence in seen}
    return sum(RUNS[-1] <= count < runs for count in counts)


def _rested(entry: Launch) -> bool:
    """Whether fresh runs were behind a decision."""
    return bool(entry.evidence.get("sides"))


def _pair(store: Store, *names: str) -> frozenset[str]:
    return frozenset(likeness(configurations.configuration(store, name).settings) for name in names)


def _as_shown(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _fewest(sides: Mapping[str, Any], survivor: str) -> int:
    return min(len(sides.get(survivor, ())), len(sides.get("best", ())))


def _same_conditions(found: Comparison, entry: Trial) -> bool:
    """Whether what was launched then would run alike now; a trial that was a candidate of it is no news in any case,
    and what has no result yet runs now."""
    return entry.id in found.candidates or not found.conditions or alike.conditions(entry) in found.conditions
