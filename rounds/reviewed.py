"""Whether the review of a round holds: one that was made while it ran does not, once more trials have ended (P7)."""

from __future__ import annotations

from state import trials
from state.database import Store
from state.trials import Batch


def holds(store: Store, batch: Batch) -> bool:
    """Whether a round was reviewed, with all of its trials that are over now."""
    if batch.reviewed is None:
        return False
    over = trials.count_over(store, batch.name)
    for finding in trials.findings(store, batch.name):
        if finding["check"] == "complete":
            figures = finding["figures"]
            return over == figures.get("ended", 0) + figures.get("taken_back", 0)
    return True
