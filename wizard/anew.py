"""What it means for the others that a decision of the set-up was made anew: which are open again (G6, G9)."""

from __future__ import annotations

from dataclasses import dataclass

from presets.language import Message, say, sentences
from state import decisions
from state.database import Store
from wizard import another_size, batch_size, flow, own_batch_size


@dataclass(frozen=True)
class Before:
    """What was before a step was decided anew: which steps were open, and the batch size where that is the step."""

    step: str
    open: tuple[str, ...]
    size: int | None


def before(store: Store, step: str) -> Before | None:
    """What to compare with once the step has been answered; None where it was never decided."""
    if decisions.decision(store, step) is None:
        return None
    return Before(step, flow.open_steps(store), another_size.earlier(store) if step == another_size.STEP else None)


def told(store: Store, was: Before) -> str:
    """What the new answer made outdated; of another batch size what is to be tuned again, too."""
    now = flow.open_steps(store)
    opened = [step for step in now if step not in was.open and step != was.step]
    decided = say("Decided anew: {step}.", step=flow.title(was.step)).text()
    if opened:
        titles = [flow.title(step).text() for step in opened]
        decided = sentences(decided, say("Open again because of it: {steps}.", steps=titles).text())
    elif not now:
        decided = sentences(decided, say("All other decisions stand.").text())
    given_up = _given_up(store, was)
    return sentences(decided, given_up.text()) if given_up is not None else decided


def _given_up(store: Store, was: Before) -> Message | None:
    """What another batch size means, where it is another."""
    if was.size is None or another_size.earlier(store) == was.size:
        return None
    own = bool(store.project.settings.command)
    return (own_batch_size if own else batch_size).consequences(store, was.size)
