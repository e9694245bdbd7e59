"""Of a project whose data were moved or copied, what was written names where the data lay then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from state.database import Store
from state.project import FILE, Project

# What names the data: in a configuration, and in what an inspection is about.
KEYS = ("data.path", "path")


def here(store: Store, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the data where they lie now: if they lie in the project's folder and those that are named lay in
    the same place of one, or if they were looked through and are those, to the last example, that trials were of.
    Other data stay what they are."""
    project = store.project
    if project.settings.command:
        # What a script calls a path is its own affair.
        return dict(values)
    return {
        key: str(project.data) if key in KEYS and isinstance(value, str) and _are_those(store, value) else value
        for key, value in values.items()
    }


def _are_those(store: Store, named: str) -> bool:
    if not store.project.settings.data or named == str(store.project.data):
        return False
    return _lay_there(store.project, named) or _of_one_content(store, named)


def _of_one_content(store: Store, named: str) -> bool:
    """Whether what was last found in the project's data is what the latest trial on those of a path was made of."""
    found = store.rows(
        "SELECT CASE WHEN json_valid(result) THEN json_extract(result, '$.identity') END AS identity FROM measurements "
        "WHERE kind = 'inspection' AND json_extract(subject, '$.path') = ? ORDER BY rowid DESC LIMIT 1",
        str(store.project.data),
    )
    if not found or found[0]["identity"] is None:
        return False
    trained = store.rows(
        "SELECT CASE WHEN json_valid(trials.result) THEN json_extract(trials.result, '$.data') END AS identity "
        "FROM trials JOIN batches ON batches.name = trials.batch "
        "JOIN configurations ON configurations.hash = batches.configuration "
        "WHERE json_extract(configurations.settings, '$.\"data.path\"') = ? AND identity IS NOT NULL "
        "ORDER BY batches.rowid DESC LIMIT 1",
        named,
    )
    return bool(trained) and trained[0]["identity"] == found[0]["identity"]


def _lay_there(project: Project, named: str) -> bool:
    """Whether a path is that of the project's data, seen from where this project lay or the one it is a copy of."""
    path, data = Path(named), project.data
    if not project.settings.data or Path(project.settings.data).is_absolute() or not path.is_absolute():
        return False
    if not data.is_relative_to(project.root):
        return False
    parts = data.relative_to(project.root).parts
    root = Path(*path.parts[: len(path.parts) - len(parts)])
    if root.joinpath(*parts) != path:
        return False
    # Where a folder is there that is no project's, the data were others: of that name, somewhere else.
    return not root.exists() or (root / FILE).is_file()
