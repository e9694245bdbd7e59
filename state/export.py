"""The export: a folder with a trial's configuration and the very code that trained it; it needs nothing else of us."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from state import by_metric, document, files, launches, measure, moved, own_files
from state.database import Store, now
from state.errors import Exists, NotYet, Spoilt
from state.trials import Trial, trials

# What training/ imports for each task, beside the standard library (distribution names).
LIBRARIES = {
    "image-classification": ("torch", "torchvision", "timm", "numpy", "pillow", "safetensors"),
    "text-classification": ("torch", "transformers", "tokenizers", "numpy", "safetensors"),
}
# What an optimizer needs beyond that.
LIBRARIES_OF_OPTIMIZERS = dict.fromkeys(("nadamw", "rmsprop", "lamb"), ("torchvision", "timm"))
_SCRIPT = """\
from training.train import main
main({data})
"""
_USE = """\
from training.predict import main
main()
"""


@dataclass(frozen=True)
class Origin:
    """What is exported: the trial, its whole configuration (dotted names) and its result; trial and result are None and
    empty for the starter configuration, which nothing has run yet.

    `code`: the folder of today's training code. `changed`: it is not the code that trained the trial.
    """

    trial: Trial | None
    settings: dict[str, Any]
    result: dict[str, Any]
    code: Path
    changed: bool

    @property
    def versions(self) -> dict[str, str]:
        """Library to version: as the trial recorded it, otherwise as installed today."""
        recorded = self.result.get("versions") or {}
        known = {"python": recorded.get("python", platform.python_version())}
        needed = LIBRARIES[self.settings["data.task"]]
        needed += tuple(
            name for name in LIBRARIES_OF_OPTIMIZERS.get(self.settings["optimizer.name"], ()) if name not in needed
        )
        for name in needed:
            with contextlib.suppress(metadata.PackageNotFoundError):
                known[name] = recorded.get(name) or metadata.version(name)
        return known

    @property
    def requirements(self) -> tuple[str, ...]:
        """One pip requirement for each library; a local build's mark (`+cpu`) is left out, no registry has it."""
        return tuple(
            f"{name}=={version.partition('+')[0]}" for name, version in self.versions.items() if name != "python"
        )


def best_trial(store: Store) -> Trial:
    """The trial that stands for the best configuration, the first of `best_trials`. Refuses as these do."""
    return best_trials(store)[0]


def best_trials(store: Store) -> list[Trial]:
    """The complete runs of the best configuration: those on the data and with the code of now first, of these those of
    its launch, the better ones first.

    Refuses where no configuration was adopted yet, or none of its runs is complete.
    """
    adopted = [entry for entry in launches.launches(store) if entry.decision == "adopt"]
    if not adopted:
        raise NotYet("There is no best configuration yet: run the baseline first, or name a trial with --trial.")
    best = launches.best(store)
    assert best is not None
    runs = launches.complete_runs(store, best.settings)
    if not runs:
        raise NotYet("No complete trial ran the best configuration {name}. Name a trial with --trial.", name=best.hash)
    wanted = measure.of_project(store.project.settings)
    by = wanted if any(entry.measure == wanted for entry in runs) else by_metric.of_batch(store, adopted[-1].batch)
    sign = -1 if by.direction == "max" else 1
    (data, last), present = _made_last(store), own_files.now(store)
    # What was judged by another metric comes last: which of those is better it does not say.
    return sorted(
        runs,
        key=lambda entry: (
            entry.measure != by,
            (entry.result or {}).get("data") not in (None, data),
            (entry.result or {}).get("code") not in (None, present or last),
            (entry.result or {}).get("code") not in (None, last),
            entry.batch != adopted[-1].batch,
            sign * (entry.best or 0.0),
            entry.number,
        ),
    )


def _made_last(store: Store) -> tuple[str | None, str | None]:
    """The data and the code of the run that ended last, of those that say so."""
    complete = [entry for entry in trials(store) if entry.status == "complete"]
    results = [entry.result or {} for entry in sorted(complete, key=lambda entry: (entry.ended_at or "", entry.number))]
    data, code = (next((told[part] for told in reversed(results) if told.get(part)), None) for part in ("data", "code"))
    return data, code


def origin(store: Store, trial: Trial, code: Path) -> Origin:
    """All that an export of the trial needs; `code`: the folder of the installed training code.

    Refuses a trial that did not complete, and one whose folder has lost its configuration or its result.
    """
    settings, result = kept(store, trial)
    return Origin(trial, _absolute(store, settings), result, code, code_hash(code) != result.get("code"))


def starter(store: Store, settings: Mapping[str, Any], code: Path) -> Origin:
    """All that an export of a configuration needs that nothing has run yet."""
    return Origin(None, _absolute(store, settings), {}, code, False)


def write(target: Path, source: Origin, *, reasons: Mapping[str, str], heading: str, readme: str) -> Path:
    """Write the export's folder, whole or not at all, and return its path.

    `reasons`: dotted name to the comment above the value; `heading`: the comment on top of config.toml. Refuses a
    target that exists and is not an empty folder.
    """
    configuration = document.compose(source.settings, reasons, heading).as_string()
    return write_folder(target.expanduser().resolve(), lambda folder: _fill(folder, source, configuration, readme))


def kept(store: Store, trial: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration (dotted names) and the result of a trial, out of its folder. Refuses a trial that cannot be
    reproduced, because it did not complete or its folder has lost them."""
    if trial.status != "complete":
        raise NotYet(
            "{id} is {status}; only a complete trial can be reproduced. See: tunebook round status",
            id=trial.id,
            status=trial.status,
        )
    folder = store.project.trial_folder(trial.id)
    result = files.read_json(folder / "result.json")
    try:
        settings = document.values(tomllib.loads((folder / "config.toml").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        settings = None
    if result is None or settings is None:
        raise Spoilt("{path}: the trial's config.toml or result.json is missing or damaged.", path=str(folder))
    return moved.here(store, settings), result


def write_folder(target: Path, fill: Callable[[Path], object]) -> Path:
    """A new folder as `fill` fills it, whole or not at all. Refuses a target that exists and is not an empty folder."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Exists("{path}: exists and is not an empty folder. Choose another.", path=str(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise files.refusal(error, target) from None
    try:
        fill(unfinished)
        unfinished.chmod(0o755)
        os.replace(unfinished, target)
    except OSError as error:
        raise files.refusal(error, target) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def code_hash(folder: Path) -> str:
    """SHA-256 over names and contents of the training code, as a trial records it in its result."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _absolute(store: Store, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with whole paths: an export stands elsewhere than the project."""
    return {
        key: str((store.project.root / value).resolve())
        if key in ("data.path", "model.pretrained") and value not in (None, "", "hub")
        else value
        for key, value in settings.items()
    }


def _fill(folder: Path, source: Origin, configuration: str, readme: str) -> None:
    (folder / "training").mkdir()
    for path in sorted(source.code.glob("*.py")):
        shutil.copyfile(path, folder / "training" / path.name)
    for name, content in {
        "config.toml": configuration,
        "train.py": _SCRIPT.format(data=f"data={data!r}" if (data := source.result.get("data")) else ""),
        "predict.py": _USE,
        "environment.json": json.dumps(_environment(source), indent=2) + "\n",
        "requirements.txt": "".join(f"{line}\n" for line in source.requirements),
        "README.md": readme,
    }.items():
        (folder / name).write_text(content, encoding="utf-8")


def _environment(source: Origin) -> dict[str, Any]:
    """What the result depends on beside configuration and code; `data` tells the data from others."""
    result = source.result
    return {
        "trial": source.trial.id if source.trial else None,
        "exported_at": now(),
        "versions": source.versions,
        "requirements": list(source.requirements),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "code_exported": code_hash(source.code),
        **{
            name: result.get(name)
            for name in (
                "commit",
                "changed",
                "untracked",
                "code",
                "data",
                "device",
                "precision",
                "best",
                "final",
                "validation",
                "classes",
                "seconds",
            )
        },
        "threads": source.settings.get("runtime.threads"),
    }
