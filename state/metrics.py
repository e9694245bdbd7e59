"""The metrics of trials: read from the lines that the trials append, kept as (step, value) for the screens."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from state import files
from state.database import Store

# Bytes that are read and entered at once: a file of a million points must not fill the memory.
CHUNK = 4 * 2**20
NOT_FINITE = ("nan", "inf", "-inf", "infinity", "-infinity")


def curve(store: Store, id: str, name: str, after: int = -1) -> list[tuple[int, float]]:
    """(step, value) of one metric of a trial in the order of the steps; NaN where the value was not a number.

    Only what comes `after` a step, so that a curve that grows can be read on.
    """
    # The rows as they come: of a large round there are some hundred thousand.
    rows = store.database.conn.execute(
        "SELECT step, value FROM metrics WHERE trial = ? AND name = ? AND step > ? ORDER BY step", [id, name, after]
    )
    return [(step, math.nan if value is None else value) for step, value in rows]


def curves(store: Store, name: str, metric: str) -> dict[str, list[tuple[int, float]]]:
    """Trial id to (step, value) of one metric, for those trials of a batch that have any."""
    # One by one, in the order in which they are kept: faster than one query that has to join and tell them apart.
    ids = [row["id"] for row in store.rows("SELECT id FROM trials WHERE batch = ? ORDER BY number", name)]
    return {id: found for id in ids if (found := curve(store, id, metric))}


def names(store: Store, name: str) -> set[str]:
    """The metrics that any trial of a batch has recorded."""
    ids = [row["id"] for row in store.rows("SELECT id FROM trials WHERE batch = ? ORDER BY number", name)]
    # Along the key of the table, from one name to the next: there are many steps of each.
    found: set[str] = set()
    for id in ids:
        last = ""
        while rows := store.rows(
            "SELECT name FROM metrics WHERE trial = ? AND name > ? ORDER BY name LIMIT 1", id, last
        ):
            last = rows[0]["name"]
            found.add(last)
    return found


def index_metrics(store: Store, ids: Iterable[str]) -> int:
    """Read what the trials appended to their `metrics.jsonl` since the last time; returns the number of lines read."""
    count = 0
    for id in ids:
        path = store.project.trial_folder(id) / "metrics.jsonl"
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        row = store.rows("SELECT metrics_file, metrics_offset FROM trials WHERE id = ?", id)[0]
        # A trial that was continued has rewritten its file from the checkpoint on: read it anew.
        renewed = row["metrics_file"] != status.st_ino or row["metrics_offset"] > status.st_size
        offset = 0 if renewed else row["metrics_offset"]
        if not renewed and offset == status.st_size:
            continue
        while True:
            lines, end = files.read_lines(path, offset, CHUNK)
            if end == offset:
                break
            _enter(store, id, lines, status.st_ino, end, renewed=renewed)
            count, offset, renewed = count + len(lines), end, False
    return count


def _enter(store: Store, id: str, lines: list[dict[str, Any]], file: int, end: int, *, renewed: bool) -> None:
    """Enter lines of a file (its inode), read to the offset `end`; in place of all that was known where `renewed`."""
    points = [
        (id, name, line["step"], number(value))
        for line in lines
        if _is_step(line.get("step"))
        for name, value in line.items()
        if name != "step" and _is_value(value) and name.isprintable()
    ]
    done = max((point[2] for point in points), default=0)
    with store.transaction():
        connection = store.database.conn
        if renewed:
            connection.execute("DELETE FROM metrics WHERE trial = ?", [id])
        connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", points)
        connection.execute(
            "UPDATE trials SET metrics_file = ?, metrics_offset = ?, "
            "steps_done = CASE WHEN ? THEN ? ELSE max(steps_done, ?) END WHERE id = ?",
            [file, end, renewed, done, done, id],
        )


def _is_step(step: Any) -> bool:
    """Whether it is a number of steps; SQLite's largest integer is 2 to the 63rd, less 1."""
    return isinstance(step, int) and not isinstance(step, bool) and 0 <= step < 2**63


def _is_value(value: Any) -> bool:
    """Whether it is a metric's value: a number, or what JSON lines write for one that is not finite."""
    return isinstance(value, int | float) or (isinstance(value, str) and value.lower() in NOT_FINITE)


def number(value: Any) -> float | None:
    """A metric as SQLite keeps it: NaN as NULL; "nan" and "inf" are how JSON lines carry what JSON has no word for."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number
