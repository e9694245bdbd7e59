"""Findings that a person does not follow, and why: what is no longer to be said of a round."""

from __future__ import annotations

from dataclasses import dataclass

from state.database import Event, Store


@dataclass(frozen=True)
class Dismissal:
    """`finding` is the key of a finding of a batch's review, `verdict` what it said when it was dismissed."""

    batch: str
    finding: str
    at: str
    by: str
    verdict: str
    reason: str


def dismiss(store: Store, batch: str, finding: str, verdict: str, reason: str) -> None:
    """Record that a finding is not followed; an empty reason takes an earlier dismissal back."""
    store.record("dismissal", batch=batch, finding=finding, verdict=verdict, reason=reason)


def dismissals(store: Store, batch: str) -> dict[str, Dismissal]:
    """The dismissals of a batch's findings, by the finding's key."""
    rows = store.rows("SELECT * FROM dismissals WHERE batch = ? ORDER BY at", batch)
    return {row["finding"]: Dismissal(**row) for row in rows}


def apply_dismissal(store: Store, event: Event) -> None:
    columns = ("batch", "finding", "at", "by", "verdict", "reason")
    store.database.conn.execute(
        "DELETE FROM dismissals WHERE batch = ? AND finding = ?", [event["batch"], event["finding"]]
    )
    if event["reason"]:
        store.database.conn.execute(
            f"INSERT INTO dismissals ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [event[name] for name in columns],
        )
