"""Whether evaluations on a sample of the validation split say what the whole split says, and whether a sample would pay
(P16)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from presets import sampling
from presets.language import say
from rounds.finding import Action, Finding

CHECK, RULE = "evaluation", "P16"
# A difference of more than so many standard errors is no chance.
CLEAR = 2.0
# Evaluation that takes more of the time than this is worth a sample.
SHARE = 0.2


@dataclass(frozen=True)
class Checked:
    """Error rate of the same weights, on a sample and on the whole split."""

    sample: float
    whole: float


def check(checked: Sequence[Checked], examples: int, total: int) -> Finding:
    """Judge a sample of `examples` of `total` by the last weights of each trial, which were not chosen by it.

    All trials share the sample, so that their differences are one draw seen several times, not several draws: the mean
    difference is held against the error of one. The error is that of a share of a sample without replacement.
    """
    figures = {"examples": examples, "total": total, "trials": len(checked)}
    if not checked:
        return Finding(
            CHECK, "cannot tell", say("No trial was evaluated on the whole validation split."), RULE, figures
        )
    rate = fmean(entry.whole for entry in checked)
    error = math.sqrt(rate * (1 - rate) / examples * (total - examples) / max(total - 1, 1))
    difference = fmean(entry.sample - entry.whole for entry in checked)
    figures |= {"difference": difference, "error": error}
    if not error:
        message = say("All or none of the validation examples are right: a sample of them shows nothing.")
        return Finding(CHECK, "cannot tell", message, RULE, figures)
    words = {"examples": examples, "total": total, "difference": difference, "chance": CLEAR * error}
    if abs(difference) > CLEAR * error:
        message = say(
            "Evaluations on the way take {examples} of {total} validation examples, and there the error rate differs "
            "by {difference:+.3g} from that of all, more than chance explains ({chance:.2g}): the sample is not like "
            "the rest.",
            **words,
        )
        more = min(2 * examples, total)
        action = Action("evaluate", say("Evaluate on {examples} examples.", examples=more), {"examples": more})
        return Finding(CHECK, "warn", message, RULE, figures, action)
    message = say(
        "Evaluations on the way take {examples} of {total} validation examples; the error rate there differs by "
        "{difference:+.3g} from that of all, which chance explains (up to {chance:.2g}). Results are on all.",
        **words,
    )
    return Finding(CHECK, "pass", message, RULE, figures)


def unsampled(shares: Iterable[float], total: int) -> Finding:
    """What to say where every evaluation takes the whole split; `shares`: of each trial's time, what it takes."""
    known = list(shares)
    share = median(known) if known else None
    figures = {"total": total, "share": share}
    examples = sampling.examples(total, share, SHARE) if share else 0
    if share is None or not examples:
        message = say("Every evaluation takes the whole validation split: there is no sample to hold against it.")
        return Finding(CHECK, "pass", message, RULE, figures)
    message = say(
        "Evaluating on all {total} validation examples takes {share:.0%} of the time of a trial.",
        total=total,
        share=share,
    )
    remedy = say(
        "Evaluate on a sample of {examples} on the way; the best checkpoints are evaluated on all in the end.",
        examples=examples,
    )
    return Finding(CHECK, "warn", message, RULE, figures, Action("evaluate", remedy, {"examples": examples}))


def share(seconds: Sequence[tuple[int, float]], pace: Mapping[int, float], batch_size: int) -> float | None:
    """The share of the time between evaluations that was not training: `seconds` at the end of each, and the `pace` of
    training before it in examples a second, by step. None with fewer than three evaluations."""
    timed = [(step, at) for step, at in seconds if step in pace and pace[step] > 0]
    if len(timed) < 3 or timed[-1][1] <= timed[0][1]:
        return None
    training = sum((step - before) * batch_size / pace[step] for (before, _), (step, _) in pairwise(timed))
    return max(1 - training / (timed[-1][1] - timed[0][1]), 0.0)
