"""Sentences for people: an English template with its values apart, so that whoever shows one can translate it.

Values are text and finite numbers, which JSON can hold, and other sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

# Of what a library says; the rest is in the log.
LONGEST = 300

Value: TypeAlias = "str | int | float | Sentence"


@dataclass(frozen=True)
class Sentence:
    """An English template and what fills it; as text it is English."""

    id: str
    values: Mapping[str, Value] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.id.format(**self.values)

    def packed(self) -> dict[str, Any]:
        """As JSON has it; `unpacked` gives it back."""
        values = {name: value.packed() if isinstance(value, Sentence) else value for name, value in self.values.items()}
        return {"id": self.id, "values": values}


def phrase(template: str, /, **values: Value) -> Sentence:
    """A sentence, or a part of one, from its template: `phrase("at most {n}", n=3)`."""
    return Sentence(template, values)


def unpacked(content: Mapping[str, Any]) -> Sentence:
    """The sentence that `packed` made JSON of."""
    values = content["values"].items()
    return Sentence(
        content["id"], {name: unpacked(value) if isinstance(value, Mapping) else value for name, value in values}
    )


def together(sentences: Iterable[Sentence]) -> Sentence:
    """One or more sentences in a row, each of them once."""
    different = {str(sentence): sentence for sentence in sentences}
    return reduce(lambda first, second: phrase("{first}; {second}", first=first, second=second), different.values())


def brief(error: BaseException) -> str:
    """The first line of what a library's error says, cut where it is very long; its kind where it says nothing."""
    line = str(error).strip().partition("\n")[0].rstrip() or type(error).__name__
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}…"


class Spoken(Exception):
    """An error that has its sentence for people: `message` is the template, `values` fill it."""

    def __init__(self, message: str, /, **values: Value):
        self.message = message
        self.values = values
        super().__init__(str(self.sentence))

    @property
    def sentence(self) -> Sentence:
        return Sentence(self.message, self.values)


def said(message: str, /, **values: Value) -> dict[str, Any]:
    """What a result says: `message` in English, and `said`, its template and values."""
    sentence = Sentence(message, values)
    return {"message": str(sentence), "said": sentence.packed()}


def said_by(error: Exception) -> dict[str, Any]:
    """What a result says of an error, in the words of that."""
    return said(error.message, **error.values) if isinstance(error, Spoken) else {"message": str(error)}
