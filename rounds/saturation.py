"""Whether exploration has nothing more to find where it looks: rounds that no longer improve the best result (P14)."""

from __future__ import annotations

from dataclasses import dataclass

from rounds import alike, failing, planning, reviewing
from rounds.record import ended, ranked, turned
from state import measure, trials
from state.database import Store

# Rounds without a gain after which the search has nothing more to find where it looks (our judgement).
WITHOUT_GAIN = 2


@dataclass(frozen=True)
class Saturation:
    """The round since which the best has not improved by more than the noise, how many came `after` it, the last of
    them, and the best of each round, in the metric's own direction."""

    since: str
    after: int
    last: str
    bests: tuple[float, ...]
    noise: float


def saturation(store: Store) -> Saturation | None:
    """Since when the rounds, all of them together, have not improved the best result by more than the noise; None where
    they have, where there are too few, and where the noise is not known, or more than is left to gain. What ran on
    other data counts for nothing, nor does a round most of which only failed: nothing can be concluded from the
    rest."""
    direction, unit = reviewing.direction(store), reviewing.noise(store)
    bests, others = [], alike.incomparable(store)
    data = alike.latest(trials.trials(store), "data")
    for batch in planning.rounds(store):
        # One that still runs has not come to anything yet.
        if batch.name not in others and all(map(trials.over, trials.trials(store, batch.name))):
            seen = reviewing.records_on_data(store, batch.name, data)
            order = ranked(ended(seen), direction)
            # Of a round without any the plan need not be read.
            failed = any(record.status == "failed" for record in seen)
            if failed and failing.lost(planning.plan_of(store, batch.name), seen):
                continue
            if order and order[0].best is not None:
                bests.append((batch.name, turned(order[0].best, direction)))
    if unit is None or len(bests) <= WITHOUT_GAIN:
        return None
    since = 0
    for place, (_name, best) in enumerate(bests):
        if best < bests[since][1] - unit:
            since = place
    after = len(bests) - 1 - since
    within = reviewing.values(
        store, measure.of_project(store.project.settings), [turned(b, direction) for _, b in bests]
    )
    # Where less is left to gain than runs differ by, a gain could not be seen.
    unseen = bests[since][1] - unit <= min(turned(end, direction) for end in within)
    if after < WITHOUT_GAIN or unseen:
        return None
    return Saturation(bests[since][0], after, bests[-1][0], tuple(turned(best, direction) for _, best in bests), unit)
