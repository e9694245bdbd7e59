"""What a planned round will take of time, budget and disk, and of what there is too little for it (P5)."""

from __future__ import annotations

from dataclasses import dataclass

from presets.language import Message, say
from rounds import cost, room, sharing, slots
from rounds.cost import Cost
from rounds.horizon import END, LAUNCH, horizon
from rounds.plan import RoundPlan
from rounds.room import Disk
from rounds.slots import Machine
from state import trials
from state.database import Store


@dataclass(frozen=True)
class Outlook:
    """`disk`: None before a trial of the round's model has ended; `short`: what does not suffice, and what to do."""

    cost: Cost
    disk: Disk | None
    short: tuple[Message, ...]


def outlook(store: Store, plan: RoundPlan, here: Machine, wanted: int = 0) -> Outlook:
    """What a round takes on this machine; `wanted`: trials at once (0: as the machine allows)."""
    at_once = slots.at_once(here, slots.device(here, plan.base), wanted, sharing.share(store, plan.base, here))
    price, disk = cost.estimate(store, plan, at_once, here), room.forecast(store, plan)
    short = []
    if price.over:
        short.append(
            say(
                "The round takes more device hours than the budget has left: plan fewer trials, or raise it (tunebook "
                "budget --hours N)."
            )
        )
    ahead = horizon(store, trials.trials(store))
    left = ahead.trials
    if ahead.phase in ("last", "exhausted", "end"):
        if not price.over and left is not None and len(plan.trials) > left - LAUNCH:
            short.append(ahead.message)
    elif left is not None and not price.over and len(plan.trials) > left - END:
        most = max(left - END, 0)
        short.append(
            say(
                "What is left until the end is enough for {left} trials, and the final study with its launch takes "
                "{end}: plan at most {most}.",
                left=left,
                end=END,
                most=most,
            )
            if most
            else say("What is left until the end is enough for {left} trials: begin the final study.", left=left)
        )
    if disk is not None and disk.fit < len(plan.trials):
        short.append(
            say(
                "The checkpoints of {trials} trials take about {need} MiB, and {free} MiB are free: {fit} would run, "
                "the others wait. Plan no more, or free some disk.",
                trials=len(plan.trials),
                need=disk.need // 2**20,
                free=disk.free // 2**20,
                fit=disk.fit,
            )
        )
    return Outlook(price, disk, tuple(short))
