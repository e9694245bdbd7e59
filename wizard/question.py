"""What a step of the set-up asks, and what an answer to it means. No screens here: any of them can show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from presets.language import Message, say

Choice: TypeAlias = "str | int | float | bool"
# What may be typed instead of an option, in words.
TYPED = {
    "integer": say("a whole number"),
    "number": say("a number"),
    "text": say("a name or path"),
    "assignments": say("name=value"),
}


@dataclass(frozen=True)
class Option:
    """A possible answer: its value, its name (data, shown as it is), and what is to be said for or against it.

    `explain`: it is taken only with a reason of the person's own.
    """

    value: Choice
    label: str
    note: Message
    explain: bool = False


@dataclass(frozen=True)
class Table:
    """Figures to choose by; the cells are data, in the language of the moment. `named`: how many of the first columns
    it takes to tell which row is which."""

    columns: tuple[Message, ...]
    rows: tuple[tuple[str, ...], ...]
    named: int = 1


@dataclass(frozen=True)
class Question:
    """One decision to be made, after `rows` of the playbook.

    `recommended` is one of the options' values, or a typed value where `free` allows that; None where nothing can be
    recommended. `free` says what may be typed instead of an option: "assignments" are name=value. `warnings` are those
    of the evidence that are to be read even where the recommendation is taken without a look. `unanswered`: what to say
    where nobody is there to answer, and no option of the step's name does.
    """

    step: str
    rows: tuple[str, ...]
    text: Message
    evidence: tuple[Message, ...]
    options: tuple[Option, ...]
    recommended: Choice | None
    reason: Message
    table: Table | None = None
    free: Literal["", "integer", "number", "text", "assignments"] = ""
    warnings: tuple[Message, ...] = ()
    unanswered: Message | None = None

    @property
    def beside(self) -> tuple[Message, ...]:
        """The evidence beside what stands with the recommendation already, as its reason."""
        stated = () if self.recommended is None else (self.reason,)
        return tuple(message for message in self.evidence if message not in stated)


@dataclass(frozen=True)
class Settled:
    """What an answer comes to: dotted settings, why, what else to do once the decision is recorded, and what to mind
    about it."""

    settings: Mapping[str, Choice]
    reason: Message
    then: Callable[[], object] | None = None
    warning: Message | None = None
