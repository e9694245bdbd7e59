"""Which commit a command of the user's own ran from, and what differed from it: in result.json and in changes.patch.

The record is that of the built-in training (`training.record`), which is exported without this room. Standard library
only.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from state import files
from state.errors import Refusal

PATCH = "changes.patch"
# Bytes of a patch that is kept; a larger one holds data, not code.
LARGEST_PATCH = 5_000_000
# So many untracked files are named, the others counted.
NAMED_FILES = 5


def differences(directory: Path) -> dict[str, Any]:
    """The `commit` of a folder, whether tracked files have `changed` since, and what is `untracked` beside them: how
    many there are ("count") and the "first" names. None for what is not known."""
    commit = (_git(directory, "rev-parse", "--verify", "HEAD") or "").strip() or None
    status = _git(directory, "-c", "core.quotePath=false", "status", "--porcelain") if commit else None
    if status is None:
        return {"commit": commit, "changed": None, "untracked": None}
    lines = status.encode(errors="surrogateescape").decode(errors="replace").strip("\n").split("\n")
    untracked = [line[3:] for line in lines if line.startswith("?? ")]
    changed = any(line and not line.startswith("?? ") for line in lines)
    return {
        "commit": commit,
        "changed": changed,
        "untracked": {"count": len(untracked), "first": untracked[:NAMED_FILES]},
    }


def write_patch(directory: Path, folder: Path, *, changed: bool | None) -> None:
    """Keep in `folder` what tracked files of `directory` differ by from its commit; nothing where they do not, or by
    more than code."""
    patch = (_git(directory, "diff", "--binary", "HEAD") or "") if changed else ""
    (folder / PATCH).unlink(missing_ok=True)
    if 0 < len(patch) <= LARGEST_PATCH:
        # A command may run where its patch finds no room.
        with contextlib.suppress(Refusal):
            files.write_atomically(folder / PATCH, patch.encode(errors="surrogateescape"))


def changed(result: Mapping[str, Any]) -> bool | None:
    """Whether tracked files had changed since the commit, also by a result of an earlier version."""
    return result.get("changed", result.get("uncommitted"))


def _git(directory: Path, *words: str) -> str | None:
    """What git says of a folder; None where it says nothing: no repository, no git, no answer in time."""
    # Killed in the middle, it must leave no lock in somebody's repository.
    command = ["git", "--no-optional-locks", *words]
    try:
        answer = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
