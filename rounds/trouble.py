"""What goes wrong with a trial that is to be started or looked after: how often, until when it is left alone, and how
often that is worth a line of the log."""

from __future__ import annotations

from dataclasses import dataclass

from presets.language import Message

# A trial that cannot be started so often in a row is given up.
ATTEMPTS = 3


@dataclass(frozen=True)
class Trouble:
    """What went wrong with a trial, how often in a row, and until when (time.monotonic) it is left alone. `waited`: how
    often in a row the disk or the store could not be written, which is no fault of its own."""

    attempts: int = 0
    until: float = 0.0
    reason: str = ""
    message: Message | None = None
    waited: int = 0


def now_and_then(times: int) -> bool:
    """Whether what went wrong so many times in a row is worth a line of the log: the 1st, 2nd, 4th, 8th... time, since
    it may go wrong for days, and the disk may be full."""
    return times & (times - 1) == 0
