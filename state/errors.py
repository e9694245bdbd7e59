"""The one way in which the rooms refuse: a sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

from typing import Any


def said(message: str, /, **values: str | int | float) -> dict[str, Any]:
    """What a result says for people: `message` in English, and `said`, its template with the values."""
    return {"message": message.format(**values), "said": {"id": message, "values": values}}


def joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two such sentences as one."""
    parts = {"first": first["said"], "second": second["said"]}
    return {"message": f"{first['message']} {second['message']}", "said": {"id": "{first} {second}", "values": parts}}


class Refusal(Exception):
    """What cannot be done. `message` is an English template, `values` fill it; it is translated where it is shown."""

    def __init__(self, message: str, /, **values: Any):
        self.message = message
        self.values = values
        super().__init__(message.format(**values))


class Unavailable(Refusal):
    """The disk or the store cannot be written, or the store not be opened, as things stand: another program holds it,
    the disk is full or read-only, or the store is damaged. It is no fault of what was to be written, which can be
    written later."""


class Damaged(Unavailable):
    """The store is damaged, and stays so until it is built again."""


def mistyped(path: str, key: str, value: object, wanted: type) -> Refusal:
    """That a key of a TOML file has a value of another type than a bool, int, float, str, list or dict."""
    place = {"path": path, "key": key, "value": _as_toml(value)}
    if wanted is bool:
        return Refusal("{path}: {key} = {value}; wanted: true or false", **place)
    if wanted is int:
        return Refusal("{path}: {key} = {value}; wanted: a whole number", **place)
    if wanted is float:
        return Refusal("{path}: {key} = {value}; wanted: a number", **place)
    if wanted is str:
        return Refusal("{path}: {key} = {value}; wanted: text in quotes", **place)
    if wanted is list:
        return Refusal("{path}: {key} = {value}; wanted: a list in square brackets", **place)
    return Refusal("{path}: {key} = {value}; wanted: a table, as [{key}]", **place)


def _as_toml(value: object) -> str:
    return repr(value).lower() if isinstance(value, bool) else repr(value)
