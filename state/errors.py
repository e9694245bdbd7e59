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
