"""A rejection taken back: both sides run on, and all their runs are judged together."""

from __future__ import annotations

from rounds import launching
from state import launches, trials
from state.database import Store
from state.errors import Refusal
from state.trials import Batch


def reopen(store: Store, name: str, words: str) -> Batch:
    """Have a launch decided anew, with more runs. Refuses without a reason, and where there is nothing to take back."""
    batch = trials.batch(store, name)
    if batch.kind != launching.KIND:
        raise Refusal("{name} is no launch.", name=name)
    last = launches.decided(store, name)
    if last is None:
        raise Refusal("{name} waits for its decision as it is. Go on with: tunebook launch", name=name)
    if not last.evidence.get("sides"):
        raise Refusal(
            "{name} has no runs to go on with. Launch its trial: tunebook launch --trial {trial}",
            name=name,
            trial=batch.plan["trial"],
        )
    launching.decide(store, name, "repeat", words)
    return trials.batch(store, name)
