"""Where the project stands in goal, run, learn, launch; what runs, until when, and what comes next (G15, G18)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from presets.language import Message, say
from rounds import alike, cost, judging, outage, phases, queue, reviewed, supervisor, worth
from rounds.foremost import foremost, waiting
from rounds.horizon import Horizon, horizon
from state import launches, trials
from state.database import Store
from state.pipeline import STEPS
from state.trials import Batch, Trial

Step = Literal["set-up", "goal", "run", "learn", "launch"]


@dataclass(frozen=True)
class Standing:
    """The step that the project is in, of which round or launch (`batch`, None before the first), what that is and what
    comes next; why a trial that is due does not start (None: all do); how many of its trials are in which state; the
    seconds until it ends (None: nothing runs, or it cannot be told yet); the launches beside it that are `undecided`;
    the device hours that all trials and measurements took, of the budget (None: there is none); how far the end is; and
    the `command` that comes next where it does not follow from the step ("": it does)."""

    step: Step
    batch: str | None
    now: Message
    next: Message
    waits: Message | None
    states: dict[str, int]
    seconds_left: float | None
    undecided: tuple[str, ...]
    hours_spent: float
    hours_budget: float | None
    horizon: Horizon
    command: str = ""


def standing(store: Store) -> Standing:
    """Where the project stands."""
    everything = trials.trials(store)
    batches = trials.batches(store)
    batch = foremost(store, batches, everything)
    entries = [entry for entry in everything if batch is not None and entry.batch == batch.name]
    if launches.best(store) is None:
        step: Step = "set-up"
        now = say("There is no reasonable baseline yet.")
        then = say("Finish the set-up and run the baseline.")
    elif batch is None:
        step, now, then = "goal", say("The baseline stands."), say("Choose the goal of the first round.")
    else:
        step, now, then = _of_batch(store, batch, entries)
    ahead = horizon(store, everything)
    held = queue.waits_for(batches, everything)
    command = ""
    if step == "goal" and (found := _after_the_final(store, batches)) is not None:
        then, command = found
    elif step == "goal" and ahead.phase in ("last", "exhausted", "final", "end"):
        export = "tunebook export DIR"
        commands = {"exhausted": export, "final": "tunebook round final", "end": export}
        then, command = ahead.message, commands.get(ahead.phase, "")
    elif batch is not None and _failed(store, batch, entries):
        command = f"tunebook round retry --failed {batch.name}"
    return Standing(
        step=step,
        batch=batch.name if batch else None,
        now=now,
        next=then,
        waits=held and say("{trial}: {why}", trial=held[0].id, why=held[1]),
        states={status: sum(entry.status == status for entry in entries) for status in _statuses(entries)},
        seconds_left=_seconds_left(store, batch, entries, everything)
        if batch and supervisor.alive(store.project)
        else None,
        undecided=tuple(
            found.name for found in waiting(store, everything) if batch is None or found.name != batch.name
        ),
        hours_spent=cost.hours_used(store, everything),
        hours_budget=store.project.settings.budget_hours or None,
        horizon=ahead,
        command=command,
    )


def _failed(store: Store, batch: Batch, entries: Sequence[Trial]) -> bool:
    """Whether trials that failed are to be tried again before anything else."""
    if outage.why_paused(store, batch, entries) is not None:
        return True
    return batch.kind == "round" and reviewed.holds(store, batch) and worth.lost(store, batch.name)


def _after_the_final(store: Store, batches: Sequence[Batch]) -> tuple[Message, str] | None:
    """What is left, and by which command, once the final study has been decided and no round followed it (P14)."""
    rounds = [batch for batch in batches if batch.kind == "round" and "check" not in batch.plan]
    if not rounds or not rounds[-1].plan.get("search"):
        return None
    return phases.after_the_final(store, rounds[-1].name)


def _of_batch(store: Store, batch: Batch, entries: Sequence[Trial]) -> tuple[Step, Message, Message]:
    """Step, what is, and what comes next, from the last round or launch."""
    if batch.kind != "round" and launches.decided(store, batch.name) is not None:
        return "goal", _decided_last(store), say("Choose the goal of the next round.")
    of: Step = "run" if batch.kind == "round" else "launch"
    ended = sum(entry.status in trials.ENDED for entry in entries)
    left = [entry for entry in entries if entry.status not in trials.ENDED]
    alone = bool(left) and all(map(trials.stopped_alone, left))
    if alone and batch.kind != "round":
        # Its verdict takes all of its runs.
        return of, say("{name} has ended (stopped alone: {n}).", name=batch.name, n=len(left)), say("Run it on.")
    if left and not alone:
        figures = {"name": batch.name, "ended": ended, "total": len(entries)}
        if batch.wanted == "run" and not supervisor.seen_to(store.project):
            now = say(
                "{name} is to run, but no supervisor is at work: {ended} of {total} trials have ended.", **figures
            )
            return of, now, say("Run it on.")
        if batch.wanted == "run":
            after = say("Review it when it has ended.") if batch.kind == "round" else say("Decide when it has ended.")
            if batch.kind != "round" and batch.name not in {waits.name for waits in launches.waiting(store)}:
                after = say("Stop it: the best configuration has changed since it began, so it cannot be decided.")
            return of, say("{name} is at work: {ended} of {total} trials have ended.", **figures), after
        if batch.wanted == "":
            return of, say("{name} is planned (trials: {total}).", **figures), say("Run it.")
        if (why := outage.why_paused(store, batch, entries)) is not None:
            return of, say("{name}: {why}", name=batch.name, why=why), say("Mend the cause.")
        if batch.wanted == "pause":
            if running := sum(entry.status == "running" for entry in left):
                now = say(
                    "{name} is to rest: {ended} of {total} trials have ended, {n} still at work.", n=running, **figures
                )
                return of, now, say("Run it on.")
            return of, say("{name} rests: {ended} of {total} trials have ended.", **figures), say("Run it on.")
        now = say("{name} was stopped: {ended} of {total} trials have ended.", **figures)
        if batch.kind != "round":
            return of, now, say("Run it on, or reject it as it is.")
        if not ended:
            return of, now, say("Run it on, or drop it.")
        if not reviewed.holds(store, batch):
            return "learn", now, say("Review what has ended, or run it on.")
        step, now, then = _of_reviewed(store, batch, entries)
        # A look at a part of its trials is not the end of it.
        now = say("{what} It was stopped: {ended} of {total} trials have ended.", what=now, **figures)
        return step, now, say("Run it on, or choose the goal of the next round.") if step == "goal" else then
    if batch.kind == "round":
        if not reviewed.holds(store, batch):
            now = say("{name} has ended.", name=batch.name)
            if left:
                now = say("{name} has ended (stopped alone: {n}).", name=batch.name, n=len(left))
            return "learn", now, say("Review it, before any conclusion.")
        return _of_reviewed(store, batch, entries)
    if lost := judging.failed(entries):
        now = say("The runs of {name} have ended, but some failed: {n}.", name=batch.name, n=lost)
        return "launch", now, say("Once what made them fail is mended, try them again, or reject it as it is.")
    return "launch", say("The runs of {name} have ended.", name=batch.name), say("Decide: adopt, reject or repeat.")


def _decided_last(store: Store) -> Message:
    """What the last decision about the best configuration was, be it about another launch, or the way back."""
    last = next(entry for entry in reversed(launches.launches(store)) if entry.decision != "repeat")
    if last.evidence.get("back"):
        return say("The best configuration is that of {name} again.", name=last.batch)
    if last.decision == "adopt":
        return say("{name} was adopted.", name=last.batch)
    return say("{name} was rejected.", name=last.batch)


def _of_reviewed(store: Store, batch: Batch, entries: Sequence[Trial]) -> tuple[Step, Message, Message]:
    """After the review a launch, where there is anything that may be worth one."""
    now, then = say("{name} has been reviewed.", name=batch.name), say("Choose the goal of the next round.")
    if batch.plan.get("check") or not any(entry.status == "complete" for entry in entries):
        return "goal", now, then
    if (by := alike.by_other_metric(store).get(batch.name)) is not None:
        told = {"name": batch.name, "metric": by.metric}
        now = say("{name} has been reviewed; it was judged by {metric}, not by what is tuned now.", **told)
        return "goal", now, then
    if worth.lost(store, batch.name):
        now = say("{name} has been reviewed: most of its trials only failed.", name=batch.name)
        return "learn", now, say("Once what made them fail is mended, try all that failed again.")
    if worth.beaten(store, batch.name):
        now = say("{name} has been reviewed: no trial beats the best configuration.", name=batch.name)
        return "goal", now, then
    if worth.launched(store, batch.name):
        return "goal", now, then
    if steps := worth.shorter(store, batch.name):
        told = {"name": batch.name, "steps": steps[0], "more": steps[1]}
        now = say("{name} has been reviewed; its trials are of {steps} steps, the best is of {more}.", **told)
        return "goal", now, say("Try what it found in a round at the length of the best.")
    return "launch", now, say("Launch what is worth it, or choose the goal of the next round.")


def seconds_left(store: Store, name: str) -> float | None:
    """The seconds until a batch ends; None where none of it runs, or it cannot be told yet."""
    everything = trials.trials(store)
    own = [entry for entry in everything if entry.batch == name]
    return _seconds_left(store, trials.batch(store, name), own, everything) if supervisor.alive(store.project) else None


def _statuses(entries: Sequence[Trial]) -> list[str]:
    return list(dict.fromkeys(entry.status for entry in entries))


def _seconds_left(store: Store, batch: Batch, entries: Sequence[Trial], everything: Sequence[Trial]) -> float | None:
    """What is left of each trial, by those of its number of steps that have ended, as many at once as run now."""
    running = [entry for entry in entries if entry.status == "running"]
    if batch.wanted != "run" or not running:
        return None
    # Trials of a batch differ in their number of steps by that setting alone.
    known: dict[Any, tuple[float, float] | None] = {}
    left = []
    for entry in entries:
        if trials.over(entry):
            continue
        length = entry.overrides.get(STEPS)
        if length not in known:
            known[length] = cost.of_one(store, trials.trial_settings(store, entry), everything)
        if (found := known[length]) is None:
            return None
        whole, steps = found
        left.append(whole * max(1 - entry.steps_done / steps, 0.0))
    # The last trials do not end before one of them has had its time.
    return max(sum(left) / len(running), *left)
