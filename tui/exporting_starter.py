"""The export at the end of the set-up, before anything ran: configuration, reasons, stand-alone script."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from presets.language import _
from state import by_metric, measure
from state import export as folder
from state.database import Store
from state.errors import NotYet, WrongUse
from state.launches import best, complete_runs
from tui import exporting
from tui.exporting import Exported
from tui.say import figure, measured, stored
from tui.terminal import printable
from wizard import configuration, flow


def export(store: Store, target: Path, trial: str | None = None, *, starter: bool = False) -> Exported:
    """Export a trial, without a name the one of the best configuration; while there is none yet, or where it is asked
    for, the starter configuration of the set-up. Refuses as these do."""
    if starter or (trial is None and best(store) is None and not store.project.settings.command):
        return _export(store, target)
    return exporting.export(store, target, trial)


def ready(store: Store) -> bool:
    """Whether the set-up has come to a configuration."""
    return not store.project.settings.command and flow.standing(store).step in (None, "baseline")


def _export(store: Store, target: Path) -> Exported:
    """The configuration that the set-up came to. Refuses while a step that it needs is open."""
    if store.project.settings.command:
        if best(store) is not None:
            raise WrongUse(
                "A pipeline of your own is exported with a trial that ran it, so there is no starter configuration: "
                "leave --starter out, or name a trial with --trial."
            )
        raise NotYet("A pipeline of your own is exported with a trial that ran it: run the baseline first.")
    if not ready(store):
        raise NotYet(
            "There is no configuration to export yet. First comes the question {step!r}; go on with: "
            "tunebook new {path}",
            step=flow.standing(store).step or "",
            path=shlex.quote(str(store.project.root)),
        )
    source = folder.starter(store, configuration.checked(store), exporting.training_code())
    known = configuration.reasons(store, source.settings)
    project = store.project.settings.name or store.project.root.name
    readme = (
        "# " + _("Starter configuration"),
        _(
            "Exported by Tunebook from the project {project} at the end of its set-up. `training/` is the code that "
            "trains it, and `config.toml` says why each value is what it is."
        ).format(project=printable(project)),
        "```\npip install -r requirements.txt\npython train.py\n```",
        _has_run(store, source.settings)
        or _("What it reaches is not known yet; `run/result.json` says it afterwards."),
        _("The data is read from {path} (`data.path` in `config.toml`).").format(
            path=f"`{printable(source.settings['data.path'])}`"
        ),
        exporting.afterwards(source.settings),
    )
    written = folder.write(
        target,
        source,
        reasons={key: exporting.comment(stored(known[key])) for key in source.settings},
        heading=_("Starter configuration, exported by Tunebook. The line above a value is the reason for it."),
        readme="\n\n".join(readme) + "\n",
    )
    return Exported(written, None, {}, _has_run(store, source.settings))


def _has_run(store: Store, settings: Mapping[str, Any]) -> str:
    """With which result the configuration has run, and how to export that run; empty where it has not."""
    runs = by_metric.only(complete_runs(store, settings), measure.of_project(store.project.settings))
    if not runs:
        return ""
    last = runs[-1]
    words = _("It has run as {trial}, which came to {metric} {value}; `--trial {trial}` exports that run.")
    metric = measured(store.project.settings.metric)
    return words.format(trial=last.id, metric=metric, value=figure(last.best))
