"""Whether a round has a trial that is worth a launch, as far as anybody knows yet (P7, G16)."""

from __future__ import annotations

from presets.language import Message, say
from rounds import dismissing, gain, reviewed, reviewing
from rounds.finding import Finding, Verdict
from rounds.record import turned, usable
from rounds.review import COMPLETE
from state import by_metric, configurations, launches, trials
from state.database import Store
from state.errors import AtWork, NotYet, Refusal
from state.pipeline import STEPS


def against(store: Store, name: str) -> Message | None:
    """What speaks against a launch of the best trial of a round now; None where nothing does."""
    batch, told = trials.batch(store, name), {"name": name}
    if left := _to_come(store, name):
        return say("{name} has trials that have not ended ({left}): the best may be among them.", left=left, **told)
    if not reviewed.holds(store, batch):
        return say("{name} has not been reviewed: whether its results can be relied on is not known.", **told)
    if lost(store, name):
        return say("By its review most trials of {name} only failed: nothing can be concluded from the rest.", **told)
    if steps := shorter(store, name):
        return say(
            "The trials of {name} are of {steps} steps, the best configuration is of {more}: a launch would set each "
            "against the other as it is. What the round found is to be tried at {more} steps first, in a round.",
            steps=steps[0],
            more=steps[1],
            **told,
        )
    if beaten(store, name):
        return say("By its review no trial of {name} beats the best configuration.", **told)
    return None


def kind(store: Store, name: str) -> type[Refusal]:
    """Of which kind a refusal is for what speaks `against` a launch: to wait helps, or a review, or neither."""
    if _to_come(store, name):
        return AtWork
    return Refusal if reviewed.holds(store, trials.batch(store, name)) else NotYet


def _to_come(store: Store, name: str) -> int:
    """How many trials of a round that is to run have not ended."""
    left = sum(not trials.over(entry) for entry in trials.trials(store, name))
    return left if trials.batch(store, name).wanted == "run" else 0


def beaten(store: Store, name: str) -> bool:
    """Whether the review of a round found that nothing beats the best configuration, and nobody dismissed that. Where
    what the round began with was taken back since, it says nothing of the best configuration of now."""
    began = configurations.configuration(store, trials.batch(store, name).configuration)
    led_on = (configurations.configuration(store, entry.candidate) for entry in launches.in_force(store))
    if configurations.identity_of(began.settings) not in {configurations.identity_of(own.settings) for own in led_on}:
        return False
    return _found(store, name, gain.CHECK, "warn")


def shorter(store: Store, name: str) -> tuple[int, int] | None:
    """The number of steps of a round and of the best configuration, where the round's are fewer and it does not ask
    about them; None else."""
    batch, best = trials.batch(store, name), launches.best(store)
    own = configurations.configuration(store, batch.configuration).settings.get(STEPS)
    now = best.settings.get(STEPS) if best is not None else None
    if not (isinstance(own, int) and isinstance(now, int)) or STEPS in batch.plan.get("scientific", ()):
        return None
    return (own, now) if own < now else None


def lost(store: Store, name: str) -> bool:
    """Whether the review of a round found that most of its trials only failed, and nobody dismissed that."""
    return _found(store, name, COMPLETE, "fail")


def launched(store: Store, name: str) -> bool:
    """Whether a launch has decided about the best trial of a round, whatever its review knew of that; one that tries
    what the round began with is none to launch, and where there is no other, there is nothing to decide."""
    by, again = by_metric.of_batch(store, name), reviewing.repeats(store, name)
    complete = [
        (turned(entry.best, by.direction), entry.id)
        for entry in by_metric.only(trials.trials(store, name), by)
        if entry.best is not None and entry.status == "complete" and entry.id not in again
    ]
    best = min((found for found in complete if usable(found[0])), default=None)
    return bool(again) if best is None else best[1] in reviewing.launched(store)


def _found(store: Store, name: str, check: str, verdict: Verdict) -> bool:
    found = [Finding.from_dict(entry) for entry in trials.findings(store, name) if entry["check"] == check]
    dismissed = dismissing.in_force(store, name, found)
    return any(finding.verdict == verdict and finding.key not in dismissed for finding in found)
