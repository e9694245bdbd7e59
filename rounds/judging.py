"""What the runs of a launch say, and what a person decides by them, also when it was decided before (G16, P13)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from presets.language import Message, say, stored, told
from rounds import alike, decision, launching, reviewing, seeds, settled, trial_folder, validation
from rounds.changed_metric import named
from rounds.decision import Verdict
from rounds.launching import Proposal
from rounds.record import usable
from state import launches, measure, trials
from state.database import Store
from state.errors import NotFound, NotYet, Refusal, Unanswered
from state.trials import Batch, Trial

Choice = Literal["adopt", "reject", "repeat"]


def judge(store: Store, name: str) -> Verdict:
    """What the runs of a launch say. Refuses while any is at work, and where one failed for no fault of its own."""
    batch = _launch(store, name)
    sides = launching.sides_of(store, batch)
    for entry in (entry for side in sides.values() for entry in side):
        if entry.status == "failed":
            raise Refusal(
                "{trial} failed, which says nothing about its configuration: {what} Try it again first.",
                trial=entry.id,
                what=told(entry.message, entry.said).text(),
            )
        if trials.stopped_alone(entry):
            raise NotYet("{trial} was stopped alone: {name} is judged once it has run on.", trial=entry.id, name=name)
        if entry.status not in trials.ENDED:
            raise NotYet("{trial} has not ended yet: {name} cannot be judged.", trial=entry.id, name=name)
    by = launching.judged_by(store, batch)
    direction = by.direction
    scores = {side: [launching.score(entry, direction) for entry in runs] for side, runs in sides.items()}
    found = launching.survivor(store, batch)
    verdict = decision.judge(
        scores[found.study],
        scores[launching.BEST],
        direction,
        bool(found.added),
        reviewing.values(store, by, [score for side in scores.values() for score in side if usable(score)]),
        entrants=len(launching.entrants(batch.plan)),
        late=settled.late_looks(store, batch, min(len(sides[found.study]), len(sides[launching.BEST]))),
    )
    reached = verdict.candidate and verdict.candidate[0]
    limits = validation.limits(store, sides[found.study], verdict.gain, reached)
    verdict = _as_made(store, batch, verdict, sides[found.study], sides[launching.BEST])
    return dataclasses.replace(verdict, limits=limits)


def _as_made(store: Store, batch: Batch, verdict: Verdict, tried: Sequence[Trial], kept: Sequence[Trial]) -> Verdict:
    """The verdict with what to know where not all runs were made alike; without one where the sides were not."""
    message = verdict.message
    if gone := [id for id in batch.plan["reused"] if id not in {run.id for run in kept}]:
        kinds = (alike.conditions(trials.trial(store, gone[0])), *alike.known(trials.trials(store, batch.name)))
        message = say(
            "{verdict} Earlier runs of the best configuration no longer count: {n}. What has changed since: {parts}.",
            verdict=message,
            n=len(gone),
            parts=alike.changed(kinds),
        )
    if others := launching.of_other_metric(store, batch):
        message = say(
            "{verdict} What was judged by {former} does not count, since the metric is {metric} now: {n}.",
            verdict=message,
            former=others[-1].metric,
            metric=launching.judged_by(store, batch).metric,
            n=len(others),
        )
    if alike.apart(tried, kept):
        message = say("Cannot tell: the runs of the two sides were not made alike. Run more of both.")
        verdict = dataclasses.replace(verdict, decision="cannot tell", runs=0)
    if difference := alike.unlike(tried, kept):
        message = say("{first} {second}", first=message, second=difference)
    return dataclasses.replace(verdict, message=message)


def decide_unrepeated(store: Store, proposal: Proposal, chosen: Choice, words: str) -> Batch:
    """Record a decision without fresh runs, because they cost too much, as resting on one run that was chosen for its
    result; returns the launch, which has no runs. Refuses without a reason, and anything but to adopt or to reject."""
    if chosen not in ("adopt", "reject"):
        raise Refusal("Without repeated runs there is only to adopt or to reject.")
    if not words.strip():
        raise Unanswered("Say why it is too costly to repeat: the reason is kept with the decision.")
    batch = launching.start(store, proposal, runs=0, wanted="stop")
    entry = trials.trial(store, proposal.trial)
    reason = say(
        "Too costly to repeat, decided on one run that was chosen for its result ({trial}): {words}",
        trial=proposal.trial,
        words=words.strip(),
    )
    launches.launch(
        store,
        batch=batch.name,
        candidate=batch.plan["candidate"],
        previous=proposal.best,
        decision=chosen,
        reason=stored(reason),
        evidence={"repeated": False, "selection": {"trial": entry.id, "best": entry.best}},
    )
    return batch


def decide(store: Store, name: str, chosen: Choice, words: str = "") -> None:
    """Record what a person decides, with the verdict as evidence; an adopted candidate is the best configuration then,
    "repeat" queues as many more runs as the next look needs, also where it was decided otherwise before.

    Refuses to go against the verdict, or to take a decision back, without a reason in words, and where the best
    configuration has changed since, or, for more runs of what was decided, the metric. One that was stopped before its
    end, or of which runs failed, has no verdict: it can only be rejected, which leaves all as it is, or go on after
    that.
    """
    batch, known = _launch(store, name), len(launches.launches(store))
    if why := launching.overtaken(store, batch):
        raise Refusal(why.id, **why.values)
    if chosen == "repeat" and (why := _by_former(store, batch)) is not None:
        raise Refusal(why.id, **why.values)
    if chosen != "adopt" and stopped(store, name):
        _decide_unjudged(store, batch, chosen, words)
        return
    verdict = judge(store, name)
    if launches.decided(store, name) is not None and not words.strip():
        raise Unanswered("{name} has been decided. Say why it is to be decided anew: the reason is kept.", name=name)
    if chosen != verdict.decision and not words.strip():
        raise Unanswered("That is not what the runs suggest ({suggestion}) Say why.", suggestion=verdict.message.text())
    reason: Message = verdict.message
    if words.strip() and chosen == verdict.decision:
        reason = say("{why} (added by hand: {words})", why=verdict.message, words=words.strip())
    elif words.strip():
        reason = say("{words} (The runs suggest otherwise: {why})", words=words.strip(), why=verdict.message)
    launches.launch(
        store,
        batch=name,
        candidate=launching.survivor(store, batch).candidate,
        previous=batch.plan["best"],
        decision=chosen,
        reason=stored(reason),
        evidence=_evidence(store, batch, verdict),
        known=known,
    )
    if chosen == "repeat":
        launching.run_more(store, batch, verdict.runs)


def stopped(store: Store, name: str) -> bool:
    """Whether nothing of a launch is at work, and it cannot be judged: it was stopped before its end, or runs of it
    failed or were stopped alone."""
    listed = trials.trials(store, name)
    if any(entry.status == "running" for entry in listed):
        return False
    left = [entry for entry in listed if entry.status not in trials.ENDED]
    if left and trials.batch(store, name).wanted == "stop":
        return True
    return all(map(trials.stopped_alone, left)) and (bool(left) or failed(listed) > 0)


def failed(listed: Iterable[Trial]) -> int:
    """How many runs failed, which says nothing of what they tried."""
    return sum(entry.status == "failed" for entry in listed)


def _decide_unjudged(store: Store, batch: Batch, chosen: Choice, words: str) -> None:
    """Reject a launch without a verdict, or go on with it after that."""
    listed, told = trials.trials(store, batch.name), {"words": words.strip()}
    lost = failed(listed)
    if lost and not words.strip():
        raise Unanswered("Runs of {name} failed. Say why it is decided: the reason is kept.", name=batch.name)
    if not words.strip():
        raise Unanswered(
            "{name} was stopped before its end. Say why it is decided: the reason is kept.", name=batch.name
        )
    reason = say("Stopped before its end, and not judged by its runs (added by hand: {words}).", **told)
    if lost:
        reason = say("Not judged by its runs, of which {n} failed (added by hand: {words}).", n=lost, **told)
    found = launching.survivor(store, batch)
    # Without a fresh run that came to a result it has shown nothing, and may be begun anew.
    shown = any(entry.status in trials.ENDED and entry.status != "failed" for entry in listed)
    launches.launch(
        store,
        batch=batch.name,
        candidate=found.candidate,
        previous=batch.plan["best"],
        decision=chosen,
        reason=stored(reason),
        evidence={"survivor": found.study, "sides": _runs(store, batch) if shown else {}},
    )
    if chosen == "repeat":
        for entry in listed:
            if entry.status == "failed":
                trials.ask(store, entry.id, "retry")
        trials.ask(store, batch.name, "run")
        return
    # Those that never began wait for nothing any more.
    for entry in listed:
        if entry.status == "queued":
            trial_folder.drop(store, entry)


def may_reopen(store: Store, name: str) -> bool:
    """Whether a rejected launch can go on: it has runs, which were judged by the metric of now, and what they were
    compared with is still the best."""
    last, best, batch = launches.decided(store, name), launches.best(store), trials.batch(store, name)
    rejected = last is not None and last.decision == "reject" and bool(last.evidence.get("sides"))
    still = best is not None and batch.plan["best"] == best.hash
    return rejected and still and _by_former(store, batch) is None


def reopen(store: Store, name: str, words: str) -> Batch:
    """Have a launch that was decided run more, to be decided anew by all of its runs. Refuses without a reason, and
    where there is nothing to take back."""
    batches = trials.batches(store, launching.KIND)
    known = [entry.name for entry in batches if launches.decided(store, entry.name) is not None]
    if name not in {entry.name for entry in batches}:
        raise NotFound(
            "There is no launch {name}. Launches that were decided: {known}", name=name, known=known or ["-"]
        )
    batch = trials.batch(store, name)
    last = launches.decided(store, name)
    if last is None:
        raise Refusal("{name} waits for its decision as it is. Go on with: tunebook launch {name}", name=name)
    if not last.evidence.get("sides"):
        raise Refusal(
            "{name} has no runs to go on with. Launch its trial: tunebook launch --trial {trial}",
            name=name,
            trial=batch.plan["trial"],
        )
    decide(store, name, "repeat", words)
    return trials.batch(store, name)


def _by_former(store: Store, batch: Batch) -> Message | None:
    """Why no more runs are added to a launch that was decided by another metric; None of others."""
    by, now = launching.judged_by(store, batch), measure.of_project(store.project.settings)
    if by == now:
        return None
    return say(
        "{name} was decided by {former}, the project is by {metric} since: none of its runs counts by that, so that "
        "there is nothing to add more to. Launch its candidate anew, by {metric}: tunebook launch --trial {trial}",
        name=batch.name,
        former=named(by, now),
        metric=named(now, by),
        trial=launching.survivor(store, batch).trial,
    )


def _launch(store: Store, name: str) -> Batch:
    batch = trials.batch(store, name)
    if batch.kind != launching.KIND:
        raise NotFound("{name} is no launch.", name=name)
    return batch


def _evidence(store: Store, batch: Batch, verdict: Verdict) -> dict[str, Any]:
    """The verdict's figures, and the runs."""
    chosen = launching.survivor(store, batch)
    return {
        "suggested": verdict.decision,
        "survivor": chosen.study,
        "message": stored(verdict.message),
        "limits": verdict.limits and stored(verdict.limits),
        "rests": verdict.rests and stored(verdict.rests),
        **decision.figures(verdict),
        "sides": _runs(store, batch),
    }


def _runs(store: Store, batch: Batch) -> dict[str, list[dict[str, Any]]]:
    """Of each side the runs that came to a result, with seed and that."""
    return {
        side: [
            {"trial": entry.id, "seed": trials.trial_settings(store, entry).get(seeds.KEY), "best": entry.best}
            for entry in entries
            if entry.status in trials.ENDED and entry.status != "failed"
        ]
        for side, entries in launching.sides_of(store, batch).items()
    }
