"""Arrays that were costly to make, kept in a folder under a key: memory-mapped when they are opened again.

Each file is written beside and renamed, the list of them last, so that a reader never sees half of an entry and two
writers do no harm. Nothing here is pickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, TypeVar

import numpy as np

Filled = TypeVar("Filled")


@dataclass(frozen=True)
class Entry:
    """`facts` is plain JSON; `arrays` are copy-on-write maps of their files."""

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]


def key(parts: Iterable[object]) -> str:
    """The name of an entry: a hash of everything that its contents depend on."""
    return hashlib.sha256(repr(tuple(parts)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def code(*modules: ModuleType) -> str:
    """A hash of source files, for the key: other code may make other contents."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


def load(folder: Path, name: str) -> Entry | None:
    """The entry of that name; None if there is none or it is damaged, so that the caller makes it anew."""
    try:
        listing = json.loads((folder / f"{name}.json").read_bytes())
        arrays = {}
        for array, (shape, dtype) in listing["arrays"].items():
            arrays[array] = np.load(folder / f"{name}.{array}.npy", mmap_mode="c", allow_pickle=False)
            if [list(arrays[array].shape), arrays[array].dtype.str] != [shape, dtype]:
                return None
        # What nobody opens any more can be told by its age; a folder of somebody else's is read all the same.
        with contextlib.suppress(OSError):
            os.utime(folder / f"{name}.json")
        return Entry(listing["facts"], arrays)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return None


def save(folder: Path, name: str, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Keep an entry. Where it cannot be written, or would take over a quarter of the free disk, says so on stderr."""
    try:
        if not _has_room(folder, sum(array.nbytes for array in arrays.values())):
            return
        for array, values in arrays.items():
            _write(
                folder / f"{name}.{array}.npy",
                lambda file, values=values: np.lib.format.write_array(file, values, allow_pickle=False),
            )
        _list(folder, name, facts, arrays)
    except OSError as error:
        print(f"cache not written: {error}", file=sys.stderr)


def fill(
    folder: Path, name: str, array: str, shape: tuple[int, ...], work: Callable[[np.ndarray | None], Filled]
) -> Filled:
    """Have `work` fill a uint8 array that lies on the disk and need not fit into memory, and keep it as an entry.

    Where it cannot be written, or would take over a quarter of the free disk, says so on stderr and gives `work` None.
    """
    beside = _beside(folder / f"{name}.{array}.npy")
    try:
        if not _has_room(folder, math.prod(shape)):
            return work(None)
        room = np.lib.format.open_memmap(beside, "w+", np.uint8, shape)
        if hasattr(os, "posix_fallocate"):
            # A disk that is full later would end the process at some write into the map.
            with open(beside, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.path.getsize(beside))
    except OSError as error:
        beside.unlink(missing_ok=True)
        print(f"cache not written: {error}", file=sys.stderr)
        return work(None)
    try:
        filled = work(room)
        room.flush()
        os.replace(beside, folder / f"{name}.{array}.npy")
        _list(folder, name, {}, {array: room})
        return filled
    finally:
        beside.unlink(missing_ok=True)


def _has_room(folder: Path, size: int) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(folder).free) < 4 * size:
        print(f"cache not written: {size:,} bytes, and {free:,} free in {folder}", file=sys.stderr)
        return False
    return True


def _list(folder: Path, name: str, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    listing = {
        "arrays": {array: [list(values.shape), values.dtype.str] for array, values in arrays.items()},
        "facts": facts,
    }
    _write(folder / f"{name}.json", lambda file: file.write(json.dumps(listing).encode()))


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    beside = _beside(path)
    try:
        with open(beside, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
