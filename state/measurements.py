"""Measurements: what was found out about the data and the device before anything was tuned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from state import files
from state.database import Event, Store


@dataclass(frozen=True)
class Measurement:
    """One inspection of the data or one probe of batch sizes. `subject` holds all that the result depends on (G6)."""

    id: str
    at: str
    kind: str
    subject: dict[str, Any]
    result: dict[str, Any]


def next_id(store: Store, kind: str) -> str:
    """The name of the next measurement of a kind, also of its folder; folders of unfinished ones are passed over."""
    folder = store.project.folder / "measurements"
    number = 1
    while (folder / f"{kind}-{number}").exists():
        number += 1
    return f"{kind}-{number}"


def record(store: Store, id: str, kind: str, subject: dict[str, Any], result: dict[str, Any]) -> None:
    """Record the result of a finished measurement."""
    store.record("measurement", id=id, type=kind, subject=subject, result=result)


def latest(store: Store, kind: str) -> Measurement | None:
    """The newest measurement of a kind."""
    rows = store.rows("SELECT * FROM measurements WHERE kind = ? ORDER BY rowid DESC LIMIT 1", kind)
    return _measurement(rows[0]) if rows else None


def recorded(store: Store, id: str) -> bool:
    """Whether the result of a measurement is recorded."""
    return bool(store.rows("SELECT 1 FROM measurements WHERE id = ?", id))


def measurements(store: Store, kind: str) -> list[Measurement]:
    """All measurements of a kind, oldest first."""
    return [_measurement(row) for row in store.rows("SELECT * FROM measurements WHERE kind = ? ORDER BY rowid", kind)]


def device_seconds(store: Store) -> float:
    """What the measurements on the device took, by what each says itself; one that failed, or that an earlier version
    kept with a number that is not finite, has said it in its folder alone. Looking through the data takes no device."""
    rows = store.rows(
        "SELECT id, json_extract(result, '$.seconds') AS seconds FROM measurements WHERE json_valid(result)"
    )
    known = {row["id"]: row["seconds"] for row in rows}
    for place in (store.project.folder / "measurements").glob("*-*/result.json"):
        if place.parent.name not in known:
            known[place.parent.name] = (files.read_json(place) or {}).get("seconds")
    return sum(float(seconds or 0) for id, seconds in known.items() if not id.startswith("inspection-"))


def apply_measurement(store: Store, event: Event) -> None:
    store.database.conn.execute(
        "INSERT OR REPLACE INTO measurements (id, at, kind, subject, result) VALUES (?, ?, ?, ?, ?)",
        [
            event["id"],
            event["at"],
            event["type"],
            files.as_json(event["subject"]),
            files.as_json(event["result"]),
        ],
    )


def _measurement(row: Mapping[str, Any]) -> Measurement:
    return Measurement(row["id"], row["at"], row["kind"], json.loads(row["subject"]), json.loads(row["result"]))
