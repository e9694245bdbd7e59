"""The one way in which the rooms refuse: a sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


def said(message: str, /, **values: str | int | float) -> dict[str, Any]:
    """What a result says for people: `message` in English, and `said`, its template with the values."""
    return {"message": message.format(**values), "said": {"id": message, "values": values}}


# What a sentence ends with; a bracket or a quotation may close behind it.
_END = re.compile(r"[.!?:…][)\]\"']?\s*$")


def joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two such sentences as one, with a full stop between them where the first ends with the words of a program."""
    parts = {"first": first["said"], "second": second["said"]}
    between = "{first} {second}" if _END.search(first["message"]) else "{first}. {second}"
    message = between.format(first=first["message"].rstrip(), second=second["message"])
    return {"message": message, "said": {"id": between, "values": parts}}


class Refusal(Exception):
    """What cannot be done. `message` is an English template, `values` fill it; it is translated where it is shown.

    `code` names the kind for programs, and stays as it is: the README lists them.
    """

    code = "refused"
    about: Mapping[str, Any] = MappingProxyType({})
    """What a JSON answer has beside the sentence, where there is more that a program needs."""

    def __init__(self, message: str, /, **values: Any):
        self.message = message
        self.values = values
        super().__init__(message.format(**{name: _listed(value) for name, value in values.items()}))


def _listed(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


class WrongUse(Refusal):
    """Words of a command that do not go together, or lack what it cannot do without."""

    code = "usage"


class Invalid(Refusal):
    """A value, a file or a setting that cannot be used as it is."""

    code = "invalid_value"


class NotFound(Refusal):
    """What was named is not there."""

    code = "not_found"


class Exists(Refusal):
    """What is to be made is there already, or its place is taken."""

    code = "exists"


class NotInstalled(Refusal):
    """A package that this needs is not installed."""

    code = "not_installed"


class NotYet(Refusal):
    """Something else comes first."""

    code = "not_yet"


class Over(Refusal):
    """It has come to its end, or was decided, before."""

    code = "over"


class Unanswered(Refusal):
    """An answer or a reason is wanted, and none was given."""

    code = "unanswered"


class AtWork(Refusal):
    """A process is at work there."""

    code = "busy"


class Changed(Refusal):
    """Another session changed what this rests on meanwhile."""

    code = "changed"


class Spoilt(Refusal):
    """What the project keeps is damaged, lacks something, or is a newer version's."""

    code = "store"


class Unwritable(Refusal):
    """A file or folder cannot be read or written, and no waiting helps."""

    code = "disk"


class Unavailable(Refusal):
    """The disk or the store cannot be written, or the store not be opened, as things stand: another program holds it,
    the disk is full or read-only, or the store is damaged. It is no fault of what was to be written, which can be
    written later."""

    code = "disk"


class Held(Unavailable):
    """Another program holds the store."""

    code = "busy"


class Gone(Unavailable):
    """The project is no longer where it was."""

    code = "not_found"


class Damaged(Unavailable):
    """The store is damaged, and stays so until it is built again."""

    code = "store"


def mistyped(path: str, key: str, value: object, wanted: type) -> Refusal:
    """That a key of a TOML file has a value of another type than a bool, int, float, str, list or dict."""
    place = {"path": path, "key": key, "value": _as_toml(value)}
    if wanted is bool:
        return Invalid("{path}: {key} = {value}; wanted: true or false", **place)
    if wanted is int:
        return Invalid("{path}: {key} = {value}; wanted: a whole number", **place)
    if wanted is float:
        return Invalid("{path}: {key} = {value}; wanted: a number", **place)
    if wanted is str:
        return Invalid("{path}: {key} = {value}; wanted: text in quotes", **place)
    if wanted is list:
        return Invalid("{path}: {key} = {value}; wanted: a list in square brackets", **place)
    return Invalid("{path}: {key} = {value}; wanted: a table, as [{key}]", **place)


def _as_toml(value: object) -> str:
    return repr(value).lower() if isinstance(value, bool) else repr(value)
