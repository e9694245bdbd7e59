"""The set-up from the first question to the first launch: what comes next, asking it, recording the answer.

Every decision is recorded when it is made. An earlier one can be changed at any time: what depended on it is asked
again, and nothing else (G6, G9).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from presets.language import Message, say, stored
from state import decisions
from state.database import Store
from state.decisions import Decision
from state.errors import Invalid, NotFound, NotYet, Unanswered
from wizard import (
    architecture,
    baseline,
    batch_size,
    checks,
    configuration,
    data,
    initial,
    inspection,
    metric,
    optimizer,
    own_batch_size,
    own_steps,
    probe,
    steps,
    verdict,
    weights,
)
from wizard.question import TYPED, Choice, Question, Settled

STEPS = configuration.STEPS
steps_of = configuration.steps


@dataclass(frozen=True)
class Standing:
    """The step that comes next (None: the set-up is done), the long work it needs before it can be asked, and the id
    of that work where it is under way (a measurement, or a batch of trials)."""

    step: str | None
    needs: Literal["", "inspection", "probe", "baseline", "check"] = ""
    running: str | None = None


@dataclass(frozen=True)
class _Step:
    ask: Callable[[Store], Question]
    settle: Callable[[Store, Question, Choice, str], Settled]
    valid: Callable[[Store, Decision], bool]


def _plain(settle: Callable[[Store, Question, Choice], Settled]) -> Callable[[Store, Question, Choice, str], Settled]:
    return lambda store, question, chosen, words: settle(store, question, chosen)


_STEPS = {
    "data": _Step(data.ask, _plain(data.settle), data.valid),
    "metric": _Step(metric.ask, _plain(metric.settle), metric.valid),
    "architecture": _Step(architecture.ask, _plain(architecture.settle), architecture.valid),
    "weights": _Step(weights.ask, _plain(weights.settle), weights.valid),
    "optimizer": _Step(optimizer.ask, _plain(optimizer.settle), optimizer.valid),
    "batch_size": _Step(batch_size.ask, _plain(batch_size.settle), batch_size.valid),
    "initial": _Step(initial.ask, _plain(initial.settle), initial.valid),
    "steps": _Step(steps.ask, _plain(steps.settle), steps.valid),
    "baseline": _Step(baseline.ask, baseline.settle, baseline.valid),
}
_OWN_STEPS = {
    "metric": _Step(own_steps.ask_metric, _plain(own_steps.settle_metric), own_steps.metric_valid),
    "initial": _Step(own_steps.ask_initial, _plain(own_steps.settle_initial), own_steps.initial_valid),
    "batch_size": _Step(own_batch_size.ask, _plain(own_batch_size.settle), own_batch_size.valid),
    "baseline": _Step(baseline.ask, baseline.settle, baseline.valid),
}


@inspection.looking_once()
def standing(store: Store) -> Standing:
    """Where the set-up stands: the first step that is not decided, or whose decision no longer stands."""
    step = next((step for step in steps_of(store) if not _stands(store, step)), None)
    return _needs(store, step) if step is not None else Standing(None)


@inspection.looking_once()
def open_steps(store: Store) -> tuple[str, ...]:
    """The steps that are not decided, or whose decision no longer stands."""
    return tuple(step for step in steps_of(store) if not _stands(store, step))


@inspection.looking_once()
def work(store: Store, step: str) -> Literal["", "inspection", "probe", "baseline", "check"]:
    """The long work that goes before the question of a step: what it needs, or what is measured for it once more."""
    now = standing(store)
    if now.step == step:
        return now.needs
    return "probe" if step == "batch_size" and probe.under_way(store) else ""


@inspection.looking_once()
def ask(store: Store, step: str) -> Question:
    """The question of a step, with its evidence. Refuses where something must be decided or measured first."""
    _check_turn(store, step)
    return _step(store, step).ask(store)


@inspection.looking_once()
def answer(store: Store, step: str, chosen: Choice, reason: str = "", *, known: int | None = None) -> Message | None:
    """Record an answer: an option's value, or what was typed; `reason` is what the person adds to it. Returns what to
    mind about it, where there is something, which is kept with the evidence: nobody has to confirm it, as the answer
    can be changed before anything rests on it, but whoever looks at the decision reads it.

    Refuses what is neither offered nor possible, and then records nothing; and where another session has answered the
    same since the decision `known` was in force for whoever answers (None: since now).
    """
    known = decisions.number(store, step) if known is None else known
    question = ask(store, step)
    value = _value(question, chosen)
    option = next((entry for entry in question.options if entry.value == value), None)
    if option is not None and option.explain and not reason.strip():
        raise Unanswered("{option}: say why, it is recorded with the decision.", option=option.label)
    settled = _step(store, step).settle(store, question, value, reason)
    why = settled.reason
    if reason.strip():
        why = say("{why} (added by hand: {words})", why=why, words=reason.strip())
    decisions.decide(
        store,
        step,
        question=stored(question.text),
        options=[entry.value for entry in question.options],
        recommended=question.recommended,
        chosen=value,
        reason=stored(why),
        evidence=[stored(message) for message in (*question.evidence, *filter(None, [settled.warning]))],
        settings=dict(settled.settings),
        known=known,
    )
    if settled.then is not None:
        settled.then()
    return settled.warning


def title(step: str) -> Message:
    """The name of a step, for people."""
    return _TITLES[step]


def called(step: str) -> str:
    """What people see a decision recorded under: the name of its question, or of the round that it is about."""
    return _TITLES[step].text() if step in _TITLES else step


def reopened(step: str) -> Message:
    """What to know where the set-up was done once and has a question open again."""
    return say(
        "What the set-up rests on has changed: {step} is open again (tunebook new). Until it is decided, rounds go on "
        "from the best configuration as it was launched.",
        step=title(step),
    )


# The rows of the playbook that the question of each step comes from.
ROWS = {
    "data": ("G0",),
    "metric": ("G0",),
    "architecture": ("G1", "G10"),
    "weights": ("W1", "G1"),
    "optimizer": ("G2", "P21"),
    "batch_size": ("G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10"),
    "initial": ("G11",),
    "steps": ("G13", "P15"),
    "baseline": ("G12", "G14"),
}
_TITLES = {
    "pipeline": say("pipeline"),
    "data": say("data"),
    "metric": say("metric"),
    "architecture": say("architecture"),
    "weights": say("weights"),
    "optimizer": say("optimizer"),
    "batch_size": say("batch size"),
    "initial": say("first configuration"),
    "steps": say("number of steps"),
    "baseline": say("baseline"),
    # What is decided by the way, with the batch size.
    configuration.RUNTIME: say("how to run"),
    configuration.INPUT: say("how to load"),
    configuration.PRECISION: say("precision"),
}


def _needs(store: Store, step: str) -> Standing:
    if step == "data" and inspection.fresh(store) is None:
        return Standing(step, "inspection", inspection.running(store))
    if step == "batch_size" and store.project.settings.command:
        waits = own_batch_size.needed(store) or probe.under_way(store) is not None
        return Standing(step, "probe", probe.under_way(store)) if waits else Standing(step)
    if step == "batch_size" and (probe.fresh(store) is None or probe.under_way(store)):
        return Standing(step, "probe", probe.under_way(store))
    if step == "baseline":
        batch = baseline.latest(store)
        if batch is None:
            return Standing(step, "baseline")
        if not verdict.ended(store, batch):
            return Standing(step, "baseline", batch.name)
    if (check := check_under_way(store, step)) is not None:
        return Standing(step, "check", check[1])
    return Standing(step)


def check_under_way(store: Store, step: str) -> tuple[str, str] | None:
    """Kind and id of the check that the question of a step waits for."""
    if store.project.settings.command:
        return None
    found = steps.measuring(store) if step == steps.STEP else baseline.checking(store) if step == baseline.STEP else ()
    return next(iter(found), None)


def finish_check(store: Store, step: str) -> None:
    """Record the check that the question of a step waits for. Refuses while it is at work, and where it failed."""
    waited = check_under_way(store, step)
    if waited is not None:
        checks.finish(store, *waited)


def _stands(store: Store, step: str) -> bool:
    decision = decisions.decision(store, step)
    return decision is not None and _step(store, step).valid(store, decision)


def _step(store: Store, step: str) -> _Step:
    return (_OWN_STEPS if store.project.settings.command else _STEPS)[step]


def _check_turn(store: Store, step: str) -> None:
    there = steps_of(store)
    if step not in there:
        raise NotFound("There is no step {step!r}; there are: {steps}.", step=step, steps=there)
    now = standing(store)
    if now.step is not None and there.index(now.step) < there.index(step):
        raise NotYet("First comes: {step}.", step=now.step)
    if now.step == step and now.needs:
        raise NotYet("The question about {step} needs a result first: {needs}.", step=step, needs=now.needs)


def _value(question: Question, chosen: Choice) -> Choice:
    """The answer as one of the options' values, or as the number or text that may be typed. Refuses anything else."""
    for option in question.options:
        if chosen == option.value and isinstance(chosen, bool) == isinstance(option.value, bool):
            return option.value
        if isinstance(chosen, str) and chosen.strip() == str(option.value):
            return option.value
    if not isinstance(chosen, bool):
        try:
            match question.free:
                case "integer":
                    return int(chosen)
                case "number" if math.isfinite(number := float(chosen)):
                    return number
                case "text" | "assignments" if str(chosen).strip():
                    return str(chosen).strip()
        except (ValueError, OverflowError):
            # Not a number: refused below, with what is possible.
            pass
    offered = ", ".join(str(option.value) for option in question.options)
    typed = [TYPED[question.free].text()] if question.free else []
    raise Invalid(
        "{chosen!r} is no answer to: {question} Possible: {offered}",
        chosen=chosen,
        question=question.text.text(),
        offered="; ".join(part for part in (offered, *typed) if part),
    )
