"""What a training script of the user's own writes, read as it grows and renamed as a trial's metrics.

timm's summary.csv, Transformers' trainer_state.json, Lightning's metrics.csv, or one JSON object a line in
metrics.jsonl, anywhere below the folder that the script writes to; where there is none of these, in files of other
names that end so. Standard library only: the process that runs the script reads them, too.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FILES = ("summary.csv", "trainer_state.json", "metrics.csv", "metrics.jsonl")
# Scripts write into a folder of the run's name (timm), or of the logger and a version (Lightning).
DEPTH = 4
# The last is what wandb calls it.
STEPS = ("step", "global_step", "trained_steps", "iteration", "iter", "_step")
# What the usual tools call what training of our own writes too, so that the same curves are drawn and reviewed.
SAME = {
    "train_loss": "train/loss",
    "training_loss": "train/loss",
    "loss": "train/loss",
    "train_loss_step": "train/loss",
    "val_loss": "val/loss",
    "valid_loss": "val/loss",
    "validation_loss": "val/loss",
    "eval_loss": "val/loss",
    "lr": "learning_rate",
    "samples_per_second": "examples_per_second",
    "train_samples_per_second": "examples_per_second",
}
# Transformers ends with a summary whose averages are no points of the curves.
SUMMARY = "train_runtime"
# A line longer than this is no row of metrics.
LONGEST = 2**20
# A larger step fits no store.
LARGEST = 2**62
# So much of a line that was not understood is shown.
SHOWN = 200

Row = dict[str, "float | int"]


@dataclass
class _File:
    """How far a file was read: its identity and size when it was, the offset after its last whole line, its columns.

    `rows`: its lines so far. `counted`: whether a step of a line is its place in the file. `held`: a first line without
    a step, until the next tells whether the others have one. `unread`: how many lines were not understood, and
    `first` the first of them.
    """

    inode: int = 0
    size: int = -1
    offset: int = 0
    columns: list[str] = field(default_factory=list)
    rows: int = 0
    counted: bool | None = None
    held: dict[str, Any] | None = None
    unread: int = 0
    first: str = ""

    def put_aside(self, line: str) -> None:
        """Count a line that was not understood."""
        self.unread += 1
        self.first = self.first or line[:SHOWN].strip()


class Reader:
    """The metrics below a folder as they are written. `columns`: every name that was seen, as the script has it;
    `counted_by`: what steps were, steps or epochs as a row says, or lines: "step", "epoch", "line".

    `metric` is the script's own name for what is tuned; its values come as `val/` and that name.
    """

    def __init__(self, folder: Path, metric: str):
        self.columns: list[str] = []
        self.found: list[str] = []
        self.counted_by: set[str] = set()
        self._folder = folder
        self._metric = metric
        self._files: dict[Path, _File] = {}
        self._last: dict[str, int] = {}

    @property
    def unread(self) -> list[tuple[int, str, str]]:
        """For each file with lines that were not understood, and so are in no row: how many, its name, the first."""
        return [(known.unread, path.name, known.first) for path, known in self._files.items() if known.unread]

    def measured(self) -> list[str]:
        """The names that were seen, without those that say where a run stands and how fast or by which rate it goes."""
        apart = (*STEPS, "epoch", "learning_rate", "examples_per_second")
        return [name for name in self.columns if SAME.get(name, name) not in apart]

    def read(self, *, ended: bool = False) -> list[Row]:
        """The rows that are new since the last time, by step; `ended`: nothing more comes, so that a last line without
        its end is whole, too. Points at or before the last step of their metric are left out: files are rewritten."""
        rows: dict[int, Row] = {}
        for path in newest(self._folder):
            for raw in self._new(path, ended):
                self.columns += [name for name in raw if name not in self.columns]
                row = renamed(raw, self._metric)
                step = int(row.pop("step"))
                rows.setdefault(step, {}).update(
                    {name: value for name, value in row.items() if step > self._last.get(name, -1)}
                )
        for step in sorted(rows):
            self._last.update(dict.fromkeys(rows[step], step))
        return [{"step": step, **rows[step]} for step in sorted(rows) if rows[step]]

    def others(self) -> list[str]:
        """The files in the folder, where none of them is one that is read."""
        return sorted(str(path.relative_to(self._folder)) for path in self._folder.rglob("*") if path.is_file())

    def skip(self) -> None:
        """Take what is there as read: only what is written from now on is news, at whichever step that goes on."""
        self.read()
        self._last.clear()

    def _new(self, path: Path, ended: bool) -> Iterator[dict[str, Any]]:
        """The raw rows of a file that were not read yet."""
        known = self._files.setdefault(path, _File())
        if path.name not in self.found:
            self.found.append(path.name)
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                if (known.inode, known.size) == (status.st_ino, status.st_size) and not ended:
                    return
                if path.suffix == ".json":
                    known.inode, known.size = status.st_ino, status.st_size
                    self.counted_by.add("step")
                    # It is written anew as a whole, and read so.
                    known.unread, known.first = 0, ""
                    yield from state_rows(file.read(), known.put_aside)
                    return
                header = file.readline(LONGEST) if path.suffix == ".csv" else b""
                columns = _cells(header)
                # Lightning writes the whole file anew when a column comes up; others begin it again.
                if known.inode != status.st_ino or status.st_size < known.offset or columns != known.columns:
                    known.offset, known.rows, known.counted, known.held = len(header), 0, None, None
                    known.unread, known.first = 0, ""
                known.inode, known.size, known.columns = status.st_ino, status.st_size, columns
                file.seek(known.offset)
                data = file.read()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return
        end = data.rfind(b"\n") + 1
        # An object is whole when it closes, whether or not an end of the line follows.
        if ended or (path.suffix == ".jsonl" and _json_row(data[end:]) is not None):
            end = len(data)
        known.offset += end
        for line in data[:end].splitlines():
            yield from self._rows(known, path.name, line)
        if ended and known.held is not None:
            yield {**known.held, "step": 1}
            known.held = None

    def _rows(self, known: _File, name: str, line: bytes) -> Iterator[dict[str, Any]]:
        """What a line comes to: a row, none where it cannot be understood, or those that waited for it."""
        if not line.strip():
            return
        known.rows += 1
        raw = _csv_row(known.columns, line) if name.endswith(".csv") else _json_row(line)
        step = None if raw is None else _step(raw, zero_based=name == "summary.csv", epochs=not known.counted)
        told = any(_said(value) and _number(value) is None for value in _of_metric(raw or {}, self._metric))
        if raw is None or step is False or told or (step is None and known.counted is False):
            known.put_aside(line.decode("utf-8", "replace"))
        if raw is None or step is False:
            return
        row = {key: value for key, value in raw.items() if key not in STEPS and _number(value) is not None}
        if step is not None:
            if known.held is not None:
                known.put_aside(json.dumps(known.held))
            known.counted, known.held = False, None
            self.counted_by.add("step" if any(_said(raw.get(name)) for name in STEPS) else "epoch")
            yield {**row, "step": step}
        elif known.counted is None and known.held is None and row:
            known.held = row
        elif known.counted is not False and row:
            if known.held is not None:
                yield {**known.held, "step": known.rows - 1}
            known.counted, known.held = True, None
            self.counted_by.add("line")
            yield {**row, "step": known.rows}


def newest(folder: Path) -> list[Path]:
    """The newest file of each kind below the folder; of Transformers' the one that knows most. Where there is none of
    these, JSON lines of any name."""
    found: dict[str, tuple[float, Path]] = {}
    for place, folders, names in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) >= DEPTH:
            folders.clear()
        for name in names:
            if name in FILES or name.endswith(".jsonl"):
                path = Path(place, name)
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                rank = float(status.st_size) if name == "trainer_state.json" else status.st_mtime
                if name not in found or rank > found[name][0]:
                    found[name] = (rank, path)
    known = any(name in FILES for name in found)
    return [path for name, (_rank, path) in found.items() if name in FILES or not known]


def state_rows(data: bytes, put_aside: Callable[[str], object] = lambda line: None) -> Iterator[dict[str, Any]]:
    """The rows of Transformers' trainer_state.json; none while it is half written. Those whose step is none are put
    aside."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    history = document.get("log_history") if isinstance(document, dict) else None
    for raw in history if isinstance(history, list) else ():
        if isinstance(raw, dict) and "step" in raw:
            step = _step({"step": raw["step"]}, zero_based=False, epochs=False)
            if step is None or step is False:
                put_aside(json.dumps(raw))
                continue
            plain = {key: value for key, value in raw.items() if _number(value) is not None}
            # The averages of the whole run, not points of a curve.
            if SUMMARY in raw:
                plain = {key: value for key, value in plain.items() if not key.startswith("train_")}
            yield {**plain, "step": step}


def renamed(raw: Mapping[str, Any], metric: str) -> Row:
    """A row with our names: `val/` and the metric, `train/loss` and the like; any other name is kept."""
    row: Row = {}
    for name, value in raw.items():
        number = _number(value)
        if number is None:
            continue
        if name == "step":
            row["step"] = number
            continue
        ours = SAME.get(name, name)
        if name in (metric, f"val/{metric}"):
            row[f"val/{metric}"] = number
            # What is tuned is measured on held-out data, whatever its name sounds like.
            if ours != "val/loss":
                continue
        row.setdefault(ours, number)
    return row


def _step(raw: Mapping[str, Any], *, zero_based: bool, epochs: bool) -> int | Literal[False] | None:
    """The step of a row: as it says, or by its epoch (timm counts from 0), where that is asked; None where it says
    none, False where what it says is no step."""
    for name in (*STEPS, *(["epoch"] if epochs else [])):
        if not _said(raw.get(name)):
            continue
        number = _number(raw[name])
        if number is None or not 0 <= number < LARGEST:
            return False
        if name != "epoch":
            return int(number)
        # A share of an epoch orders nothing that whole steps would.
        return int(number) + zero_based if number == int(number) else None
    return None


def _said(value: Any) -> bool:
    """Whether there is a value at all: a column without one is empty in its row."""
    return value is not None and value != ""


def _of_metric(raw: Mapping[str, Any], metric: str) -> Iterator[Any]:
    return (raw[name] for name in (metric, f"val/{metric}") if name in raw)


def _cells(line: bytes) -> list[str]:
    # A line without its end may be half written.
    if not line.endswith(b"\n"):
        return []
    return [cell.strip() for cell in next(csv.reader([line.decode("utf-8-sig", "replace").rstrip("\r\n")]), [])]


def _csv_row(columns: list[str], line: bytes) -> dict[str, Any] | None:
    """The cells of a line by their columns; None where they do not fit these."""
    try:
        cells = next(csv.reader([line.decode("utf-8", "replace")]), [])
    except csv.Error:
        return None
    if len(cells) != len(columns):
        return None
    return {name: cell for name, cell in zip(columns, cells, strict=True) if name}


def _json_row(line: bytes) -> dict[str, Any] | None:
    """The names and values of a line; None where it is no JSON object."""
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return {str(name): value for name, value in raw.items()} if isinstance(raw, dict) else None


def _number(value: Any) -> float | int | None:
    """A number, or a text that says one ("nan" and "inf" too, and "73.7%" as it stands); None for anything else."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value.strip().removesuffix("%") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return value if isinstance(value, int | float) else number
