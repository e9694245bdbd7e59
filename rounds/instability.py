"""Is training unstable just above its best learning rate: short runs there, and what they say (P22)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from presets.language import say
from rounds import planning
from rounds.finding import Action, Finding
from rounds.plan import PlannedTrial, RoundPlan, Study
from rounds.record import GRADIENT_NORM, TRAINING_LOSS, TrialRecord, ended, usable
from rounds.remedies import CLIP, RATE, require
from rounds.roles import OPTIMIZER, name_of
from rounds.space import Dimension, Domain
from rounds.steps import EVERY, LONGEST_WARMUP, STEPS, WARMUP
from state import metrics, trials
from state.database import Store
from state.errors import NotYet, Refusal
from state.trials import Batch

CHECK, RULE = "instability", "P22"
# The best rate and those just above it; the last, the playbook's double rate, is evaluated at every step.
MULTIPLES = (1.0, 1.26, 1.58, 2.0)
SHORT = 500
LOOKS = 20
# A window whose loss lies so many deviations above the lowest before it, and by this share of what was gained since
# the start, is no noise (our judgement).
RISE, RISE_OF_FALL = 5, 0.1
WINDOWS, SMALLEST_WINDOW = 50, 5
# More than half of the updates clipped asks for a lower rate (playbook).
TOO_OFTEN = 0.5


def plan(store: Store, trial: str) -> RoundPlan:
    """Short runs of a trial's configuration at its rate and above. Refuses a trial without a usable result."""
    if store.project.settings.command:
        raise Refusal("The check needs the built-in training: with a script of your own, run higher rates in a round.")
    entry = trials.trial(store, trial)
    if entry.status != "complete":
        raise Refusal("{trial} did not complete: check the stability of one that did.", trial=trial)
    settings = trials.trial_settings(store, entry)
    require(settings)
    length = min(SHORT, settings[STEPS])
    # A schedule would end within the short run; what is looked for happens at the full rate.
    base = {**settings, "training.seed": 0, STEPS: length, EVERY: max(1, length // LOOKS), "schedule.name": "constant"}
    base[WARMUP] = min(base.get(WARMUP, 0), int(length * LONGEST_WARMUP))
    rates = tuple(float(f"{base[RATE] * multiple:.4g}") for multiple in MULTIPLES)
    name = name_of(RATE, str(base.get(OPTIMIZER, "")))
    domain = Domain("list", choices=rates)
    planned = tuple(
        PlannedTrial(
            "check",
            place,
            {name: (place + 0.5) / len(rates)},
            {name: rate},
            {RATE: rate, EVERY: 1 if rate == rates[-1] else base[EVERY]},
        )
        for place, rate in enumerate(rates)
    )
    study = Study("check", {}, {}, (Dimension(name, RATE, domain, 0),))
    caveat = say("The runs are short: they show whether training is stable, not how good it becomes.")
    return RoundPlan("understand", 0, 0, base, {RATE: "scientific"}, {RATE: domain}, (study,), planned, (caveat,), ())


def start(store: Store, trial: str, *, wanted: str = "run") -> Batch:
    """Queue the check of a trial."""
    planned = plan(store, trial)
    return planning.save(store, planned, wanted=wanted, about={"check": CHECK, "trial": trial})


def candidate(store: Store) -> str:
    """The trial to check where none is named: the best of the last round that has one. Refuses where there is none."""
    best = planning.best_trial(store)
    if best is None:
        raise NotYet("No round has a complete trial yet: there is no best learning rate to check.")
    return best


def check(planned: RoundPlan, records: Sequence[TrialRecord]) -> tuple[Finding, ...]:
    """The review of a check: at which multiple of the best rate training becomes unstable."""
    name = planned.studies[0].dimensions[0].name
    rates = [float(choice) for choice in planned.scientific[RATE].choices]
    runs = [
        {
            "trial": record.id,
            "rate": record.values[name],
            "multiple": record.values[name] / rates[0],
            "diverged": record.status == "infeasible" and record.reason == "diverged",
            "unstable_at": unstable_at([value for _, value in record.curves.get(TRAINING_LOSS, ())]),
        }
        for record in ended(records)
        if record.feasible or record.reason == "diverged"
    ]
    figures: dict[str, Any] = {"runs": runs, "rates": rates}
    if len(runs) < len(planned.trials):
        message = say("{done} of {all} runs can be judged so far.", done=len(runs), all=len(planned.trials))
        return (Finding(CHECK, "cannot tell", message, RULE, figures),)
    shaky = sorted(run["multiple"] for run in runs if run["diverged"] or run["unstable_at"] is not None)
    figures["unstable"] = shaky
    if not shaky:
        message = say(
            "Training is stable up to {multiple:.2g} times the best learning rate, {rate:.3g}: stability is not what "
            "limits it.",
            multiple=max(run["multiple"] for run in runs),
            rate=rates[0],
        )
        return (Finding(CHECK, "pass", message, RULE, figures),)
    action = Action(
        "stabilise", say("Design the next remedy round: warm-up, then clipping, another optimizer, a lower rate last.")
    )
    if shaky[0] <= 1:
        message = say("Training is unstable at the best learning rate itself, {rate:.3g}.", rate=rates[0])
        return (Finding(CHECK, "fail", message, RULE, figures, action),)
    message = say(
        "Training becomes unstable at {multiple:.2g} times the best learning rate, {rate:.3g}: more stable training "
        "may allow a better rate.",
        multiple=shaky[0],
        rate=rates[0],
    )
    return (Finding(CHECK, "warn", message, RULE, figures, action),)


def unstable_at(losses: Sequence[float]) -> int | None:
    """Where in a training curve (index) the loss rises again after it had fallen, by more than noise; where it stops
    being a number at the latest. None: nowhere."""
    broken = next((place for place, value in enumerate(losses) if not usable(value)), len(losses))
    size = max(SMALLEST_WINDOW, len(losses) // WINDOWS)
    parts = [losses[place : place + size] for place in range(0, broken - size + 1, size)]
    levels = [median(part) for part in parts]
    deviations = [median(abs(value - level) for value in part) for part, level in zip(parts, levels, strict=True)]
    typical = median(deviations) if deviations else math.inf
    for place in range(2, len(levels)):
        lowest = min(levels[:place])
        noise = max(typical, deviations[place], deviations[levels.index(lowest)])
        if levels[place] - lowest > max(RISE * noise, RISE_OF_FALL * (levels[0] - lowest)) > 0 and lowest < levels[0]:
            return place * size
    return broken if broken < len(losses) else None


def clipped(norms: Sequence[float], limit: float) -> float:
    """The share of updates that clipping at this norm shortens; one that is not a number counts."""
    return sum(not norm <= limit for norm in norms) / len(norms)


def clipping(store: Store, name: str, records: Sequence[TrialRecord]) -> list[Finding]:
    """The share of clipped updates in the best trials that clip, where there are any."""
    shares = {}
    for record in records:
        limit = float(trials.trial_settings(store, trials.trial(store, record.id)).get(CLIP) or 0.0)
        norms = [value for _, value in metrics.curve(store, record.id, GRADIENT_NORM)] if limit else []
        if norms:
            shares[record.id] = clipped(norms, limit)
    if not shares:
        return []
    share = median(shares.values())
    figures = {"shares": shares, "median": share}
    if share > TOO_OFTEN:
        message = say(
            "In the best trials {share:.0%} of the updates were clipped: that is mostly a lower learning rate.",
            share=share,
        )
        return [
            Finding(
                "clipping", "warn", message, RULE, figures, Action("stabilise", say("Clip less, or lower the rate."))
            )
        ]
    message = say("In the best trials {share:.0%} of the updates were clipped: the rare large ones.", share=share)
    return [Finding("clipping", "pass", message, RULE, figures)]
