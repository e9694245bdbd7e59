"""Of a project that was moved or copied with its data in it, what was written names where the data lay then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from state.project import FILE, Project

# What names the data: in a configuration, and in what an inspection is about.
KEYS = ("data.path", "path")


def here(project: Project, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the data where they lie now, if they lie in the project's folder and those that are named lay in
    the same place of one. Other data stay what they are."""
    if project.settings.command:
        # What a script calls a path is its own affair.
        return dict(values)
    return {
        key: str(project.data) if key in KEYS and isinstance(value, str) and _lay_there(project, value) else value
        for key, value in values.items()
    }


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
