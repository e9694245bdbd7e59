"""Decisions about the best configuration, as `tunebook decisions` lists them beside those of the set-up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from presets.language import _, labelled, restored, say
from rounds.decision import complexity
from state import configurations, trials
from state.database import Store
from state.decisions import Decision
from state.launches import Launch
from tui import sides
from tui.say import figure, stored
from wizard import flow

STEP = "launch"


def step(entry: Decision | Launch) -> str:
    """What a decision is listed under: its question in the set-up, or that it is about the best configuration."""
    return STEP if isinstance(entry, Launch) else entry.step


def meant(name: str) -> str:
    """The step that goes by this name, also by the one that the screens show, in English or in the language of the
    moment; the name itself where there is none."""
    named = {**{step: flow.title(step) for step in flow.ROWS}, STEP: say("launch")}
    wanted = name.strip().casefold()
    return next((step for step, title in named.items() if wanted in (title.id, title.text().casefold())), name)


def word(entry: Launch) -> str:
    """What was decided: to adopt, to reject, to run more, or to go back to an earlier best configuration."""
    return "back" if entry.evidence.get("back") else entry.decision


def said(entry: Launch) -> str:
    """The same in the language of the moment."""
    words = {
        "adopt": _("adopted"),
        "reject": _("rejected"),
        "repeat": _("to be repeated"),
        "back": _("back to an earlier best configuration"),
    }
    return words[word(entry)]


def title(entry: Launch) -> str:
    """The launch, or the baseline, and what was decided about it."""
    return labelled(entry.batch, said(entry))


def lines(store: Store, entry: Launch, *, whole: bool) -> Iterator[str]:
    """A decision with its reason; `whole`: with what it rests on and what it changes, too."""
    yield title(entry)
    yield "  " + _("because: {reason}").format(reason=stored(entry.reason))
    yield "  " + _("by {author} at {time}").format(author=entry.by, time=entry.at)
    if whole:
        yield from (f"  {line}" for line in details(store, entry))


def details(store: Store, entry: Launch) -> Iterator[str]:
    """What a decision changes, and what it rests on: its limits, and the runs of each side."""
    if entry.previous:
        adopted = entry.decision == "adopt"
        told = (
            _("Configuration {name}, in place of {previous}") if adopted else _("Candidate {name}, beside {previous}")
        )
        yield told.format(name=entry.candidate, previous=entry.previous)
        old, new = (configurations.configuration(store, name).settings for name in (entry.previous, entry.candidate))
        yield from (f"- {message.text()}" for message in complexity(old, new).changes)
    else:
        yield _("Configuration {name}").format(name=entry.candidate)
    rested = entry.evidence.get("sides", {})
    for name in ("rests", "limits"):
        if message := entry.evidence.get(name):
            yield f"- {restored(message).text()}"
    names = sides.names(trials.batch(store, entry.batch).plan, _("best configuration")) if rested else {}
    for side, runs in rested.items():
        yield labelled(names[side], "  ".join(f"{run['trial']} {figure(run['best'])}" for run in runs))


def document(entry: Decision | Launch) -> dict[str, Any]:
    """The same as data; `step` and `launch` tell it from a decision of the set-up. Each of the two kinds has numbers of
    its own."""
    if isinstance(entry, Decision):
        fields = dataclasses.asdict(entry)
        return {"number": fields.pop("id"), **fields}
    return {
        "step": STEP,
        "launch": entry.batch,
        "number": entry.number,
        "at": entry.at,
        "by": entry.by,
        "decision": word(entry),
        "configuration": entry.candidate,
        "previous": entry.previous,
        "reason": entry.reason,
        "figures": entry.evidence,
    }
