"""Sentences for people: an English template with its values apart, so that whoever shows one can translate it.

Values are text and finite numbers, which JSON can hold.
"""

from __future__ import annotations

from typing import Any

Value = str | int | float


class Spoken(Exception):
    """An error that has its sentence for people: `message` is the template, `values` fill it."""

    def __init__(self, message: str, /, **values: Value):
        self.message = message
        self.values = values
        super().__init__(message.format(**values))


def said(message: str, /, **values: Value) -> dict[str, Any]:
    """What a result says: `message` in English, and `said`, its template and values."""
    return {"message": message.format(**values), "said": {"id": message, "values": values}}


def said_by(error: Exception) -> dict[str, Any]:
    """What a result says of an error, in the words of that."""
    return said(error.message, **error.values) if isinstance(error, Spoken) else {"message": str(error)}
