"""Which phase of the search comes next: exploration, a schedule, the final study, the look at the test split (P14)."""

from __future__ import annotations

from typing import Literal

from presets.language import Message, say
from rounds import final, looking, planning, reviewed, worth
from rounds.saturation import saturation
from rounds.steps import SCHEDULE
from state import launches, looks, trials
from state.database import Store
from state.trials import Batch

# What the keys of the insights begin with that say so, before the round since which.
SATURATED = "saturated/"


def saturated(store: Store) -> bool:
    """Whether a person has confirmed that exploration has nothing more to find, and no later round disproved it."""
    kept = {entry.key for entry in launches.insights(store)}
    return (
        any(key.startswith(SATURATED) for key in kept)
        and (found := saturation(store)) is not None
        and (f"{SATURATED}{found.since}" in kept)
    )


def next_phase(store: Store) -> Message | None:
    """What comes after exploration, where it is over: the final study, then a launch, then one look at the test split
    (P14). Before: a schedule, once a constant rate has worked (P20). None while rounds go on as they are, while the
    final study goes on, and when all is over."""
    match ending(store):
        case "test":
            what, command = after_the_final(store, _finals(store)[-1].name)
            return say("{what} {command}", what=what, command=command)
        case "exhausted" if (nothing := final.nothing_left(store)) is not None:
            return _after_everything(store, nothing)
        case "final":
            return say(
                "Exploration has nothing more to find. The final study searches the refined space: tunebook round final"
            )
    if schedule_is_next(store):
        return say(
            "A constant learning rate works by now: a round that compares it with linear and cosine decay comes next, "
            "tunebook round plan --goal compare --about schedule.name=constant,linear,cosine"
        )
    return None


def after_the_final(store: Store, name: str) -> tuple[Message, str]:
    """What comes once the final study has been reviewed, and by which command: a launch, unless it has been decided or
    would gain nothing; the look at the test split where there is one, once; then the export."""
    look = looking.possible(store) and not looks.looks(store)
    if not (worth.launched(store, name) or worth.beaten(store, name)):
        what = say("The final study has been reviewed. Launch its best trial.")
        if look:
            what = say(
                "The final study has been reviewed. Launch its best trial; then look at the test split, once (tunebook "
                "test)."
            )
        return what, f"tunebook launch {name}"
    if look:
        return say("The final study is over. What is left is the look at the test split, once."), "tunebook test"
    return say("The final study is over. What is left is to take away what was found."), "tunebook export DIR"


def schedule_is_next(store: Store) -> bool:
    """Whether a constant rate has worked, and no round has asked yet whether a decay works better (P20)."""
    if _finals(store) or saturated(store):
        return False
    best = launches.best(store)
    # A set-up that was changed has a second baseline; what a constant rate is worth, rounds show.
    adopted = {trials.batch(store, entry.batch).kind for entry in launches.in_force(store)}
    asked = {key for batch in planning.rounds(store) for key in batch.plan["scientific"]}
    constant = best is not None and best.settings.get(SCHEDULE) == "constant"
    return constant and "launch" in adopted and SCHEDULE not in asked


def ending(store: Store) -> Literal["", "exhausted", "final", "test"]:
    """What ends the search: the final study once exploration is over, unless the rounds have exhausted what it would
    search; the look at the test split after its review until there was one; empty before, while the study goes on, and
    after that (P14)."""
    if finals := _finals(store):
        return "test" if reviewed.holds(store, finals[-1]) and not looks.looks(store) else ""
    if not saturated(store):
        return ""
    if final.nothing_left(store) is not None:
        return "" if looks.looks(store) else "exhausted"
    return "final"


def _after_everything(store: Store, tried: Message) -> Message:
    """What is left where exploration has `tried` all that a final study would search."""
    if looking.possible(store):
        return say(
            "Exploration has nothing more to find, nor has a final study. {tried} Launch the best of them, look at the "
            "test split once (tunebook test) and export; or give a hyperparameter a wider range in another round: "
            "tunebook round plan --range KEY=LOW..HIGH",
            tried=tried,
        )
    return say(
        "Exploration has nothing more to find, nor has a final study. {tried} Launch the best of them and export; or "
        "give a hyperparameter a wider range in another round: tunebook round plan --range KEY=LOW..HIGH",
        tried=tried,
    )


def _finals(store: Store) -> list[Batch]:
    return [batch for batch in planning.rounds(store) if batch.plan.get("search")]
