"""The export of a trial of the user's own pipeline: the command with its values, the reasons, what it ran on."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state import document, export, pipeline, provenance, run_command
from state.database import Store, now
from state.pipeline import Pipeline
from state.trials import Trial

OUTPUT, SCRIPT = "output", "run.sh"


@dataclass(frozen=True)
class Source:
    """What is exported: the trial, its values (dotted names) and its result; the pipeline as it is today.

    `changed`: the files that the command names are not those that trained the trial.
    """

    trial: Trial
    settings: dict[str, Any]
    result: dict[str, Any]
    pipeline: Pipeline
    changed: bool


def source(store: Store, trial: Trial) -> Source:
    """All that an export of the trial needs. Refuses one that did not complete, or whose folder has lost its files."""
    settings, result = export.kept(store, trial)
    own = pipeline.own(store.project)
    changed = run_command.code_of(own.directory, pipeline.named_files(own)) != result.get("code")
    return Source(trial, settings, result, own, changed)


def write(target: Path, given: Source, *, reasons: Mapping[str, str], heading: str, readme: str) -> Path:
    """Write the export's folder, whole or not at all, and return its path. Refuses as `export.write` does."""
    target = target.expanduser().resolve()

    def fill(folder: Path) -> None:
        # Filled in the unfinished folder, but with the paths that hold once it is in its place.
        command = pipeline.fill(given.pipeline, given.settings, target / OUTPUT, folder)
        words = [word.replace(str(folder), str(target)) for word in command]
        copy = folder / given.pipeline.file.name if given.pipeline.file else None
        if copy is not None:
            copy.write_text(copy.read_text(encoding="utf-8").replace(str(folder), str(target)), encoding="utf-8")
        (folder / OUTPUT).mkdir()
        contents = {
            "config.toml" if copy is None or copy.name != "config.toml" else "values.toml": document.compose(
                given.settings, reasons, heading
            ).as_string(),
            SCRIPT: f"#!/bin/sh\ncd {shlex.quote(str(given.pipeline.directory))} || exit 1\nexec {shlex.join(words)}\n",
            "environment.json": json.dumps(_environment(given), indent=2) + "\n",
            "README.md": readme,
        }
        for name, content in contents.items():
            (folder / name).write_text(content, encoding="utf-8")

    return export.write_folder(target, fill)


def _environment(given: Source) -> dict[str, Any]:
    """What the result depends on beside command, code and data."""
    kept = ("program", "versions", "commit", "untracked", "code", "device", "best", "final", "seconds", "peak_memory")
    return {
        "trial": given.trial.id,
        "exported_at": now(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "directory": str(given.pipeline.directory),
        **{name: given.result.get(name) for name in kept},
        "changed": provenance.changed(given.result),
    }
