"""What becomes of trials, written as it happens: an index of their folders, so it is not in the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from state import files, measure, runs, spent, trials
from state.database import Store, now
from state.measure import Measure
from state.metrics import number


def mark_running(store: Store, id: str, *, restart: bool, anew: bool = False) -> None:
    """A process is at work on the trial; `anew`: from its beginning, whatever it had come to."""
    with store.transaction():
        if anew:
            _forget(store, id)
            store.database.conn.execute("UPDATE trials SET started_at = NULL WHERE id = ?", [id])
        store.database.conn.execute(
            # A wish to stop that came meanwhile stays; a wish to be tried again is fulfilled.
            "UPDATE trials SET status = 'running', reason = '', message = '', said = '', ended_at = NULL, "
            "wanted = CASE wanted WHEN 'retry' THEN '' ELSE wanted END, "
            "started_at = coalesce(started_at, ?), restarts = restarts + ? WHERE id = ?",
            [runs.began_at(store.project.trial_folder(id)) or now(), int(restart), id],
        )


def mark_queued(store: Store, id: str, *, anew: bool = False) -> None:
    """The trial waits again, to be continued from its last checkpoint, or `anew` from its beginning; what was said of
    its process is past."""
    with store.transaction():
        note_spent(store, id)
        if anew:
            _forget(store, id)
        store.database.conn.execute("UPDATE trials SET status = 'queued', message = '', said = '' WHERE id = ?", [id])


def _forget(store: Store, id: str) -> None:
    """Take away what an attempt came to of which nothing is gone on with."""
    store.database.conn.execute("DELETE FROM metrics WHERE trial = ?", [id])
    store.database.conn.execute(
        "UPDATE trials SET best = NULL, best_step = NULL, final = NULL, metric = '', direction = '', result = NULL, "
        "steps_done = 0, "
        "metrics_file = 0, metrics_offset = 0 WHERE id = ?",
        [id],
    )


def note_spent(store: Store, id: str, result: Mapping[str, Any] | None = None) -> None:
    """Take over what the processes of a trial took; what they had taken once cannot become less."""
    seconds = spent.seconds(store.project.trial_folder(id), result)
    store.database.conn.execute("UPDATE trials SET spent = max(spent, ?) WHERE id = ?", [seconds, id])


def note(store: Store, id: str, message: str, said: Mapping[str, Any] | None = None) -> None:
    """Say why a trial waits or what it lacks, with the template of that; the next start takes the message away."""
    with store.transaction():
        store.database.conn.execute("UPDATE trials SET message = ?, said = ? WHERE id = ?", [message, _json(said), id])


def mark_ended(store: Store, id: str, result: Mapping[str, Any], at: str = "") -> None:
    """Take over what a trial's `result.json` says (`status`, `reason`, `message`, `said`, `best`, `final`,
    `steps_done`); `at`: since when it does, otherwise since now."""
    # Written by a process that may be anybody's.
    result = json.loads(files.as_json(dict(result)))
    judged, best, final = came_to(store, id, result)
    status = result.get("status")
    with store.transaction():
        note_spent(store, id, result)
        store.database.conn.execute(
            "UPDATE trials SET status = ?, reason = ?, message = ?, said = ?, steps_done = ?, best_step = ?, best = ?, "
            "final = ?, metric = ?, direction = ?, result = ?, ended_at = ?, "
            "wanted = CASE wanted WHEN 'retry' THEN '' ELSE wanted END WHERE id = ?",
            [
                status if status in (*trials.ENDED, "stopped") else "failed",
                str(result.get("reason", "")),
                str(result.get("message", "")),
                _json(said if isinstance(said := result.get("said"), Mapping) else None),
                _whole(result.get("steps_done")) or 0,
                _whole(best.get("step")),
                best.get("value"),
                final.get("value"),
                judged.metric,
                judged.direction,
                files.as_json(result),
                at or now(),
                id,
            ],
        )


def came_to(store: Store, id: str, result: Mapping[str, Any]) -> tuple[Measure, dict[str, Any], dict[str, Any]]:
    """By what a result is judged, and what it is best and at its end: the `step`, and the `value` by that."""
    by = measure.of_result(store.project, id, result, trials.trial_settings(store, trials.trial(store, id)))
    points = (part if isinstance(part := result.get(name), Mapping) else {} for name in ("best", "final"))
    best, final = ({"step": point.get("step"), "value": number(point.get(f"val/{by.metric}"))} for point in points)
    return by, best, final


def _json(said: Mapping[str, Any] | None) -> str:
    return files.as_json(dict(said)) if said else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and abs(value) < 2**63 else None
