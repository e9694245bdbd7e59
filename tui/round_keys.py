"""Which keys of a round's page work: what can be wished of the round, and of its marked trial, as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rounds import attending, planning, queue, supervisor, wishes
from state import trials
from state.database import Store
from state.trials import ENDED, Batch, Trial

# The actions that depend on it: none of them while there is no round, or while something is typed.
WISHES = (
    *("go", "pause", "stop", "slots", "extend", "retry", "retry_failed", "first", "round_first", "end", "close"),
    *("drop", "metric", "review", "launch"),
)


@dataclass(frozen=True)
class Seen:
    """A round as its page shows it. `supervised`: whether a supervisor is at work; `others`: whether trials of other
    rounds are to be started, too."""

    batch: Batch
    listed: Sequence[Trial]
    supervised: bool
    others: bool

    @property
    def working(self) -> bool:
        """Whether any trial runs, or is to."""
        wanted = self.batch.wanted == "run"
        return any(e.status == "running" or (wanted and not trials.over(e)) for e in self.listed)

    @property
    def unlearnt(self) -> bool:
        """Whether no trial has ended, and none is at work or to be."""
        return not self.working and all(entry.status not in ENDED for entry in self.listed)

    def possible(self, wish: str, marked: Trial | None) -> bool:
        """Whether a wish makes sense now: what is refused as soon as it is wished is not offered."""
        if self.batch.wanted == "drop":
            return wish == "go"
        if wish in ("retry", "first", "end", "launch"):
            return marked is not None and self._of_trial(wish, marked)
        ended, wanted = all(map(trials.over, self.listed)), self.batch.wanted
        a_round, waiting = self.batch.kind == planning.KIND, any(map(queue.waits, self.listed))
        match wish:
            case "go":
                return not ended and (wanted != "run" or not self.supervised)
            case "pause":
                return not ended and wanted == "run"
            case "slots":
                return not ended
            case "stop":
                return not ended and wanted in ("run", "pause")
            case "round_first":
                return waiting and self.others
            case "close":
                return a_round and waiting and any(entry.status in (*ENDED, "running") for entry in self.listed)
            case "retry_failed":
                return any(entry.status == "failed" for entry in self.listed)
            case "drop":
                return a_round and self.unlearnt
            case "extend":
                # Of one whose trials were listed, too: some can be taken back.
                return a_round
            case "review":
                return a_round and (ended or not (self.working or self.unlearnt))
            case _:
                return True

    def _of_trial(self, wish: str, marked: Trial) -> bool:
        match wish:
            case "retry":
                return wishes.may_retry(marked)
            case "first":
                return queue.waits(marked) and (self.others or sum(map(queue.waits, self.listed)) > 1)
            case "end":
                return not trials.over(marked) and self.batch.wanted != ""
            case _:
                judged = self.batch.kind == planning.KIND and not self.batch.plan.get("check")
                return judged and marked.status == "complete"


def see(store: Store, name: str) -> Seen:
    """A round as it stands. Refuses an unknown name."""
    others = [entry for entry in trials.unfinished(store) if entry.batch != name]
    waiting = any(queue.waiting(batch, others) for batch in attending.batches_of(store, others))
    return Seen(trials.batch(store, name), trials.trials(store, name), supervisor.seen_to(store.project), waiting)
