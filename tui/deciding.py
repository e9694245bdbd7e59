"""A launch from the command line: run it, show the evidence, decide, and run more where that is undecided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from presets.language import _, say
from rounds import changed_metric, judging, launch_outlook, launching, own_code, shortlist, worth
from rounds.decision import CUT, RUNS, Verdict
from rounds.judging import Choice
from rounds.launch_outlook import LaunchOutlook
from rounds.launching import Proposal
from rounds.lineage import Link
from rounds.shortlist import Shortlist, Standing
from rounds.slots import machine
from state import trials
from state.database import Store
from state.errors import NotYet
from state.measure import Measure
from state.trials import Batch
from tui import designing, sides
from tui.say import figure, measured
from tui.session import Session
from tui.watch import watch

CHOICES: tuple[Choice, ...] = ("adopt", "reject", "repeat")
# Of each side at first: one run shows nothing of how much runs differ.
FEWEST = 2
# The words of the command that comes next once a launch was decided.
PLAN = ("tunebook", "round", "plan")


@dataclass(frozen=True)
class Outcome:
    """What came of a launch: its batch, the last verdict, what was decided (None: nothing yet), and how the candidates
    of a shortlist stand."""

    batch: str
    verdict: Verdict
    decided: Choice | None
    shortlist: tuple[Standing, ...] = ()


def propose(
    store: Store, round_: str, trial: str | None = None, length: int | None = None
) -> tuple[Proposal, Shortlist]:
    """The launch of a round's best trial, or of the named one, and those beside it: `length` candidates, otherwise as
    many as the round suggests. Refuses as `launching.propose` does."""
    proposal = launching.propose(store, round_, trial)
    # Whoever names a trial means that one.
    return proposal, shortlist.choose(store, proposal, length or (1 if trial else None))


def proposed(
    session: Session,
    store: Store,
    round_: str,
    trial: str | None,
    length: int | None,
    runs: int | None,
    slots: int,
) -> None:
    """Say what a launch would be, and what it takes; nothing is started."""
    proposal, listed = propose(store, round_, trial, length)
    announce(session, store, proposal, runs, listed, slots)
    entries = (proposal, *listed.rivals)
    first = runs or RUNS[0]
    ahead = launch_outlook.outlook(store, entries, machine(store.project), first, slots)
    asked = {"--trial": trial, "--shortlist": length, "--runs": runs, "--slots": slots or None}
    given = [str(word) for option, value in asked.items() if value is not None for word in (option, value)]
    session.answer(
        {
            "round": proposal.round,
            "candidates": [
                {"trial": entry.trial, "settings": entry.candidate, "changes": entry.complexity.changes}
                for entry in entries
            ],
            "against": worth.against(store, proposal.round) or None,
            "bars": list(launching.bars(entries, first)),
            "least_runs": ahead.least,
            "most_runs": ahead.most,
            "least_cost": designing.cost_document(ahead.cheapest),
            "most_cost": designing.cost_document(ahead.dearest),
            "warnings": ahead.short,
            "next": ["tunebook", "launch", proposal.round, *given],
        }
    )


def announce(
    session: Session,
    store: Store,
    proposal: Proposal,
    runs: int | None,
    listed: Shortlist | None = None,
    slots: int = 0,
) -> None:
    """Say what a launch would change, what it needs to be adopted, and what its runs take, so many `slots` at once."""
    session.progress(
        _("Launching {trial} of {round}: candidate and best configuration run again with fresh seeds").format(
            trial=proposal.trial, round=proposal.round
        )
    )
    for message in proposal.complexity.changes:
        session.progress(f"  {message.text()}")
    if early := worth.against(store, proposal.round):
        session.progress(early.text())
    if why := launching.unused(store, proposal):
        session.progress(why.text())
    entry = trials.trial(store, proposal.trial)
    for changed in filter(None, (own_code.since(store, entry), changed_metric.since(store, entry))):
        session.progress(changed.text())
    rivals = listed.rivals if listed else ()
    for rival in rivals:
        session.progress(_("On the shortlist beside it: {trial}").format(trial=rival.trial))
        for message in rival.complexity.changes:
            session.progress(f"  {message.text()}")
    if listed:
        session.progress(listed.why.text())
    for message in launching.bars((proposal, *rivals), runs or RUNS[0]):
        session.progress(message.text())
    here = machine(store.project)
    for line in prices(launch_outlook.outlook(store, (proposal, *rivals), here, runs or RUNS[0], slots)):
        session.progress(line)


def prices(ahead: LaunchOutlook) -> Iterator[str]:
    """How many runs a launch takes, what those cost of time and budget, and what of these is too little."""
    if ahead.least == ahead.most:
        yield designing.price(ahead.cheapest, ahead.least)
    else:
        yield _("At least: {price}").format(price=designing.price(ahead.cheapest, ahead.least))
        yield _("At most: {price}").format(price=designing.price(ahead.dearest, ahead.most))
    yield from (message.text() for message in ahead.short)


def run(session: Session, store: Store, batch: Batch) -> Verdict:
    """Have all runs of a launch end, those that failed tried again, and judge them. Refuses where it was stopped."""
    for entry in trials.trials(store, batch.name):
        if entry.status == "failed" or trials.stopped_alone(entry):
            trials.ask(store, entry.id, "retry")
    trials.ask(store, batch.name, "run")
    listed = watch(session, store, batch.name)
    if any(entry.status not in trials.ENDED for entry in listed):
        raise NotYet(
            "{name} was stopped before its end. Go on with: tunebook launch {name}, or reject it: tunebook launch "
            "{name} --decide reject --reason TEXT",
            name=batch.name,
        )
    verdict = judging.judge(store, batch.name)
    for standing in shortlist.standings(store, batch):
        session.progress("  " + sides.standing(standing))
    show(session, verdict, launching.judged_by(store, batch))
    return verdict


def show(session: Session, verdict: Verdict, by: Measure) -> None:
    """The verdict with its figures, which are of the metric `by`."""
    metric = measured(by.metric)
    for name, side in ((_("candidate"), verdict.candidate), (_("best configuration"), verdict.best)):
        if side is not None:
            mean, low, high = side
            words = _("{name}: {metric} {mean} on average (95% interval {low} to {high})")
            session.progress(
                "  " + words.format(name=name, metric=metric, mean=figure(mean), low=figure(low), high=figure(high))
            )
    if verdict.cut:
        session.progress("  " + CUT.text())
    if verdict.rests is not None:
        session.progress("  " + verdict.rests.text())
    if verdict.limits is not None:
        session.progress("  " + verdict.limits.text())
    if verdict.improvement is not None:
        better = verdict.improvement
        words = _("probability that the candidate is better: {p:.0%} (95% interval {low:.0%} to {high:.0%})")
        session.progress("  " + words.format(p=better.probability, low=better.low, high=better.high))
    session.progress(verdict.message.text())


def decide(session: Session, store: Store, name: str, chosen: Choice, words: str = "") -> None:
    """Record a decision and say what it means."""
    judging.decide(store, name, chosen, words)
    meaning = {
        "adopt": say("Adopted: the candidate is the best configuration now."),
        "reject": say("Rejected: the best configuration stays."),
        "repeat": say("Both are run more often."),
    }
    session.progress(meaning[chosen].text())


def suggested(verdict: Verdict) -> Choice:
    """What the runs suggest; where they cannot tell, the best configuration stays."""
    return "reject" if verdict.decision == "cannot tell" else verdict.decision


def document(outcome: Outcome) -> dict[str, Any]:
    """A launch as the JSON answers give it."""
    verdict = outcome.verdict
    better = verdict.improvement
    return {
        "launch": outcome.batch,
        "decided": outcome.decided,
        "next": _next(outcome),
        "suggested": verdict.decision,
        "message": verdict.message,
        "limits": verdict.limits,
        "rests": verdict.rests,
        "results": {"candidate": _side(verdict.candidate), "best_configuration": _side(verdict.best)},
        "gain": verdict.gain,
        "effect": verdict.effect,
        "p_value": verdict.p_value,
        "threshold": verdict.threshold,
        "look": verdict.look,
        "probability_of_improvement": better
        and {"probability": better.probability, "low": better.low, "high": better.high},
        "diverged": dict(zip(("candidate", "best_configuration"), verdict.diverged, strict=True)),
        "shortlist": [
            {
                "study": standing.entrant.study,
                "trial": standing.entrant.trial,
                "configuration": standing.entrant.candidate,
                "mean": standing.mean,
                "goes_on": standing.goes_on,
                "clearly_worse": standing.clearly_worse,
                "alike": standing.alike,
            }
            for standing in outcome.shortlist
        ],
    }


def _side(figures: tuple[float, float, float] | None) -> dict[str, float] | None:
    """What one of both came to on average, with the ends of its 95% interval."""
    return figures and dict(zip(("mean", "low", "high"), figures, strict=True))


def _next(outcome: Outcome) -> list[str]:
    """The words of the command that comes next, for programs: REASON stands for what only a person can say."""
    if outcome.decided is not None:
        return [*PLAN]
    reason = ["--reason", "REASON"] if outcome.verdict.decision == "cannot tell" else []
    return ["tunebook", "launch", outcome.batch, "--decide", suggested(outcome.verdict), *reason]


def show_line(session: Session, links: list[Link]) -> None:
    """The line of the best configurations, oldest first, with what each changed and why; and what was rejected."""
    for link in links:
        now = _(" (the best now)") if link.current else _(" (rejected)") if link.rejected else ""
        session.text(f"{link.configuration}  {link.batch}  {link.at[:16].replace('T', ' ')}  {link.by}{now}")
        for message in link.changes.changes:
            session.text(f"    {message.text()}")
        session.text("    " + _("because: {reason}").format(reason=link.reason.text()))
    if not links:
        session.text(_("There is no best configuration yet: the first is the baseline's."))
    session.answer(line_document(links))


def line_document(links: Iterable[Link]) -> list[dict[str, Any]]:
    """The line of the best configurations as data."""
    return [
        {
            "number": link.number,
            "at": link.at,
            "by": link.by,
            "launch": link.batch,
            "configuration": link.configuration,
            "reason": link.reason,
            "changes": link.changes.changes,
            "added": link.changes.added,
            "repeated": link.repeated,
            "current": link.current,
            "decision": "reject" if link.rejected else "adopt",
        }
        for link in links
    ]
