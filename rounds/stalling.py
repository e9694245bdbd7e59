"""Whether a trial that runs still makes steps: by its steps alone, for a process that hangs lives on."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

# No new step for so long, or for so many times what it usually takes from one look to the next that shows steps.
LEAST_SECONDS = 300.0
TIMES = 20.0


@dataclass
class _Seen:
    steps: int
    since: float
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=50))


class Steps:
    """The steps of the trials under way, as they were seen. Times are by time.monotonic: clocks may be set."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def stalled(self, id: str, steps: int, now: float) -> float | None:
        """Take note of how far a trial is; the seconds since its last new step where that is far too long ago."""
        seen = self._seen.get(id)
        if seen is None or steps < seen.steps:
            self._seen[id] = _Seen(steps, now)
            return None
        if steps > seen.steps:
            seen.gaps.append(now - seen.since)
            seen.steps, seen.since = steps, now
        usual = median(seen.gaps) if seen.gaps else 0.0
        silent = now - seen.since
        return silent if silent > max(LEAST_SECONDS, TIMES * usual) else None

    def forget(self, id: str) -> None:
        """The trial does not run any more."""
        self._seen.pop(id, None)
