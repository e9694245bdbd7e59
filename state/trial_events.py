"""Which rows of batches and trials the events of the journal make or change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from state import files
from state.database import Event, Store


def apply_batch(store: Store, event: Event) -> None:
    columns = ("name", "at", "type", "number", "goal", "configuration", "wanted", "slots")
    store.database.conn.execute(
        "INSERT INTO batches (name, at, kind, number, goal, configuration, wanted, slots, plan) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [*(event[name] for name in columns), files.as_json(event["plan"])],
    )
    _insert_trials(store, event["name"], event["trials"], event["at"])


def apply_trials(store: Store, event: Event) -> None:
    # What is longer than it was has not been reviewed.
    store.database.conn.execute("UPDATE batches SET reviewed = NULL WHERE name = ?", [event["batch"]])
    _insert_trials(store, event["batch"], event["trials"], event["at"])


def apply_request(store: Store, event: Event) -> None:
    connection = store.database.conn
    target, wanted = event["target"], event["wanted"]
    if wanted == "retry":
        # What it came to before has been reviewed, if anything.
        connection.execute(
            "UPDATE batches SET reviewed = NULL WHERE name = (SELECT batch FROM trials WHERE id = ?)", [target]
        )
        connection.execute(
            "UPDATE trials SET status = 'queued', wanted = 'retry', reason = '', message = '', said = '', "
            "restarts = 0, queued_at = ? WHERE id = ?",
            [event["at"], target],
        )
    else:
        connection.execute("UPDATE trials SET wanted = coalesce(?, wanted) WHERE id = ?", [wanted, target])
    connection.execute(
        "UPDATE batches SET wanted = coalesce(?, wanted), slots = coalesce(?, slots) WHERE name = ?",
        [wanted, event["slots"], target],
    )


def apply_order(store: Store, event: Event) -> None:
    connection = store.database.conn
    highest = connection.execute("SELECT coalesce(max(priority), 0) FROM trials").fetchone()[0]
    connection.executemany("UPDATE trials SET priority = ? WHERE id = ?", [(highest + 1, id) for id in event["trials"]])


def apply_review(store: Store, event: Event) -> None:
    connection = store.database.conn
    connection.execute("DELETE FROM findings WHERE batch = ?", [event["batch"]])
    connection.executemany(
        "INSERT INTO findings (batch, position, finding) VALUES (?, ?, ?)",
        [(event["batch"], position, files.as_json(entry)) for position, entry in enumerate(event["findings"])],
    )
    connection.execute("UPDATE batches SET reviewed = ? WHERE name = ?", [event["at"], event["batch"]])


def _insert_trials(store: Store, name: str, listed: Sequence[Mapping[str, Any]], at: str) -> None:
    connection = store.database.conn
    first = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM trials").fetchone()[0]
    connection.executemany(
        "INSERT INTO trials (id, number, batch, study, position, u, settings, overrides, wanted, status, reason, "
        "message, steps_done, queued_at, restarts, metrics_file, metrics_offset) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', 'queued', '', '', 0, ?, 0, 0, 0)",
        [
            (
                entry["id"],
                first + place,
                name,
                entry["study"],
                entry["position"],
                *(files.as_json(entry[part]) for part in ("u", "settings", "overrides")),
                at,
            )
            for place, entry in enumerate(listed)
        ],
    )
