"""The store: an SQLite index over the journal and the trial folders. It can be deleted; opening it builds it again."""

from __future__ import annotations

import contextlib
import datetime
import getpass
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from state import files
from state.copied import SUFFIXES, copied, written
from state.errors import Changed, Damaged, Gone, Held, Refusal, Spoilt, Unavailable, Unwritable
from state.project import Project
from state.schema import migrations
from state.sqlite import Database

Event = dict[str, Any]
Apply = Callable[["Store", Event], None]
# Write-ahead logging needs shared memory between processes, which network file systems do not give.
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs", "9p", "afs"}
# What `meta` says of the journal: up to which byte it was applied, and up to which its events are kept.
APPLIED, KEPT = "journal_offset", "journal_kept"
# And whether trials were made to agree with their folders.
RECONCILED = "reconciled"
# What SQLite says where a name or a number that is to be new is there already.
_TAKEN = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
EVENTS = "SELECT event FROM events ORDER BY number"
# What SQLite says of a file that is none of its own, or not as it wrote it; the rest of a code is the detail.
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# And where the file cannot be read as things stand.
NOT_NOW = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
)


class BrokenJournal(Spoilt):
    """The journal cannot be applied: it is a newer version's, or lines of it are missing."""


class Store:
    """An open store. One per thread; close it, or use it in a `with` block.

    Whatever people decide goes through `record`, which applies the event to the tables and appends it to the journal
    in one transaction. A crash between the two is mended at the next opening, when the journal's tail is applied.
    The tables keep each event as well, so that a journal that was lost can be written anew.

    In a folder that may not be written to a copy of it is opened, for looking: it records nothing.
    """

    def __init__(self, project: Project, apply: Mapping[str, Apply]):
        self.project = project
        self._apply = apply
        readable = project.folder.is_dir() and not os.access(project.folder, os.W_OK)
        self._copy = copied(project.store_path) if readable else None
        path = project.store_path if self._copy is None else Path(self._copy.name, project.store_path.name)
        missing = not path.exists()
        try:
            connection = sqlite3.connect(path, timeout=10)
        except sqlite3.DatabaseError as error:
            raise _refusal(error, path) from None
        self.database = Database(connection)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_mode = {'DELETE' if on_network(path) else 'WAL'}")
            os.chmod(path, 0o600)
            self._file = written(project.store_path) if self._copy else path.stat().st_ino
            self._migrate()
            self.catch_up()
        except BrokenJournal:
            self.close()
            if missing:
                # Half an index would hide at the next start what prevented a whole one.
                remove_database(path)
            raise
        except sqlite3.DatabaseError as error:
            self.close()
            raise _refusal(error, path) from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def require_writable(self) -> None:
        """Refuse where its folder may not be written to."""
        if self._copy is not None:
            raise _no_permission(self.project.folder, Unwritable)

    def wait_at_most(self, seconds: float) -> None:
        """How long a write waits for another program that holds the store, before it is refused; 10 s unless said."""
        self.database.conn.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    def close(self) -> None:
        self.database.conn.close()
        if self._copy is not None:
            self._copy.cleanup()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """One writer at a time from the first statement on: a read followed by a write never fails as 'locked'."""
        connection = self.database.conn
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.commit()
        except sqlite3.DatabaseError as error:
            # One that is damaged may not even let itself be rolled back, which closing it does.
            with contextlib.suppress(sqlite3.DatabaseError):
                connection.rollback()
            if isinstance(error, sqlite3.OperationalError) or is_damage(error):
                raise _refusal(error, self.project.store_path) from None
            raise
        except BaseException:
            connection.rollback()
            raise

    def record(self, kind: str, make_way: Callable[[], None] = lambda: None, /, **content: Any) -> Event:
        """Write one event into the journal and the tables, whole or not at all; returns it with its time and author.
        Refuses text that is not UTF-8. `make_way` is called once the tables have taken it, so that no other session can
        have begun the same; what it refuses is not recorded."""
        event = {"kind": kind, "at": now(), "by": author(), **content}
        files.require_text(json.dumps(event, ensure_ascii=False))
        path = self.project.journal_path
        self.require_writable()
        with self.transaction():
            if self.journal_lost():
                # Written into what is left of it, the loss would never be noticed again.
                raise self.loss()
            self._apply_tail()
            # Applied first: what the tables refuse never reaches the journal.
            try:
                self._apply[kind](self, event)
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorname not in _TAKEN:
                    raise
                # Its name was chosen by what there was before another session took it.
                raise at_this_moment() from None
            make_way()
            before = journal_size(self.project)
            try:
                files.append_line(path, event)
                self._keep([event], path.stat().st_size)
                self.database.conn.commit()
            except BaseException:
                # The tables could not take it (a full disk): it was not recorded, so it must not count later either.
                # Nobody else has written since, for this transaction is still open.
                with contextlib.suppress(OSError):
                    os.truncate(path, before)
                raise
        return event

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query, as dictionaries. Raises Unavailable where they cannot be read as things stand."""
        try:
            return list(self.database.query(sql, list(parameters)))
        except sqlite3.DatabaseError as error:
            if _code(error) in (*DAMAGED, *NOT_NOW):
                raise _refusal(error, self.project.store_path) from None
            raise

    def catch_up(self) -> None:
        """Apply what the journal holds beyond what the tables know, unless it has lost what they have from it."""
        known = self._known()
        if not self.journal_lost() and (journal_size(self.project) != known[APPLIED] or known[KEPT] != known[APPLIED]):
            with self.transaction():
                self._apply_tail()

    def journal_lost(self) -> bool:
        """Whether the journal is missing or shorter than what the tables have from it."""
        return journal_size(self.project) < max(self._known().values())

    def loss(self) -> Refusal:
        """What a lost journal means, and what to do about it."""
        names = {"path": str(self.project.journal_path), "store": self.project.store_path.name}
        if self.restorable():
            return Spoilt(
                "{path} is missing, or has lost lines: {store} alone knows what was decided. To write the journal "
                "anew: tunebook doctor --repair",
                **names,
            )
        return Spoilt(
            "{path} is missing, or has lost lines: {store} alone knows what was decided, and is no copy of it, as an "
            "earlier version of Tunebook wrote it. Keep {store}, and bring the journal back from a backup. Where that "
            "is an older one, move {store} elsewhere: the next start builds it from what the journal has.",
            **names,
        )

    def restorable(self) -> bool:
        """Whether the tables keep every event that they have from the journal."""
        known = self._known()
        return known[KEPT] >= known[APPLIED]

    def restore_journal(self) -> bool:
        """Write a lost journal anew from the events that the tables keep, if they do; what is left of the old one stays
        beside it. Returns whether it was."""
        # Nobody writes into the journal meanwhile.
        with self.transaction():
            if not self.journal_lost() or not self.restorable():
                return False
            write_journal(self.project, [row["event"] for row in self.rows(EVENTS)])
            self._keep([], journal_size(self.project))
        return True

    def reconciled(self) -> bool:
        """Whether the rows of trials were made to agree with their folders, which a rebuilt store begins with."""
        return bool(self.rows("SELECT value FROM meta WHERE key = ?", RECONCILED))

    def note_reconciled(self) -> None:
        """Note that they were."""
        with self.transaction():
            self.database.conn.execute("INSERT OR IGNORE INTO meta VALUES (?, '1')", [RECONCILED])

    def version(self) -> int:
        """A number that changes whenever another connection has written; cheap enough to ask every second."""
        return self.database.conn.execute("PRAGMA data_version").fetchone()[0]

    def replaced(self) -> bool:
        """Whether its file was deleted or built anew meanwhile: what is written here is then seen by nobody. Of a copy:
        whether what it is a copy of was written to."""
        path = self.project.store_path
        if self._copy is not None:
            return self._file != written(path)
        try:
            return path.stat().st_ino != self._file
        except FileNotFoundError:
            return True

    def _known(self) -> dict[str, int]:
        """Up to which byte the journal was applied to the tables, and up to which its events are kept in them."""
        rows = self.database.conn.execute("SELECT key, value FROM meta WHERE key IN (?, ?)", [APPLIED, KEPT])
        return {key: int(value) for key, value in rows}

    def _keep(self, events: Sequence[Event], offset: int) -> None:
        """Keep events, and note up to where the journal is known with them."""
        lines = [(files.as_json(event),) for event in events]
        self.database.conn.executemany("INSERT INTO events (event) VALUES (?)", lines)
        self.database.conn.execute("UPDATE meta SET value = ? WHERE key IN (?, ?)", [str(offset), APPLIED, KEPT])

    def _apply_tail(self) -> None:
        known = self._known()
        if known[KEPT] < known[APPLIED]:
            # A version that kept no events applied these.
            earlier = known[APPLIED] - known[KEPT]
            self._keep(files.read_lines(self.project.journal_path, known[KEPT], earlier)[0], known[APPLIED])
        events, end = files.read_lines(self.project.journal_path, known[APPLIED])
        for event in events:
            if event.get("kind") not in self._apply:
                raise BrokenJournal(
                    "{path}: written by a newer version of Tunebook ({kind}). Upgrade; nothing was changed.",
                    path=str(self.project.journal_path),
                    kind=event.get("kind"),
                )
            try:
                self._apply[event["kind"]](self, event)
            except sqlite3.IntegrityError:
                raise BrokenJournal(
                    "{path}: the entry of {at} ({kind}) is about something that no earlier entry made: lines before it "
                    "are missing. Bring the journal, or {store}, back from a backup, then try again; nothing was "
                    "changed.",
                    path=str(self.project.journal_path),
                    store=self.project.store_path.name,
                    kind=event["kind"],
                    at=event.get("at"),
                ) from None
        if end != known[APPLIED]:
            self._keep(events, end)

    def _migrate(self) -> None:
        known = {migration.name for migration in migrations.pending(self.database)}
        applied = {migration.name for migration in migrations.applied(self.database)}
        newer = applied - _MIGRATION_NAMES
        if newer:
            raise Spoilt(
                "{path}: the store was written by a newer version of Tunebook ({names}). Upgrade; nothing was changed.",
                path=str(self.project.store_path),
                names=", ".join(sorted(newer)),
            )
        if known:
            with self.transaction():
                migrations.apply(self.database)


_MIGRATION_NAMES = {migration.name for migration in migrations.pending(Database(memory=True))}


def now() -> str:
    """UTC, to the millisecond, sortable as text."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def at_this_moment() -> Changed:
    """What to say where another session was first."""
    return Changed(
        "Another session did the same at this moment. Look at how things stand now, and ask again where that is still "
        "wanted."
    )


def author() -> str:
    """The login name of whoever decides."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def journal_size(project: Project) -> int:
    """How many bytes the journal has; none where it is missing."""
    return project.journal_path.stat().st_size if project.journal_path.exists() else 0


def write_journal(project: Project, events: Sequence[str]) -> None:
    """Write a lost journal anew; what is left of the old one goes behind what was left of others before."""
    path = project.journal_path
    lost = path.with_suffix(".lost")
    try:
        if path.exists():
            earlier = lost.read_bytes() if lost.exists() else b""
            files.write_atomically(lost, earlier + path.read_bytes())
    except OSError as error:
        raise files.refusal(error, path) from None
    files.write_atomically(path, "".join(f"{event}\n" for event in events))


def remove_database(path: Path) -> None:
    """Remove a store's file with those that SQLite keeps beside it. Refuses where that is not allowed."""
    for suffix in SUFFIXES:
        file = path.with_name(path.name + suffix)
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise files.refusal(error, file) from None


def on_network(path: Path) -> bool:
    """Whether a path lies on a network file system."""
    here = str(path.resolve())
    mounts = [
        entry for entry in psutil.disk_partitions(all=True) if here.startswith(entry.mountpoint.rstrip("/") + "/")
    ]
    nearest = max(mounts, key=lambda entry: len(entry.mountpoint), default=None)
    return nearest is not None and nearest.fstype in NETWORK_FILE_SYSTEMS


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file is damaged."""
    return _code(error) in DAMAGED


def _code(error: sqlite3.Error) -> int:
    """What SQLite says, without the detail; 0 where Python says it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _no_permission(folder: Path, kind: type[Refusal] = Unavailable) -> Refusal:
    return kind(
        "{path}: no permission to write. Choose a folder of your own, or change its permissions.", path=str(folder)
    )


def _refusal(error: sqlite3.Error, path: Path) -> Refusal:
    text = str(error)
    if "locked" in text or "busy" in text:
        return Held("{path}: another program holds the store. Close it, then try again.", path=str(path))
    if "full" in text:
        return Unavailable(
            "{path}: the disk is full. Free some space; nothing that was recorded is lost.", path=str(path)
        )
    if "malformed" in text or "not a database" in text:
        return Damaged(
            "{path}: the store is damaged ({reason}). To build it again from the journal: tunebook doctor --repair",
            path=str(path),
            reason=text,
        )
    if not path.parent.exists():
        return Gone("{path} is gone: the project was moved or deleted. Open it where it is now.", path=str(path.parent))
    if not os.access(path.parent, os.W_OK):
        # SQLite says only that it cannot open the file.
        return _no_permission(path.parent)
    return Unavailable("{path}: {reason}", path=str(path), reason=text)
