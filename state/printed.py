"""What a training script prints of its pace: the training lines of timm's script, and the progress bars of tqdm.

Transformers' Trainer and Lightning write their files seldom, but show such bars from the first step on.
"""

from __future__ import annotations

import re

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


class Counted:
    """The steps of the first bar that moves, over all epochs; of others with another number of steps nothing."""

    def __init__(self) -> None:
        self.steps = 0
        self._of: int | None = None
        self._last = 0

    def add(self, drawn: list[tuple[int, int]]) -> bool:
        """Count what was drawn; whether any of it was this bar's."""
        moved = False
        for done, of in drawn:
            if self._of is None and done:
                self._of, self._last = of, done
            if of == self._of and (done or self._last):
                # A bar that is behind where it was has begun another epoch.
                self.steps += done - self._last if done >= self._last else done
                self._last, moved = done, True
        return moved
