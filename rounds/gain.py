"""Whether a round beat what it started from: its best trial against the runs of that configuration (G16).

The best of many trials is ahead of a run of the same configuration by chance, too: by how much, follows from the noise
from run to run, which is known from few runs, and from how many trials there were (`statistics.best_by_chance`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from presets.language import say
from rounds.curves import named
from rounds.finding import Action, Finding
from rounds.record import Direction, TrialRecord, ended, foremost, ranked, turned
from rounds.statistics import best_by_chance, mean
from rounds.symptoms import noise_of

CHECK, RULE = "gain", "G16"
# How often a round of trials that are no better is called one that gained.
LEVEL = 0.05


def check(
    records: Sequence[TrialRecord],
    direction: Direction,
    before: Sequence[float],
    noise: float | None = None,
    *,
    freedom: float = math.inf,
    other: Literal["", "metric", "data", "code"] = "",
) -> list[Finding]:
    """One finding, none where no trial or no run of the configuration has a result. `before`: the results of its runs,
    in the metric's own direction; `noise`: deviation from run to run, and `freedom` the degrees of freedom
    that it rests on; `other`: what was another in all of its runs."""
    if other and (order := ranked(ended(records), direction)):
        return [_incomparable(order[0], other)]
    return [_tied(finding, records, direction) for finding in _check(records, direction, before, noise, freedom)]


def _incomparable(best: TrialRecord, other: Literal["metric", "data", "code"]) -> Finding:
    """Where what the round began with has no run by its metric, on its data, or with its code, they cannot be
    compared."""
    message = say(
        "What the round began with ran on other data than its trials, so that nobody can tell whether {trial} gained. "
        "A launch runs both on the data of now.",
        trial=best.id,
    )
    if other == "code":
        message = say(
            "What the round began with ran other code than its trials: it has changed since, so that nobody can tell "
            "whether {trial} gained. A launch runs both with the code of now.",
            trial=best.id,
        )
    if other == "metric":
        message = say(
            "What the round began with has no run by {metric}, so that nobody can tell whether {trial} gained. A "
            "launch runs both by the metric of now.",
            metric=best.metric.removeprefix("val/"),
            trial=best.id,
        )
    action = Action("launch", say("Launch it: only runs with fresh seeds decide."), {"trial": best.id})
    return Finding(CHECK, "cannot tell", message, RULE, {"trial": best.id}, action)


def _tied(finding: Finding, records: Sequence[TrialRecord], direction: Direction) -> Finding:
    """Which of several best trials is taken is a rule and no result."""
    others = [record.id for record in foremost(ended(records), direction)[1:]]
    if not others:
        return finding
    words = say("{finding} Exactly as good: {others}.", finding=finding.message, others=named(others))
    return replace(finding, message=words)


def _check(
    records: Sequence[TrialRecord], direction: Direction, before: Sequence[float], noise: float | None, freedom: float
) -> list[Finding]:
    order = ranked(ended(records), direction)
    if not order or not before:
        return []
    unit, best, base = noise_of(ended(records), direction, noise), order[0].best or 0.0, mean(before)
    gain = turned(base, direction) - turned(best, direction)
    told = {"trial": order[0].id, "trials": len(order), "best": best, "base": base, "runs": len(before)}
    figures = {**told, "noise": unit, "gain": gain}
    if gain <= 0:
        message = say(
            "No trial beats what the round began with: the best of {trials}, {trial}, came to {best:.4g}, and that to "
            "{base:.4g} (runs: {runs}).",
            **told,
        )
        action = Action("narrow", say("A round around the best configuration, in ranges a third as wide; or keep it."))
        return [Finding(CHECK, "warn", message, RULE, figures, action)]
    launch = Action("launch", say("Launch it: only runs with fresh seeds decide."), {"trial": order[0].id})
    if unit is None:
        message = say(
            "{trial} came to {best:.4g}, what the round began with to {base:.4g} (runs: {runs}). Whether that is more "
            "than chance, only repeated runs can tell.",
            **told,
        )
        return [Finding(CHECK, "cannot tell", message, RULE, figures, launch)]
    # Where no run was repeated the unit is of the curves, and what it rests on is not known.
    times = best_by_chance(len(order), len(before), freedom if noise is not None else math.inf, LEVEL)
    chance = times * unit * math.sqrt(1 + 1 / len(before))
    figures |= {"chance": chance}
    if gain <= chance:
        message = say(
            "{trial} came to {best:.4g}, what the round began with to {base:.4g} (runs: {runs}): the best of {trials} "
            "trials that are no better may well be ahead by as much.",
            **told,
        )
        return [Finding(CHECK, "cannot tell", message, RULE, figures, launch)]
    if noise is None:
        message = say(
            "{trial} came to {best:.4g}, what the round began with to {base:.4g} (runs: {runs}): more than late "
            "evaluations differ. Runs with other seeds may differ by more than those, so only repeated runs can tell.",
            **told,
        )
        return [Finding(CHECK, "cannot tell", message, RULE, figures, launch)]
    message = say(
        "{trial} came to {best:.4g}, what the round began with to {base:.4g} (runs: {runs}): more than the best of "
        "{trials} trials is ahead by chance, {chance:.2g}.",
        **told,
        chance=chance,
    )
    return [Finding(CHECK, "pass", message, RULE, figures, launch)]
