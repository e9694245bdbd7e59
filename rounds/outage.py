"""A round whose trials fail one after another fails for a cause outside of it: it is paused, before all are burnt."""

from __future__ import annotations

from collections.abc import Iterable

from presets.language import Message, say, told
from state import trials
from state.database import Store
from state.trials import Batch, Trial

# Where the values that are tried are at fault, some train: with one in three failing by chance, any five in a row all
# fail once in 243 times (3 to the 5th). A round that was paused for nothing loses a person's wish to go on (judgement).
IN_A_ROW = 5


def in_a_row(entries: Iterable[Trial]) -> list[Trial]:
    """The trials that ended last, where so many in a row have failed."""
    over = [entry for entry in entries if entry.status in trials.ENDED]
    last = sorted(over, key=lambda entry: (entry.ended_at or "", entry.number))[-IN_A_ROW:]
    return last if len(last) == IN_A_ROW and all(entry.status == "failed" for entry in last) else []


def pause(store: Store, batch: Batch) -> bool:
    """Pause a round whose trials have failed one after another since something was last wished of it; whether that was
    so."""
    if batch.kind != "round":
        return False
    last = trials.last_ended(store, batch.name, IN_A_ROW)
    if len(last) < IN_A_ROW or any(status != "failed" for status, _ended in last):
        return False
    if last[-1][1] < trials.asked(store).get(batch.name, ""):
        return False
    trials.ask(store, batch.name, "pause")
    return True


def why_paused(store: Store, batch: Batch, entries: Iterable[Trial]) -> Message | None:
    """Why a round is paused, where it was for that and not by a person, and what to do; None else."""
    if batch.kind != "round" or batch.wanted != "pause":
        return None
    since, paused = "", ""
    for wanted, at in trials.wishes(store, batch.name):
        if wanted == "pause":
            paused = paused or at
        else:
            since, paused = at, ""
    # What was still at work then may have failed later.
    failed = in_a_row(entry for entry in entries if (entry.ended_at or "") <= paused)
    if not failed or (failed[-1].ended_at or "") < since:
        return None
    return say(
        "The last {n} trials failed, so it was paused; {trial}: {what} Mend the cause, then try all that failed again: "
        "tunebook round retry --failed {name}",
        n=len(failed),
        trial=failed[-1].id,
        what=told(failed[-1].message, failed[-1].said),
        name=batch.name,
    )
