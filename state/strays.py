"""Folders of trials that no record tells of, as a journal leaves them that was lost, or is an older copy of itself.

Trials are named by their number, so that later ones come to the same names; what is in a folder is its trial's alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from state import files, runs
from state.database import Store
from state.errors import AtWork
from state.project import Project


def folders(store: Store) -> list[Path]:
    """The folders among those of the trials that are of none, nor of an earlier try of one (`round-1-007.1`)."""
    known = {row["id"] for row in store.rows("SELECT id FROM trials")}
    return [
        path
        for path in sorted((store.project.folder / "trials").glob("*/"))
        if path.name not in known and not (path.stem in known and path.suffix[1:].isdecimal())
    ]


def unmoved(store: Store) -> list[Path]:
    """Those of them that still have the name of a trial."""
    return [path for path in folders(store) if not path.suffix]


def aside(folder: Path) -> Path:
    """Where a folder goes that has the name of a new trial."""
    number = 1
    while (target := folder.with_name(f"{folder.name}.other-{number}")).exists():
        number += 1
    return target


def make_way(project: Project, ids: Iterable[str]) -> None:
    """Move the folders aside that have the names of trials which are about to be recorded, and so are of others.

    Refuses where a process is at work in one of them, and then moves none.
    """
    taken = [folder for folder in map(project.trial_folder, ids) if folder.exists()]
    for folder in taken:
        if runs.alive(folder):
            raise AtWork(
                "{path}: a process is at work here, for a trial that the journal of this project has no record of, and "
                "a new one is to have its name. Wait until it has ended, or end it ({lock} has its number), then try "
                "again.",
                path=str(folder),
                lock=runs.LOCK,
            )
    for folder in taken:
        try:
            folder.rename(aside(folder))
        except OSError as error:
            raise files.refusal(error, folder) from None
