"""Is a result better than chance? An exact test against always naming the largest class (G12)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from presets.language import Message, say

CONFIDENCE = 0.95
# One-sided, so that the verdict and the two-sided interval never contradict each other.
SIGNIFICANCE = (1 - CONFIDENCE) / 2


@dataclass(frozen=True)
class Chance:
    """What the validation examples say: `accuracy` with its Clopper-Pearson interval (`low`, `high`), the accuracy of
    always naming the largest class (`majority`), and the probability of so many correct answers by that (`p_value`).
    `independent`: as how many different examples they count, as copies of each other tell nothing new; interval and
    probability are those of the same share of so many."""

    correct: int
    examples: int
    independent: int
    low: float
    high: float
    majority: float
    p_value: float

    @property
    def accuracy(self) -> float:
        """Share of correct answers."""
        return self.correct / self.examples

    @property
    def verdict(self) -> Literal["better", "not better", "cannot tell"]:
        """Whether it is clearly better; "cannot tell" where no number of correct answers would be significant."""
        if self.p_value <= SIGNIFICANCE:
            return "better"
        return "not better" if can_tell(self.majority, self.independent) else "cannot tell"

    @property
    def message(self) -> Message:
        """The verdict in a sentence, with its figures."""
        if self.independent == self.examples:
            return self._message
        return say(
            "{first} With their copies of each other, the examples tell as much as {independent} that differ, and "
            "are judged as so many.",
            first=self._message,
            independent=self.independent,
        )

    @property
    def _message(self) -> Message:
        if self.verdict == "cannot tell":
            return say(
                "The validation split cannot tell: always naming its largest class is right for {majority:.1%} of its "
                "{examples} examples, so even a perfect result could be luck. Hold out more examples, of every class.",
                majority=self.majority,
                examples=self.examples,
            )
        finding = (
            say("Clearly better than chance") if self.verdict == "better" else say("Not clearly better than chance")
        )
        return say(
            "{finding}: {correct} of {examples} validation examples are right, {accuracy:.1%} ({confidence:.0%} "
            "interval {low:.1%} to {high:.1%}); always naming the largest class gives {majority:.1%}.",
            finding=finding,
            correct=self.correct,
            examples=self.examples,
            accuracy=self.accuracy,
            confidence=CONFIDENCE,
            low=self.low,
            high=self.high,
            majority=self.majority,
        )


def against_chance(correct: int, per_class: Sequence[int], independent: int | None = None) -> Chance:
    """Judge `correct` answers on a validation split with `per_class` examples of each class, that with their copies
    tell as much as `independent` different ones (None: there are no copies, or nobody has counted them).

    Raises ValueError for counts that cannot be.
    """
    examples = sum(per_class)
    counted = examples if independent is None else independent
    if not examples or min(per_class) < 0 or not 0 <= correct <= examples or not 0 < counted <= examples:
        raise ValueError(f"{correct} correct answers with {list(per_class)} examples per class cannot be")
    majority = max(per_class) / examples
    # Rounded down: half an answer more would be none that was given.
    right = correct * counted // examples
    return Chance(correct, examples, counted, *_interval(right, counted), majority, _at_least(right, counted, majority))


def corrected(best: float, looks: int, last: float, runs: int) -> float:
    """The p-value of the best of so many evaluations (`looks`), or of the last one of the best of so many `runs`, each
    with its own: the better of the two ways, of which each is wrong in `SIGNIFICANCE` of all cases at most.

    The best of many evaluations is partly luck: each look counts (Bonferroni). The last evaluation of a run was chosen
    by nobody, so of that each run counts once. Together they say of chance that it is none in 5 % of the cases at most.
    """
    return min(1.0, best * looks, last * runs)


def can_tell(majority: float, independent: int) -> bool:
    """Whether a perfect result on so many different examples would be better than always naming the largest class,
    whose share is `majority`."""
    return majority**independent <= SIGNIFICANCE


def fewest(majority: float) -> int:
    """How many different examples that takes."""
    return math.ceil(math.log(SIGNIFICANCE) / math.log(majority))


def level(metric: str, per_class: Sequence[int]) -> float:
    """What an answer that ignores the example reaches at most by a metric of `training.evaluation`, on a split with
    `per_class` examples of each class: the loss (nats) by answering with the class shares, any other by always naming
    the largest class."""
    shares = [count / sum(per_class) for count in per_class if count]
    match metric:
        case "loss":
            return -sum(share * math.log(share) for share in shares)
        case "balanced_error":
            return 1 - 1 / len(shares)
        case "macro_f1":
            return 2 * max(shares) / (1 + max(shares)) / len(shares)
        case _:
            return 1 - max(shares)


def _at_least(correct: int, examples: int, share: float) -> float:
    """P(X >= correct) for X binomial: a regularised incomplete beta function, exact."""
    from scipy.special import betainc

    return float(betainc(correct, examples - correct + 1, share)) if correct else 1.0


def _interval(correct: int, examples: int) -> tuple[float, float]:
    """Clopper and Pearson (1934): the shares that neither one-sided exact test rejects."""
    from scipy.special import betaincinv

    wrong = examples - correct
    low = float(betaincinv(correct, wrong + 1, SIGNIFICANCE)) if correct else 0.0
    high = float(betaincinv(correct + 1, wrong, 1 - SIGNIFICANCE)) if wrong else 1.0
    return low, high
