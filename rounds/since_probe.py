"""What the trials of a round have otherwise than the batch sizes were measured with (G6)."""

from __future__ import annotations

from collections.abc import Iterator

from presets.language import Message, say
from rounds.plan import RoundPlan
from rounds.roles import OPTIMIZER
from state import measurements
from state.database import Store

ARCHITECTURE = "model.name"


def others(store: Store, plan: RoundPlan) -> Iterator[Message]:
    """Architectures and optimizers that are compared, or were adopted, since the last probe: memory and time of a step
    are known for the measured ones alone. Without a probe nothing is known of any, and there is nothing to say."""
    probe = measurements.latest(store, "probe")
    if probe is None:
        return
    for name in (ARCHITECTURE, OPTIMIZER):
        measured = probe.subject.get(name)
        tried = plan.scientific[name].choices if name in plan.scientific else (plan.base.get(name),)
        if measured is not None and (found := [str(value) for value in tried if value not in (measured, None)]):
            yield say(
                "Batch sizes were measured with {measured}. With {others}, memory and time of a step may differ.",
                measured=measured,
                others=found,
            )
