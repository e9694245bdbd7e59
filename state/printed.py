"""What a training script prints of its pace: the training lines of timm's script, and the progress bars of tqdm.

Transformers' Trainer and Lightning write their files seldom, but show such bars from the first step on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Updates are counted from 0 in each epoch; behind the time are the examples a second of the last one.
_LINE = re.compile(rb"Train: \d+ \[ *(\d+)/\d+.*? Time: [\d.]+s, +([\d.]+)/s")
# A bar without a name, as Transformers and `tqdm(loader)` have it, or of an epoch, as Lightning has it; others are of
# evaluation, of files, of weights. What does not count in tqdm's "it" counts no batches either.
_BAR = re.compile(
    rb"(?:\x1b\[A)*(?:Epoch \d+(?:/\d+)?:)? *\d+%\|[^|]*\| *(\d+)/(\d+) \[[\d:]+<[\d:?]+, +[\d.?]+(?:it/s|s/it)"
)


def rates(text: bytes) -> list[float]:
    """The examples a second in timm's lines, but for those of an epoch's first update, which waits for the data."""
    return [float(rate) for update, rate in _LINE.findall(text) if int(update) and float(rate) > 0]


def bars(text: bytes) -> list[tuple[int, int]]:
    """How many steps progress bars show as done, and of how many; each time that one was drawn anew."""
    drawn = (_BAR.match(piece) for piece in re.split(rb"[\r\n]+", text))
    return [(int(bar[1]), int(bar[2])) for bar in drawn if bar]


@dataclass(frozen=True)
class Drawn:
    """What a progress bar shows: how many steps it made in how many seconds, and how many it goes to."""

    steps: int
    seconds: float
    of: int


class Bars:
    """Progress bars as they are drawn, told apart by how many they go to. Each is timed from one drawing to the next
    within a pass: what lies between two passes, as an evaluation does, is no part of them, nor is the first step."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float]] = {}
        self._made: dict[int, tuple[int, float]] = {}

    def add(self, drawn: Iterable[tuple[int, int]], now: float) -> None:
        """Count what was drawn by now."""
        for done, of in drawn:
            before, at = self._seen.get(of, (0, now))
            if done > before >= 1:
                steps, seconds = self._made.get(of, (0, 0.0))
                self._made[of] = (steps + done - before, seconds + now - at)
            # A bar that is drawn again where it was tells nothing new.
            if done != before:
                self._seen[of] = (done, now)

    def longest(self) -> Drawn | None:
        """The bar that took the most time, which is that of training; None where none has moved."""
        moved = [Drawn(*self._made.get(of, (0, 0.0)), of) for of, (done, _at) in self._seen.items() if done]
        return max(moved, key=lambda bar: bar.seconds, default=None)
