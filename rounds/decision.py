"""Adopt a candidate or not? The rule for a launch, from repeated runs with fresh seeds (G16, P13)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from presets.language import Message, say
from rounds.record import Direction, turned, usable
from rounds.roles import OFF, OPTIMIZER
from rounds.statistics import ANY, Improvement, deviation, improvement, mean, mean_interval, pooled, welch

Decision = Literal["adopt", "reject", "repeat", "cannot tell"]
# Runs of each configuration: first, then where undecided, at last.
RUNS = (3, 5, 8)
# By the number of candidates: one-sided p-values to adopt at with fewer than 5, fewer than 8, and more runs. Looking
# three times at p < .10 would adopt far more equal candidates than one look; with these it is 9.3 % of them, 69.4 % of
# those one deviation better and 99.1 % of those two. Where complexity is added the aim is 5 %: 5.2, 54.7 and 97.0 %.
# Of several candidates the one with the best runs is tested by those runs, too. Stricter thresholds, the most so at
# the first look, hold the same aims, and find as many of three that are all better; testing with new runs only would
# take more runs for the same. The figures are those of the launches in benchmarks/results/statistics.md.
SIMPLE = {1: (0.02, 0.05, 0.08), 2: (0.01, 0.03, 0.06), 3: (0.005, 0.02, 0.05)}
COMPLEX = {1: (0.01, 0.03, 0.04), 2: (0.004, 0.012, 0.027), 3: (0.003, 0.01, 0.02)}
# Nothing is planned beyond the last look. Whoever wants more runs all the same gets each further look at a quarter of
# the threshold before it, so that all of these together add at most a third of the last to what chance adopts.
LATER, STEP = 4, 4
# p-values to reject at before the last look: a clear loser at first, then any candidate that is not ahead.
HOPELESS = (0.9, 0.5)
CUT = say("An interval ends where the metric does: there are no values beyond.")
# A side that differs by less than this share of what both do together is told to be steadier.
STEADY = 0.8
# What adding up may make of two means that are equal.
EQUAL = 1e-12
# What added complexity must be worth, in standard deviations from run to run.
EFFECT = 1.0


@dataclass(frozen=True)
class Verdict:
    """The suggestion, with what it rests on; a person decides. Means and intervals in the metric's own direction;
    `gain` > 0 is better, `effect` is the gain in standard deviations. `runs`: how many runs of each the next look
    needs (0: no more). `threshold`: what the p-value was held against, at which `look`. None where a figure cannot be
    known. `cut`: whether an interval ends where the metric does; `rests`: that one rests on more than its own runs;
    `limits`: what runs on the same validation examples cannot show."""

    decision: Decision
    message: Message
    runs: int
    candidate: tuple[float, float, float] | None
    best: tuple[float, float, float] | None
    gain: float | None
    effect: float | None
    p_value: float | None
    improvement: Improvement | None
    diverged: tuple[int, int]
    threshold: float | None = None
    look: int | None = None
    cut: bool = False
    rests: Message | None = None
    limits: Message | None = None


def figures(verdict: Verdict) -> dict[str, Any]:
    """What of a verdict is no text, as plain data; infinite ends of intervals as None, since the journal is standard
    JSON."""
    texts = ("message", "limits", "rests", "decision")
    return {key: _plain(value) for key, value in dataclasses.asdict(verdict).items() if key not in texts}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def judge(
    candidate_scores: Sequence[float],
    best_scores: Sequence[float],
    direction: Direction,
    adds_complexity: bool,
    within: tuple[float, float] = ANY,
    entrants: int = 1,
    late: int = 0,
) -> Verdict:
    """Judge the fresh runs of a candidate against those of the best configuration; infinite, NaN or huge: it diverged.

    The run that made it a candidate is not among them: it was chosen for being lucky. `within`: the values that the
    metric can have; `entrants`: of how many candidates this one had the best runs; `late`: how many looks were
    taken from the last planned one on.
    """
    tried, kept = ([turned(score, direction) for score in scores] for scores in (candidate_scores, best_scores))
    good, base = ([cost for cost in costs if usable(cost)] for costs in (tried, kept))
    diverged = (len(tried) - len(good), len(kept) - len(base))
    # Few runs may agree by chance: neither side is believed to be steadier than both are together.
    floor = pooled((good, base)) or 0.0
    gain = mean(base) - mean(good) if good and base else None
    p_value, effect = None, None
    if gain is not None and min(len(good), len(base)) >= 2:
        p = welch(good, base, floor)
        p_value = None if math.isnan(p) else p
        sd = max(math.hypot(deviation(good), deviation(base)) / math.sqrt(2), floor)
        effect = gain / sd if sd else None
    # A run that diverged was looked at like any other.
    bar = _bar(min(len(tried), len(kept)), adds_complexity, entrants, late)
    made = (len(tried), len(kept))
    decision, runs, message = _decide(made, diverged, gain, effect, p_value, adds_complexity, bar)
    if diverged[1] and p_value is not None:
        message = say(
            "{verdict} The average is without the runs of the best configuration that diverged: {n} of {total}.",
            verdict=message,
            n=diverged[1],
            total=len(kept),
        )
    ours, theirs = (_summary(costs, direction, floor, within) for costs in (good, base))
    return Verdict(
        decision,
        message,
        runs,
        ours,
        theirs,
        gain,
        effect,
        p_value,
        improvement(tried, kept) if tried and kept else None,
        diverged,
        bar.threshold if p_value is not None else None,
        bar.look if p_value is not None else None,
        any(side is not None and side[1] < side[2] and bool({*side[1:]} & {*within}) for side in (ours, theirs)),
        _rests(good, base, floor),
    )


@dataclass(frozen=True)
class _Bar:
    """What p is held against at a look, counted from 1, after so many runs of each; `place`: that of its threshold;
    `why`: what that depends on."""

    runs: int
    threshold: float
    look: int
    place: int
    why: tuple[Message, ...]

    def said(self, verdict: Message) -> Message:
        """A verdict with what its p was held against."""
        return say(
            "{verdict} Adopting took p below {threshold:.2g} ({why}).",
            verdict=verdict,
            threshold=self.threshold,
            why=self.why,
        )


def _place(runs: int) -> int:
    """Which of the planned looks, counted from 0, one after so many runs of each is."""
    return sum(runs >= needed for needed in RUNS[1:])


def _bar(runs: int, adds_complexity: bool, entrants: int, late: int) -> _Bar:
    place = _place(runs)
    which = say("look {look} of {looks}", look=place + 1, looks=len(RUNS))
    if late:
        which = say("look {look}, {looks} are planned", look=len(RUNS) + late, looks=len(RUNS))
    several = (say("candidates: {n}", n=entrants),) if entrants > 1 else ()
    added = (say("adds complexity"),) if adds_complexity else ()
    threshold = (COMPLEX if adds_complexity else SIMPLE)[entrants][place] / LATER**late
    return _Bar(runs, threshold, place + 1 + late, place, (which, *several, *added))


def bars(entrants: int, adds_complexity: bool, first: int = RUNS[0]) -> Message:
    """What p a candidate needs at each look, for who is to start a launch of so many with `first` runs of each."""
    place = _place(first)
    figures = {
        "thresholds": [f"{threshold:g}" for threshold in (COMPLEX if adds_complexity else SIMPLE)[entrants][place:]],
        "runs": [str(runs) for runs in (first, *RUNS[place + 1 :])],
    }
    if adds_complexity:
        return say(
            "What switches something on adds complexity: it is adopted where p is below {thresholds} after {runs} runs "
            "of each (otherwise {simple}), and the gain is no less than runs differ by chance.",
            **figures,
            simple=[f"{threshold:g}" for threshold in SIMPLE[entrants][place:]],
        )
    return say("A candidate is adopted where p is below {thresholds} after {runs} runs of each.", **figures)


def _rests(good: Sequence[float], base: Sequence[float], floor: float) -> Message | None:
    """That few runs which happen to agree are not believed to be that steady (`floor`)."""
    sides = ((say("candidate"), good), (say("best configuration"), base))
    own = [(name, deviation(costs)) for name, costs in sides if len(costs) > 1]
    # Of two sides one is always the steadier; where they hardly differ that is no news.
    steady = [(name, f"{sd:.2g}") for name, sd in own if sd < STEADY * floor]
    if not steady:
        return None
    return say(
        "The interval of the {sides} rests on {floor:.2g}, the deviation from run to run of both sides together: its "
        "own runs differ by less ({own}), which so few may by chance.",
        sides=[name for name, _sd in steady],
        floor=floor,
        own=[sd for _name, sd in steady],
    )


def next_look(runs: int) -> int:
    """How many runs of each side the look after one at `runs` takes."""
    return next((needed for needed in RUNS if needed > runs), runs + STEP)


def _summary(
    costs: Sequence[float], direction: Direction, floor: float, within: tuple[float, float]
) -> tuple[float, float, float] | None:
    """Mean, and the lower and upper end of its t-interval (the mean itself where there is one run)."""
    if not costs:
        return None
    scores = [turned(cost, direction) for cost in costs]
    low, high = mean_interval(scores, floor=floor, within=within) if len(scores) > 1 else (scores[0], scores[0])
    return mean(scores), low, high


def made_of(ours: int, theirs: int) -> Message:
    """How many runs of each side a comparison rests on; those of the best configuration may be more, where earlier ones
    count again."""
    if ours == theirs:
        return say("{n} runs each", n=ours)
    return say("{ours} runs of the candidate and {theirs} of the best configuration", ours=ours, theirs=theirs)


def _train(made: tuple[int, int], runs: int) -> Message:
    """What is to be done until the next look."""
    if max(made) > runs:
        return say("Train both at least {more} times in all.", more=runs)
    return say("Train both {more} times in all.", more=runs)


def _decide(
    made: tuple[int, int],
    diverged: tuple[int, int],
    gain: float | None,
    effect: float | None,
    p_value: float | None,
    adds_complexity: bool,
    bar: _Bar,
) -> tuple[Decision, int, Message]:
    if diverged[0]:
        message = say("Reject: {n} of {total} runs of the candidate diverged.", n=diverged[0], total=made[0])
        return "reject", 0, message
    if diverged[1] and made[1] - diverged[1] < 2:
        return "cannot tell", 0, say("The runs of the best configuration diverged: there is nothing to compare with.")
    if bar.runs < 2:
        message = say("One run can be luck: train both {runs} times, each with another seed.", runs=RUNS[0])
        return "repeat", RUNS[0], message
    if p_value is None or gain is None:
        if gain:
            return (
                "cannot tell",
                0,
                say(
                    "Runs with other seeds gave exactly the same results: check that the seed is used, or take a finer "
                    "metric."
                ),
            )
        return "reject", 0, say("Reject: the candidate and the best configuration give exactly the same results.")
    place, threshold = bar.place, bar.threshold
    figures = {"gain": gain, "p_value": p_value, "runs": made_of(*made)}
    if p_value < threshold and not (adds_complexity and (effect or 0.0) < EFFECT):
        return (
            "adopt",
            0,
            bar.said(
                say(
                    "Adopt: better by {gain:.3g} on average over {runs} (one-sided p = {p_value:.2g}).",
                    **figures,
                )
            ),
        )
    if place < len(HOPELESS) and p_value <= HOPELESS[place]:
        if abs(gain) < EQUAL:
            train = _train(made, RUNS[place + 1])
            return (
                "repeat",
                RUNS[place + 1],
                say("Undecided after {runs}: as good on average. {train}", **figures, train=train),
            )
        if gain < 0:
            message = say(
                "Undecided after {runs}: worse by {loss:.3g} on average, which may be chance. {train}",
                **figures,
                loss=-gain,
                train=_train(made, RUNS[place + 1]),
            )
            return "repeat", RUNS[place + 1], message
        return (
            "repeat",
            RUNS[place + 1],
            bar.said(
                say(
                    "Undecided after {runs}: better by {gain:.3g} on average, p = {p_value:.2g}. {train}",
                    **figures,
                    train=_train(made, RUNS[place + 1]),
                )
            ),
        )
    if gain <= 0:
        return "reject", 0, say("Reject: on average over {runs} it is no better.", **figures)
    if adds_complexity and p_value < threshold:
        return (
            "reject",
            0,
            say("Reject: it is better by {gain:.3g}, less than runs differ by chance, and adds complexity.", **figures),
        )
    return (
        "reject",
        0,
        bar.said(
            say(
                "Reject: better by {gain:.3g} on average over {runs}, which may be chance (p = {p_value:.2g}).",
                **figures,
            )
        ),
    )


@dataclass(frozen=True)
class Complexity:
    """The differences between two configurations in words; `added`: those that switch something on."""

    changes: tuple[Message, ...]
    added: tuple[Message, ...]


def complexity(old: Mapping[str, Any], new: Mapping[str, Any]) -> Complexity:
    """What a launch would change, from the dotted names of both configurations. Seeds and the machine do not count."""
    changes, added = [], []
    for key in dict.fromkeys((*old, *new)):
        before, after = old.get(key), new.get(key)
        if key == "training.seed" or key.startswith("runtime.") or before == after:
            continue
        switch = _is_switch(key, old.get(OPTIMIZER) == new.get(OPTIMIZER))
        if switch and before in OFF and after not in OFF:
            message = say("{key} is switched on, at {value}.", key=key, value=_shown(after))
            added.append(message)
        elif switch and after in OFF and before not in OFF:
            message = say("{key} is switched off; it was {value}.", key=key, value=_shown(before))
        elif before is None:
            message = say("{key} is new, at {value}.", key=key, value=_shown(after))
        elif after is None:
            message = say("{key} is gone; it was {value}.", key=key, value=_shown(before))
        else:
            message = say(
                "{key} changes from {before} to {after}.", key=key, before=_shown(before), after=_shown(after)
            )
        changes.append(message)
    return Complexity(tuple(changes), tuple(added))


def _is_switch(key: str, same_optimizer: bool) -> bool:
    """Whether 0, false, "constant" or nothing means that something is off. Another optimizer's settings are not
    comparable one by one; of a user's own pipeline every setting may be a switch."""
    section = key.partition(".")[0]
    if section == "optimizer":
        return same_optimizer and key != OPTIMIZER
    if section in ("data", "training") or key == "schedule.final_factor":
        return False
    return section != "model" or key == "model.pretrained"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
