"""The store: an SQLite index over the journal and the trial folders. It can be deleted; opening it builds it again."""

from __future__ import annotations

import contextlib
import datetime
import getpass
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from state import files
from state.errors import Refusal
from state.project import Project
from state.schema import migrations
from state.sqlite import Database

Event = dict[str, Any]
Apply = Callable[["Store", Event], None]
# Write-ahead logging needs shared memory between processes, which network file systems do not give.
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs", "9p", "afs"}


class Store:
    """An open store. One per thread; close it, or use it in a `with` block.

    Whatever people decide goes through `record`, which applies the event to the tables and appends it to the journal
    in one transaction. A crash between the two is mended at the next opening, when the journal's tail is applied.
    """

    def __init__(self, project: Project, apply: Mapping[str, Apply]):
        self.project = project
        self._apply = apply
        path = project.store_path
        try:
            connection = sqlite3.connect(path, timeout=10)
            self.database = Database(connection)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_mode = {'DELETE' if on_network(path) else 'WAL'}")
            os.chmod(path, 0o600)
            self._file = path.stat().st_ino
            self._migrate()
            self.catch_up()
        except sqlite3.DatabaseError as error:
            raise _refusal(error, path) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.database.conn.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """One writer at a time from the first statement on: a read followed by a write never fails as 'locked'."""
        connection = self.database.conn
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.commit()
        except sqlite3.OperationalError as error:
            connection.rollback()
            raise _refusal(error, self.project.store_path) from None
        except BaseException:
            connection.rollback()
            raise

    def record(self, kind: str, **content: Any) -> Event:
        """Write one event into the journal and the tables, whole or not at all; returns it with its time and author."""
        event = {"kind": kind, "at": now(), "by": author(), **content}
        path = self.project.journal_path
        with self.transaction():
            self._apply_tail()
            # Applied first: what the tables refuse never reaches the journal.
            self._apply[kind](self, event)
            before = path.stat().st_size if path.exists() else 0
            try:
                files.append_line(path, event)
                self._remember_offset(path.stat().st_size)
                self.database.conn.commit()
            except BaseException:
                # The tables could not take it (a full disk): it was not recorded, so it must not count later either.
                # Nobody else has written since, for this transaction is still open.
                with contextlib.suppress(FileNotFoundError):
                    os.truncate(path, before)
                raise
        return event

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query, as dictionaries."""
        return list(self.database.query(sql, list(parameters)))

    def catch_up(self) -> None:
        """Apply what the journal holds beyond what the tables know."""
        size = self.project.journal_path.stat().st_size if self.project.journal_path.exists() else 0
        if size != self._offset():
            with self.transaction():
                self._apply_tail()

    def version(self) -> int:
        """A number that changes whenever another connection has written; cheap enough to ask every second."""
        return self.database.conn.execute("PRAGMA data_version").fetchone()[0]

    def replaced(self) -> bool:
        """Whether its file was deleted or built anew meanwhile: what is written here is then seen by nobody."""
        path = self.project.store_path
        return not path.exists() or path.stat().st_ino != self._file

    def _offset(self) -> int:
        return int(self.database.conn.execute("SELECT value FROM meta WHERE key = 'journal_offset'").fetchone()[0])

    def _remember_offset(self, offset: int) -> None:
        self.database.conn.execute("UPDATE meta SET value = ? WHERE key = 'journal_offset'", [str(offset)])

    def _apply_tail(self) -> None:
        offset = self._offset()
        events, end = files.read_lines(self.project.journal_path, offset)
        for event in events:
            if event.get("kind") not in self._apply:
                message = "{path}: written by a newer version of Tunebook ({kind}). Upgrade; nothing was changed."
                raise Refusal(message, path=str(self.project.journal_path), kind=event.get("kind"))
            self._apply[event["kind"]](self, event)
        if end != offset:
            self._remember_offset(end)

    def _migrate(self) -> None:
        known = {migration.name for migration in migrations.pending(self.database)}
        applied = {migration.name for migration in migrations.applied(self.database)}
        newer = applied - _MIGRATION_NAMES
        if newer:
            message = (
                "{path}: the store was written by a newer version of Tunebook ({names}). Upgrade; nothing was changed."
            )
            raise Refusal(message, path=str(self.project.store_path), names=", ".join(sorted(newer)))
        if known:
            with self.transaction():
                migrations.apply(self.database)


_MIGRATION_NAMES = {migration.name for migration in migrations.pending(Database(memory=True))}


def now() -> str:
    """UTC, to the millisecond, sortable as text."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def author() -> str:
    """The login name of whoever decides."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def on_network(path: Path) -> bool:
    """Whether a path lies on a network file system."""
    here = str(path.resolve())
    mounts = [
        entry for entry in psutil.disk_partitions(all=True) if here.startswith(entry.mountpoint.rstrip("/") + "/")
    ]
    nearest = max(mounts, key=lambda entry: len(entry.mountpoint), default=None)
    return nearest is not None and nearest.fstype in NETWORK_FILE_SYSTEMS


def _refusal(error: sqlite3.Error, path: Path) -> Refusal:
    text = str(error)
    if "locked" in text or "busy" in text:
        return Refusal("{path}: another program holds the store. Close it, then try again.", path=str(path))
    if "full" in text:
        return Refusal("{path}: the disk is full. Free some space; nothing that was recorded is lost.", path=str(path))
    if "malformed" in text or "not a database" in text:
        message = "{path}: the store is damaged ({reason}). Delete it: the next start builds it from the journal."
        return Refusal(message, path=str(path), reason=text)
    if not os.access(path.parent, os.W_OK):
        # SQLite says only that it cannot open the file.
        message = "{path}: no permission to write. Choose a folder of your own, or change its permissions."
        return Refusal(message, path=str(path.parent))
    return Refusal("{path}: {reason}", path=str(path), reason=text)
