"""How far it is to the end: what budget and deadline leave, and when the final study is to begin (G18).

What is left is counted in trials of the best configuration, as long as those before it took, as many at once as so far;
where only one ran so far, which had the whole machine, as a round will run here: more at once, with fewer threads each.
"""

from __future__ import annotations

import datetime
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from presets.language import Message, say
from rounds import alike, cost, decision, final, planning, sharing, slots
from rounds.bayesian import FEWEST
from rounds.design import TRIALS
from rounds.final import FINAL
from rounds.slots import Machine
from state import launches, trials
from state.database import Store
from state.project import Project, moment
from state.trials import Trial

# "last": enough for a round, and no final study can begin, for which rounds have to have tried something; "exhausted":
# they have tried all that it would search.
Phase = Literal["open", "unknown", "explore", "last", "exhausted", "final", "end"]
# The trials of a launch, and of the end: a final study and the launch of what it found.
LAUNCH = 2 * decision.RUNS[0]
END = FINAL + LAUNCH
# The screens ask with each look how far it is, and the driver may take a second to say which GPUs there are.
ASKED_SECONDS = 60


@dataclass(frozen=True)
class Horizon:
    """`hours_left` of the budget and `seconds_left` until the deadline (None: there is none); how many trials that is,
    and how many rounds with a launch each before the end begins (None: open-ended, or nothing was measured yet);
    `final_at`: when the end begins at the latest, by the clock or by device hours left."""

    phase: Phase
    message: Message
    hours_left: float | None = None
    seconds_left: float | None = None
    trials: int | None = None
    rounds: int | None = None
    final_at: str | None = None
    final_hours: float | None = None


def horizon(store: Store, everything: Sequence[Trial]) -> Horizon:
    """How far it is, from all trials of a project."""
    settings, best = store.project.settings, launches.best(store)
    deadline = moment(settings.deadline) if settings.deadline else None
    hours, left = cost.left(store, everything)
    if hours is None and left is None:
        return Horizon("open", say("Open-ended: no budget, no deadline. Rounds go on until they gain nothing more."))
    a_trial, at_once = _pace(store, best.settings, everything) if best else (None, 1.0)
    if not a_trial:
        message = say("How many rounds are left is known when a trial has shown how long it takes.")
        return Horizon("unknown", message, hours, left)
    counts = [hours * 3600 / a_trial] if hours is not None else []
    counts += [left / a_trial * at_once] if left is not None else []
    count = int(min(counts))
    rounds = max((count - END) // (TRIALS + LAUNCH), 0)
    by_clock = deadline - datetime.timedelta(seconds=END * a_trial / at_once) if deadline else None
    return Horizon(
        *_phase(store, count, rounds, _tried(store, everything)),
        hours,
        left,
        count,
        rounds,
        by_clock.isoformat(timespec="minutes") if by_clock else None,
        END * a_trial / 3600 if hours is not None else None,
    )


def _pace(store: Store, settings: Mapping[str, Any], everything: Sequence[Trial]) -> tuple[float | None, float]:
    """Seconds of a trial to come (None: nothing shows it), and how many run at once."""
    if (so_far := cost.measured_at_once(everything)) is not None:
        return cost.trial_seconds(store, settings, everything), so_far
    here = _asked(slots.machine, store.project, int(time.monotonic() // ASKED_SECONDS))
    at_once = slots.at_once(here, slots.device(here, settings), 0, sharing.share(store, settings, here))
    return cost.trial_ahead(store, settings, everything, at_once, here)[0], at_once


@functools.lru_cache(maxsize=1)
def _asked(look: Callable[[Project], Machine], project: Project, _period: int) -> Machine:
    return look(project)


def _tried(store: Store, everything: Sequence[Trial]) -> int:
    """How many trials of rounds a final study may learn from: none on other data, by another metric, or at another
    batch size than the best configuration has."""
    best = launches.best(store)
    others = alike.outdated(store, best.settings if best else None)
    rounds = {batch.name for batch in trials.batches(store, "round") if "check" not in batch.plan} - others
    return sum(entry.batch in rounds and entry.status in ("complete", "infeasible") for entry in everything)


def _phase(store: Store, count: int, rounds: int, tried: int) -> tuple[Phase, Message]:
    if rounds:
        return "explore", say(
            "Rounds of {trials} trials that fit, each with a launch, before the final study is to begin: {rounds}.",
            trials=TRIALS,
            rounds=rounds,
        )
    if count > LAUNCH and tried < FEWEST:
        return "last", say(
            "What is left is enough for {trials} trials: one round of {most} at most, with its launch. A final study "
            "begins with {fewest} trials of rounds.",
            trials=count,
            most=count - LAUNCH,
            fewest=FEWEST,
        )
    # Once it has begun, it is not to begin.
    begun = any(batch.plan.get("search") for batch in planning.rounds(store)[-1:])
    if count > LAUNCH and not begun and (nothing := final.nothing_left(store)) is not None:
        return "exhausted", say(
            "{tried} So there is no final study to begin. What is left is enough for {trials} trials: give a "
            "hyperparameter a wider range in another round (tunebook round plan --range KEY=LOW..HIGH), or export.",
            tried=nothing,
            trials=count,
        )
    if count > LAUNCH and not begun:
        return "final", say(
            "The final study is to begin now: what is left is enough for {trials} trials, its launch included.",
            trials=count,
        )
    if not count:
        return "end", say(
            "Not one trial more fits: decide what has run, and export. What is started all the same runs past the end."
        )
    return "end", say(
        "What is left is enough for {trials} trials: launch what is worth it, and export.",
        trials=count,
    )
