"""What a run leaves in its folder: the lock while it lives, metrics.jsonl as it goes, result.json at its end."""

from __future__ import annotations

import errno
import fcntl
import functools
import hashlib
import importlib.metadata
import io
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Bytes of a patch that is kept; a larger one holds data, not code.
LARGEST_PATCH = 5_000_000
# So many untracked files are named, the others counted.
NAMED_FILES = 5
# A patch that applies, whatever the person has git show on a terminal.
DIFF = (
    *("-c", "diff.noprefix=false", "-c", "diff.relative=false"),
    *("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--unified=3", "--binary", "HEAD"),
)
SECONDS_BETWEEN_REPORTS = 0.25


class Busy(Exception):
    """Another process runs in the folder."""


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold `run.lock` in `folder`, made if need be, with this process's id in it. Raises Busy, or OSError.

    A POSIX record lock: held means alive, and the kernel releases it at death. Children do not inherit it, and
    closing any other handle of the file in this process would release it, so nothing else here opens it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise Busy(f"{folder}: another run is going on in this folder") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


class Metrics:
    """metrics.jsonl, open for appending: one JSON object a line, each written by a single call of the system."""

    def __init__(self, path: Path, step: int = 0, evaluated: int = 0):
        """Goes on after update `step` and the evaluation at `evaluated`: what `path` has beyond them is dropped."""
        if path.exists():
            kept = [line for line in path.read_bytes().splitlines(keepends=True) if _is_before(line, step, evaluated)]
            write_whole(path, b"".join(kept))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line; values that are not finite are written as "nan", "inf" and "-inf"."""
        line = json.dumps({"step": step} | {key: finite(value) for key, value in values.items()}) + "\n"
        if os.write(self._file, line.encode()) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """Have the lines on the disk, as a checkpoint that is written next relies on them."""
        os.fsync(self._file)


def finite(value: float) -> float | str:
    """The value itself, or what JSON can hold in place of one that is not finite."""
    return value if math.isfinite(value) else str(value)


def _is_before(line: bytes, step: int, evaluated: int) -> bool:
    try:
        entry = json.loads(line)
        return entry["step"] <= (evaluated if "val/loss" in entry else step)
    except (ValueError, KeyError, TypeError):
        # The last line of a run that was killed while it wrote.
        return False


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step: readers see the old content or the new, also after a power cut."""
    beside = path.with_name(path.name + ".tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        # On a full disk the half-written file would take the room that the result needs.
        beside.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file in one step. A byte of a file's name that is not UTF-8 becomes a question mark, as `ls` shows
    it."""
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    write_whole(path, text.encode(errors="replace"))


def reporter(file: Any) -> Callable[[int, int], None]:
    """Writes how far the work is as JSON lines: the first, the last, and one each quarter of a second."""
    latest = -SECONDS_BETWEEN_REPORTS

    def report(done: int, total: int) -> None:
        nonlocal latest
        now = time.monotonic()
        if done == total or now - latest >= SECONDS_BETWEEN_REPORTS:
            latest = now
            file.write(json.dumps({"done": done, "total": total}) + "\n")
            file.flush()

    return report


def tolerant_output() -> None:
    """Let standard output print any path and class name: what the terminal's encoding has not is shown escaped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def provenance() -> dict[str, Any]:
    """What a result depends on besides the configuration, as in result.json: `versions`, `code` and `differences`."""
    return {"versions": versions(), **differences(), "code": code()}


def differences() -> dict[str, Any]:
    """The `commit` of the working directory, whether tracked files have `changed` since, and what is `untracked` beside
    them: how many there are ("count") and the "first" names. None for what is not known."""
    state = commit()
    tracked = status("no") if state else None
    # Asked apart: a folder of very many files may take longer to look through than git is waited for.
    beside = status("normal") if tracked is not None else None
    untracked = None if beside is None else [line[3:] for line in beside if line.startswith("?? ")]
    return {
        "commit": state,
        "changed": None if tracked is None else bool(tracked),
        "untracked": None if untracked is None else {"count": len(untracked), "first": untracked[:NAMED_FILES]},
    }


def write_patch(folder: Path, *, changed: bool | None) -> None:
    """Keep what tracked files of the working directory differ by from its commit, so that the commit and this make them
    again; nothing where they do not, or by more than code."""
    patch = (git(*DIFF) or "") if changed else ""
    (folder / "changes.patch").unlink(missing_ok=True)
    if 0 < len(patch) <= LARGEST_PATCH:
        write_whole(folder / "changes.patch", patch.encode(errors="surrogateescape"))


@functools.cache
def versions() -> dict[str, str | None]:
    """Versions of Python and of the libraries that train; None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for library in ("torch", "timm", "transformers"):
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = None
    return found


def commit() -> str | None:
    """The git commit of the working directory; None where there is no repository or no git."""
    return (git("rev-parse", "--verify", "HEAD") or "").strip() or None


def status(untracked: str) -> list[str] | None:
    """The lines of git's status, with those of `untracked` files as its option of that name says."""
    words = ("-c", "core.quotePath=false", "status", "--porcelain", f"--untracked-files={untracked}")
    said = git(*words)
    if said is None:
        return None
    return [line for line in said.encode(errors="surrogateescape").decode(errors="replace").split("\n") if line]


def git(*arguments: str) -> str | None:
    """What git says of the working directory; None where it says nothing: no repository, no git, no answer in time."""
    # A run that is killed while git asks must leave no lock in somebody's repository.
    command = ["git", "--no-optional-locks", *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # As bytes first: read as text, it would lose the line ends of other systems.
    return answer.stdout.decode(errors="surrogateescape") if answer.returncode == 0 else None


@functools.cache
def code() -> str:
    """SHA-256 over the names and contents of this package's files, to tell whether the same code trained."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
