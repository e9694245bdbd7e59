"""Which comparisons a launch has decided already: started again with new runs, each would pass by chance some time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets.language import restored
from rounds import reviewing
from rounds.decision import RUNS
from state import configurations, launches, trials
from state.configurations import Configuration
from state.database import Store
from state.errors import Refusal
from state.launches import Launch
from state.trials import Batch, Trial


def pipeline(entry: Trial) -> tuple[Any, ...]:
    """What besides the configuration a result depends on: runs that differ in it cannot be compared."""
    result = entry.result or {}
    return tuple(repr(result.get(part)) for part in ("code", "versions", "device", "precision"))


def decided(store: Store, entry: Trial, candidate: Mapping[str, Any], best: Configuration) -> Launch | None:
    """The launch that decided last, by fresh runs, between the candidate that `entry` made known and the best
    configuration, whichever was which then; None where none did, or where code or machine are others since."""
    pair = {reviewing.identity_of(candidate), reviewing.identity_of(best.settings)}
    for last in reversed(launches.last(store).values()):
        if last.previous is None or last.decision == "repeat" or not _rested(last):
            continue
        sides = (configurations.configuration(store, name).settings for name in (last.candidate, last.previous))
        if {reviewing.identity_of(settings) for settings in sides} == pair and _same_pipeline(store, last, entry):
            return last
    return None


def require_open(store: Store, entry: Trial, candidate: Mapping[str, Any], best: Configuration) -> None:
    """Refuse a comparison that a launch has decided, with what can be done instead."""
    last = decided(store, entry, candidate, best)
    if last is None:
        return
    why, figures = restored(last.reason), {"trial": entry.id, "launch": last.batch}
    if last.decision == "adopt":
        by_hash = {
            reviewing.identity_of(configurations.configuration(store, name).settings): name for name in _two(last)
        }
        raise Refusal(
            "{launch} has compared {trial} with the best configuration already and adopted one of them: {why} To take "
            "that back: tunebook launch --back {hash} --reason TEXT",
            why=why,
            hash=by_hash[reviewing.identity_of(candidate)],
            **figures,
        )
    if last.previous != best.hash:
        raise Refusal(
            "{launch} has compared {trial} with the best configuration already: {why} Repeated until it comes out "
            "otherwise, chance would decide. Launch another candidate (tunebook launch --trial ID), or plan a larger "
            "round (tunebook round plan).",
            why=why,
            **figures,
        )
    raise Refusal(
        "{launch} has compared {trial} with the best configuration already: {why} Repeated until it is adopted, "
        "chance would adopt it. Launch another candidate (tunebook launch --trial ID), or plan a larger round "
        "(tunebook round plan). To add runs to those of {launch}, all of them judged together: tunebook launch "
        "--reopen {launch} --reason TEXT",
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


def _two(entry: Launch) -> tuple[str, ...]:
    return tuple(name for name in (entry.candidate, entry.previous) if name is not None)


def _fewest(sides: Mapping[str, Any], survivor: str) -> int:
    return min(len(sides.get(survivor, ())), len(sides.get("best", ())))


def _same_pipeline(store: Store, last: Launch, entry: Trial) -> bool:
    """Whether what was launched then would run alike now; a trial that was a candidate of it is no news in any case."""
    plan = trials.batch(store, last.batch).plan
    if entry.id in (found["trial"] for found in (plan, *plan.get("rivals", ()))):
        return True
    runs = [trials.trial(store, run["trial"]) for side in last.evidence["sides"].values() for run in side]
    return any(pipeline(run) == pipeline(entry) for run in runs)
