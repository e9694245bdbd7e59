"""The embedded data of the demonstration: handwritten digits out of scikit-learn, as folders of small PNG files.

1,797 grey images of 8x8 pixels in 10 classes (UCI "Optical Recognition of Handwritten Digits", as scikit-learn ships
it). The file is read where the package has it; scikit-learn itself is not imported.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import shlex
import struct
import sys
import zlib
from pathlib import Path

from state.errors import NotInstalled

SIDE = 8
# The file has grey levels from 0 to 16.
LEVELS = 16


def write_digits(folder: Path) -> int:
    """Write the images into `folder`, a folder for each class; returns their number. A finished folder is left alone.

    Refuses where scikit-learn, whose file it is, is not installed.
    """
    if folder.exists():
        return sum(1 for _path in folder.glob("*/*.png"))
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    count = 0
    with gzip.open(_source(), "rt", encoding="ascii", newline="") as file:
        for count, row in enumerate(csv.reader(file), 1):
            *levels, label = (round(float(value)) for value in row)
            place = unfinished / str(label)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{count:04d}.png").write_bytes(png(bytes(level * 255 // LEVELS for level in levels), SIDE))
    unfinished.rename(folder)
    return count


def png(pixels: bytes, columns: int) -> bytes:
    """A grey 8-bit PNG file of the pixels, row by row, `columns` in each (W3C PNG, colour type 0, no filter)."""
    rows = [pixels[start : start + columns] for start in range(0, len(pixels), columns)]
    header = struct.pack(">IIBBBBB", columns, len(rows), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _source() -> Path:
    found = importlib.util.find_spec("sklearn")
    for package in (found.submodule_search_locations or []) if found else []:
        path = Path(package) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return path
    raise NotInstalled(
        "The demonstration's data comes with scikit-learn, which is not installed here. Install it: {command}",
        # Another Python's pip would install it elsewhere.
        command=shlex.join([sys.executable, "-m", "pip", "install", "scikit-learn"]),
    )
