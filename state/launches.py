"""Launches and insights: how the best configuration came to be, and what was learnt on the way (G16, G19)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from state import files
from state.configurations import Configuration, configuration, identity_of
from state.database import Event, Store, at_this_moment
from state.trials import Batch, Trial, batches, trial_settings, trials


@dataclass(frozen=True)
class Launch:
    """A decision about the best configuration: `decision` is adopt, reject or repeat; `evidence` has its figures."""

    number: int
    at: str
    by: str
    batch: str
    candidate: str
    previous: str | None
    decision: str
    reason: dict[str, Any]
    evidence: dict[str, Any]


@dataclass(frozen=True)
class Insight:
    """Something learnt, as a message in JSON, with the batch it came from and its evidence: its figures, the caveats,
    the `key` by which a later word on the same replaces an earlier one, and `status`."""

    id: int
    at: str
    by: str
    batch: str | None
    text: dict[str, Any]
    evidence: dict[str, Any]

    @property
    def key(self) -> str:
        """What it is about; one of its own where nothing else was ever said about it."""
        return str(self.evidence.get("key") or f"insight/{self.id}")

    @property
    def status(self) -> str:
        """What a person made of it: confirmed, or refused."""
        return str(self.evidence.get("status") or "confirmed")


def launch(
    store: Store,
    *,
    batch: str,
    candidate: str,
    previous: str | None,
    decision: str,
    reason: dict[str, Any],
    evidence: dict[str, Any],
    known: int | None = None,
) -> None:
    """Record a decision about the best configuration with its reason; the first adopted one is the baseline. `known`:
    how many decisions there were for whoever decides; refuses where another session has made one since."""

    def check() -> None:
        if known is not None and len(launches(store)) > known + 1:
            raise at_this_moment()

    store.record(
        "launch",
        check,
        batch=batch,
        candidate=candidate,
        previous=previous,
        decision=decision,
        reason=reason,
        evidence=evidence,
    )


def launches(store: Store) -> list[Launch]:
    """All decisions about the best configuration, oldest first."""
    rows = store.rows("SELECT * FROM launches ORDER BY number")
    return [
        Launch(**{**row, "reason": json.loads(row["reason"]), "evidence": json.loads(row["evidence"])}) for row in rows
    ]


def last(store: Store) -> dict[str, Launch]:
    """The last decision about each baseline and launch, by its name, the earliest first; the way back to an earlier
    best configuration is a decision about none of them."""
    found = {entry.batch: entry for entry in launches(store) if not entry.evidence.get("back")}
    return {entry.batch: entry for entry in sorted(found.values(), key=lambda entry: entry.number)}


def decided(store: Store, name: str) -> Launch | None:
    """The decision in force about a launch; None where there is none yet, or it was to run more."""
    found = last(store).get(name)
    return found if found is not None and found.decision != "repeat" else None


def in_force(store: Store) -> list[Launch]:
    """The adoptions that led to the best configuration, oldest first: without what was taken back, by the way back to
    an earlier one or by a later decision about the same launch."""
    line: list[Launch] = []
    lines: dict[str, list[Launch]] = {}
    for entry in launches(store):
        if entry.decision == "adopt":
            back = entry.evidence.get("back")
            line = lines[entry.candidate] = lines.get(entry.candidate, []) if back else [*line, entry]
    found = last(store)
    return [entry for entry in line if found[entry.batch].number == entry.number]


def undecided(store: Store) -> list[Batch]:
    """The launches without a decision in force, oldest first."""
    found = last(store)
    return [
        batch for batch in batches(store, "launch") if batch.name not in found or found[batch.name].decision == "repeat"
    ]


def waiting(store: Store) -> list[Batch]:
    """Those of the undecided launches that can be decided: against what is the best configuration now."""
    now = best(store)
    return [batch for batch in undecided(store) if now is not None and batch.plan["best"] == now.hash]


def best(store: Store) -> Configuration | None:
    """The best configuration: that of the last adopted launch; None before the baseline was found reasonable."""
    adopted = [entry for entry in launches(store) if entry.decision == "adopt"]
    return configuration(store, adopted[-1].candidate) if adopted else None


def complete_runs(store: Store, settings: Mapping[str, Any]) -> list[Trial]:
    """The trials that ran a configuration to its end with a finite result, whatever their seeds."""
    wanted = identity_of(settings)
    return [
        entry
        for entry in trials(store)
        if entry.status == "complete"
        and entry.best is not None
        and math.isfinite(entry.best)
        and identity_of(trial_settings(store, entry)) == wanted
    ]


def repeated(store: Store, settings: Mapping[str, Any]) -> list[Trial]:
    """The complete runs of a configuration as baseline and in launches, those of the newest batch first: a round that
    found it chose it for its result."""
    wanted = identity_of(settings)
    return [
        entry
        for batch in reversed(batches(store))
        if batch.kind != "round"
        for entry in trials(store, batch.name)
        if entry.status == "complete" and identity_of(trial_settings(store, entry)) == wanted
    ]


def learn(store: Store, text: dict[str, Any], *, batch: str | None, evidence: dict[str, Any]) -> None:
    """Record an insight."""
    store.record("insight", text=text, batch=batch, evidence=evidence)


def insights(store: Store, *, refused: bool = False) -> list[Insight]:
    """The insights in force, oldest first: of several words on the same the last; the refused ones only on request."""
    rows = store.rows("SELECT * FROM insights ORDER BY id")
    last = [
        Insight(**{**row, "text": json.loads(row["text"]), "evidence": json.loads(row["evidence"])}) for row in rows
    ]
    in_force = {entry.key: entry for entry in last}
    return [
        entry for entry in sorted(in_force.values(), key=lambda entry: entry.id) if refused or entry.status != "refused"
    ]


def apply_launch(store: Store, event: Event) -> None:
    store.database.conn.execute(
        "INSERT INTO launches (at, by, batch, candidate, previous, decision, reason, evidence) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(event[name] for name in ("at", "by", "batch", "candidate", "previous", "decision")),
            files.as_json(event["reason"]),
            files.as_json(event["evidence"]),
        ],
    )


def apply_insight(store: Store, event: Event) -> None:
    store.database.conn.execute(
        "INSERT INTO insights (at, by, batch, text, evidence) VALUES (?, ?, ?, ?, ?)",
        [
            event["at"],
            event["by"],
            event["batch"],
            files.as_json(event["text"]),
            files.as_json(event["evidence"]),
        ],
    )
