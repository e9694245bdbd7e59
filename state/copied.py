"""A store in a folder that may not be written to is copied, so that it can be looked at: SQLite needs to write."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from state import files

# A store's own file, and those that SQLite keeps beside it.
SUFFIXES = ("", "-wal", "-shm", "-journal")
# So often a store is copied that changes while it is.
TRIES = 10


def copied(path: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder with a copy of a store, as it was at one moment where others write to it meanwhile."""
    target = tempfile.TemporaryDirectory(prefix="tunebook-")
    try:
        for _ in range(TRIES):
            before = written(path)
            for suffix in SUFFIXES:
                source, copy = path.with_name(path.name + suffix), Path(target.name, path.name + suffix)
                copy.unlink(missing_ok=True)
                # The shared memory is made anew from the others.
                if suffix != "-shm" and source.exists():
                    shutil.copyfile(source, copy)
            if written(path) == before:
                break
    except OSError as error:
        target.cleanup()
        raise files.refusal(error, path) from None
    return target


def written(path: Path) -> tuple[tuple[int, int, int], ...]:
    """What changes whenever somebody writes to a store."""
    found = []
    for suffix in SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            status = path.with_name(path.name + suffix).stat()
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)
