"""How many validation examples an evaluation on the way takes: all of them, or a sample where that pays (P16)."""

from __future__ import annotations

import math

# An error rate of 10 % has a standard error of 1 % on so many examples; fewer are no measure (our judgement).
FEWEST = 1000
# What evaluation is to come to, as a share of the time of a trial.
WANTED = 0.1


def examples(total: int, share: float, worth: float) -> int:
    """The size of a sample of `total` examples whose evaluation takes this share of a trial's time; 0: no sample, as
    the share is not over `worth`, or the sample would be more than half of all."""
    if share <= worth:
        return 0
    wanted = max(FEWEST, math.ceil(total * WANTED / share))
    return wanted if wanted <= total / 2 else 0
