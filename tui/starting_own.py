"""A project on the user's own training pipeline, from what was typed: shared by the command line and the screens."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from presets.language import _
from state import project as projects
from state.errors import Exists, Invalid, WrongUse
from state.pipeline import own as pipeline_of
from state.project import Project, Settings
from state.store import open_store
from tui.session import Session
from tui.starting import data_place, decided_already
from wizard import flow, own, own_metric, pipeline


@dataclass(frozen=True)
class Asked:
    """The options of `tunebook new` about a pipeline of the user's own, and `patience`, minutes, that `tunebook probe`
    has; None or empty: not given."""

    command: str | None
    config_file: Path | None = None
    directory: Path | None = None
    resume: str | None = None
    gpus: int | None = None
    metric: str | None = None
    direction: str | None = None
    measured_on: str | None = None
    chance: float | None = None
    patience: float | None = None
    assignments: tuple[str, ...] = ()
    sized: bool = False
    """Whether a batch size is given as an answer."""
    built_in: Mapping[str, Any] = field(default_factory=dict)
    """The options that only the built-in training understands."""


def begin(session: Session, folder: Path, data: Path | None, asked: Asked, *, anew: bool = False) -> Project | None:
    """The project on the user's own pipeline in the folder, a new one or one whose set-up is to go on; None where the
    built-in pipeline is meant. `anew`: something decided is to change. Refuses what does not go together."""
    if asked.chance is not None and not math.isfinite(asked.chance):
        raise Invalid("--chance {value}: the level to beat is a finite number.", value=asked.chance)
    root = folder.expanduser().resolve()
    existing = projects.open_project(root) if (root / projects.FILE).exists() else None
    if asked.command is None and (existing is None or not existing.settings.command):
        about = (
            asked.config_file,
            asked.assignments,
            asked.directory,
            asked.resume,
            asked.gpus,
            asked.direction,
            asked.measured_on,
        )
        if any(about) or asked.chance is not None:
            raise WrongUse(
                "--config-file, --directory, --resume, --gpus, --direction, --measured-on, --chance and --set belong "
                "to a --command."
            )
        return None
    if existing is None or existing.settings.command:
        _refuse_built_in(asked.built_in)
    if existing is None:
        made = create(root, asked, data)
        session.progress(_("A new project in {path}, on your own command").format(path=root))
        return made
    if not existing.settings.command:
        raise Exists(
            "{path}: there is a project already, on the built-in training. A command needs a project of its own: "
            "choose another folder.",
            path=str(root),
        )
    session.speak(existing.settings.language)
    return _changed(session, existing, asked, data, anew=anew)


def create(root: Path, asked: Asked, data: Path | None = None) -> Project:
    """Make the project; `data`: what its script reads, where that is said. Refuses a command that cannot be used, with
    the reason, and data that are not there."""
    metric = (asked.metric or "").strip()
    if not (asked.command or "").strip():
        raise Invalid("The command is empty.")
    settings = Settings(
        name=root.name,
        data=data_place(data, root) if data is not None else "",
        metric=metric,
        direction=asked.direction or pipeline.direction(metric),
        chance=asked.chance,
        command=asked.command or "",
        directory=_placed(asked.directory or Path.cwd(), root),
        config_file=_placed(asked.config_file, root) if asked.config_file else "",
        resume=(asked.resume or "").strip(),
        gpus=_gpus(asked.gpus),
        patience_minutes=asked.patience or None,
    )
    _check_sized(asked, pipeline.planned(root, settings, asked.assignments).settings)
    return pipeline.create(root, settings, asked.assignments)


def typed(project: Project, assignments: tuple[str, ...], name: str) -> str | None:
    """The value that the last of the assignments gives what the command calls `name`; None where none does."""
    there = pipeline_of(project)
    given = [assignment.partition("=") for assignment in assignments]
    found = [
        words.strip()
        for key, _equals, words in given
        if name and there.key(own.meant(there, key.strip())) == there.key(name)
    ]
    return found[-1] if found else None


def _gpus(count: int | None) -> int:
    """How many GPUs each trial has, one unless it is said. Refuses none."""
    if count is not None and count < 1:
        raise Invalid("{count} GPUs: a trial has at least 1.", count=count)
    return count or 1


def _refuse_built_in(options: Mapping[str, Any]) -> None:
    """Refuse options that only the built-in training understands."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise WrongUse(
            "{options}: only for the built-in training. Hyperparameters of your own command are given with --set.",
            options=given,
        )


def _check_sized(asked: Asked, settings: Settings) -> None:
    if asked.sized and not settings.batch_size:
        raise WrongUse(
            "--batch-size: none of the hyperparameters is known to be the batch size, so that it takes no batch size "
            "by this option. Give it by the name that it has (--set NAME=VALUE), and name it in tunebook.toml, under "
            '[pipeline]: batch_size = "NAME".'
        )


def _changed(session: Session, existing: Project, asked: Asked, data: Path | None, *, anew: bool) -> Project:
    """The project with what was given anew; refuses another command, which would be another project."""
    now = existing.settings
    given = {
        "command": asked.command,
        "config_file": _placed(asked.config_file, existing.root) if asked.config_file else None,
        "directory": _placed(asked.directory, existing.root) if asked.directory else None,
    }
    if any(value is not None and value != getattr(now, name) for name, value in given.items()):
        raise Exists(
            "{path}: the project has a command already. Change it in tunebook.toml, or choose another folder.",
            path=str(existing.root),
        )
    changes: dict[str, Any] = {}
    if asked.metric or asked.direction:
        metric = asked.metric or now.metric
        same = now.direction if metric == now.metric else ""
        changes |= {"metric": metric, "direction": asked.direction or same or pipeline.direction(metric)}
        changes["chance"] = own_metric.level(now, metric, changes["direction"])
    if data is not None:
        changes["data"] = data_place(data, existing.root)
    if asked.chance is not None:
        changes["chance"] = asked.chance
    if asked.resume is not None:
        changes["resume"] = asked.resume.strip()
    if asked.gpus is not None:
        changes["gpus"] = _gpus(asked.gpus)
    if asked.assignments:
        changes |= own.changed(existing, asked.assignments)
    changed = dataclasses.replace(now, **changes)
    pipeline_of(dataclasses.replace(existing, settings=changed))
    _check_sized(asked, changed)
    with open_store(existing) as store:
        if not changes and not anew and flow.standing(store).step is None:
            raise decided_already(existing.root)
    session.progress(_("Going on with the set-up of {path}").format(path=existing.root))
    return projects.change(existing, **changes) if changes else existing


def _placed(path: Path, root: Path) -> str:
    """The path for tunebook.toml: relative where the project lies in the same folder, so that both can be moved."""
    absolute = path.expanduser().resolve()
    folder = absolute if absolute.is_dir() else absolute.parent
    return os.path.relpath(absolute, root) if root.is_relative_to(folder) and folder != Path("/") else str(absolute)
