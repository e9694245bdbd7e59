"""A device whose memory and speed at each batch size are known, in place of one that is measured."""

from __future__ import annotations

from collections.abc import Callable

from training.ascent import Shared, Size

MIB = 2**20


def bench(peak: Callable[[int], int], card: int, rate: Callable[[int], float] = float) -> Callable[[int], Size]:
    """A device with a card of so many bytes, on which `rate` says the examples a second."""

    def measure(size: int) -> Size:
        if peak(size) > card:
            return Size(size, "out_of_memory")
        seconds = size / rate(size)
        return Size(size, "measured", "", seconds, 0.0, rate(size), peak(size))

    return measure


def unchanged(sizes: list[Size], answer: object = None) -> list[Size]:
    """What is timed again on a device whose times never vary."""
    return sizes


# Processors that are shared with others, on which all the same nothing is ever disturbed.
QUIET = Shared(unchanged, lambda size: size)
