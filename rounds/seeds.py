"""The seeds of trials.

Every point of a round gets a seed of its own. Under one seed for all, what a round finds would hold for that one
initialisation and order of the data; with many, the luck of the seed is spread over the points as it is in what the
round is meant to predict, the next run (Bouthillier et al. 2021, arXiv:2103.03098: randomise what can be). Sharing
seeds to pair runs gains nothing, because their results hardly correlate. Studies share the seed of a point as they
share the point, which costs nothing.
A launch draws seeds that no trial of the project has had, because the old ones are why the candidate looks good.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from hashlib import blake2b

KEY = "training.seed"


def of_point(seed: int, index: int) -> int:
    """The seed of the trials at a point of a round, from the round's own seed and the point's index."""
    return _hashed(f"point/{seed}/{index}")


def fresh(launch: int, count: int, used: Collection[int]) -> tuple[int, ...]:
    """So many seeds for a launch, all different and none of them used; the same number draws the same seeds."""
    drawn = dict.fromkeys(_hashed(f"launch/{launch}/{place}") for place in range(2 * (count + len(used)) + 1))
    return tuple(itertools.islice((seed for seed in drawn if seed not in used), count))


def _hashed(text: str) -> int:
    """A number that fits a signed 32-bit integer, for whatever draws from it."""
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) >> 1
