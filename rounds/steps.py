"""Another number of steps: what transfers from shorter or longer trials, and what must be tuned again (P15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets.language import Message, say
from rounds import cost
from rounds.space import Domain
from state import pipeline, trials
from state.database import Store
from state.errors import Refusal

WARMUP, SCHEDULE = "schedule.warmup_steps", "schedule.name"
# What is compared once a constant rate has worked (P20).
SCHEDULES = Domain("categorical", choices=("constant", "linear", "cosine"))
STEPS, EVERY = "training.steps", "training.evaluate_every"
# A longer warm-up than this share of the steps leaves too few for training (playbook, P22).
LONGEST_WARMUP = 0.1
# The longest trial that anybody can mean.
DAY, MOST_DAYS = 86_400, 365


def changed(base: Mapping[str, Any], steps: int) -> dict[str, int]:
    """The settings that another number of steps changes: as many evaluations on the way, and no longer a warm-up than
    a tenth of it."""
    if EVERY not in base:
        # A pipeline of the user's own evaluates when it likes.
        return {STEPS: steps}
    every = base[EVERY] * steps // base[STEPS]
    settings = {STEPS: steps, EVERY: min(max(1, every), steps)}
    longest = int(steps * LONGEST_WARMUP)
    if base.get(WARMUP, 0) > longest:
        settings[WARMUP] = longest
    return settings


def refuse_endless(store: Store, settings: Mapping[str, Any]) -> None:
    """Refuse a number of steps with which a single trial, by what trials took so far, would take more than a year: that
    is a slip."""
    # Beyond this no float holds the time.
    most = min(settings[STEPS], pipeline.MOST)
    seconds = cost.trial_seconds(store, {**settings, STEPS: most}, trials.trials(store))
    if settings[STEPS] > pipeline.MOST or (seconds or 0.0) > MOST_DAYS * DAY:
        raise Refusal(
            "{steps} steps: by what trials took so far, a single one would take more than {days} days. Give fewer.",
            steps=settings[STEPS],
            days=MOST_DAYS,
        )


def transfer(base: Mapping[str, Any], steps: int) -> tuple[Message, ...]:
    """What a round of another length takes over, and what it has to find anew, a sentence each."""
    before = int(base[STEPS])
    notes = [
        say(
            "With {steps} steps instead of {before}, learning rate, warm-up and schedule are to be tuned again, and "
            "then the regularisation: it is usually weaker in short training and stronger in long.",
            steps=steps,
            before=before,
        ),
        say(
            "What usually carries over: the architecture, the optimizer and its other hyperparameters, whether an "
            "augmentation helps. Results of trials of another length are not comparable."
        ),
    ]
    if base.get(SCHEDULE, "constant") != "constant":
        notes.append(
            say(
                "The {schedule} decay is drawn out to {steps} steps and keeps its tail: a longer run that is cut short "
                "would lose it.",
                schedule=str(base[SCHEDULE]),
                steps=steps,
            )
        )
    warmup = int(base.get(WARMUP, 0))
    if (kept := changed(base, steps).get(WARMUP)) is not None:
        notes.append(say("The warm-up is cut from {warmup} to {kept} steps, a tenth.", warmup=warmup, kept=kept))
    return tuple(notes)
