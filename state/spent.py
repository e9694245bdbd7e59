"""What a trial took of its device, by its folder: how long its processes lived, those of earlier tries included."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from state import files, runs

# What a process writes, or whoever collects it once it is gone: the last of it is the last that is known of its life.
SIGNS = ("metrics.jsonl", runs.LOG, runs.EXIT)


def seconds(folder: Path, result: Mapping[str, Any] | None = None) -> float:
    """Seconds that the processes of a trial had its device. One that lives counts until now, one that is gone until its
    result or, without one, its last sign of life: nobody may have seen it die. `result`: where the folder has none;
    in a folder that does not say when its process began, it alone tells."""
    noted = files.read_json(folder / runs.TRY) or {}
    if not noted.get("began"):
        told = (result or runs.result(folder) or {}).get("seconds")
        return float(told) if isinstance(told, int | float) else 0.0
    begin, end = (datetime.datetime.fromisoformat(at) for at in (noted["began"], until(folder)))
    return noted.get("spent", 0.0) + max((end - begin).total_seconds(), 0.0)


def until(folder: Path) -> str:
    """Until when the process of a folder is known to have lived; now, where it lives, or nothing tells that one ever
    did."""
    began = runs.began_at(folder)
    if runs.result(folder) is not None:
        return max(began, runs.ended_at(folder))
    signs = [path for name in SIGNS if (path := folder / name).exists()]
    if not began or runs.alive(folder):
        return runs.moment(time.time())
    return max([began, *(runs.moment(path.stat().st_mtime) for path in signs)])
