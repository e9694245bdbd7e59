"""Is the store sound, and what to do when it is not: it is an index, so a damaged one is deleted and built again."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import psutil

from state import files, runs
from state.project import Project
from state.store import open_store


def damage(project: Project) -> str:
    """What is wrong with the store's file, in SQLite's words; empty where it is sound or not there yet."""
    if not project.store_path.exists():
        return ""
    try:
        connection = sqlite3.connect(f"{project.store_path.as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        return "" if "locked" in str(error) else str(error)
    return "" if answer == "ok" else str(answer)


def rebuild(project: Project) -> None:
    """Delete the store and build it again from the journal and the trial folders. Nothing else may use it meanwhile."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path = project.store_path.with_name(project.store_path.name + suffix)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise files.refusal(error, path) from None
    open_store(project).close()


def leftovers(project: Project) -> list[Path]:
    """Files that were being written when their process died, and sockets of dead fork servers. None of a folder in
    which a process is at work."""
    found = [path for path in project.folder.glob("serve-*.sock") if not psutil.pid_exists(_owner(path))]
    folders = [project.folder, *project.folder.glob("trials/*"), *project.folder.glob("measurements/*")]
    for folder in folders:
        if folder.is_dir() and not runs.alive(folder):
            # Beside the file that they replace: `.result.json.x3f9` (state.files), `result.json.tmp` (training).
            found += [path for path in folder.glob(".*.json.*") if path.is_file()]
            found += [path for path in folder.glob(".*.toml.*") if path.is_file()]
            found += [*folder.glob("*.tmp"), *folder.glob("checkpoints/*.tmp")]
    return found


def remove(paths: list[Path]) -> None:
    """Remove leftovers; what cannot be removed stays."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _owner(socket: Path) -> int:
    number = socket.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def unreadable_lines(project: Project) -> list[int]:
    """The numbers (from 1) of the journal's lines that are no JSON objects: torn by a crash, or edited by hand."""
    try:
        lines = project.journal_path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise files.refusal(error, project.journal_path) from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            sound = isinstance(json.loads(line), dict)
        except ValueError:
            sound = False
        if not sound:
            found.append(number)
    return found
