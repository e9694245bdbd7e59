"""The look at the test split, when all is decided: counted, with its interval (P14)."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from presets.language import Message, say
from rounds import reviewing
from rounds.record import ranked
from rounds.statistics import share_interval
from state import launches, looks, runs, trials
from state.database import Store
from state.document import content_hash
from state.errors import Refusal
from state.looks import Look

FOLDER = "looks"


@dataclass(frozen=True)
class Seen:
    """A look in words: wrong answers of all, the error rate with its exact interval."""

    look: Look
    error_rate: float
    low: float
    high: float
    message: Message


def subject(store: Store) -> str:
    """The trial to look at: of the runs of the best configuration the one that validates best. Refuses without any."""
    best = launches.best(store)
    if best is None:
        raise Refusal("There is no best configuration yet: the test split is for what is chosen in the end.")
    wanted = reviewing.identity_of(best.settings)
    for batch in reversed(trials.batches(store)):
        own = {
            entry.id
            for entry in trials.trials(store, batch.name)
            if entry.status == "complete" and reviewing.identity(store, entry) == wanted
        }
        records = [record for record in reviewing.records(store, batch.name) if record.id in own] if own else []
        if records:
            return ranked(records, reviewing.direction(store))[0].id
    raise Refusal("No complete run of the best configuration is there: launch it, so that it is trained.")


def look(store: Store, trial: str = "", reason: str = "") -> Seen:
    """Evaluate the best checkpoint of a trial (otherwise of the best configuration) on the test split, and record it.

    It takes as long as an evaluation. Refuses a second look without a reason, a pipeline of the user's own, data
    without a test split, and a trial whose checkpoints are gone; a look that failed is not counted.
    """
    before = looks.looks(store)
    if before and not reason.strip():
        raise Refusal(
            "The test split was looked at {count} times already; each further look makes it less of a test. Say why "
            "with a reason, which is kept.",
            count=len(before),
        )
    if store.project.settings.command:
        raise Refusal("The command trains and evaluates by itself: look at your test set with it, once.")
    entry = trials.trial(store, trial or subject(store))
    folder = store.project.folder / FOLDER / f"look-{len(before) + 1}"
    command = [sys.executable, "-P", "-m", "training.look", "--folder", str(store.project.trial_folder(entry.id))]
    (folder / runs.RESULT).unlink(missing_ok=True)
    runs.start([*command, "--output", str(folder), "--cache", str(store.project.cache)], folder)
    result = runs.wait(folder)
    if result is None or result.get("status") != "complete":
        tail = runs.log_tail(folder)
        why = (result or {}).get("message") or (tail[-1] if tail else "-")
        raise Refusal("The test split could not be looked at: {reason}", reason=why)
    settings = trials.trial_settings(store, entry)
    looks.record(store, trial=entry.id, configuration=content_hash(settings), reason=reason.strip(), result=result)
    return seen(looks.looks(store)[-1])


def seen(entry: Look) -> Seen:
    """A recorded look in words."""
    examples, correct = int(entry.result["examples"]), int(entry.result["correct"])
    low, high = share_interval(examples - correct, examples)
    wrong = examples - correct
    message = say(
        "{trial} on the test split: {wrong} of {examples} wrong, {rate:.2%} (95 % interval {low:.2%} to {high:.2%}). "
        "This was look number {number}.",
        trial=entry.trial,
        wrong=wrong,
        examples=examples,
        rate=wrong / examples,
        low=low,
        high=high,
        number=entry.number,
    )
    return Seen(entry, wrong / examples, low, high, message)
