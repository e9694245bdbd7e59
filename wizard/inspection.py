"""Looking at the data before anything is decided (G0): a detached process reads all of it once."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state import document, files, runs
from state.database import Store
from state.errors import Invalid, NotFound, NotYet
from state.measurements import Measurement
from state.project import FILE, Project
from training import config
from wizard import configuration, measuring

KIND = "inspection"
# Splits, classes, and images in them.
DEPTH = 3
# Enough to notice a change, and little enough to look at again and again.
MOST_ENTRIES = 10_000
# The settings that the findings about the data depend on.
SETTINGS = ("task", "path", "text_column", "label_column", "encoding", "validation_fraction", "split_seed")
# What was seen of data, by their path, while they are to be looked at once only.
_SEEN: ContextVar[dict[Path, str] | None] = ContextVar("seen", default=None)


@dataclass(frozen=True)
class Progress:
    """Files or rows looked at, of how many (0: not known yet), and whether the process is at work."""

    done: int
    total: int
    running: bool


@contextlib.contextmanager
def looking_once() -> Iterator[None]:
    """Within it, data are looked at once: what makes up a question asks again and again whether they have changed, and
    a look at many files takes its time."""
    if _SEEN.get() is not None:
        yield
        return
    token = _SEEN.set({})
    try:
        yield
    finally:
        _SEEN.reset(token)


def subject(store: Store) -> dict[str, Any]:
    """What an inspection of the data depends on: the settings, and the state of the files as far as it shows."""
    return {**_settings(store), "files": _seen(store.project.data)}


def start(store: Store) -> str:
    """Start an inspection, detached, and return its id. Where one is at work on the same data as they were a moment ago
    (files are being copied), it is that one's: another is started once it has ended. Refuses a project without a task
    or without data."""
    settings = store.project.settings
    place = str(store.project.root / "tunebook.toml")
    if settings.task not in config.TASKS:
        allowed = ", ".join(config.TASKS)
        raise Invalid(
            "{place}: project.task = {task!r}; allowed: {allowed}", place=place, task=settings.task, allowed=allowed
        )
    if not settings.data:
        raise Invalid("{place}: data.path is empty. Write there where the data is.", place=place)
    if not store.project.data.exists():
        raise NotFound(
            "{path}: there is no such file or folder. Correct data.path in {place}.",
            path=str(store.project.data),
            place=place,
        )
    at_work = measuring.living(store, KIND)
    if at_work is not None and {**measuring.written(store, at_work), "files": ""} == {**_settings(store), "files": ""}:
        return at_work
    # By way of a link, which may be named as it likes.
    files.require_name(store.project.data)
    text = document.compose({f"data.{name}": value for name, value in _settings(store).items()}).as_string()
    return measuring.begin(store, KIND, subject(store), ("data.toml", text), ("training.inspect", "--data"))


def progress(project: Project, id: str) -> Progress:
    """How far an inspection has come."""
    folder: Path = project.measurement_folder(id)
    running = runs.alive(folder)
    lines, _ = files.read_lines(folder / "progress.jsonl")
    last = lines[-1] if lines else {}
    return Progress(int(last.get("done", 0)), int(last.get("total", 0)), running)


def finish(store: Store, id: str) -> Measurement:
    """Record what an inspection found. Refuses while it is at work, and with its sentence when it failed."""
    return measuring.record(store, KIND, id, {})


def running(store: Store) -> str | None:
    """The inspection of the data as it is set now that is at work or waits to be collected."""
    return measuring.under_way(store, KIND, subject(store))


def last(store: Store) -> str | None:
    """The newest inspection of the data as it is set now that was not collected, also one that failed."""
    return measuring.last(store, KIND, subject(store))


def fresh(store: Store) -> Measurement | None:
    """The latest inspection, unless another path, column or split is set now, or files came, went or changed."""
    about = subject(store)
    # Of what cannot be looked at, nobody knows that it is as it was.
    return measuring.fresh(store, KIND, about) if about["files"] else None


def known(store: Store) -> dict[str, Any]:
    """What the latest inspection of the data as set now found. Refuses where there is none."""
    found = fresh(store)
    if found is None:
        raise NotYet("The data have not been looked at yet. Inspect them first.")
    return found.result


def examples(store: Store, split: str = "train") -> int:
    """The number of examples of a split."""
    return int(known(store)["splits"][split]["examples"])


def _settings(store: Store) -> dict[str, Any]:
    values = configuration.current(store)
    return {name: values[f"data.{name}"] for name in SETTINGS}


def _seen(path: Path) -> str:
    known = _SEEN.get()
    if known is None:
        return _digest(path)
    if path not in known:
        known[path] = _digest(path)
    return known[path]


def _digest(path: Path) -> str:
    """A digest of what tells that data have changed without reading them; the same while they have not.

    Size and time of a file, or of the files in a folder and in those below it; of very many files the first ones, and
    the times of their folders, which change when one comes or goes. Empty where they cannot be looked at.
    """
    lines = []
    try:
        status = path.stat()
        if path.is_dir():
            lines = list(itertools.islice(_entries(path), MOST_ENTRIES))
        else:
            lines.append(f"{status.st_size} {status.st_mtime_ns}")
    except OSError:
        return ""
    return hashlib.blake2b("\n".join(sorted(lines)).encode(errors="surrogateescape"), digest_size=8).hexdigest()


def _entries(root: Path) -> Iterator[str]:
    """Name, size and time of what is in a folder: all folders of a level before what is in them. Of a link that leads
    nowhere its own; of a folder below that cannot be entered, that it cannot."""
    waiting: list[tuple[str, str]] = [("", str(root))]
    for depth in range(DEPTH):
        below: list[tuple[str, str]] = []
        for name, folder in waiting:
            try:
                with os.scandir(folder) as found:
                    entries = sorted(found, key=lambda one: one.name)
            except OSError as error:
                if not depth:
                    raise
                yield f"{name} {error.errno}"
                continue
            for entry in entries:
                # The data may lie in the project's own folder.
                if entry.name.startswith(".") or (not depth and entry.name == FILE):
                    continue
                try:
                    status, is_folder = entry.stat(), entry.is_dir()
                except OSError:
                    status, is_folder = entry.stat(follow_symlinks=False), False
                if is_folder:
                    below.append((f"{name}{entry.name}/", entry.path))
                    yield f"{name}{entry.name}/ {status.st_mtime_ns}"
                else:
                    yield f"{name}{entry.name} {status.st_size} {status.st_mtime_ns}"
        waiting = below
