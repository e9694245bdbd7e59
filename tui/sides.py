"""The sides of a launch in words: its candidates, how the shortlist stands, and the best configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets.language import _
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
    if entry.clearly_worse:
        return _("{trial}: {mean} on average, clearly worse, dropped").format(trial=trial, mean=mean)
    return _("{trial}: {mean} on average, dropped; the difference may be chance").format(trial=trial, mean=mean)
