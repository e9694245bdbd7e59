"""Decisions: what was asked, what was offered and recommended, what was chosen, by whom and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from state import files
from state.database import Event, Store, at_this_moment


@dataclass(frozen=True)
class Decision:
    """One decision. `reason` and the pieces of `evidence` are messages as JSON; `settings` are the values it sets."""

    id: int
    at: str
    by: str
    step: str
    question: dict[str, Any]
    options: list[Any]
    recommended: Any
    chosen: Any
    reason: dict[str, Any]
    evidence: list[dict[str, Any]]
    settings: dict[str, Any]
    superseded_by: int | None


def decide(
    store: Store,
    step: str,
    *,
    question: dict[str, Any],
    options: list[Any],
    recommended: Any,
    chosen: Any,
    reason: dict[str, Any],
    evidence: list[dict[str, Any]],
    settings: dict[str, Any],
    known: int | None = None,
) -> None:
    """Record a decision at once; an earlier one of the same step is superseded, never lost. `known`: the number of the
    one in force for whoever decides, 0 for none; refuses where another session has made one since."""

    def check() -> None:
        made = [0, *(entry.id for entry in decisions(store, all=True) if entry.step == step)]
        if known not in (None, made[-2]):
            raise at_this_moment()

    store.record(
        "decision",
        check,
        step=step,
        question=question,
        options=options,
        recommended=recommended,
        chosen=chosen,
        reason=reason,
        evidence=evidence,
        settings=settings,
    )


def decisions(store: Store, *, all: bool = False) -> list[Decision]:
    """The decisions in force in the order they were made; with `all` the superseded ones too."""
    where = "" if all else "WHERE superseded_by IS NULL"
    return [_decision(row) for row in store.rows(f"SELECT * FROM decisions {where} ORDER BY id")]


def decision(store: Store, step: str) -> Decision | None:
    """The decision in force for a step."""
    rows = store.rows("SELECT * FROM decisions WHERE step = ? AND superseded_by IS NULL", step)
    return _decision(rows[0]) if rows else None


def number(store: Store, step: str) -> int:
    """The number of the decision in force for a step; 0 where there is none."""
    made = decision(store, step)
    return made.id if made is not None else 0


def draft(store: Store) -> dict[str, tuple[Any, dict[str, Any]]]:
    """The configuration as decided so far: dotted name to its value and the reason of the decision that set it."""
    return {key: (value, entry.reason) for entry in decisions(store) for key, value in entry.settings.items()}


def apply_decision(store: Store, event: Event) -> None:
    row = {name: files.as_json(event[name]) for name in _JSON}
    columns = {"at": event["at"], "by": event["by"], "step": event["step"], **row}
    store.database.conn.execute(
        f"INSERT INTO decisions ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", list(columns.values())
    )
    store.database.conn.execute(
        "UPDATE decisions SET superseded_by = last_insert_rowid() "
        "WHERE step = ? AND superseded_by IS NULL AND id <> last_insert_rowid()",
        [event["step"]],
    )


_JSON = ("question", "options", "recommended", "chosen", "reason", "evidence", "settings")


def _decision(row: dict[str, Any]) -> Decision:
    return Decision(**{**row, **{name: json.loads(row[name]) for name in _JSON}})
