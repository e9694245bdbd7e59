"""Whether a command of the user's own reads the data that it read before: a digest of the path that the user names.

Standard library only, as the process that runs the command needs no other (`state.run_command`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

# Up to so many bytes are read; of more, a size and a time of each file must do.
SMALL = 2**28
# What the project itself writes into a folder of data, and Python.
NOT_DATA = ("tunebook.toml", "__pycache__")


def digest(path: Path) -> str | None:
    """SHA-256 over the names, below `path`, and the contents of all files but hidden ones; of more than SMALL bytes in
    all over names, sizes and times of change. None where it cannot be read."""
    found = hashlib.sha256()
    try:
        listed = [(name, file, os.stat(file)) for name, file in _files(path)]
        small = sum(status.st_size for _name, _file, status in listed) <= SMALL
        for name, file, status in listed:
            found.update(f"{name}\0{status.st_size}\0".encode(errors="surrogateescape"))
            found.update(_content(file) if small else f"{status.st_mtime_ns}\0".encode())
    except OSError:
        return None
    return found.hexdigest()


def both(one: str, other: str) -> str:
    """What tells a run that went on with `other` data than it began with from all runs on either."""
    return hashlib.sha256(f"{one}\0{other}".encode()).hexdigest()


def _content(file: str) -> bytes:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """Name and path of each file, in the order of their names; a folder that was seen already, by a link, is not
    entered again. Raises OSError."""
    if not root.is_dir():
        yield "", str(root)
        return
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, onerror=_raise, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(filter(_counts, folders))
        for name in sorted(filter(_counts, names)):
            path = os.path.join(folder, name)
            # A link that leads nowhere, a socket: nothing that could be read.
            if os.path.isfile(path):
                yield os.path.relpath(path, root), path


def _counts(name: str) -> bool:
    return not name.startswith(".") and name not in NOT_DATA


def _raise(error: OSError) -> None:
    raise error
