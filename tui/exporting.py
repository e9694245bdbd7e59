"""What an export says: the reason above each value, and the README with the result that is to be expected."""

from __future__ import annotations

import importlib.util
import shlex
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from presets.language import _, say, sentences
from rounds import alike, foremost, launching, planning, tunables
from rounds.reached import Reached, fresh
from state import configurations, export_command, measure, trials
from state import export as folder
from state.database import Store
from state.errors import NotInstalled, Refusal
from state.export import Origin
from state.export_command import Source
from state.trials import Batch, Trial
from training.config import about
from tui import committed
from tui.say import figure, measured, stored
from tui.terminal import printable

_COMMENT = 110


@dataclass(frozen=True)
class Exported:
    """A finished export: where it is, which trial it came from (None: from the set-up alone), the metrics that the
    same run comes to again, a warning or empty text, how to train it again there, and what the configuration came to
    by its fresh runs (None: it has none), also in words. `code`: where a command's code lies, which is not copied."""

    folder: Path
    trial: str | None
    expected: dict[str, Any]
    warning: str
    command: tuple[str, ...] = ("python", "train.py")
    repeated: Reached | None = None
    average: str = ""
    code: str = ""


def again(done: Exported) -> str:
    """How to train it again, to be pasted into a shell."""
    # A starter configuration has not been trained yet.
    first = done.trial is None
    words = (
        _("Train it with: cd {folder} && {command}") if first else _("Train it again with: cd {folder} && {command}")
    )
    return words.format(folder=shlex.quote(str(done.folder)), command=shlex.join(done.command))


def export(store: Store, target: Path, trial: str | None = None) -> Exported:
    """Export a trial, without a name the one that stands for the best configuration. Refuses as `state.export` does."""
    chosen, warning = (trials.trial(store, trial), "") if trial else _best(store)
    if trial is None:
        warning = sentences(*filter(None, (warning, _undecided(store))))
    if store.project.settings.command:
        return _export_command(store, target, chosen, warning)
    source = folder.origin(store, chosen, training_code())
    if source.changed:
        warning = sentences(*filter(None, (warning, _changed_code(chosen))))
    latest = alike.latest(trials.trials(store), "data")
    if latest and source.result.get("data") not in (None, latest):
        warning = sentences(*filter(None, (warning, _changed_data(chosen))))
    heading = _("Configuration of {trial}, exported by Tunebook. The line above a value is the reason for it.")
    written = folder.write(
        target,
        source,
        reasons=reasons(store, source),
        heading=heading.format(trial=chosen.id),
        readme=_readme(store, source, warning),
    )
    return _exported(store, written, source, warning)


def _best(store: Store) -> tuple[Trial, str]:
    """The first run of the best configuration whose folder still has all that an export needs, and where another stood
    for it, that; the first where none has."""
    first, *others = folder.best_trials(store)
    found = next((entry for entry in (first, *others) if _kept(store, entry)), first)
    if found is first:
        return first, ""
    words = _("The folder of {first} is gone or damaged: in its place {trial} is exported, of the same configuration.")
    return found, words.format(first=first.id, trial=found.id)


def _undecided(store: Store) -> str:
    """That a launch may yet replace the best configuration; empty where none waits for its runs or a decision."""
    names = [batch.name for batch in foremost.waiting(store, trials.trials(store))]
    words = _("Not decided yet: {launches}. What is exported is the best configuration as it stands until then.")
    return words.format(launches=", ".join(names)) if names else ""


def _kept(store: Store, entry: Trial) -> bool:
    try:
        _ = (export_command.source if store.project.settings.command else folder.kept)(store, entry)
    except Refusal:
        return False
    return True


def _changed_code(chosen: Trial) -> str:
    return _(
        "The training code has changed since {trial} was trained: the result may differ. To reproduce it exactly, "
        "run the trial again with today's code."
    ).format(trial=chosen.id)


def _changed_data(chosen: Trial) -> str:
    return _(
        "The data have changed since {trial} was trained, as later trials show: on the data as they are now the result "
        "is another. To reproduce it, put them back as they were."
    ).format(trial=chosen.id)


def _export_command(store: Store, target: Path, chosen: Trial, warning: str) -> Exported:
    """Export a trial of the user's own pipeline, which stays where it is."""
    source = export_command.source(store, chosen)
    if source.changed:
        words = _("The files that the command names have changed since {trial} was trained: the result may differ.")
        warning = sentences(*filter(None, (warning, words.format(trial=chosen.id))))
    heading = _("Configuration of {trial}, exported by Tunebook. The line above a value is the reason for it.")
    written = export_command.write(
        target,
        source,
        reasons=reasons(store, source),
        heading=heading.format(trial=chosen.id),
        readme=_readme_command(store, source, warning),
    )
    done = _exported(store, written, source, warning, ("sh", export_command.SCRIPT))
    return replace(done, code=_where(store, source, str(source.directory)))


def _exported(
    store: Store, written: Path, source: Origin | Source, warning: str, command: tuple[str, ...] = Exported.command
) -> Exported:
    assert source.trial is not None  # only a starter configuration has none
    expected = measure.plain(source.result.get("best") or {})
    repeated = fresh(store, trials.trial_settings(store, source.trial))
    return Exported(written, source.trial.id, expected, warning, command, repeated, _average(store, source))


def training_code() -> Path:
    """The folder of the installed training code, found without importing it."""
    found = importlib.util.find_spec("training")
    places = list(found.submodule_search_locations or []) if found else []
    if not places:
        raise NotInstalled("The training code is not installed. Install Tunebook again.")
    return Path(places[0])


def reasons(store: Store, source: Origin | Source) -> dict[str, str]:
    """Dotted name to the comment above its value: why it was chosen, or what a default means."""
    trial = source.trial
    assert trial is not None  # a starter configuration has its reasons from the set-up
    batch = trials.batch(store, trial.batch)
    base = configurations.configuration(store, _configuration(batch, trial))
    recorded = base.reasons
    found = {}
    for key, value in source.settings.items():
        if key == "training.seed":
            reason = _("The seed of {trial}.").format(trial=trial.id)
        elif key == planning.THREADS and key in trial.overrides:
            reason = _("Set for the machine.")
        elif key in trial.overrides and base.settings.get(key) != value:
            reason = _("Found in {batch}: the value of {trial}.").format(batch=batch.name, trial=trial.id)
        elif key in recorded:
            reason = stored(recorded[key])
        elif store.project.settings.command:
            reason = _("Set for the machine.")
        else:
            reason = _("Default: {about}.").format(about=_(about(key)[0]))
        found[key] = comment(reason)
    return found


def _configuration(batch: Batch, trial: Trial) -> str:
    """The configuration that a trial started from; a run of a launch is one of a candidate, and changes nothing."""
    if batch.kind == launching.KIND and batch.plan:
        for entrant in launching.entrants(batch.plan):
            if entrant.study == trial.study:
                return entrant.candidate
    return batch.configuration


def comment(reason: str) -> str:
    """A reason as the lines of a comment; one of TOML admits no control characters."""
    return "\n".join(textwrap.wrap(printable(reason), _COMMENT, break_long_words=False))


def _readme(store: Store, source: Origin, warning: str) -> str:
    settings, result = source.settings, source.result
    assert source.trial is not None
    project = store.project.settings.name or store.project.root.name
    validation: Mapping[str, Any] = result.get("validation") or {}
    parts = [
        "# " + _("Configuration of {trial}").format(trial=source.trial.id),
        _(
            "Exported by Tunebook from the project {project}. `training/` is the code that trained it, `config.toml` "
            "says why each value is what it is, and `environment.json` what it ran on."
        ).format(project=printable(project)),
        "```\npip install -r requirements.txt\npython train.py\n```",
        *filter(None, [_average(store, source)]),
        say(
            "Best validation result to expect, at step {step} of {steps}, on {examples} examples:",
            step=str((result.get("best") or {}).get("step")),
            steps=settings["training.steps"],
            examples=validation.get("examples", "?"),
        ).text(),
        _table(result),
        sentences(
            _(
                "To the last digit on the data as they were, on the same machine; on other data, on another device or "
                "with other library versions it may differ."
            ),
            _("It ran on {device} in {precision}, with {versions}.").format(
                device=result.get("device"),
                precision=result.get("precision"),
                versions=", ".join(f"{name} {version}" for name, version in source.versions.items()),
            ),
        ),
        _("The data is read from {path} (`data.path` in `config.toml`).").format(
            path=f"`{printable(settings['data.path'])}`"
        ),
        afterwards(settings),
    ]
    if warning:
        parts.append(f"**{warning}**")
    return "\n\n".join(parts) + "\n"


def afterwards(settings: Mapping[str, Any]) -> str:
    """What a run leaves, and how its weights are used."""
    if settings["data.task"] == "image-classification":
        use, example = _("What the best ones say of new images, without the data of the training:"), "image.jpg"
    else:
        use, example = (
            _("What the best ones say of new texts, one a line, without the data of the training:"),
            "texts.txt",
        )
    left = _(
        "Afterwards `run/result.json` has the result, and `run/checkpoints/` the weights of the best evaluations, "
        "which know their classes and what they are to be fed."
    )
    return f"{sentences(left, use)}\n\n```\npython predict.py {example}\n```"


def _readme_command(store: Store, source: Source, warning: str) -> str:
    result, settings = source.result, store.project.settings
    parts = [
        "# " + _("Configuration of {trial}").format(trial=source.trial.id),
        _(
            "Exported by Tunebook from the project {project}. The training is a pipeline of its own: `run.sh` is its "
            "command with the values of this trial, `config.toml` says why each value is what it is, and "
            "`environment.json` what it ran on."
        ).format(project=printable(settings.name or store.project.root.name)),
        "```\nsh run.sh\n```",
        _where(store, source, f"`{printable(str(source.directory))}`"),
        *filter(None, [_average(store, source)]),
        _("Best validation result to expect, at step {step}:").format(step=(result.get("best") or {}).get("step")),
        _table(result),
        _("How exactly it repeats depends on the command: {seed}").format(
            seed=_("it was given a seed.") if tunables.takes_seed(store.project) else _("it takes no seed.")
        ),
    ]
    if warning:
        parts.append(f"**{warning}**")
    return "\n\n".join(parts) + "\n"


def _where(store: Store, source: Source, path: str) -> str:
    """Where the code of a command lies, in a folder as it is to be shown, and which it was."""
    commit = printable(committed.commit(store, source.trial))
    if not commit:
        return _(
            "The code is in {path}, in no git repository that was found, so that nothing says which version of it ran; "
            "it is not copied."
        ).format(path=path)
    return _("The code is in {path}, at the commit {commit}; it is not copied.").format(path=path, commit=commit)


def _average(store: Store, source: Origin | Source) -> str:
    """What the configuration comes to with whatever seed; empty where it was not repeated."""
    assert source.trial is not None  # only a starter configuration has none
    repeated = fresh(store, trials.trial_settings(store, source.trial))
    if repeated is None or repeated.runs < 2:
        return ""
    metric = measured(repeated.other or store.project.settings.metric)
    told = {"n": repeated.runs, "metric": metric, "value": figure(repeated.value)}
    if not tunables.takes_seed(store.project):
        return say(
            "On average over {n} runs {metric} was {value}; the figures below are those of one run.", **told
        ).text()
    return say(
        "On average over {n} runs with other seeds {metric} was {value}; the figures below are those of one run.",
        **told,
    ).text()


def _table(result: Mapping[str, Any]) -> str:
    best, final = (measure.plain(result.get(point) or {}) for point in ("best", "final"))
    names = sorted({name for name in (*best, *final) if name != "step"})
    rows = [f"| {name} | {best.get(name, '-')!r} | {final.get(name, '-')!r} |" for name in names]
    return "\n".join([f"| | {_('best')} | {_('last step')} |", "|---|---|---|", *rows])
