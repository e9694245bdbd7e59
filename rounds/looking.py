"""The look at the test split, when all is decided: counted, with its interval (P14).

It is a process of its own in a folder of its own: whoever began it may leave, and whoever looks in next counts it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from presets.language import Message, say, told
from rounds.statistics import share_interval
from state import export, files, launches, looks, measurements, runs, trials
from state.database import Store
from state.document import content_hash
from state.errors import AtWork, NotYet, Refusal, Unanswered
from state.looks import Look

FOLDER, ABOUT, PROGRESS = "looks", "about.json", "progress.jsonl"


# What has an exact interval, whatever the run was judged by.
OF_ANSWERS = "error_rate"


@dataclass(frozen=True)
class Seen:
    """A look in words: wrong answers of all, the error rate with its exact interval, and by which metric else the run
    was judged ("": by none)."""

    look: Look
    error_rate: float
    low: float
    high: float
    message: Message
    metric: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The look as data, as answers and reports give it."""
        return {**vars(self.look), "error_rate": self.error_rate, "interval": [self.low, self.high]}


@dataclass(frozen=True)
class UnderWay:
    """A look at work: how many examples it has seen of how many (0: the data are still being read)."""

    trial: str
    done: int
    total: int

    @property
    def message(self) -> Message:
        """That it is at work, and how far, in a sentence."""
        return say("A look is under way: {done} of {total} examples.", done=self.done, total=self.total)


def possible(store: Store) -> bool:
    """Whether there is a test split to look at, as far as is known: a command of the user's own has none that we know
    of, and data that were looked through may have none."""
    found = measurements.latest(store, "inspection")
    return not store.project.settings.command and (found is None or bool(found.result["splits"].get("test")))


def subject(store: Store) -> str:
    """The trial to look at: the run of the best configuration that is exported. Refuses without any, and where there is
    no test split to look at."""
    _require_split(store)
    if launches.best(store) is None:
        raise NotYet("There is no best configuration yet: the test split is for what is chosen in the end.")
    try:
        return export.best_trial(store).id
    except Refusal:
        raise NotYet("No complete run of the best configuration is there: launch it, so that it is trained.") from None


def look(store: Store, trial: str = "", reason: str = "") -> Seen:
    """Evaluate the best checkpoint of a trial (otherwise of the best configuration) on the test split, and record it.

    It takes as long as an evaluation. Refuses as `begin` does, and a look that failed, which is not counted.
    """
    begin(store, trial, reason)
    runs.wait(_folder(store))
    found = collect(store)
    if found is None and files.read_json(_folder(store) / ABOUT) is None:
        raise Refusal("The look was stopped before its end, and does not count.")
    if found is None:
        raise Refusal("The test split could not be looked at: {reason}", reason=failure(store))
    return found


def begin(store: Store, trial: str = "", reason: str = "") -> None:
    """Start a look, detached; `collect` counts it when it has ended, whoever calls that.

    Refuses a second look without a reason, one beside another, where there is no test split, and an unknown trial.
    """
    collect(store)
    files.require_text(reason)
    before = looks.looks(store)
    if before and not reason.strip():
        raise Unanswered(
            "Looks at the test split so far: {count}; each further one makes it less of a test. Say why "
            "with a reason, which is kept.",
            count=len(before),
        )
    _require_split(store)
    entry = trials.trial(store, trial or subject(store))
    folder = files.make_folder(_folder(store))
    if runs.alive(folder):
        raise AtWork("{path}: a process is at work here already.", path=str(folder))
    for name in (runs.RESULT, PROGRESS):
        (folder / name).unlink(missing_ok=True)
    files.write_atomically(folder / ABOUT, json.dumps({"trial": entry.id, "reason": reason.strip()}))
    command = [sys.executable, "-P", "-m", "training.look", "--folder", str(store.project.trial_folder(entry.id))]
    runs.start([*command, "--output", str(folder), "--cache", str(store.project.cache)], folder)


def collect(store: Store) -> Seen | None:
    """Count the look that has ended since somebody began it; None where there is none."""
    folder = _folder(store)
    about, result = files.read_json(folder / ABOUT), runs.result(folder)
    if about is None or result is None or result.get("status") != "complete" or runs.alive(folder):
        return None
    number = len(looks.looks(store)) + 1
    settings = trials.trial_settings(store, trials.trial(store, about["trial"]))
    looks.record(store, number, about["trial"], content_hash(settings), about["reason"], result)
    return seen(looks.looks(store)[-1])


def under_way(store: Store) -> UnderWay | None:
    """The look that is at work; None where none is."""
    folder = _folder(store)
    about = files.read_json(folder / ABOUT)
    if about is None or not runs.alive(folder):
        return None
    lines, _ = files.read_lines(folder / PROGRESS)
    last = lines[-1] if lines else {}
    return UnderWay(about["trial"], int(last.get("done", 0)), int(last.get("total", 0)))


def stop(store: Store) -> None:
    """End the look that is at work: nobody has seen its result, so it does not count."""
    (_folder(store) / ABOUT).unlink(missing_ok=True)
    runs.stop(_folder(store))


def failure(store: Store) -> str:
    """Why the look begun last came to nothing; empty where none did."""
    folder = _folder(store)
    if files.read_json(folder / ABOUT) is None or runs.alive(folder):
        return ""
    tail = runs.log_tail(folder)
    result = runs.result(folder) or {}
    words = str(result.get("message") or (tail[-1] if tail else "-"))
    return told(words, result.get("said")).text()


def _require_split(store: Store) -> None:
    if store.project.settings.command:
        raise Refusal("The command trains and evaluates by itself: look at your test set with it, once.")
    if not possible(store):
        raise Refusal(
            "The data have no test split. A folder or file of examples that nothing has seen, named test beside train, "
            "would be one."
        )


def _folder(store: Store) -> Path:
    """Of the look that comes next, or is at work."""
    return store.project.folder / FOLDER / f"look-{len(looks.looks(store)) + 1}"


def seen(entry: Look) -> Seen:
    """A recorded look in words."""
    examples, correct = int(entry.result["examples"]), int(entry.result["correct"])
    wrong = examples - correct
    # Copies of each other tell nothing new; looks of an earlier version have not counted them.
    counted = int(entry.result.get("independent", examples))
    low, high = share_interval(round(wrong * counted / examples), counted)
    message = say(
        "{trial} on the test split: {wrong} of {examples} wrong, {rate:.2%} (95% interval {low:.2%} to {high:.2%}). "
        "This was look number {number}.",
        trial=entry.trial,
        wrong=wrong,
        examples=examples,
        rate=wrong / examples,
        low=low,
        high=high,
        number=entry.number,
    )
    # Looks of an earlier version do not say by what the run was judged.
    metric = entry.result.get("metric", OF_ANSWERS)
    if metric == OF_ANSWERS:
        return Seen(entry, wrong / examples, low, high, message)
    words = say(
        "{first} By {metric}, by which it was tuned: {value:.4g}.",
        first=message,
        metric=metric,
        value=entry.result[metric],
    )
    return Seen(entry, wrong / examples, low, high, words, metric)
