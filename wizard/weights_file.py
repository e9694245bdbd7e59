"""What a file of weights holds, seen without loading it: nothing of a stranger's file is run, nor is torch needed."""

from __future__ import annotations

import errno
import io
import json
import lzma
import pickletools
import struct
import zipfile
import zlib
from pathlib import Path

from presets.language import Message, say

# What a state dict is made of. Other objects of torch (torch.nn…) are whole models, which only an unpickler that may
# run any code can make.
PLAIN = ("collections", "numpy", "_codecs", "torch._utils", "torch._tensor", "torch.storage", "torch.serialization")
HARMLESS = ("__builtin__.set", "builtins.set", "__builtin__.bytearray", "builtins.bytearray")
# No header of safetensors is larger, a length beyond it is not one; and no description of the tensors in a file of
# torch's, of which so much is read.
LARGEST_HEADER = 100 * 2**20
# How an archive of torch's begins.
ARCHIVE = b"PK\x03\x04"
# Before 1.6 torch wrote pickles one after another: this number, then as many more, behind which the tensors lie.
MAGIC, MORE_PICKLES = 0x1950A86A20F9469CFC6C, 4
# What the readers of archives and of pickles raise where bytes are wrong.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
)
# Objects named in one sentence.
NAMED = 3


def problem(path: Path) -> Message | None:
    """Why a file cannot be read as weights; None where nothing speaks against it. Raises OSError."""
    if path.suffix == ".safetensors":
        return _problem_of_safetensors(path)
    try:
        if _lacks_end(path):
            return say(
                "{path}: is cut short: the archive of torch's has no end. Copy or fetch the file again, or choose "
                "other weights.",
                path=str(path),
            )
        foreign = foreign_objects(path)
    except DAMAGE as error:
        return say(
            "{path}: is damaged: what torch wrote there cannot be read ({reason}). Copy or fetch the file again, or "
            "choose other weights.",
            path=str(path),
            reason=str(error) or type(error).__name__,
        )
    if foreign is None:
        return say("{path}: this is neither a safetensors file nor one of torch.", path=str(path))
    if foreign:
        return say(
            "{path}: holds Python objects beside tensors ({names}). Only an unrestricted unpickler could read them, "
            "and that may run any code. Save the weights alone, torch.save(model.state_dict(), ...), or as "
            "safetensors.",
            path=str(path),
            names=[*foreign[:NAMED], *([".."] if len(foreign) > NAMED else [])],
        )
    return None


def foreign_objects(path: Path) -> list[str] | None:
    """The classes and functions that reading the file would call, other than those of tensors; None for no such file.

    Raises OSError, and an error of `DAMAGE` for a file that is one of torch's and cannot be read.
    """
    with path.open("rb") as file:
        archived = file.read(len(ARCHIVE)) == ARCHIVE
        file.seek(0)
        if not archived:
            return _of_pickles(io.BytesIO(file.read(LARGEST_HEADER)))
        with zipfile.ZipFile(file) as archive:
            name = next((entry for entry in archive.namelist() if entry.endswith("data.pkl")), None)
            if name is None:
                return None
            try:
                with archive.open(name) as entry:
                    content = entry.read(LARGEST_HEADER)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                # What the system says to a place before the beginning of the file.
                raise zipfile.BadZipFile(f"its directory leads out of the file for {name}") from None
    called, _first = _called(io.BytesIO(content))
    return _foreign(called)


def _of_pickles(content: io.BytesIO) -> list[str] | None:
    """The same of a file that is no archive, by its beginning. A single pickle is none of torch's, but what it would
    call is worth a warning."""
    try:
        called, first = _called(content)
    except ValueError:
        return None
    if first != MAGIC:
        return _foreign(called) or None
    for _ in range(MORE_PICKLES):
        called += _called(content)[0]
    return _foreign(called)


def _called(content: io.BytesIO) -> tuple[list[str], object]:
    """The classes and functions that the next pickle would call, and the first number or text in it. Raises
    ValueError."""
    called: list[str] = []
    texts: list[str] = []
    first: object = None
    for opcode, argument, _place in pickletools.genops(content):
        if first is None and opcode.name not in ("PROTO", "FRAME"):
            first = argument
        if opcode.name == "GLOBAL":
            called.append(str(argument).replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":
            called.append(".".join(texts[-2:]))
        elif isinstance(argument, str):
            texts.append(argument)
    return called, first


def _foreign(called: list[str]) -> list[str]:
    return sorted({name for name in called if not _plain(name)})


def _plain(name: str) -> bool:
    module = name.rpartition(".")[0]
    # torch.FloatStorage, torch.float32 and their like.
    known = module == "torch" or any(module == one or module.startswith(f"{one}.") for one in PLAIN)
    return known or name in HARMLESS


def _lacks_end(path: Path) -> bool:
    """Whether it begins as an archive, but nothing in it says what the archive holds."""
    with path.open("rb") as file:
        return file.read(len(ARCHIVE)) == ARCHIVE and not zipfile.is_zipfile(file)


def _problem_of_safetensors(path: Path) -> Message | None:
    """Eight bytes say how long the header is; the header says where each tensor ends behind it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        (length,) = struct.unpack("<Q", start) if len(start) == 8 else (0,)
        text = file.read(length) if 2 <= length <= LARGEST_HEADER else b""
    try:
        tensors = json.loads(text)
        ends = [int(entry["data_offsets"][1]) for name, entry in tensors.items() if name != "__metadata__"]
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        if text.startswith(b"{") and len(text) < length:
            return _cut_short(path, size, 8 + length)
        return say("{path}: this is no safetensors file.", path=str(path))
    wanted = 8 + length + max(ends, default=0)
    return _cut_short(path, size, wanted) if size < wanted else None


def _cut_short(path: Path, size: int, wanted: int) -> Message:
    return say(
        "{path}: is cut short: it has {size:,} bytes, and its header speaks of {wanted:,} at least. Copy or fetch the "
        "file again, or choose other weights.",
        path=str(path),
        size=size,
        wanted=wanted,
    )
