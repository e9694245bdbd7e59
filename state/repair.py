"""Is the store sound, and what to do when it is not: it is an index, so another is built in place of a damaged one."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from state import files, runs, trials
from state.copied import SUFFIXES
from state.database import (
    APPLIED,
    EVENTS,
    KEPT,
    Store,
    is_damage,
    journal_size,
    remove_database,
    write_journal,
)
from state.errors import Spoilt
from state.project import Project
from state.store import open_store

# After so long, what the cache has of data that changed is not worth its room (our judgement).
UNUSED_DAYS = 30
# A file of the cache that is being written: `.pixels-1f.pixels.npy.4711-0a1b2c3d`, by process 4711 (training.cache).
_IN_WRITING = re.compile(r"\..+\.(\d+)-[0-9a-f]+")


def damage(project: Project) -> str:
    """What is wrong with the store's file, in SQLite's words; empty where it is sound, not there yet, or cannot be read
    now, which opening it says."""
    if not project.store_path.exists():
        return ""
    try:
        connection = sqlite3.connect(f"{project.store_path.as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        # A store that is locked, or may not be read, is to be left where it is.
        return str(error) if is_damage(error) else ""
    return "" if answer == "ok" else str(answer)


def rebuild(project: Project) -> None:
    """Build the store again from the journal and the trial folders. Nothing else may use it meanwhile.

    Where the journal does not tell all, it is written anew from the events that the damaged store keeps. Refuses where
    these cannot be read either, and puts the old store back whatever prevents the new one. One that cannot even say
    what it has stays beside the new one, as `tunebook.db.damaged`.
    """
    path, kept = project.store_path, _kept(project.store_path)
    if kept is not None and kept.size > journal_size(project) and kept.events is not None:
        write_journal(project, kept.events)
    elif not project.journal_path.exists() or (kept is not None and kept.size > journal_size(project)):
        raise Spoilt(
            "{path} is missing, or has lost lines, so that {store} cannot be built again. Bring one of them back from "
            "a backup; nothing was changed.",
            path=str(project.journal_path),
            store=path.name,
        )
    old = path.with_name(f"{path.name}.damaged")
    worthless = kept is not None or not _is_database(path)
    _move(path, old)
    try:
        open_store(project).close()
    except BaseException:
        remove_database(path)
        _move(old, path)
        raise
    if worthless:
        remove_database(old)


@dataclass(frozen=True)
class _Kept:
    """Up to which byte a damaged store has the journal, and the events of it; None where not all can be read."""

    size: int
    events: tuple[str, ...] | None


def _kept(path: Path) -> _Kept | None:
    """What a damaged store can say of the journal yet; None where it says nothing."""
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)
    except sqlite3.DatabaseError:
        return None
    try:
        known = dict(connection.execute("SELECT key, value FROM meta WHERE key IN (?, ?)", [APPLIED, KEPT]).fetchall())
        applied, there = int(known[APPLIED]), int(known.get(KEPT, 0))
    except (sqlite3.DatabaseError, KeyError, ValueError):
        connection.close()
        return None
    events = None
    with contextlib.closing(connection), contextlib.suppress(sqlite3.DatabaseError):
        sound = connection.execute("PRAGMA quick_check(events)").fetchone()[0] == "ok"
        lines = [row[0] for row in connection.execute(EVENTS)]
        if sound and there >= applied and all(_sound(line.encode()) for line in lines):
            events = tuple(lines)
    return _Kept(max(applied, there), events)


def _is_database(path: Path) -> bool:
    """Whether a file begins as SQLite's do."""
    try:
        with open(path, "rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise files.refusal(error, path) from None


def _move(path: Path, target: Path) -> None:
    """Rename a store's file with those that SQLite keeps beside it."""
    for suffix in SUFFIXES:
        file = path.with_name(path.name + suffix)
        try:
            if file.exists():
                file.replace(target.with_name(target.name + suffix))
        except OSError as error:
            raise files.refusal(error, file) from None


def leftovers(project: Project) -> list[Path]:
    """Files that were being written when their process died, and sockets of dead fork servers. None of a folder in
    which a process is at work, and while one is none of the cache, which all share."""
    found = [path for path in project.folder.glob("serve-*.sock") if not psutil.pid_exists(_owner(path))]
    folders = _folders(project)
    idle = [folder for folder in folders if not runs.alive(folder)]
    for folder in idle:
        # Beside the file that they replace: `.result.json.x3f9` (state.files), `result.json.tmp` (training).
        found += [path for path in folder.glob(".*.json*.*") if path.is_file()]
        found += [path for path in folder.glob(".*.toml.*") if path.is_file()]
        found += [*folder.glob("*.tmp"), *folder.glob("checkpoints/*.tmp")]
    if idle == folders:
        written = ((path, _IN_WRITING.fullmatch(path.name)) for path in project.cache.glob(".*"))
        found += [path for path, name in written if name and not psutil.pid_exists(int(name[1]))]
    return found


def unused(project: Project) -> dict[Path, int]:
    """The files of the cache that no process has opened for UNUSED_DAYS, and their bytes: the data, or how they are
    read, have mostly changed since, and what is needed again is made again. None while a process is at work."""
    if any(map(runs.alive, _folders(project))):
        return {}
    # An entry is several files; its list is touched whenever it is opened (training.cache).
    entries: dict[str, dict[Path, os.stat_result]] = {}
    for path in (*project.cache.glob("[!.]*.json"), *project.cache.glob("[!.]*.npy")):
        with contextlib.suppress(OSError):
            entries.setdefault(path.name.partition(".")[0], {})[path] = path.stat()
    long_ago = time.time() - UNUSED_DAYS * 86400
    old = [entry for entry in entries.values() if max(status.st_mtime for status in entry.values()) < long_ago]
    return {path: status.st_size for entry in old for path, status in entry.items()}


def _folders(project: Project) -> list[Path]:
    """Where processes of a project are at work, each in a folder of its own."""
    found = (project.folder.glob(f"{kind}/*") for kind in ("trials", "measurements", "looks"))
    return [folder for folder in (project.folder, *itertools.chain(*found)) if folder.is_dir()]


def remove(paths: Iterable[Path]) -> None:
    """Remove leftovers; what cannot be removed stays."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _owner(socket: Path) -> int:
    number = socket.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def without_folder(store: Store) -> list[str]:
    """The trials that have ended and whose folders are gone."""
    ended = (entry.id for entry in trials.trials(store) if entry.status in (*trials.ENDED, "stopped"))
    return [id for id in ended if not store.project.trial_folder(id).is_dir()]


@dataclass(frozen=True)
class TornLine:
    """A line of the journal that is no JSON object: torn by a crash, or edited by hand. `number`: from 1; `start`: the
    byte that it begins at; `text`: without its end, if it has one (`ended`)."""

    number: int
    start: int
    text: bytes
    ended: bool


def torn_lines(project: Project) -> list[TornLine]:
    """What of the journal cannot be read, and so is passed over."""
    try:
        lines = project.journal_path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise files.refusal(error, project.journal_path) from None
    found, start = [], 0
    for number, line in enumerate(lines, 1):
        text = line.rstrip(b"\r\n")
        if text.strip() and not _sound(text):
            found.append(TornLine(number, start, text, text != line))
        start += len(line)
    return found


def set_aside(store: Store) -> Path | None:
    """Move what of the journal cannot be read into a file beside it, and return its path; None where all can be read.

    Blanks take its place: whoever reads the journal has a place in it, which must not move.
    """
    path = store.project.journal_path
    aside = path.with_suffix(".torn")
    # Nobody writes into the journal meanwhile.
    with store.transaction():
        torn = torn_lines(store.project)
        if not torn:
            return None
        earlier = aside.read_bytes() if aside.exists() else b""
        files.write_atomically(aside, earlier + b"".join(line.text + b"\n" for line in torn))
        try:
            with open(path, "r+b") as journal:
                for line in torn:
                    journal.seek(line.start)
                    journal.write(b" " * len(line.text) if line.ended else b" " * (len(line.text) - 1) + b"\n")
                journal.flush()
                os.fsync(journal.fileno())
        except OSError as error:
            raise files.refusal(error, path) from None
    return aside


def _sound(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
