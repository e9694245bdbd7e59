"""Labelled texts: one file, or a folder with a train file and perhaps validation and test files.

No torch here: the inspection of the data starts without it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training import tables
from training.config import Data
from training.sentence import phrase
from training.splits import (
    PART_NAMES,
    DataError,
    Part,
    Progress,
    Skipped,
    majority_readable,
    printable,
    refuse_class,
    sorted_classes,
)


class File(NamedTuple):
    """A file of texts: its split, and what tells a changed file from the same one."""

    path: str
    part: Part
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Listing:
    """The files; `skipped`: tables beside them that are none of these. `held_out`: none of the files is for validation,
    so some of the training texts must serve."""

    root: Path
    files: tuple[File, ...]
    skipped: tuple[Skipped, ...]
    held_out: bool


@dataclass(frozen=True)
class Table:
    """The usable rows of all files: text, number of the class and split (int64 (N,)) of each; `skipped`: other rows."""

    classes: tuple[str, ...]
    texts: tuple[str, ...]
    labels: np.ndarray
    parts: np.ndarray
    skipped: tuple[Skipped, ...]

    def digests(self) -> np.ndarray:
        """SHA-256 of each text, uint8 (N, 32)."""
        joined = b"".join(hashlib.sha256(text.encode()).digest() for text in self.texts)
        return np.frombuffer(joined, np.uint8).reshape(-1, 32)


def listing(path: str) -> Listing:
    """The file at `path`, or its train, validation and test files. Raises DataError where there are none."""
    root = Path(path)
    endings = ", ".join(tables.ENDINGS)
    if not os.path.exists(root):
        raise DataError("data.path: {path} does not exist.", path=printable(root))
    if not root.is_dir():
        if root.suffix.lower() not in tables.ENDINGS or not root.is_file():
            raise DataError(
                "data.path: {path} is none of {endings}; save the texts as one of them.",
                path=printable(root),
                endings=endings,
            )
        return Listing(root.parent, (_file(root, Part.TRAIN),), (), held_out=True)
    try:
        paths = sorted(found for found in root.iterdir() if found.suffix.lower() in tables.ENDINGS and found.is_file())
    except OSError as error:
        raise DataError(
            "data.path: {path} cannot be read: {reason}.", path=printable(root), reason=str(error.strerror)
        ) from None
    named: dict[Part, Path] = {}
    for found in paths:
        part = PART_NAMES.get(found.stem.lower())
        if part is not None and (other := named.setdefault(part, found)) is not found:
            raise DataError(
                "data.path: {path} has both {one} and {other}; keep one of them.",
                path=printable(root),
                one=printable(other.name),
                other=printable(found.name),
            )
    if Part.TRAIN not in named:
        if not paths:
            raise DataError(
                "data.path: {path} has no train file ({endings}); name one train.csv, say, or give the path of the "
                "file itself.",
                path=printable(root),
                endings=endings,
            )
        raise DataError(
            "data.path: {path} has no train file ({endings}); name one train.csv, say, or give the path of the file "
            "itself. It holds {names}.",
            path=printable(root),
            endings=endings,
            names=", ".join(printable(found.name) for found in paths[:5]),
        )
    skipped = tuple(
        Skipped(printable(found.name), phrase("beside the train file, not a split"))
        for found in paths
        if found not in named.values() and not found.name.startswith(".")
    )
    files = tuple(_file(named[part], part) for part in sorted(named))
    return Listing(root, files, skipped, Part.VALIDATION not in named)


def read(listing: Listing, data: Data, progress: Progress | None = None) -> Table:
    """The usable rows; ragged and broken rows, and rows without text or label, are skipped. Raises DataError.

    Texts and labels lose the white space around them. `progress` counts bytes.
    """
    if data.text_column == data.label_column:
        raise DataError(
            "data.label_column: {name!r} is data.text_column too; name two columns.", name=data.label_column
        )
    texts: list[str] = []
    labels: list[str] = []
    parts: list[Part] = []
    places: list[str] = []
    skipped: list[Skipped] = []
    done = 0
    for file in listing.files:
        rows = tables.read(listing.root / file.path, data.encoding, (data.text_column, data.label_column))
        unusable: list[Skipped] = []
        for row in rows:
            place = f"{printable(file.path)}:{row.line}"
            text, label = (value.strip() for value in row.values or ("", ""))
            if row.reason or not text or not label:
                unusable.append(Skipped(place, row.reason or (phrase("no label") if text else phrase("no text"))))
                continue
            texts.append(text)
            labels.append(label)
            parts.append(file.part)
            places.append(place)
        majority_readable(unusable, len(rows), phrase("{path}: rows", path=printable(listing.root / file.path)))
        skipped += unusable
        done += file.size
        if progress:
            progress(done, sum(file.size for file in listing.files))
    classes = sorted_classes({label for label, part in zip(labels, parts, strict=True) if part is Part.TRAIN})
    numbers = {name: number for number, name in enumerate(classes)}
    for label, place in zip(labels, places, strict=True):
        if label not in numbers:
            refuse_class(place, label, numbers)
    return Table(
        classes,
        tuple(texts),
        np.array([numbers[label] for label in labels], np.int64),
        np.array(parts, np.int64),
        tuple(skipped),
    )


def _file(path: Path, part: Part) -> File:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError("{path}: cannot be read: {reason}.", path=printable(path), reason=str(error.strerror)) from None
    return File(path.name, part, status.st_size, status.st_mtime_ns)
