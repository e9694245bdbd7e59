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
# A patch that applies, whatever the person has git show on a terminal.
DIFF = (
    *("-c", "diff.noprefix=false", "-c", "diff.relative=false"),
    *("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--unified=3", "--binary", "HEAD"),
)


def differences(directory: Path) -> dict[str, Any]:
    """The `commit` of a folder, whether tracked files have `changed` since, and what is `untracked` beside them: how
    many there are ("count") and the "first" names. None for what is not known."""
    commit = (_git(directory, "rev-parse", "--verify", "HEAD") or "").strip() or None
    tracked = _status(directory, "no") if commit else None
    # Asked apart: a folder of very many files may take longer to look through than git is waited for.
    beside = _status(directory, "normal") if tracked is not None else None
    untracked = None if beside is None else [line[3:] for line in beside if line.startswith("?? ")]
    return {
        "commit": commit,
        "changed": None if tracked is None else bool(tracked),
        "untracked": None if untracked is None else {"count": len(untracked), "first": untracked[:NAMED_FILES]},
    }


def write_patch(directory: Path, folder: Path, *, changed: bool | None) -> None:
    """Keep in `folder` what tracked files of `directory` differ by from its commit; nothing where they do not, or by
    more than code."""
    patch = (_git(directory, *DIFF) or "") if changed else ""
    (folder / PATCH).unlink(missing_ok=True)
    if 0 < len(patch) <= LARGEST_PATCH:
        # A command may run where its patch finds no room.
        with contextlib.suppress(Refusal):
            files.write_atomically(folder / PATCH, patch.encode(errors="surrogateescape"))


def changed(result: Mapping[str, Any]) -> bool | None:
    """Whether tracked files had changed since the commit, also by a result of an earlier version."""
    return result.get("changed", result.get("uncommitted"))


def _status(directory: Path, untracked: str) -> list[str] | None:
    """The lines of git's status, with those of `untracked` files as its option of that name says."""
    words = ("-c", "core.quotePath=false", "status", "--porcelain", f"--untracked-files={untracked}")
    said = _git(directory, *words)
    if said is None:
        return None
    return [line for line in said.encode(errors="surrogateescape").decode(errors="replace").split("\n") if line]


def _git(directory: Path, *words: str) -> str | None:
    """What git says of a folder; None where it says nothing: no repository, no git, no answer in time."""
    # Killed in the middle, it must leave no lock in somebody's repository.
    command = ["git", "--no-optional-locks", *words]
    try:
        answer = subprocess.run(command, cwd=directory, capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # As bytes first: read as text, it would lose the line ends of other systems.
    return answer.stdout.decode(errors="surrogateescape") if answer.returncode == 0 else None
