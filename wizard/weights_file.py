"""What a file of weights holds, seen without loading it: nothing of a stranger's file is run, nor is torch needed."""

from __future__ import annotations

import json
import pickletools
import struct
import zipfile
from pathlib import Path

from presets.language import Message, say

# What a state dict is made of. Other objects of torch (torch.nn…) are whole models, which only an unpickler that may
# run any code can make.
PLAIN = ("collections", "numpy", "_codecs", "torch._utils", "torch._tensor", "torch.storage", "torch.serialization")
HARMLESS = ("__builtin__.set", "builtins.set", "__builtin__.bytearray", "builtins.bytearray")
# No header of safetensors is larger; a length beyond it is not one.
LARGEST_HEADER = 100 * 2**20
# How an archive of torch's begins.
ARCHIVE = b"PK\x03\x04"
# Objects named in one sentence.
NAMED = 3


def problem(path: Path) -> Message | None:
    """Why a file cannot be read as weights; None where nothing speaks against it. Raises OSError."""
    if path.suffix == ".safetensors":
        return _problem_of_safetensors(path)
    foreign = foreign_objects(path)
    if foreign is None:
        if _lacks_end(path):
            return say(
                "{path}: is cut short: the archive of torch's has no end. Copy or fetch the file again, or choose "
                "other weights.",
                path=str(path),
            )
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

    Raises OSError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next((entry for entry in archive.namelist() if entry.endswith("data.pkl")), None)
            content = archive.read(name) if name else b""
    except zipfile.BadZipFile:
        # As torch wrote before 1.6: pickles one after another.
        content = path.read_bytes()
    called: list[str] = []
    texts: list[str] = []
    try:
        for opcode, argument, _place in pickletools.genops(content):
            if opcode.name == "GLOBAL":
                called.append(str(argument).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL":
                called.append(".".join(texts[-2:]))
            elif isinstance(argument, str):
                texts.append(argument)
    except ValueError:
        return None
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
