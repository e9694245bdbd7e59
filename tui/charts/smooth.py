"""Smoothing of curves: a running mean with weights that fade, over a share of the curve; gaps stay gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence

# The share of the curve over which the mean runs, by strength; 0: as measured.
SHARES = (0.0, 1 / 20, 1 / 8)


def smoothed(values: Sequence[float], strength: int) -> list[float]:
    """The exponentially weighted mean up to each point, corrected for its beginning (as in Adam); what is not finite
    stays as it is and counts for nothing."""
    span = max(len(values) * SHARES[strength], 1.0)
    kept = math.exp(-1 / span)
    mean, weight = 0.0, 0.0
    found = []
    for value in values:
        if math.isfinite(value):
            mean = kept * mean + (1 - kept) * value
            weight = kept * weight + (1 - kept)
            found.append(mean / weight)
        else:
            found.append(value)
    return found
