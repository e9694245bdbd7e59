"""Is training unstable just above its best learning rate, and what to try in which order where it is (P22)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from presets import catalogue
from presets.language import Message, say
from rounds import planning
from rounds.finding import Action, Finding
from rounds.plan import Goal, PlannedTrial, RoundPlan, Study
from rounds.record import TRAINING_LOSS, TrialRecord, ended, usable
from rounds.roles import OPTIMIZER, name_of
from rounds.space import Dimension, Domain
from rounds.steps import EVERY, LONGEST_WARMUP, STEPS, WARMUP
from state import metrics, trials
from state.database import Store
from state.errors import Refusal
from state.trials import Batch

CHECK, RULE = "instability", "P22"
RATE, CLIP, NORM = "optimizer.learning_rate", "regularization.gradient_clip", "grad_norm"
# The best rate and those just above it; the last, the playbook's double rate, is evaluated at every step.
MULTIPLES = (1.0, 1.26, 1.58, 2.0)
SHORT = 500
LOOKS = 20
# A window whose loss lies so many deviations above the lowest before it, and by this share of what was gained since
# the start, is no noise (engine.md 3.5).
RISE, RISE_OF_FALL = 5, 0.1
WINDOWS, SMALLEST_WINDOW = 50, 5
# Clipping starts at this quantile of the norms; more than half of the updates clipped asks for a lower rate (playbook).
QUANTILE, TOO_OFTEN = 0.9, 0.5
# How far a remedy lets the learning rate rise, and fall, against the best one.
UP, DOWN = 10.0, 3.0


@dataclass(frozen=True)
class Remedy:
    """A round that may make training stable: its goal, what it asks, where it searches, and why."""

    code: str
    message: Message
    goal: Goal
    scientific: Mapping[str, Domain | None]
    ranges: Mapping[str, Domain]
    notes: tuple[Message, ...] = field(default_factory=tuple)


def plan(store: Store, trial: str) -> RoundPlan:
    """Short runs of a trial's configuration at its rate and above. Refuses a trial without a usable result."""
    if store.project.settings.command:
        raise Refusal("The check needs the built-in training: with a script of your own, run higher rates in a round.")
    entry = trials.trial(store, trial)
    if entry.status != "complete":
        raise Refusal("{trial} did not complete: check the stability of one that did.", trial=trial)
    settings = trials.trial_settings(store, entry)
    _require(settings)
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
    best = _best_trial(store)
    if best is None:
        raise Refusal("No round has a complete trial yet: there is no best learning rate to check.")
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
            "Training is stable up to {multiple:.2g} times the best learning rate: stability is not what limits it.",
            multiple=max(run["multiple"] for run in runs),
        )
        return (Finding(CHECK, "pass", message, RULE, figures),)
    action = Action(
        "stabilise", say("Design the next remedy round: warm-up, then clipping, another optimizer, a lower rate last.")
    )
    if shaky[0] <= 1:
        message = say("Training is unstable at the best learning rate itself, {rate:.3g}.", rate=rates[0])
        return (Finding(CHECK, "fail", message, RULE, figures, action),)
    message = say(
        "Training becomes unstable at {multiple:.2g} times the best learning rate: more stable training may allow a "
        "better rate.",
        multiple=shaky[0],
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


def remedies(store: Store) -> list[Remedy]:
    """What may make training stable, in the order in which to try it."""
    base = planning.basis(store).settings
    _require(base)
    rate, optimizer = float(base[RATE]), str(base.get(OPTIMIZER, ""))
    name = name_of(RATE, optimizer)
    higher = {name: Domain("float", rate / DOWN, rate * UP, "log")}
    found = []
    warmups = warmup_steps(int(base[STEPS]))
    if warmups:
        choices = (0, *warmups)
        note = say(
            "A warm-up above a twentieth of the steps takes training time: give such a round as many steps more."
        )
        message = say("First remedy: a warm-up, over orders of magnitude; the learning rate may go higher with it.")
        found.append(Remedy("warm-up", message, "compare", {WARMUP: Domain("list", choices=choices)}, higher, (note,)))
    norms = recorded_norms(store)
    if norms:
        limit = clip_at(norms)
        message = say(
            "Second remedy: clip the gradient at {limit:.2g}, the 90th percentile of the {count} norms recorded.",
            limit=limit,
            count=len(norms),
        )
        note = say("Were more than half of the updates clipped, that would only be a lower learning rate.")
        found.append(
            Remedy("clipping", message, "compare", {CLIP: Domain("list", choices=(0.0, limit))}, higher, (note,))
        )
    others = [entry.name for entry in catalogue.optimizers() if entry.name != optimizer]
    if OPTIMIZER in base and others:
        kin = next((other for other in ("adamw", "nadamw", "sgd") if other in others), others[0])
        message = say("Third remedy: another optimizer, {name}, each with its own ranges.", name=kin)
        choices = (optimizer, kin)
        found.append(Remedy("optimizer", message, "compare", {OPTIMIZER: Domain("categorical", choices=choices)}, {}))
    message = say("Last remedy: search lower learning rates. It costs training speed, so it comes after the others.")
    lower = {name: Domain("float", rate / UP, rate, "log")}
    return [*found, Remedy("lower rate", message, "minimise", {}, lower)]


def next_remedy(store: Store) -> Remedy:
    """The first remedy that no round has asked about yet; when all were tried, the last."""
    asked = {key for batch in planning.rounds(store) for key in batch.plan["scientific"]}
    listed = remedies(store)
    return next((remedy for remedy in listed if remedy.scientific and not asked & remedy.scientific.keys()), listed[-1])


def warmup_steps(steps: int) -> tuple[int, ...]:
    """Warm-ups over orders of magnitude, up to a tenth of the steps, which is the last of them."""
    longest = int(steps * LONGEST_WARMUP)
    powers = [10**exponent for exponent in range(1, 6) if 10**exponent <= longest]
    # A tenth itself, where that is well above the last power.
    return tuple([*powers, longest] if longest >= 1 and longest > 2 * (powers[-1] if powers else 0) else powers)


def clip_at(norms: Sequence[float]) -> float:
    """The 90th percentile of the norms, to two digits."""
    ordered = sorted(norms)
    return float(f"{ordered[min(math.ceil(QUANTILE * len(ordered)), len(ordered)) - 1]:.2g}")


def clipped(norms: Sequence[float], limit: float) -> float:
    """The share of updates that clipping at this norm shortens; one that is not a number counts."""
    return sum(not norm <= limit for norm in norms) / len(norms)


def recorded_norms(store: Store) -> list[float]:
    """The gradient norms of the best trial of the last round, before clipping."""
    best = _best_trial(store)
    return [value for _, value in metrics.curve(store, best, NORM) if usable(value)] if best else []


def clipping(store: Store, name: str, records: Sequence[TrialRecord]) -> list[Finding]:
    """The share of clipped updates in the best trials that clip, where there are any."""
    shares = {}
    for record in records:
        limit = float(trials.trial_settings(store, trials.trial(store, record.id)).get(CLIP) or 0.0)
        norms = [value for _, value in metrics.curve(store, record.id, NORM)] if limit else []
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


def _require(settings: Mapping[str, Any]) -> None:
    """Refuse a pipeline of the user's own that lacks what a check and the remedies set."""
    for key in (RATE, STEPS, EVERY):
        if key not in settings:
            raise Refusal(
                "The command has no setting {key}, so its stability is not checked here: try by hand a warm-up, then "
                "clipping of the gradient, another optimizer, a lower learning rate last.",
                key=key,
            )


def _best_trial(store: Store) -> str | None:
    turn = -1 if store.project.settings.direction == "max" else 1
    for batch in reversed(planning.rounds(store)):
        usable_ones = [
            (turn * entry.best, entry.id)
            for entry in trials.trials(store, batch.name)
            if entry.status == "complete" and entry.best is not None and usable(entry.best)
        ]
        if usable_ones:
            return min(usable_ones)[1]
    return None
