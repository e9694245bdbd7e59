"""Which trials of a round are launched together, and how they stand: at most three, first by three fresh runs each.

The best of a round by one run each is the luckiest as much as the best: where the next ones are not clearly worse, they
get fresh runs as well, and those choose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from presets.language import Message, say
from rounds import alike, decision, launching, reviewing, settled
from rounds.isolation import clear
from rounds.launching import Entrant, Proposal
from rounds.record import TrialRecord, cost, ranked, turned, usable
from rounds.statistics import mean, pooled, welch
from state import by_metric, configurations, trials
from state.database import Store
from state.trials import Batch

LONGEST = max(decision.SIMPLE)
# How often any of several candidates that are equally good is called clearly worse than the best of them.
LEVEL = 0.05


@dataclass(frozen=True)
class Shortlist:
    """The trials beside the leader of a round, and why so many."""

    rivals: tuple[Proposal, ...]
    why: Message


def choose(store: Store, leader: Proposal, length: int | None = None) -> Shortlist:
    """The next best trials of the leader's round: so many that there are `length` candidates (as far as the round has
    them), otherwise those that the round cannot tell from the leader, while the launch takes no more runs than the
    round had."""
    by = by_metric.of_batch(store, leader.round)
    direction, noise = by.direction, reviewing.noise(store, by)
    if length == 1:
        return Shortlist((), say("One candidate, as you chose."))
    order = _others(store, leader)
    if length is not None:
        rivals = tuple(launching.propose(store, leader.round, entry.id) for entry in order[: length - 1])
        return Shortlist(rivals, say("As many candidates as were asked for, as far as the round has them."))
    fitting = len(trials.trials(store, leader.round)) // decision.RUNS[0] - 1
    if fitting < 2:
        return Shortlist((), say("A shortlist would take more runs than the round had."))
    if not order:
        return Shortlist((), say("The round has no other trial to launch."))
    best = trials.trial(store, leader.trial).best
    if noise is not None and best is not None:
        near = turned(best, direction) + clear(reviewing.freedom(store, by)) * noise
        order = [entry for entry in order if cost(entry, direction) <= near]
    chosen = order[: min(LONGEST, fitting) - 1]
    if not chosen:
        return Shortlist((), say("All others are clearly worse than the best one."))
    rivals = tuple(launching.propose(store, leader.round, entry.id) for entry in chosen)
    if noise is None:
        return Shortlist(
            rivals, say("How much runs differ by chance is not known yet, so the next best could be better.")
        )
    return Shortlist(rivals, say("They differ from the best one by no more than runs may by chance."))


def _others(store: Store, leader: Proposal) -> list[TrialRecord]:
    """The usable trials of the round that try something else than the leader, the best configuration and what a launch
    has compared with it, best first."""
    best, known = configurations.configuration(store, leader.best), settled.comparisons(store)
    seen = {settled.likeness(best.settings), settled.likeness(leader.candidate)}
    others = []
    for record in ranked(reviewing.records(store, leader.round), reviewing.direction(store, leader.round)):
        entry = trials.trial(store, record.id)
        settings = trials.trial_settings(store, entry)
        if (likeness := settled.likeness(settings)) not in seen:
            seen.add(likeness)
            if settled.met(known, entry, settings, best) is None:
                others.append(record)
    return others


@dataclass(frozen=True)
class Standing:
    """A candidate after its first fresh runs, their mean in the metric's own direction (None: one diverged).

    `goes_on`: it alone is judged; `clearly_worse`: than the one that does, see there; `alike`: whether its runs and
    those of that one were all made alike, without which the two means cannot be compared; `equal`: whether these are
    the same.
    """

    entrant: Entrant
    mean: float | None
    goes_on: bool
    clearly_worse: bool
    alike: bool = True
    equal: bool = False


def standings(store: Store, batch: Batch) -> tuple[Standing, ...]:
    """How the candidates of a shortlist came out of their first runs; none before all have ended, where one failed or
    has none by the metric of now, and of one candidate."""
    return tuple(_standings(store, batch))


def _standings(store: Store, batch: Batch) -> Iterator[Standing]:
    found, direction = launching.entrants(batch.plan), launching.judged_by(store, batch).direction
    sides = launching.sides_of(store, batch)
    first = min(len(sides[entrant.study]) for entrant in found)
    runs = {entrant.study: sides[entrant.study][:first] for entrant in found}
    # One that failed says nothing, and is tried again first.
    ended = all(entry.status in ("complete", "infeasible") for own in runs.values() for entry in own)
    if not first or len(found) == 1 or not ended:
        return
    chosen = launching.survivor(store, batch)
    costs = {study: [turned(launching.score(e, direction), direction) for e in own] for study, own in runs.items()}
    ours = costs[chosen.study]
    for entrant in found:
        theirs, same = costs[entrant.study], len(alike.known((*runs[chosen.study], *runs[entrant.study]))) < 2
        if not all(map(usable, theirs)):
            yield Standing(entrant, None, entrant == chosen, entrant != chosen, same)
            continue
        worse = same and clearly_worse(theirs, ours, len(found))
        equal = same and math.isclose(mean(theirs), mean(ours), rel_tol=decision.EQUAL, abs_tol=decision.EQUAL)
        yield Standing(entrant, turned(mean(theirs), direction), entrant == chosen, worse, same, equal)


def clearly_worse(theirs: Sequence[float], ours: Sequence[float], many: int) -> bool:
    """Whether the costs of a candidate's runs are higher on average than those of the best of so `many` candidates by
    more than chance explains: in at most a share `LEVEL` of all cases where all are equally good
    (benchmarks/results/statistics.md). Any of them may be that best one, and any other be held against it."""
    # As in the verdict, neither is believed to be steadier than both are together.
    p_value = welch(ours, theirs, pooled((ours, theirs)) or 0.0)
    if math.isnan(p_value):
        # Runs that do not differ at all leave nothing to chance; a single one shows nothing of it.
        return len(ours) > 1 and mean(theirs) > mean(ours)
    return p_value < LEVEL / (many * (many - 1))
