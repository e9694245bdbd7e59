"""What a launch will take of time and budget before it starts: with the fewest runs and with the most (P5, P13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from presets.language import Message, say
from rounds import cost, sharing, slots
from rounds.cost import Cost
from rounds.decision import RUNS
from rounds.launching import Proposal
from rounds.slots import Machine
from state import configurations, trials
from state.database import Store


@dataclass(frozen=True)
class LaunchOutlook:
    """The fresh runs of a launch and their cost: where its first look decides, and where only the last planned one
    does; `short`: what does not suffice, and what to do."""

    least: int
    most: int
    cheapest: Cost
    dearest: Cost
    short: tuple[Message, ...]


def outlook(
    store: Store, proposals: Sequence[Proposal], here: Machine, runs: int = RUNS[0], wanted: int = 0
) -> LaunchOutlook:
    """What a launch of these candidates takes, with `runs` of each side at first, and as many at once as are `wanted`
    (0: as the machine allows)."""
    base = configurations.configuration(store, proposals[0].best).settings
    at_once = slots.at_once(here, slots.device(here, base), wanted, sharing.share(store, base, here))
    last, reused = max(runs, RUNS[-1]), len(proposals[0].reused)
    # Of the candidates one alone goes on after the first look.
    kept = [(base, max(runs - reused, 0)), (base, max(last - reused, 0))]
    fewest = [kept[0], *((proposal.candidate, runs) for proposal in proposals)]
    longest = max(proposals, key=lambda proposal: trials.steps_planned(proposal.candidate) or 0)
    all_runs = [kept[1], *((entry.candidate, last if entry is longest else runs) for entry in proposals)]
    least, most = (sum(count for _settings, count in each) for each in (fewest, all_runs))
    cheapest, dearest = (cost.of_trials(store, each, at_once, here) for each in (fewest, all_runs))
    return LaunchOutlook(least, most, cheapest, dearest, tuple(_short(cheapest, dearest)))


def _short(cheapest: Cost, dearest: Cost) -> list[Message]:
    found = []
    if cheapest.over:
        found.append(
            say(
                "Even the fewest runs take more device hours than the budget has left: launch fewer candidates, or "
                "raise it (tunebook budget --hours N)."
            )
        )
    elif dearest.over:
        found.append(say("With the most runs it takes more device hours than the budget has left."))
    if cheapest.late:
        found.append(say("Even the fewest runs end after the deadline: launch fewer candidates, or move the deadline."))
    elif dearest.late:
        found.append(say("With the most runs it ends after the deadline."))
    return found
