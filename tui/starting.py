"""Where a new project's data are, and what they look like: shared by the command line and the screens."""

from __future__ import annotations

import csv
import itertools
import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from state.errors import Exists, Invalid, NotFound, Refusal, Unanswered
from training.config import TASKS

# Tables that training reads, and those that it will say how to save as one of these.
TABLES = {".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".bz2", ".gz", ".parquet", ".xlsx"}
# Those of them whose columns can be seen at a glance, and how they are delimited ("": each line is a JSON object).
_PLAIN = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".jsonl": "", ".ndjson": ""}
_GLANCE = 2**16
# What images end with, and in how many folders, and among how many files of each, they are looked for at a glance.
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_FOLDERS, _FILES = 20, 50
# What columns are commonly called, the surest first.
_TEXTS = ("text", "sentence", "message", "content", "review", "body", "document", "title")
_LABELS = ("label", "class", "category", "target", "sentiment", "topic", "y")


def decided_already(root: Path) -> Refusal:
    """What to say where a set-up is to go on that has nothing left to decide."""
    return Exists(
        "{path}: there is a project already, with its set-up decided. Open it: tunebook --project {words}. What is to "
        "be decided anew is given as an option (tunebook new --help); a new project needs another folder.",
        path=str(root),
        words=shlex.quote(str(root)),
    )


def typed_path(text: str) -> Path:
    """The path that somebody typed or pasted, absolute. Refuses nothing, and what cannot be a path."""
    if not text.strip():
        raise Unanswered("Type a path.")
    try:
        return Path(text.strip()).expanduser().resolve()
    except (RuntimeError, ValueError) as error:
        # No such user, links in a circle, a null character.
        raise Invalid("{path}: {reason}.", path=text, reason=str(error)) from None


def refuse_file(root: Path) -> None:
    """Refuse a project in a place that is a file, or below one."""
    there = next(path for path in (root, *root.parents) if os.path.exists(path))
    if not there.is_dir():
        raise Invalid(
            "{path} is a file, and a project needs a folder of its own: name one that is there, or that can be made.",
            path=str(there),
        )


def refuse_inside(data: Path, root: Path, task: str) -> None:
    """Refuse a new project inside the folder of images, where its own folder would be taken for a class."""
    path = data.expanduser().resolve()
    if task == TASKS[0] and path.is_dir() and path in root.parents:
        raise Invalid(
            "{path} lies in the folder of the data, {data}, where each folder is a class. Choose a place for the "
            "project outside of it.",
            path=str(root),
            data=str(path),
        )


def data_place(data: Path, root: Path) -> str:
    """The data's path for tunebook.toml: relative where it lies in the project folder, so that both can be moved.

    Raises OSError where the path cannot be looked at.
    """
    path = data.expanduser().resolve()
    if not path.exists():
        raise NotFound("{path}: there is no such file or folder.", path=str(data))
    return str(path.relative_to(root)) if path.is_relative_to(root) and path != root else str(path)


def guess_task(data: Path) -> str:
    """The task that the data look like: files of tables are labelled texts, anything else is images, also where a table
    beside them has their labels."""
    path = data.expanduser()
    inside = [path] if path.is_file() else [*path.iterdir(), *path.glob("train/*")]
    tables = sum(entry.suffix.lower() in TABLES and entry.is_file() for entry in inside)
    return TASKS[1] if tables > _images(path) else TASKS[0]


def _images(path: Path) -> int:
    """How many images a glance sees in a folder and in those in it."""
    if path.is_file():
        return 0
    folders = [path, *itertools.islice((entry for entry in path.iterdir() if entry.is_dir()), _FOLDERS)]
    seen = itertools.chain.from_iterable(itertools.islice(folder.iterdir(), _FILES) for folder in folders)
    return sum(entry.suffix.lower() in _PICTURES for entry in seen)


def columns_of(data: Path) -> list[str]:
    """The names of the columns of the first table in the data; none where a glance does not tell. Raises OSError."""
    path = data.expanduser()
    files = [path] if path.is_file() else sorted([*path.iterdir(), *path.glob("train/*")])
    table = next((file for file in files if file.suffix.lower() in _PLAIN and file.is_file()), None)
    if table is None:
        return []
    with table.open("rb") as file:
        line = file.readline(_GLANCE).decode("utf-8-sig", "replace").strip()
    if "\0" in line or "\ufffd" in line:
        # In an encoding that is to be named first.
        return []
    if delimiter := _PLAIN[table.suffix.lower()]:
        return next(csv.reader([line], delimiter=delimiter), [])
    try:
        row = json.loads(line)
    except ValueError:
        return []
    return list(map(str, row)) if isinstance(row, dict) else []


def guess_columns(names: Sequence[str]) -> tuple[str, str] | None:
    """Which columns have text and label; None where their names do not tell."""
    found = [
        next((name for usual in known for name in names if name.strip().lower() == usual), None)
        for known in (_TEXTS, _LABELS)
    ]
    if len(names) == 2 and found.count(None) == 1:
        # What is left is the other.
        found = [next(name for name in names if name not in found) if each is None else each for each in found]
    text, label = found
    return (text, label) if text is not None and label is not None else None


def refuse_other_task(data: Path, task: str) -> None:
    """Refuse data in which the task cannot find anything, before there is a project of them."""
    path = data.expanduser()
    if task == TASKS[0] and path.is_file():
        raise Invalid(
            "{path} is a file: images are expected in a folder with a folder for each class, texts in a CSV, TSV or "
            "JSON Lines file.",
            path=str(data),
        )
    if task == TASKS[1] and path.is_dir() and guess_task(data) != task:
        raise Invalid(
            "{path} is a folder without a table: texts are expected in a CSV, TSV or JSON Lines file.", path=str(data)
        )
