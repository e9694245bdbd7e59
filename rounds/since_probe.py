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
    """Architectures and optimizers that are compared, or were adopted, and that no probe was made with: memory and time
    of a step are known for the measured ones alone. Without a probe nothing is known of any: there is nothing to say.
    """
    probes, unmeasured = measurements.measurements(store, "probe"), False
    for name in (ARCHITECTURE, OPTIMIZER):
        now = plan.base.get(name)
        of = (probe.subject.get(name) for probe in probes)
        measured = list(dict.fromkeys(value for value in of if value is not None))
        tried = plan.scientific[name].choices if name in plan.scientific else (now,)
        if not measured or not (found := [str(value) for value in tried if value not in (*measured, None)]):
            continue
        yield say(
            "Batch sizes were measured with {measured}. With {others}, memory and time of a step may differ.",
            measured=measured,
            others=found,
        )
        unmeasured |= now in found
    if unmeasured:
        yield say("`tunebook probe` measures with the best configuration.")
