"""Why it is too early for a launch, or no launch is worth it: review comes before any conclusion (P7, G16)."""

from __future__ import annotations

from presets.language import Message, say
from rounds import reviewed, standing
from state import trials
from state.database import Store


def why(store: Store, name: str) -> Message | None:
    """What speaks against a launch of the best trial of a round now; None where nothing does."""
    batch, told = trials.batch(store, name), {"name": name}
    left = sum(not trials.over(entry) for entry in trials.trials(store, name))
    if left and batch.wanted == "run":
        return say("Of the trials of {name} {left} have not ended, and the best may be among them.", left=left, **told)
    if not reviewed.holds(store, batch):
        return say("{name} has not been reviewed: whether its results can be relied on is not known.", **told)
    if standing.beaten(store, name):
        return say("By its review no trial of {name} beats the best configuration.", **told)
    return None
