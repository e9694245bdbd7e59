"""Measuring by one process after another: each knows what those before it found, and says when it is of no more use."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.ascent import Size, calmer
from training.bench import Bench, Failure


@dataclass
class Found:
    """What children have reported; `compared`: the sizes that were timed again beside others; `anew`: those that were
    disturbed and measured once more; `phase`: the last one."""

    facts: dict[str, Any] = field(default_factory=dict)
    sizes: dict[int, Size] = field(default_factory=dict)
    compared: set[int] = field(default_factory=set)
    anew: set[int] = field(default_factory=set)
    attempt: int | None = None
    phase: str = ""

    @property
    def choosing(self) -> bool:
        """Whether runtime choices are under way."""
        return self.phase == "choice" and "tried" not in self.facts

    def fitting(self) -> bool:
        """Whether a size was seen to work."""
        return any(size.fits(self.facts.get("memory_budget", 0)) for size in self.sizes.values())

    def written(self) -> str:
        """As JSON, for a process that is to go on."""
        sizes = [dataclasses.asdict(size) for size in self.sizes.values()]
        timed = {"compared": [*self.compared], "anew": [*self.anew]}
        return json.dumps({"facts": self.facts, "sizes": sizes, **timed, "attempt": self.attempt})

    @classmethod
    def read(cls, text: str) -> Found:
        """What `written` wrote."""
        noted = json.loads(text)
        sizes = {size["batch_size"]: Size(**size) for size in noted["sizes"]}
        return cls(noted["facts"], sizes, set(noted["compared"]), set(noted["anew"]), noted["attempt"])


class Spent(Exception):
    """There is more to measure, but not by this process."""


class Fresh:
    """A bench that knows what others have measured, and that measures nothing more once memory has run out in this
    process: raises Spent instead. Nor does it believe a check for which memory was short where it had measured before.
    A device gives back what it took, and is never spent. What it times once more, it notes as found."""

    def __init__(self, bench: Bench, found: Found):
        self.device, self.budget = bench.device, bench.budget
        self._bench, self._found = bench, found
        self._used = self._spent = False

    def measure(self, size: int) -> Size:
        """As `Bench.measure`."""
        if (known := self._found.sizes.get(size)) is not None:
            return known
        return self._measure(size)

    def anew(self, size: Size) -> Size:
        """The figures to keep of a size that was disturbed: it is measured once more, but only once by all processes,
        and not where it was compared, as figures of another moment say less."""
        if size.batch_size in self._found.anew | self._found.compared:
            return size
        newer = self._measure(size.batch_size)
        self._found.anew.add(size.batch_size)
        return calmer(size, newer)

    def side_by_side(self, sizes: list[Size], answer: Callable[[list[Size]], object]) -> list[Size]:
        """As `Bench.side_by_side`."""
        if {size.batch_size for size in sizes} <= self._found.compared:
            return sizes
        newer = self._there().side_by_side(sizes, answer)
        self._found.compared |= {size.batch_size for size in sizes}
        return newer

    def check(self, size: int, folder: Path) -> Failure | None:
        """As `Bench.check`."""
        used, bench = self._used, self._there()
        failure = bench.check(size, folder)
        self._spend(failure is not None and failure.out_of_memory)
        if used and self._spent:
            # Buffers of larger sizes, which the libraries keep, may be what left too little.
            raise Spent
        return failure

    def _measure(self, size: int) -> Size:
        measured = self._there().measure(size)
        self._spend(not measured.fits(self.budget))
        return measured

    def _there(self) -> Bench:
        if self._spent:
            raise Spent
        self._used = True
        return self._bench

    def _spend(self, ran_out: bool) -> None:
        self._spent = self._spent or (ran_out and self.device.type == "cpu")
