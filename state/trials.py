"""Batches and trials: what is to be run, what became of it, and the metrics it left.

A batch is a set of trials that run under one wish (run, pause, stop): the baseline, a round, the re-runs of a launch.
The trial folders are the truth about trials; the rows here are their index, kept by the supervisor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from state import configurations, measure, strays
from state.database import Store
from state.errors import NotFound
from state.measure import Measure
from state.metrics import number

ENDED = ("complete", "infeasible", "failed")


@dataclass(frozen=True)
class NewTrial:
    """A trial to be run. `settings`: dimension name to value; `overrides`: dotted name to value, seed included."""

    study: str
    position: int
    u: Mapping[str, float]
    settings: Mapping[str, Any]
    overrides: Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """`configuration`: hash of what the trials override. `wanted`: "" (planned), "run", "pause", "stop" or "drop"."""

    name: str
    at: str
    kind: str
    number: int
    goal: str
    configuration: str
    plan: dict[str, Any]
    wanted: str
    slots: int
    reviewed: str | None


@dataclass(frozen=True)
class Trial:
    """`status`: queued, running, complete, infeasible, failed or stopped. `best`, `final`: of `metric`, of which
    `direction` is better: as the project had it when the trial ran; both "" before it has a result. `priority`: those
    of a higher one are started first, whatever their number. `said`: the template of the message with its values, where
    it has one. `queued_at`: for the last time, since it may be tried again. `spent`: device seconds of its processes
    that are gone, those of earlier tries included."""

    id: str
    number: int
    batch: str
    study: str
    position: int
    u: dict[str, float]
    settings: dict[str, Any]
    overrides: dict[str, Any]
    wanted: str
    status: str
    reason: str
    message: str
    steps_done: int
    best_step: int | None
    best: float | None
    final: float | None
    result: dict[str, Any] | None
    queued_at: str
    started_at: str | None
    ended_at: str | None
    restarts: int
    priority: int = 0
    spent: float = 0.0
    said: dict[str, Any] | None = None
    metric: str = ""
    direction: str = ""

    @property
    def measure(self) -> Measure | None:
        """By what its result is judged; None before it has one."""
        return measure.named(self.metric, self.direction) if self.metric else None


def add_batch(
    store: Store,
    kind: str,
    *,
    goal: str,
    configuration: str,
    plan: Mapping[str, Any],
    trials: Sequence[NewTrial],
    wanted: str = "",
    slots: int = 0,
) -> Batch:
    """Record a batch with its trials, queued. `slots` 0: as many at once as the machine allows. Refuses where a process
    is at work in the folder of one, which is of another trial then."""
    number = store.rows("SELECT count(*) AS n FROM batches WHERE kind = ?", kind)[0]["n"] + 1
    name = f"{kind}-{number}"
    listed = _listed(name, 1, trials)
    store.record(
        "batch",
        partial(strays.make_way, store.project, [entry["id"] for entry in listed]),
        name=name,
        type=kind,
        number=number,
        goal=goal,
        configuration=configuration,
        plan=dict(plan),
        trials=listed,
        wanted=wanted,
        slots=slots,
    )
    return batch(store, name)


def add_trials(store: Store, name: str, trials: Sequence[NewTrial]) -> None:
    """Add trials to the end of a batch's queue."""
    first = store.rows("SELECT count(*) AS n FROM trials WHERE batch = ?", name)[0]["n"] + 1
    listed = _listed(name, first, trials)
    make_way = partial(strays.make_way, store.project, [entry["id"] for entry in listed])
    store.record("trials", make_way, batch=name, trials=listed)


def ask(store: Store, target: str, wanted: str | None, slots: int | None = None) -> None:
    """Wish that a batch runs, pauses, stops or is dropped, or that one trial stops or is tried again ("retry"); None:
    what is wished of it stays. `slots`: how many of a batch's run at once from now on, 0: as the machine allows."""
    store.record("request", target=target, wanted=wanted, slots=slots)


def asked(store: Store) -> dict[str, str]:
    """When something was wished of each batch, or of a trial of it, for the last time."""
    # What an earlier version kept with numbers that are not finite is no JSON to SQLite; no wish has any.
    rows = store.rows(
        "SELECT coalesce(trials.batch, target) AS name, max(at) AS at FROM (SELECT json_extract(event, '$.target') AS "
        "target, json_extract(event, '$.at') AS at FROM events "
        "WHERE CASE WHEN json_valid(event) THEN json_extract(event, '$.kind') END = 'request') "
        "LEFT JOIN trials ON trials.id = target GROUP BY 1"
    )
    return {row["name"]: row["at"] for row in rows}


def wishes(store: Store, name: str) -> list[tuple[str, str]]:
    """What was wished of a batch itself, and when, oldest first."""
    rows = store.rows(
        "SELECT json_extract(event, '$.wanted') AS wanted, json_extract(event, '$.at') AS at FROM events "
        "WHERE CASE WHEN json_valid(event) THEN json_extract(event, '$.target') END = ? ORDER BY number",
        name,
    )
    return [(row["wanted"], row["at"]) for row in rows if row["wanted"]]


def put_first(store: Store, ids: Sequence[str]) -> None:
    """Have these trials started before all others that wait; among themselves they keep their order."""
    store.record("order", trials=list(ids))


def review(store: Store, name: str, findings: Sequence[Mapping[str, Any]]) -> None:
    """Keep the findings of a batch's review; a later review replaces them."""
    store.record("review", batch=name, findings=[dict(finding) for finding in findings])


def batches(store: Store, kind: str | None = None) -> list[Batch]:
    """The batches, oldest first; by the journal, since a clock may jump. Without those that were dropped, which `batch`
    knows all the same."""
    where, parameters = ("AND kind = ?", [kind]) if kind else ("", [])
    query = f"SELECT * FROM batches WHERE wanted <> 'drop' {where} ORDER BY rowid"
    return [_batch(row) for row in store.rows(query, *parameters)]


def dropped(store: Store) -> list[str]:
    """The names of the rounds that were dropped, oldest first."""
    return [row["name"] for row in store.rows("SELECT name FROM batches WHERE wanted = 'drop' ORDER BY rowid")]


def batch(store: Store, name: str) -> Batch:
    """One batch. Refuses an unknown name."""
    rows = store.rows("SELECT * FROM batches WHERE name = ?", name)
    if not rows:
        known = [entry.name for entry in batches(store)] or "-"
        raise NotFound("There is no {name} in this project. There are: {known}", name=name, known=known)
    return _batch(rows[0])


def findings(store: Store, name: str) -> list[dict[str, Any]]:
    """The findings of a batch's last review."""
    rows = store.rows("SELECT finding FROM findings WHERE batch = ? ORDER BY position", name)
    return [json.loads(row["finding"]) for row in rows]


def trials(store: Store, name: str | None = None) -> list[Trial]:
    """The trials of a batch, or all, in the order of the queue."""
    where, parameters = ("WHERE batch = ?", [name]) if name else ("", [])
    return [_trial(row) for row in store.rows(f"SELECT * FROM trials {where} ORDER BY number", *parameters)]


def trial(store: Store, id: str) -> Trial:
    """One trial. Refuses an unknown id."""
    rows = store.rows("SELECT * FROM trials WHERE id = ?", id)
    if not rows:
        raise NotFound("There is no trial {id} in this project.", id=id)
    return _trial(rows[0])


def last_ended(store: Store, name: str, count: int) -> list[tuple[str, str]]:
    """Status and time of the end of so many trials of a batch that ended last, the last first; one that was stopped
    has ended, too, until it goes on. Asked often: not all trials are read."""
    rows = store.rows(
        "SELECT status, ended_at FROM trials WHERE batch = ? AND ended_at IS NOT NULL AND status NOT IN ('queued', "
        "'running') ORDER BY ended_at DESC, number DESC LIMIT ?",
        name,
        count,
    )
    return [(row["status"], row["ended_at"]) for row in rows]


def data_of_batches(store: Store) -> list[tuple[str, str | None]]:
    """Batch and data of each complete trial, those that ended last at the end; None where its result does not say.
    Asked by pages at each change: not all trials are read."""
    rows = store.rows(
        "SELECT batch, CASE WHEN json_valid(result) THEN json_extract(result, '$.data') END AS data FROM trials "
        "WHERE status = 'complete' ORDER BY ended_at, number"
    )
    return [(row["batch"], row["data"]) for row in rows]


def begun(entry: Trial) -> bool:
    """Whether a trial was ever started; when, a store that was built anew does not know."""
    return entry.started_at is not None or entry.steps_done > 0 or entry.status not in ("queued", "stopped")


def over(entry: Trial) -> bool:
    """Whether nothing more comes of a trial: it has ended, or was stopped alone, and rests until it is tried again."""
    return entry.status in ENDED or stopped_alone(entry)


def count_over(store: Store, name: str) -> int:
    """Of how many trials of a batch nothing more comes (`over`). Asked often: they are not read."""
    query = (
        "SELECT count(*) AS n FROM trials WHERE batch = ? AND (status IN ('complete', 'infeasible', 'failed') "
        "OR (wanted = 'stop' AND status IN ('queued', 'stopped')))"
    )
    return store.rows(query, name)[0]["n"]


def stopped_alone(entry: Trial) -> bool:
    """Whether a trial was stopped by itself: its batch goes on without it."""
    return entry.wanted == "stop" and entry.status in ("queued", "stopped")


def unfinished(store: Store) -> list[Trial]:
    """The trials that have not ended by themselves (queued, running, stopped), in the order of the queue."""
    ended = ", ".join("?" * len(ENDED))
    return [
        _trial(row)
        for row in store.rows(
            f"SELECT * FROM trials WHERE status NOT IN ({ended}) ORDER BY priority DESC, number", *ENDED
        )
    ]


def trial_settings(store: Store, entry: Trial) -> dict[str, Any]:
    """The whole configuration of a trial as dotted names: that of its batch with the trial's own values in it.

    An override of None removes a setting: another optimizer has other hyperparameters.
    """
    return overridden(batch_settings(store, entry.batch), entry)


def overridden(base: Mapping[str, Any], entry: Trial) -> dict[str, Any]:
    """The same from the configuration of the batch, for whoever asks for many of its trials."""
    return {key: value for key, value in {**base, **entry.overrides}.items() if value is not None}


def batch_settings(store: Store, name: str) -> Mapping[str, Any]:
    """The configuration that the trials of a batch override."""
    # Not by `batch`: the plan of a large round takes long to read, and nobody asks for it here.
    found = store.rows("SELECT configuration FROM batches WHERE name = ?", name)[0]["configuration"]
    return configurations.configuration(store, found).settings


def steps_planned(settings: Mapping[str, Any]) -> int | None:
    """How many steps a trial of these settings is to make; None where that is not known. A script of the user's own may
    write the number as text, and have another word, or -1, for as many as it takes."""
    steps = number(settings.get("training.steps"))
    return int(steps) if steps is not None and 1 <= steps < math.inf else None


def _listed(name: str, first: int, new: Sequence[NewTrial]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{name}-{first + place:03d}",
            "study": entry.study,
            "position": entry.position,
            "u": dict(entry.u),
            "settings": dict(entry.settings),
            "overrides": dict(entry.overrides),
        }
        for place, entry in enumerate(new)
    ]


def _batch(row: dict[str, Any]) -> Batch:
    return Batch(**{**row, "plan": json.loads(row["plan"])})


def _trial(row: dict[str, Any]) -> Trial:
    plain = {key: value for key, value in row.items() if not key.startswith("metrics_")}
    loaded = {part: json.loads(row[part]) for part in ("u", "settings", "overrides")}
    loaded |= {part: json.loads(row[part]) if row[part] else None for part in ("result", "said")}
    return Trial(**{**plain, **loaded})
