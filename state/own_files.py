"""The files that a command of the user's own names, as they are now: what a run notes as its code."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from state import pipeline
from state.database import Store
from state.errors import Refusal
from state.run_command import code_of

# A command may name its data, too; to read more bytes than these would keep whoever plans waiting.
LARGEST = 2**26


def now(store: Store) -> str | None:
    """What a run would note now as the code of the command; None where the training is the built-in one, where the
    command cannot be used, and where reading its files takes long."""
    try:
        own = pipeline.of(store.project)
    except Refusal:
        return None
    if own is None:
        return None
    named = pipeline.named_files(own)
    try:
        states = [os.stat(own.directory / word) for word in named]
    except OSError:
        return None
    if sum(state.st_size for state in states) > LARGEST:
        return None
    # A page that plans asks with every key: what was not written since is not read again.
    seen = tuple((state.st_ino, state.st_size, state.st_mtime_ns) for state in states)
    return _digest(own.directory, tuple(named), seen)


@lru_cache(maxsize=8)
def _digest(directory: Path, named: tuple[str, ...], _states: tuple[tuple[int, int, int], ...]) -> str:
    return code_of(directory, named)
