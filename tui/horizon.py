"""How far it is to the end, in words: for the home page, `tunebook status`, `tunebook budget`."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from presets.language import Message, _, say
from rounds.horizon import Horizon
from state.database import now
from state.errors import Invalid
from state.project import moment
from wizard.quantity import digits, duration


def document(ahead: Horizon) -> dict[str, Any]:
    """The same for programs."""
    fields = asdict(ahead)
    left = {f"{name}_left": fields.pop(name) for name in ("trials", "rounds")}
    return {**fields, **left, "message": ahead.message}


def typed(answer: str) -> tuple[float, str]:
    """Device hours and a deadline as they are typed, in any order; none of either is an open end. Refuses the rest."""
    numbers, moments = [], []
    for word in answer.split():
        try:
            numbers.append(float(word))
        except ValueError:
            to_come(word)
            moments.append(word)
    if len(numbers) > 1 or len(moments) > 1:
        raise Invalid("{answer}: one number of device hours and one deadline, no more.", answer=answer)
    hours = numbers[0] if numbers else 0.0
    if not 0 <= hours < math.inf:
        raise Invalid("{hours}: device hours are a number, 0 or more.", hours=hours)
    return hours, moments[0] if moments else ""


def to_come(words: str) -> None:
    """Refuse a deadline that is no date, or that has passed already."""
    if moment(words) <= datetime.datetime.fromisoformat(now()):
        raise Invalid("{words} has passed already: give a deadline that is still to come, or none.", words=words)


def written(hours: float, deadline: str) -> str:
    """A budget and a deadline as they are typed."""
    return " ".join([f"{hours:g}"] * bool(hours) + [deadline] * bool(deadline))


def lines(ahead: Horizon, said: Message | None = None) -> Iterator[str]:
    """What is left until the deadline, in rounds, and until the final study is to begin; what was `said` as that which
    comes next is not said again."""
    if ahead.seconds_left is not None:
        yield _("Until the deadline: {time}.").format(time=duration(ahead.seconds_left).text())
    if ahead.message != said:
        yield ahead.message.text()
    if ahead.phase != "explore":
        return
    if ahead.final_at is not None:
        yield _("The final study is to begin by {when}.").format(when=ahead.final_at[:16].replace("T", " "))
    if ahead.final_hours is not None:
        yield say(
            "The final study and its launch take about {hours} device hours.", hours=digits(ahead.final_hours)
        ).text()
