"""The looks at the test split: every one is on record, because each further one makes the test less of a test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from state import files
from state.database import Event, Store


@dataclass(frozen=True)
class Look:
    """One evaluation of a trial's best checkpoint on the test split; `reason`: why it was not left at the first."""

    number: int
    at: str
    by: str
    trial: str
    configuration: str
    reason: str
    result: dict[str, Any]


def record(store: Store, number: int, trial: str, configuration: str, reason: str, result: dict[str, Any]) -> None:
    """Record a look with its result. One of a number that is on record already is the same look, seen by two."""
    store.record("look", number=number, trial=trial, configuration=configuration, reason=reason, result=result)


def looks(store: Store) -> list[Look]:
    """All looks, oldest first."""
    return [
        Look(**{**row, "result": json.loads(row["result"])})
        for row in store.rows("SELECT * FROM looks ORDER BY number")
    ]


def apply_look(store: Store, event: Event) -> None:
    columns = ("at", "by", "trial", "configuration", "reason")
    # Journals of an earlier version have no number: SQLite gives the next one.
    values = [event.get("number"), *(event[name] for name in columns), files.as_json(event["result"])]
    store.database.conn.execute(
        f"INSERT OR IGNORE INTO looks (number, {', '.join(columns)}, result) VALUES ({', '.join('?' * len(values))})",
        values,
    )
