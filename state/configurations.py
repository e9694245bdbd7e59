"""Configurations: whole sets of settings, named by their content, each with the reasons for its values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from state import document, files, moved
from state.database import Event, Store
from state.errors import NotFound

DATA = "data.path"
# What makes two runs different although they try the same; each is judged by the project's metric of its time.
INCIDENTAL = ("training.seed", "training.metric", "runtime.threads")


@dataclass(frozen=True)
class Configuration:
    """`settings`: dotted name to value. `reasons`: dotted name to a message as JSON. `parent`: what it came from."""

    hash: str
    at: str
    parent: str | None
    settings: dict[str, Any]
    reasons: dict[str, dict[str, Any]]


def save(
    store: Store, settings: Mapping[str, Any], reasons: Mapping[str, dict[str, Any]], parent: str | None = None
) -> str:
    """Keep a configuration and return its hash; one that is kept already is left as it is."""
    name = name_of(store, settings)
    if not store.rows("SELECT 1 FROM configurations WHERE hash = ?", name):
        store.record("configuration", hash=name, parent=parent, settings=dict(settings), reasons=dict(reasons))
    return name


def name_of(store: Store, settings: Mapping[str, Any]) -> str:
    """The hash under which a configuration is kept, or would be. One that was kept before the project was moved or
    copied, together with its data, stays under its own."""
    name, data = document.content_hash(settings), settings.get(DATA)
    if data is None or store.rows("SELECT 1 FROM configurations WHERE hash = ?", name):
        return name
    elsewhere = store.rows(
        "SELECT hash, settings FROM configurations WHERE json_extract(settings, ?) != ? ORDER BY rowid DESC",
        f'$."{DATA}"',
        data,
    )
    wanted = dict(settings)
    kept = (row["hash"] for row in elsewhere if moved.here(store, json.loads(row["settings"])) == wanted)
    return next(kept, name)


def configuration(store: Store, name: str) -> Configuration:
    """The configuration of a hash, with the data where they lie now. Refuses an unknown one."""
    rows = store.rows("SELECT * FROM configurations WHERE hash = ?", name)
    if not rows:
        raise NotFound("There is no configuration {name} in this project.", name=name)
    row = rows[0]
    settings = moved.here(store, json.loads(row["settings"]))
    return Configuration(row["hash"], row["at"], row["parent"], settings, json.loads(row["reasons"]))


def apply_configuration(store: Store, event: Event) -> None:
    store.database.conn.execute(
        "INSERT OR IGNORE INTO configurations (hash, at, parent, settings, reasons) VALUES (?, ?, ?, ?, ?)",
        [
            event["hash"],
            event["at"],
            event["parent"],
            files.as_json(event["settings"]),
            files.as_json(event["reasons"]),
        ],
    )


def tried(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration tries, whatever its seed: without what is incidental, and without what has no value."""
    return {key: value for key, value in settings.items() if key not in INCIDENTAL and value is not None}


def identity_of(settings: Mapping[str, Any]) -> str:
    """The hash of what a configuration tries. Of numbers the value counts, so that 0 and 0.0 are the same."""
    return document.content_hash({key: _number(value) for key, value in tried(settings).items()})


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
