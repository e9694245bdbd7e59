"""Where a key stands in a TOML file that people edit, for the errors about it: a parser would lose the lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

_PART = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_KEY = rf"({_PART}(?:\s*\.\s*{_PART})*)"
_TABLE, _ENTRY = re.compile(rf"\s*\[\[?\s*{_KEY}\s*\]"), re.compile(rf"\s*{_KEY}\s*=")
_MULTI_LINE = ('"' * 3, "'" * 3)


def places(path: Path, text: str) -> Callable[[str], str]:
    """What says where a dotted key of the file stands: `FILE:LINE`, of the nearest table around it where the key itself
    is on no line of its own, and the file alone where that is not there either."""
    lines = _lines(text)

    def place(key: str) -> str:
        key = key.replace('"', "").replace("'", "")
        while key and key not in lines:
            key = key.rpartition(".")[0]
        return f"{path}:{lines[key]}" if key else str(path)

    return place


def _lines(text: str) -> Mapping[str, int]:
    """Dotted key to the line that it is first on; a key, or the name of a table, is the first thing on its line."""
    found: dict[str, int] = {}
    table, inside = "", ""
    for number, line in enumerate(text.split("\n"), 1):
        if inside:
            # Text over several lines, which may look like keys.
            inside = "" if inside in line else inside
            continue
        if header := _TABLE.match(line):
            table = name = _plain(header[1])
        elif entry := _ENTRY.match(line):
            name = f"{table}.{_plain(entry[1])}" if table else _plain(entry[1])
            inside = next((mark for mark in _MULTI_LINE if line.count(mark) == 1), "")
        else:
            continue
        # `a.b` is also where the table `a` begins.
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            found.setdefault(".".join(parts[:end]), number)
    return found


def _plain(key: str) -> str:
    """A dotted key without the quotes and blanks that TOML allows in it."""
    return ".".join(part.strip().strip("\"'") for part in re.findall(_PART, key))
