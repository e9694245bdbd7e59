"""The sides of a launch in words: its candidates, how the shortlist stands, and the best configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from presets.language import Message, _, say, told
from rounds import launching
from rounds.shortlist import Standing
from state.trials import Trial
from tui.say import figure


def names(plan: Mapping[str, Any], best: str) -> dict[str, str]:
    """The sides of a launch by the study of their runs, candidates first; `best`: what to call the best so far."""
    found = launching.entrants(plan)
    named = {
        entrant.study: _("candidate {number}, {trial}").format(number=place, trial=entrant.trial)
        if len(found) > 1
        else _("candidate")
        for place, entrant in enumerate(found, 1)
    }
    return {**named, launching.BEST: best}


def side(plan: Mapping[str, Any], entry: Trial, launch: str, best: str) -> str:
    """The side that a run is on; one of an earlier launch is of the best configuration."""
    return names(plan, best).get(entry.study, entry.study) if entry.batch == launch else best


def standing(entry: Standing) -> str:
    """How one candidate of a shortlist came out."""
    trial, mean = entry.entrant.trial, figure(entry.mean)
    if entry.mean is None:
        return _("{trial}: diverged, dropped").format(trial=trial)
    if entry.goes_on:
        return _("{trial}: {mean} on average, goes on").format(trial=trial, mean=mean)
    if not entry.alike:
        words = _(
            "{trial}: {mean} on average, dropped; not all of its runs and of those of the one that goes on were made "
            "alike, so that the two averages cannot be compared"
        )
        return words.format(trial=trial, mean=mean)
    if entry.clearly_worse:
        return _("{trial}: {mean} on average, clearly worse, dropped").format(trial=trial, mean=mean)
    if entry.equal:
        words = _("{trial}: {mean} on average, dropped; the one that goes on came to the same, and is listed before it")
        return words.format(trial=trial, mean=mean)
    return _("{trial}: {mean} on average, dropped; the difference may be chance").format(trial=trial, mean=mean)


def remarks(runs: Sequence[Trial]) -> dict[str, str]:
    """The complete runs about which something was remarked, each with a mark of what, where the same holds of several:
    it is said once for all of them (`shared`)."""
    marks = {run.id: _kind(told(run.message, run.said)) for run in runs if run.status == "complete" and run.message}
    listed = list(marks.values())
    return {id: mark for id, mark in marks.items() if listed.count(mark) > 1}


def shared(runs: Sequence[Trial], marks: Mapping[str, str]) -> Iterator[Message]:
    """What holds of several runs, with how many they are, and the words about the first."""
    for mark in dict.fromkeys(marks.values()):
        same = [run for run in runs if marks.get(run.id) == mark]
        yield say(
            "{n} of {total} runs, such as {trial}: {remark}",
            n=len(same),
            total=len(runs),
            trial=same[0].id,
            remark=told(same[0].message, same[0].said),
        )


def _kind(message: Message) -> str:
    """What a message says, whatever its figures."""
    if not any(isinstance(value, Message) for value in message.values.values()):
        return message.text() if message.id == "{text}" else message.id
    return " ".join([message.id, *(_kind(value) for value in message.values.values() if isinstance(value, Message))])
