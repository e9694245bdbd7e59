"""A Halton sequence with scrambled digits: each point is a pure function of (seed, index, dimensions).

No engine and no state: any process can compute any point, extending a study is asking for the next indices, and the
numbers are the same on every machine for ever. They spread as well as scipy's scrambled Halton (tests/test_halton.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b


def point(seed: int, index: int, dimensions: Sequence[int]) -> tuple[float, ...]:
    """Coordinates in [0, 1) of the point `index` >= 0; dimension number d uses the d-th prime (0: base 2).

    A coordinate depends on seed, index and its own dimension number alone. Raises ValueError for a negative number.
    """
    if index < 0 or any(dimension < 0 for dimension in dimensions):
        raise ValueError(f"index and dimensions must not be negative: {index}, {tuple(dimensions)}")
    return tuple(_coordinate(seed, index, dimension) for dimension in dimensions)


def _coordinate(seed: int, index: int, dimension: int) -> float:
    """The radical inverse of the index in the dimension's prime, each digit permuted."""
    base = _prime(dimension)
    numerator, denominator = 0, 1
    # As many digits as a double holds: the quotient then never rounds to 1. Digits above the index's own are 0, and
    # they are permuted as well: without that all points would share the corner near 0.
    for place in range(int(53 / math.log2(base))):
        index, digit = divmod(index, base)
        numerator = numerator * base + _permutation(seed, dimension, place)[digit]
        denominator *= base
    return numerator / denominator


@cache
def _prime(number: int) -> int:
    candidate = 2 if number == 0 else _prime(number - 1) + 1
    while any(candidate % divisor == 0 for divisor in range(2, math.isqrt(candidate) + 1)):
        candidate += 1
    return candidate


@cache
def _permutation(seed: int, dimension: int, place: int) -> tuple[int, ...]:
    """The digits in the order of their hashes; a hash, because random generators may change between versions."""
    return tuple(
        sorted(
            range(_prime(dimension)),
            key=lambda digit: blake2b(f"{seed}/{dimension}/{place}/{digit}".encode()).digest(),
        )
    )
