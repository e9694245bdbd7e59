"""What trials take: how long they took so far, and what a planned round will, measured on the trials before it (P5)."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from presets.language import Message, say
from rounds import slots
from rounds.plan import RoundPlan
from rounds.slots import Machine
from state import measurements, project, spent, trials
from state.database import Store, now
from state.machine import cores
from state.trials import Trial

THREADS = "runtime.threads"
# Two numbers of steps tell what the start takes where one is so many times the other.
APART = 1.5


@dataclass(frozen=True)
class Cost:
    """What the trials of a round or a launch will take: seconds of one, of all with so many `at_once`, and device
    hours; None before any trial has been measured. `hours_left`: of the budget; `seconds_left`: until the deadline
    (None: there is none). `until`: when they would end, begun now (ISO 8601); `price`: of the device hours (None: no
    price is known). `threads`: a trial had when it was timed, and will have, where it will have fewer. `longest`:
    seconds of the longest trials where those of another number of steps are among them; `trial` is the mean then."""

    at_once: int
    hours_left: float | None
    seconds_left: float | None
    trial: float | None = None
    seconds: float | None = None
    hours: float | None = None
    until: str | None = None
    price: float | None = None
    threads: tuple[int, int] | None = None
    longest: float | None = None

    @property
    def over(self) -> bool:
        """Whether they take more than is left of the budget."""
        return self.hours is not None and self.hours_left is not None and self.hours > self.hours_left

    @property
    def late(self) -> bool:
        """Whether they end after the deadline."""
        return self.seconds is not None and self.seconds_left is not None and self.seconds > self.seconds_left


def estimate(store: Store, plan: RoundPlan, at_once: int, here: Machine) -> Cost:
    """What a plan will take here, measured on trials before it (`trial_seconds`)."""
    return of_trials(store, [(plan.base, len(plan.trials))], at_once, here)


def of_trials(
    store: Store, configurations: Iterable[tuple[Mapping[str, Any], int]], at_once: int, here: Machine
) -> Cost:
    """What so many trials of each of some configurations will take, measured as in `estimate`."""
    everything = trials.trials(store)
    settings, moment = store.project.settings, datetime.datetime.fromisoformat(now())
    hours_left, seconds_left = left(store, everything)
    each, slower = [], None
    for base, count in configurations:
        a_trial, fewer = trial_ahead(store, base, everything, at_once, here)
        if a_trial is None:
            return Cost(at_once, hours_left, seconds_left)
        slower = slower or fewer
        each += [a_trial] * count
    if not each:
        return Cost(at_once, hours_left, seconds_left)
    mean, longest = sum(each) / len(each), max(each)
    seconds, hours = max(-(-len(each) // at_once) * mean, longest), sum(each) / 3600
    price = hours * settings.price_per_hour if settings.price_per_hour else None
    uneven = longest if min(each) < longest else None
    return Cost(at_once, hours_left, seconds_left, mean, seconds, hours, _after(moment, seconds), price, slower, uneven)


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
    before = int(trials.trial_settings(store, _timed(store, base, everything)[0]).get(THREADS) or here.cores)
    then = int(base.get(THREADS) or max(1, here.cores // at_once))
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
    a_trial, _fewer = trial_ahead(store, settings, everything, 1, slots.machine(store.project))
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
    """What a trial of a configuration takes, by those of the number of steps that is nearest to its own (`_timed`)."""
    lengths = _by_length(store, everything)
    last, length = _nearest(lengths, settings)
    if not last:
        return None
    wanted, whole = trials.steps_planned(settings), _mean(last)
    # The command of a pipeline that is not given the number of steps takes what it took.
    if wanted is None or length is None or wanted == length:
        return whole
    start = _start(lengths, length)
    return start + (whole - start) * wanted / length


def of_one(store: Store, settings: Mapping[str, Any], everything: Iterable[Trial]) -> tuple[float, float] | None:
    """What a trial of a configuration takes, and at which step, as it counts them itself, it ends; None before any has
    shown both."""
    a_trial = trial_seconds(store, settings, everything)
    last, length = _nearest(_by_length(store, everything), settings)
    ends, wanted = max((entry.steps_done for entry in last), default=0), trials.steps_planned(settings)
    if not a_trial or not ends:
        return None
    return a_trial, ends if wanted is None or length is None else ends * wanted / length


def _timed(store: Store, settings: Mapping[str, Any], everything: Iterable[Trial]) -> list[Trial]:
    """The trials by which one of a configuration is timed: of those since the last baseline that came to their end, the
    ones of the number of steps that is nearest to its own; of these, those of the last batch."""
    return _nearest(_by_length(store, everything), settings)[0]


def _by_length(store: Store, everything: Iterable[Trial]) -> dict[int | None, list[Trial]]:
    """The trials that came to their end by the number of steps that they were to make, the last number last; of each,
    those of the last batch that has some. What ran before the last baseline was another model, or another batch size.
    """
    # A stability check evaluates more often than any round.
    often = "training.evaluate_every"
    ended = [entry for entry in everything if entry.status == "complete" and often not in entry.overrides]
    # Of one whose start is not known, as after the store was built again, no time may be.
    complete = [entry for entry in ended if seconds(entry)]
    baselines = {batch.name for batch in trials.batches(store, "baseline")}
    first = max((place for place, entry in enumerate(complete) if entry.batch in baselines), default=0)
    bases = {name: trials.batch_settings(store, name) for name in {entry.batch for entry in complete[first:]}}
    found: dict[int | None, list[Trial]] = {}
    for entry in complete[first:]:
        length = trials.steps_planned({**bases[entry.batch], **entry.overrides})
        before = found.pop(length, [])
        found[length] = [*(before if before and before[0].batch == entry.batch else []), entry]
    return found


def _nearest(lengths: Mapping[int | None, list[Trial]], settings: Mapping[str, Any]) -> tuple[list[Trial], int | None]:
    """The trials whose number of steps is nearest to that of a configuration, and that number; where numbers are not
    known, the last ones."""
    if not lengths:
        return [], None
    wanted = trials.steps_planned(settings)
    known = [length for length in lengths if length is not None]
    length = list(lengths)[-1]
    if wanted is not None and known:
        length = min(known, key=lambda known: abs(math.log(known) - math.log(wanted)))
    return lengths[length], length


def _start(lengths: Mapping[int | None, list[Trial]], length: int) -> float:
    """What of the seconds of the trials of this length does not grow with their steps: by those of another length that
    ran with as many threads, otherwise by what their results say."""
    timed = lengths[length]
    alike = [
        other
        for other in lengths
        if other is not None
        and max(other, length) >= APART * min(other, length)
        and _threads(lengths[other][0]) == _threads(timed[0])
    ]
    whole = _mean(timed)
    if alike:
        other = min(alike, key=lambda other: abs(math.log(other) - math.log(length)))
        a_step = (_mean(lengths[other]) - whole) / (other - length)
        # Otherwise other things took the time, of one or of the other.
        if 0 < a_step * length <= whole:
            return whole - a_step * length
    return sum(map(_told_start, timed)) / len(timed)


def _threads(entry: Trial) -> int:
    """How many threads a trial had; a baseline has all cores."""
    return int(entry.overrides.get(THREADS) or cores())


def _told_start(entry: Trial) -> float:
    """Seconds until the first step of a trial was done, as the built-in training says it, and before that of a command
    of the user's own as far as its lines tell; 0 where nothing does, and where they are not among its `seconds`."""
    result, whole = entry.result or {}, seconds(entry) or 0.0
    if entry.started_at is None or result.get("resumed"):
        return 0.0
    return min(float(result.get("first_step_seconds") or result.get("start_seconds") or 0.0), whole)


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
