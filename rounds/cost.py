"""What trials take: how long they took so far, and what a planned round will, measured on the trials before it (P5)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from presets.language import Message, say
from rounds import slots
from rounds.plan import RoundPlan
from rounds.slots import Machine
from state import measurements, project, spent, trials
from state.database import Store, now
from state.trials import Trial


@dataclass(frozen=True)
class Cost:
    """What the trials of a round or a launch will take: seconds of one, of all with so many `at_once`, and device
    hours; None before any trial has been measured. `hours_left`: of the budget; `seconds_left`: until the deadline
    (None: there is none). `until`: when they would end, begun now (ISO 8601); `price`: of the device hours (None: no
    price is known). `threads`: a trial had when it was timed, and will have, where it will have fewer."""

    at_once: int
    hours_left: float | None
    seconds_left: float | None
    trial: float | None = None
    seconds: float | None = None
    hours: float | None = None
    until: str | None = None
    price: float | None = None
    threads: tuple[int, int] | None = None

    @property
    def over(self) -> bool:
        """Whether they take more than is left of the budget."""
        return self.hours is not None and self.hours_left is not None and self.hours > self.hours_left

    @property
    def late(self) -> bool:
        """Whether they end after the deadline."""
        return self.seconds is not None and self.seconds_left is not None and self.seconds > self.seconds_left


def estimate(store: Store, plan: RoundPlan, at_once: int, here: Machine) -> Cost:
    """What a plan will take here, from the steps a second of the last trials that came to their end."""
    return of_trials(store, plan.base, len(plan.trials), at_once, here)


def of_trials(store: Store, base: Mapping[str, Any], count: int, at_once: int, here: Machine) -> Cost:
    """What so many trials of a configuration will take, measured as in `estimate`."""
    everything = trials.trials(store)
    settings, moment = store.project.settings, datetime.datetime.fromisoformat(now())
    hours_left, seconds_left = left(store, everything)
    a_trial, fewer = trial_ahead(store, base, everything, at_once, here)
    if a_trial is None:
        return Cost(at_once, hours_left, seconds_left)
    seconds, hours = -(-count // at_once) * a_trial, count * a_trial / 3600
    price = hours * settings.price_per_hour if settings.price_per_hour else None
    return Cost(at_once, hours_left, seconds_left, a_trial, seconds, hours, _after(moment, seconds), price, fewer)


def trial_ahead(
    store: Store, settings: Mapping[str, Any], everything: Sequence[Trial], at_once: int, here: Machine
) -> tuple[float | None, tuple[int, int] | None]:
    """What a trial of a configuration takes with so many at once here (None: nothing was measured), and `threads` as in
    Cost: at worst it takes as many times longer as it has fewer; a model that gains little from more loses as little.
    """
    a_trial = trial_seconds(store, settings, everything)
    if a_trial is None or (fewer := _fewer_threads(store, settings, everything, at_once, here)) is None:
        return a_trial, None
    return a_trial * fewer[0] / fewer[1], fewer


def _fewer_threads(
    store: Store, base: Mapping[str, Any], everything: Iterable[Trial], at_once: int, here: Machine
) -> tuple[int, int] | None:
    """How many threads the trials that were timed had, and those to come will have, where these are fewer: a baseline
    has all cores, the trials of a round share them. None on a GPU, which does the work itself."""
    if slots.device(here, base) != "cpu":
        return None
    before = int(trials.trial_settings(store, _timed(everything)[0]).get("runtime.threads") or here.cores)
    then = int(base.get("runtime.threads") or max(1, here.cores // at_once))
    return (before, then) if then < before else None


def _after(moment: datetime.datetime, seconds: float) -> str:
    """So many seconds after a moment, no later than the calendar goes."""
    latest = datetime.datetime(datetime.MAXYEAR, 1, 1, tzinfo=datetime.UTC)
    span = datetime.timedelta(seconds=min(seconds, (latest - moment).total_seconds()))
    return (moment + span).isoformat(timespec="seconds")


def left(store: Store, everything: Iterable[Trial]) -> tuple[float | None, float | None]:
    """Device hours that the budget has left, and seconds until the deadline; None where there is none."""
    settings, moment = store.project.settings, datetime.datetime.fromisoformat(now())
    deadline = project.moment(settings.deadline) if settings.deadline else None
    hours = max(settings.budget_hours - hours_used(store, everything), 0.0) if settings.budget_hours else None
    return hours, max((deadline - moment).total_seconds(), 0.0) if deadline else None


def over_budget(store: Store, name: str) -> Message | None:
    """What to know where the trials that are left of a batch take more than is left of the budget."""
    everything = trials.trials(store)
    hours_left, _seconds_left = left(store, everything)
    due = [entry for entry in everything if entry.batch == name and not trials.over(entry)]
    if hours_left is None or not due:
        return None
    settings = trials.trial_settings(store, due[0])
    a_trial, _fewer = trial_ahead(store, settings, everything, 1, slots.machine())
    if a_trial is None:
        return None
    steps = trials.steps_planned(settings)
    done = sum(min(entry.steps_done / steps, 1.0) for entry in due) if steps else 0.0
    need = (len(due) - done) * a_trial / 3600
    if need <= hours_left:
        return None
    return say(
        "What is left of {name} takes about {need:g} device hours, and the budget has {left:g} left. It runs all the "
        "same, unless you end it early (tunebook round end {name}); tunebook budget --hours raises the budget.",
        name=name,
        need=_rounded(need),
        left=_rounded(hours_left),
    )


def _rounded(hours: float) -> float:
    return round(hours, 1 if hours >= 1 else 3)


def trial_seconds(store: Store, settings: Mapping[str, Any], everything: Iterable[Trial]) -> float | None:
    """What a trial of a configuration takes, by the last batch with trials that came to their end."""
    last = _timed(everything)
    a_step = seconds_per_step(last)
    if a_step is None:
        return None
    # A pipeline of the user's own may count its steps otherwise than it is told them: a trial takes what one took.
    return _mean(last) if store.project.settings.command else a_step * settings["training.steps"]


def _timed(everything: Iterable[Trial]) -> list[Trial]:
    """The trials that came to their end of the last batch that has some."""
    # A stability check evaluates more often than any round.
    often = "training.evaluate_every"
    complete = [entry for entry in everything if entry.status == "complete" and often not in entry.overrides]
    return [entry for entry in complete if entry.batch == complete[-1].batch]


def measured_at_once(everything: Iterable[Trial]) -> float | None:
    """How many trials ran at once, on average from the first start to the last end of the last batch that ran; None
    where that was none of several."""
    timed = [entry for entry in everything if entry.started_at and entry.ended_at]
    last = [entry for entry in timed if entry.batch == timed[-1].batch]
    if len(last) < 2:
        return None
    begin = min(datetime.datetime.fromisoformat(str(entry.started_at)) for entry in last)
    end = max(datetime.datetime.fromisoformat(str(entry.ended_at)) for entry in last)
    whole = (end - begin).total_seconds()
    return max(sum(seconds(entry) or 0.0 for entry in last) / whole, 1.0) if whole > 0 else 1.0


def _mean(entries: list[Trial]) -> float:
    return sum(seconds(entry) or 0.0 for entry in entries) / len(entries)


def hours_used(store: Store, everything: Iterable[Trial]) -> float:
    """Device hours that a project took: all its trials, and what was measured before and between them."""
    return hours_spent(store, everything) + measurements.device_seconds(store) / 3600


def hours_spent(store: Store, entries: Iterable[Trial]) -> float:
    """Device hours that the trials took so far."""
    return sum(device_seconds(store, entry) for entry in entries) / 3600


def device_seconds(store: Store, entry: Trial) -> float:
    """What all processes of a trial took of its device so far, also those whose work was lost, or was to be done
    again. Whether that of one that runs by its row lives yet, its folder says."""
    running = spent.seconds(store.project.trial_folder(entry.id)) if entry.status == "running" else 0.0
    return max(entry.spent, running)


def seconds_per_step(entries: Iterable[Trial]) -> float | None:
    """Seconds by the clock that a step took, start and evaluations included; None where none of them shows it."""
    known = [(taken, entry.steps_done) for entry in entries if (taken := seconds(entry)) and entry.steps_done]
    return sum(taken for taken, _ in known) / sum(steps for _, steps in known) if known else None


def seconds(entry: Trial) -> float | None:
    """How long a trial took that has ended, by the clock; None before. One that was interrupted on the way took what it
    says itself, and so did one whose start is not known, as after the store was built again. Of its tries only the last
    counts, which is what another trial will take."""
    result = entry.result or {}
    told = result.get("seconds") if entry.status in trials.ENDED else None
    if told and (entry.started_at is None or result.get("resumed")):
        return float(told)
    if entry.started_at is None or entry.ended_at is None or entry.status not in trials.ENDED:
        return None
    begin, end = (datetime.datetime.fromisoformat(at) for at in (entry.started_at, entry.ended_at))
    return max((end - begin).total_seconds(), 0.0)
