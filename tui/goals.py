"""The goals of rounds in words (G17)."""

from __future__ import annotations

from presets.language import Message, _, say
from rounds.plan import Goal
from state.trials import Batch

NAMES: dict[Goal, Message] = {
    "understand": say("understand"),
    "improve": say("improve"),
    "compare": say("compare"),
    "stabilise": say("stabilise"),
    "minimise": say("minimise"),
}
MEANINGS: dict[Goal, Message] = {
    "understand": say("what the asked hyperparameter does over its range"),
    "improve": say("whether tuning the asked hyperparameter beats its present value"),
    "compare": say("which of a few given values is best, each tuned as fairly"),
    "stabilise": say("the next remedy against instability, from warm-up to a lower rate"),
    "minimise": say("the best result: all that matters is searched, nothing is asked"),
}


def of_batch(batch: Batch) -> str:
    """What a batch is for, in the language of the moment: the goal of a round, or what is more than its goal."""
    if batch.plan.get("check"):
        return _("stability check")
    return _("final study") if batch.plan.get("search") else called(batch.goal)


def called(goal: str) -> str:
    """The goal of a batch in the language of the moment; of what is no round, what it is."""
    others = {"baseline": say("baseline"), "learning-rate sweep": say("learning-rate sweep"), "launch": say("launch")}
    named = {**NAMES, **others}
    return next((name.text() for known, name in named.items() if known == goal), goal)
