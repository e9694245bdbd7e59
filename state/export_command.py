"""The export of a trial of the user's own pipeline: the command with its values, the reasons, what it ran on."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state import document, export, files, measure, pipeline, provenance, run_command
from state.database import Store, now
from state.errors import Spoilt
from state.trials import Trial

OUTPUT, SCRIPT = "output", "run.sh"


@dataclass(frozen=True)
class Source:
    """What is exported: the trial, its values (dotted names) and its result; its command, as it ran, and the folder in
    which that is to run; where it wrote; and the configuration file that was filled for it, if any.

    `changed`: the files that the command names are not those that trained the trial.
    """

    trial: Trial
    settings: dict[str, Any]
    result: dict[str, Any]
    command: tuple[str, ...]
    directory: Path
    output: Path
    file: Path | None
    changed: bool


def source(store: Store, trial: Trial) -> Source:
    """All that an export of the trial needs. Refuses one that did not complete, or whose folder has lost its files."""
    settings, result = export.kept(store, trial)
    folder = store.project.trial_folder(trial.id)
    asked = files.read_json(folder / run_command.COMMAND)
    if asked is None:
        raise Spoilt(
            "{path}: missing or torn, so that nobody knows the command of {trial}. Export another: --trial NAME",
            path=str(folder / run_command.COMMAND),
            trial=trial.id,
        )
    own = pipeline.own(store.project)
    # The project may lie elsewhere than when the trial ran, and its pipeline with it.
    directory = Path(asked["directory"]) if Path(asked["directory"]).is_dir() else own.directory
    changed = run_command.code_of(directory, asked["named"]) != result.get("code")
    filled = next((folder / run_command.INPUT).glob("*"), None)
    # Where it wrote is not noted of trials of the first versions.
    output = Path(asked.get("output") or folder / run_command.OUTPUT)
    return Source(trial, settings, result, tuple(asked["command"]), directory, output, filled, changed)


def write(target: Path, given: Source, *, reasons: Mapping[str, str], heading: str, readme: str) -> Path:
    """Write the export's folder, whole or not at all, and return its path. Refuses as `export.write` does."""
    target = target.expanduser().resolve()

    def fill(folder: Path) -> None:
        words = [_there(word, given, target) for word in given.command]
        copy = None
        if given.file is not None:
            copy = folder / given.file.name
            copy.write_text(_there(given.file.read_text(encoding="utf-8"), given, target), encoding="utf-8")
        (folder / OUTPUT).mkdir()
        contents = {
            "config.toml" if copy is None or copy.name != "config.toml" else "values.toml": document.compose(
                given.settings, reasons, heading
            ).as_string(),
            SCRIPT: f"#!/bin/sh\ncd {shlex.quote(str(given.directory))} || exit 1\nexec {shlex.join(words)}\n",
            "environment.json": json.dumps(_environment(given), indent=2) + "\n",
            "README.md": readme,
        }
        for name, content in contents.items():
            (folder / name).write_text(content, encoding="utf-8")

    return export.write_folder(target, fill)


def _there(text: str, given: Source, target: Path) -> str:
    """The text with the paths of an export in place of those that the trial had."""
    moved = {given.output: target / OUTPUT, given.output.parent / run_command.INPUT: target}
    for old, new in moved.items():
        text = text.replace(str(old), str(new))
    return text


def _environment(given: Source) -> dict[str, Any]:
    """What the result depends on beside command, code and data."""
    kept = ("program", "versions", "commit", "untracked", "code", "device", "seconds", "peak_memory")
    return {
        "trial": given.trial.id,
        "exported_at": now(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "directory": str(given.directory),
        **{name: given.result.get(name) for name in kept},
        **{point: measure.plain(given.result.get(point) or {}) for point in ("best", "final")},
        "changed": provenance.changed(given.result),
    }
