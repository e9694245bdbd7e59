"""Files that survive a crash: written beside and renamed, appended a line at a time, private to their owner."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from state.errors import Exists, Invalid, Refusal, Unavailable, Unwritable

# No room left on the disk, or none for this user.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# And what else passes: no room for one more process or open file, no memory.
PASSING = (*DISK_FULL, errno.EROFS, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
# So much is shown of a text before the place where it cannot be read.
SHOWN = 60


def make_folder(path: Path) -> Path:
    """A folder that only its owner can enter. Refuses with the path where the file system does not allow it."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise refusal(error, path) from None
    return path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file as a whole: a reader sees the old or the new content, also after a power cut."""
    data = content.encode() if isinstance(content, str) else content
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise
    except OSError as error:
        raise refusal(error, path) from None


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON that every reader takes, SQLite's functions among them: null for a number that is not finite, a question
    mark for a byte that is not UTF-8."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, indent=indent, allow_nan=False)
    return readable(text)


def readable(text: str) -> str:
    """The text with a question mark for each byte that is not UTF-8, as `ls` shows a file's name that has one."""
    return text.encode(errors="replace").decode()


def require_text(text: str) -> None:
    """Refuse what was typed in bytes that are not UTF-8 (lone surrogates, to Python): neither the journal nor the store
    can keep it. The text may be JSON."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        before = text[: error.start].rpartition('"')[2][-SHOWN:]
        if not before:
            raise Invalid(
                "What was typed begins with bytes that are not UTF-8, so it cannot be kept as text. Set the terminal "
                "to UTF-8, and write it again."
            ) from None
        raise Invalid(
            "What comes after {before!r} is not UTF-8, so it cannot be kept as text. Set the terminal to UTF-8, and "
            "write it again.",
            before=before,
        ) from None


def require_name(path: Path) -> None:
    """Refuse a path that is not UTF-8: it stands in files that are."""
    if readable(str(path)) != str(path):
        raise Invalid(
            "{path}: this name is not UTF-8, as all is that a project keeps. Rename the file or folder, or choose "
            "another.",
            path=readable(str(path)),
        )


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def append_line(path: Path, value: Any) -> None:
    """Append one JSON line with a single write. A torn line that a crash left is closed first; readers skip it."""
    append(path, as_json(value).encode() + b"\n", sync=True)


def append(path: Path, line: bytes, *, sync: bool = False) -> None:
    """Append whole lines with a single write, all of them or none; `sync`: also through a power cut."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = os.write(handle, line)
            if written < len(line):
                os.ftruncate(handle, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise refusal(error, path) from None


def read_lines(path: Path, offset: int = 0, most: int = -1) -> tuple[list[dict[str, Any]], int]:
    """The JSON objects on the whole lines from a byte offset on, and the offset after them; torn lines are left out.

    With `most`, of about so many bytes only (at least one line): the rest is read from the offset that is returned.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(most)
            while most > 0 and data and b"\n" not in data and (more := file.read(most)):
                data += more
    except FileNotFoundError:
        return [], offset
    end = data.rfind(b"\n") + 1
    values = []
    for line in data[:end].splitlines():
        # Also what nests too deeply, or holds a number of too many digits.
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(line)
            if isinstance(value, dict):
                values.append(value)
    return values, offset + end


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no file or no whole object in it."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def lock_held(path: Path) -> bool:
    """Whether a living process holds the lock on a file. The kernel frees it at the holder's death, however it dies."""
    try:
        # Shared and read alone: the folder may be on a disk that nobody can write to, and two who ask are no holders.
        handle = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        os.close(handle)
    return False


@contextlib.contextmanager
def holding(path: Path, content: str = "") -> Iterator[bool]:
    """Take the lock on a file for the time of the block; yields False where another process has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _take(handle):
            yield False
            return
        os.ftruncate(handle, 0)
        os.pwrite(handle, content.encode(), 0)
        yield True
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    # A few tries: `lock_held` of another process takes the lock for an instant, too.
    for _ in range(5):
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            time.sleep(0.01)
        else:
            return True
    return False


def refusal(error: OSError, path: Path) -> Refusal:
    """The sentence for an operating-system error at a path; Unavailable where it passes."""
    kind = Unavailable if error.errno in PASSING else Unwritable
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        # A whole disk, which turns read-only when it fails, is another matter than this one file.
        return kind(
            "{path}: no permission to write. Choose a folder of your own, or change its permissions.", path=str(path)
        )
    if error.errno in DISK_FULL:
        return Unavailable(
            "{path}: the disk is full. Free some space; nothing that was recorded is lost.", path=str(path)
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return Exists("{path}: a file is in the way of a folder. Choose another folder.", path=str(path))
    return kind("{path}: {reason}", path=str(path), reason=error.strerror or str(error))


def passes(reason: str) -> bool:
    """Whether a sentence of another process is about what passes."""
    return any(os.strerror(number).lower() in reason.lower() for number in PASSING)
