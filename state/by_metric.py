"""By which metric the results of batches and runs are: the project's may have changed since (`state.measure`)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from state import measure
from state.database import Store
from state.measure import Measure
from state.trial_progress import came_to
from state.trials import Trial


def of_batches(store: Store) -> dict[str, Measure]:
    """By what each batch was judged: the last of its trials that came to its end. Those without any are not in it."""
    rows = store.rows(
        "SELECT batch, metric, direction FROM trials WHERE status = 'complete' AND metric <> '' "
        "ORDER BY ended_at, number"
    )
    return {row["batch"]: measure.named(row["metric"], row["direction"]) for row in rows}


def of_batch(store: Store, name: str) -> Measure:
    """By what a batch is judged: the last of its trials that came to its end; without any as the project's are now."""
    rows = store.rows(
        "SELECT metric, direction FROM trials WHERE batch = ? AND status = 'complete' AND metric <> '' "
        "ORDER BY ended_at DESC, number DESC LIMIT 1",
        name,
    )
    return measure.named(**rows[0]) if rows else measure.of_project(store.project.settings)


def only(runs: Iterable[Trial], wanted: Measure) -> list[Trial]:
    """The runs but for those whose result is by another metric; one without a result counts."""
    return [run for run in runs if run.measure in (None, wanted)]


def note(store: Store) -> None:
    """Note by what the results are judged that a version took over which did not."""
    rows = store.rows("SELECT id, result FROM trials WHERE metric = '' AND result IS NOT NULL")
    if not rows:
        return
    found = [(row["id"], *came_to(store, row["id"], json.loads(row["result"]))) for row in rows]
    with store.transaction():
        store.database.conn.executemany(
            "UPDATE trials SET metric = ?, direction = ?, best = ?, final = ? WHERE id = ?",
            [(by.metric, by.direction, best.get("value"), final.get("value"), id) for id, by, best, final in found],
        )
