"""GPUs that fail: a dead one is always the one with the fewest trials, and would be given them all."""

from __future__ import annotations

from dataclasses import dataclass, field

from rounds.slots import Machine, Slot

# The first may be the doing of the trial; one that it happens to twice in a row is left alone.
SUSPECT = 2


@dataclass
class GpuFaults:
    """How often in a row trials have failed on each GPU for an error of the device."""

    in_a_row: dict[str, int] = field(default_factory=dict)

    def note(self, slot: Slot, *, failed: bool) -> None:
        """How a trial in a slot has ended."""
        if slot.gpu and failed:
            self.in_a_row[slot.gpu] = self.in_a_row.get(slot.gpu, 0) + 1
        else:
            self.in_a_row.pop(slot.gpu, None)

    def avoided(self, here: Machine) -> set[str]:
        """The GPUs that get no trials; none where all have failed, since then it is the trials' own error."""
        suspects = {gpu for gpu in here.gpus if self.in_a_row.get(gpu, 0) >= SUSPECT}
        return suspects if any(gpu not in self.in_a_row for gpu in here.gpus) else set()
