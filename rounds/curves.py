"""What the curves of a round say, of the best trials and of all (P11), and where the best checkpoints lie (P15)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from presets.language import Message, say
from rounds.finding import Action, Finding, Verdict
from rounds.plan import RoundPlan
from rounds.record import Direction, TrialRecord, cost, ended, leading, ranked
from rounds.roles import OPTIMIZER
from rounds.symptoms import FEWEST_EVALUATIONS, FEWEST_LOSSES, Symptoms, symptoms

# Late noise above this share of the gap between best and fifth best hides which trial is better (our judgement).
NOISE_OF_GAP = 0.25
# How often overfitting is seen where there is none, at most (benchmarks/results/statistics.md), and how likely so many
# such errors at once may be: one of the three best is still told, one of ten is not.
FALSE_ALARM, BY_CHANCE = 0.05, 0.15
# Best checkpoints before the first share: too many steps; after the second: too few (playbook, P15).
EARLY, LATE = 0.1, 0.75
# What is proposed then: this many times the latest best step, or this many times the steps (our judgement).
STEPS_TO_KEEP, LONGER = 3, 2
# Trials that a sentence names.
NAMED = 3

_NAMES = {
    "overfitting": say("overfitting"),
    "rising loss": say("a rising training loss"),
    "unsteady": say("unsteady training"),
    "still improving": say("improvement at the end"),
    "saturated": say("early saturation"),
}


def check(
    plan: RoundPlan, records: Sequence[TrialRecord], direction: Direction, noise: float | None = None
) -> list[Finding]:
    """Five findings on the curves, one more where evaluations are unsettled, and one on the number of steps. `noise`:
    standard deviation from run to run."""
    feasible = ranked(ended(records), direction)
    if not feasible:
        return [Finding("curves", "cannot tell", say("No trial trained to a result: there are no curves."), "P11")]
    own = OPTIMIZER not in plan.base
    seen = {record.id: symptoms(record, direction, noise, own_script=own) for record in feasible}
    best = leading(feasible, direction)
    saturated = _finding("saturated", seen, best, lambda s: s.saturated, _saturated)
    if saturated.action:
        # They stopped in the first quarter; twice that leaves room for trials that are slower.
        payload = {"steps": math.ceil(max(record.steps for record in best) / 2)}
        saturated = replace(saturated, action=replace(saturated.action, payload=payload))
    told = [
        _finding("overfitting", seen, best, lambda s: s.overfitting, _overfitting),
        _finding("rising loss", seen, best, lambda s: s.rising_loss, _rising_loss),
        _decayed(plan, feasible, _unsteady(feasible, seen, best, direction, noise)),
        _finding("still improving", seen, best, lambda s: s.still_improving, _still_improving),
        saturated,
    ]
    return [*_together(told), *_unsettled(seen, best), _steps(plan, best, seen)]


def _together(told: Sequence[Finding]) -> list[Finding]:
    """The findings, those of curves that are too short as one: what it takes is the same for all."""
    short = [finding for finding in told if not finding.figures.get("best")]
    if len(short) < 2:
        return list(told)
    message = say(
        "The curves are too short to tell about {what}: it takes {evaluations} evaluations a trial, and of the "
        "training loss {losses} values.",
        what=[_NAMES[finding.check] for finding in short],
        evaluations=FEWEST_EVALUATIONS,
        losses=FEWEST_LOSSES,
    )
    figures = {"short": [finding.check for finding in short]}
    return [
        *(finding for finding in told if finding not in short),
        Finding("curves", "cannot tell", message, "P11", figures),
    ]


def _finding(
    check: str,
    seen: dict[str, Symptoms],
    best: Sequence[TrialRecord],
    has: Callable[[Symptoms], bool | None],
    tell: Callable[[Sequence[str], int, Sequence[str], int], tuple[Verdict, Message, Action | None]],
) -> Finding:
    """One symptom over the round; `tell` gets which of the best have it, of how many, and which of all, of how many."""
    known = [trial for trial, symptom in seen.items() if has(symptom) is not None]
    having = [trial for trial in known if has(seen[trial])]
    judged = [record.id for record in best if record.id in known]
    among = [trial for trial in judged if trial in having]
    figures = {"best": judged, "best_with": among, "all": len(known), "all_with": having}
    if not judged:
        return Finding(check, "cannot tell", _too_short(check), "P11", figures)
    verdict, message, action = tell(among, len(judged), having, len(known))
    return Finding(check, verdict, message, "P11", figures, action)


def _too_short(check: str) -> Message:
    if check == "rising loss":
        return say(
            "The training losses are too short to tell whether they rise: it takes {fewest} values a trial.",
            fewest=FEWEST_LOSSES,
        )
    return say(
        "The validation curves are too short to tell ({what}): it takes {fewest} evaluations a trial.",
        what=_NAMES[check],
        fewest=FEWEST_EVALUATIONS,
    )


def named(trials: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = [f".. +{len(trials) - NAMED}"] if len(trials) > NAMED else []
    return ", ".join([*trials[:NAMED], *more])


def _overfitting(
    among: Sequence[str], best: int, having: Sequence[str], every: int
) -> tuple[Verdict, Message, Action | None]:
    action = Action(
        "regularise",
        say(
            "Add or strengthen a regulariser (dropout, label smoothing, weight decay, augmentation) in the next round."
        ),
    )
    if _more_than_chance(len(among), best):
        message = say(
            "Overfitting in {among} of the {best} best trials ({trials}): validation gets worse while training goes "
            "on. Compare again with more regularisation before concluding.",
            among=len(among),
            best=best,
            trials=named(among),
        )
        return "warn", message, action
    if _more_than_chance(len(having), every):
        message = say(
            "Overfitting in {having} of {every} trials ({trials}), of the {best} best in {among}. Choosing the best "
            "favours whatever keeps a trial from it, be it a learning rate that is too low.",
            having=len(having),
            every=every,
            trials=named(having),
            best=best,
            among=len(among),
        )
        return "warn", message, action
    if having:
        message = say(
            "Signs of overfitting in {having} of {every} trials ({trials}): no more than noise explains.",
            having=len(having),
            every=every,
            trials=named(having),
        )
        return "pass", message, None
    return "pass", say("No trial overfits."), None


def _unsettled(seen: dict[str, Symptoms], best: Sequence[TrialRecord]) -> list[Finding]:
    """What looks like overfitting and is none; nothing where no trial has it."""
    having = [trial for trial, symptom in seen.items() if symptom.unsettled]
    if not having:
        return []
    among = [record.id for record in best if record.id in having]
    judged = [record.id for record in best if seen[record.id].unsettled is not None]
    figures = {"best": judged, "best_with": among, "all": len(seen), "all_with": having}
    told = {"among": len(among), "best": len(judged), "having": len(having), "every": len(seen)}
    if not among:
        message = say(
            "In {having} of {every} trials ({trials}), none of them among the best, the validation loss is higher than "
            "wrong answers can make it. That is no overfitting: the learning rate is too high, or the averages of "
            "batch norm have not settled.",
            trials=named(having),
            **told,
        )
        return [Finding("unsettled", "pass", message, "P22", figures)]
    message = say(
        "In {among} of the {best} best trials ({trials}) the validation loss is higher than wrong answers can make it. "
        "That is no overfitting: the learning rate is too high, or the averages of batch norm have not settled in so "
        "few steps.",
        trials=named(among),
        **told,
    )
    remedy = say(
        "Where there is batch norm, train longer. Otherwise stabilise training: warm-up first, then gradient clipping, "
        "a lower learning rate last."
    )
    return [Finding("unsettled", "warn", message, "P22", figures, Action("stabilise", remedy))]


def _more_than_chance(count: int, trials: int) -> bool:
    """Whether so many trials with a symptom are more than the detector's own errors (binomial, exact)."""
    fewer = sum(math.comb(trials, n) * FALSE_ALARM**n * (1 - FALSE_ALARM) ** (trials - n) for n in range(count))
    return 1 - fewer <= BY_CHANCE


def _rising_loss(
    among: Sequence[str], best: int, having: Sequence[str], every: int
) -> tuple[Verdict, Message, Action | None]:
    if among:
        message = say(
            "The training loss rises towards the end in {among} of the {best} best trials ({trials}): training is "
            "unstable.",
            among=len(among),
            best=best,
            trials=named(among),
        )
        remedy = say("Stabilise training: warm-up first, then gradient clipping, a lower learning rate last.")
        return "warn", message, Action("stabilise", remedy)
    if having:
        message = say(
            "The training loss rises in {having} of {every} trials, none of them among the best.",
            having=len(having),
            every=every,
        )
        return "pass", message, None
    return "pass", say("The training loss rises in no trial."), None


def _still_improving(
    among: Sequence[str], best: int, having: Sequence[str], every: int
) -> tuple[Verdict, Message, Action | None]:
    if among:
        message = say(
            "Still improving at the end: {among} of the {best} best trials ({trials}).",
            among=len(among),
            best=best,
            trials=named(among),
        )
        return "warn", message, None
    return "pass", say("None of the best trials was still improving at the end."), None


def _saturated(
    among: Sequence[str], best: int, having: Sequence[str], every: int
) -> tuple[Verdict, Message, Action | None]:
    if len(among) == best:
        message = say("All {best} best trials stopped improving in their first quarter.", best=best)
        return "warn", message, Action("fewer_steps", say("A round of shorter trials would learn as much."))
    return "pass", say("The best trials made use of their steps."), None


def _unsteady(
    feasible: Sequence[TrialRecord],
    seen: dict[str, Symptoms],
    best: Sequence[TrialRecord],
    direction: Direction,
    noise: float | None,
) -> Finding:
    """Step-to-step variance late in training, against the noise from run to run or the gap between good trials."""
    if all(seen[record.id].late_noise is None for record in best):
        return Finding("unsteady", "cannot tell", _too_short("unsteady"), "P11", {"best": []})
    gap = cost(feasible[4], direction) - cost(feasible[0], direction) if len(feasible) >= 5 else 0.0
    limits = [limit for limit in (noise, NOISE_OF_GAP * gap) if limit]
    if not limits:
        message = say(
            "Five feasible trials that differ, or the noise from run to run, would tell how steady is enough."
        )
        return Finding(
            "unsteady",
            "cannot tell",
            message,
            "P11",
            {"best": [record.id for record in best], "feasible": len(feasible)},
        )
    limit = min(limits)

    def has(symptom: Symptoms) -> bool | None:
        return None if symptom.late_noise is None else symptom.late_noise > limit

    def tell(
        among: Sequence[str], best: int, having: Sequence[str], every: int
    ) -> tuple[Verdict, Message, Action | None]:
        if not among:
            return "pass", say("Late in training the best trials are steady from one evaluation to the next."), None
        message = say(
            "In {among} of the {best} best trials ({trials}), late evaluations differ so much from one to the next "
            "that their ranking may be luck.",
            among=len(among),
            best=best,
            trials=named(among),
        )
        remedy = say("Let the learning rate decay to zero, validate on more examples, or use larger batches.")
        return "warn", message, Action("steady", remedy)

    finding = _finding("unsteady", seen, best, has, tell)
    late = {record.id: seen[record.id].late_noise for record in best}
    return replace(finding, figures={**finding.figures, "late_noise": late, "limit": limit})


def _decayed(plan: RoundPlan, records: Sequence[TrialRecord], finding: Finding) -> Finding:
    """The finding on unsteady trials, without the advice to let the rate decay where it does so already, or where the
    round compares just that."""
    unsteady = {record.id: record for record in records if record.id in finding.figures.get("best_with", ())}
    if finding.action is None or not any(_ends_at_zero(plan, record) for record in unsteady.values()):
        return finding
    remedy = say("Validate on more examples, or use larger batches: the learning rate decays to zero already.")
    if not all(_ends_at_zero(plan, record) for record in unsteady.values()):
        remedy = say(
            "Those whose learning rate decays to zero are unsteady, too: validate on more examples, or use larger "
            "batches."
        )
    return replace(finding, action=Action("validate_more", remedy))


def _ends_at_zero(plan: RoundPlan, record: TrialRecord) -> bool:
    """Whether the learning rate of a trial has decayed to zero at its end."""
    own = {**plan.base, **plan.study(record.study).overrides, **record.values}
    return _schedule(plan, record) != "constant" and not own.get("schedule.final_factor")


def _schedule(plan: RoundPlan, record: TrialRecord) -> str:
    """The schedule that a trial had: that of the round, of its study, or its own."""
    own = {**plan.base, **plan.study(record.study).overrides, **record.values}
    return str(own.get("schedule.name") or "constant")


def _steps(plan: RoundPlan, best: Sequence[TrialRecord], seen: dict[str, Symptoms]) -> Finding:
    """Whether the number of steps fits, from where the best checkpoints of the good trials lie."""
    located = [record for record in best if record.best_step is not None and record.steps > 0]
    if located and all(seen[record.id].unsettled for record in located):
        message = say("What is evaluated has not settled: the best checkpoints say nothing of the number of steps.")
        return Finding("steps", "cannot tell", message, "P15", {"places": {}})
    places = {record.id: (record.best_step or 0) / record.steps for record in located}
    figures: dict[str, Any] = {"places": places}
    if not places:
        return Finding("steps", "cannot tell", say("No trial says at which step it was best."), "P15", figures)
    middle = median(places.values())
    figures["median"] = middle
    if max(places.values()) < EARLY:
        steps = math.ceil(STEPS_TO_KEEP * max(record.best_step or 0 for record in located))
        message = say("The best checkpoints all lie in the first tenth of training: far too many steps.")
        action = Action("fewer_steps", say("Train {steps} steps.", steps=steps), {"steps": steps})
        return Finding("steps", "warn", message, "P15", figures, action)
    if 2 * sum(place > LATE for place in places.values()) <= len(places):
        message = say("The best checkpoints lie at {middle:.0%} of training: the steps suffice.", middle=middle)
        return Finding("steps", "pass", message, "P15", figures)
    gains = [seen[trial].still_improving for trial in places]
    if all(gain is False for gain in gains):
        message = say(
            "The best checkpoints lie in the last quarter of training, but what is gained there is within the noise."
        )
        return Finding("steps", "pass", message, "P15", figures)
    steps = LONGER * max(record.steps for record in located)
    message = say("Most of the best checkpoints lie in the last quarter of training: longer training may do better.")
    if any(_schedule(plan, record) != "constant" for record in located):
        message = say(
            "Most of the best checkpoints lie in the last quarter of training: longer training may do better. With a "
            "decaying learning rate every curve improves at its end, so one longer trial comes before a longer round."
        )
    action = Action("more_steps", say("Train {steps} steps in the next round.", steps=steps), {"steps": steps})
    return Finding("steps", "warn", message, "P15", figures, action)
