"""What a command of the user's own writes beside the folder that it is told to write to.

What every trial writes to one place, one overwrites for another, or one goes on from what another has saved. Standard
library only, as the process that runs the command needs no other.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

# No longer is looked for it, and no more is named.
LONGEST_SECONDS, NAMED = 1.0, 3
# A name with a date, a time or a number of a process is another in every run.
_OF_ONE_RUN = re.compile(r"(\D*\d){6}")
_OURS = "tunebook.toml"


def written(directory: Path, since: float, apart: Path) -> list[str]:
    """The files below the directory that were written since that time, but for what lies in the folder `apart` or is of
    one run by its name; the first few, and none where there is no end of files."""
    if apart == directory or apart in directory.parents:
        return []
    found, until = [], time.monotonic() + LONGEST_SECONDS
    for path in _files(directory, apart):
        if time.monotonic() > until:
            return []
        inside = path.relative_to(directory)
        try:
            if path.stat().st_mtime >= since and not any(map(_OF_ONE_RUN.match, inside.parts)):
                found.append(str(inside))
        except OSError:
            continue
    return sorted(found)[:NAMED]


def _files(directory: Path, apart: Path) -> Iterator[Path]:
    """All files but those of tools: hidden ones, compiled ones, environments."""
    for place, folders, names in os.walk(directory):
        here = Path(place)
        if "pyvenv.cfg" in names:
            folders.clear()
            continue
        folders[:] = [name for name in folders if name[0] != "." and name != "__pycache__" and here / name != apart]
        # Code is what a person writes meanwhile.
        yield from (here / name for name in names if name[0] != "." and name != _OURS and not name.endswith(".py"))
