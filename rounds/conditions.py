"""What insights wait for, and what is no longer as it was when they were learnt: only what is not met (G19, P2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from presets.language import Message, say
from rounds import alike, planning, reviewed
from rounds.importance import FEWEST
from rounds.roles import OPTIMIZER, name_of
from state import launches, trials
from state.database import Store
from state.hyperparameters import written
from state.trials import Batch


def waits_for(store: Store) -> tuple[Message, ...]:
    """What it takes for something to be proposed where nothing is; where there is all that it takes, that this has
    shown nothing."""
    large = [batch for batch in planning.rounds(store) if _largest(store, batch) >= FEWEST]
    waiting: list[Message] = []
    if not large:
        waiting.append(
            say(
                "What a hyperparameter explains can be told from chance in a study of at least {fewest} trials.",
                fewest=FEWEST,
            )
        )
    elif not any(reviewed.holds(store, batch) for batch in large):
        waiting.append(say("{name} shows something only when it has been reviewed.", name=large[-1].name))
    if not any(entry.evidence.get("p_value") is not None for entry in launches.in_force(store)):
        waiting.append(say("A launch that is adopted by runs with fresh seeds shows what its changes gained."))
    if large and not waiting:
        if any(entry.status == "confirmed" for entry in launches.insights(store)):
            return ()
        return (say("What rounds and launches show was refused, or is no more than chance."),)
    return tuple(waiting)


def changed(store: Store, caveats: Iterable[Message], learnt_in: str | None = None) -> list[Message]:
    """Of what was fixed while something was learnt (in the batch `learnt_in`), what has another value in the best
    configuration of now, and that data, metric or batch size are others. The hyperparameters of another optimizer have
    none there."""
    best = launches.best(store)
    if best is None:
        return []
    optimizer = str(best.settings.get(OPTIMIZER, ""))
    now = {name_of(key, optimizer): written(value) for key, value in best.settings.items()}
    found = []
    if learnt_in in alike.outdated(store, best.settings):
        found.append(say("Data, metric or batch size changed after {round}: look at this again.", round=learnt_in))
    for caveat in caveats:
        name, then = str(caveat.values.get("name", "")), written(caveat.values.get("value"))
        if name in now and str(now[name]) != str(then):
            value = str(now[name]) or "-"
            found.append(say("{caveat} Now it is {value}: look at this again.", caveat=caveat, value=value))
    return found


def _largest(store: Store, batch: Batch) -> int:
    """How many trials of its largest study count."""
    entries = trials.trials(store, batch.name)
    counts = Counter(entry.study for entry in entries if entry.status in ("complete", "infeasible"))
    return max(counts.values(), default=0)
