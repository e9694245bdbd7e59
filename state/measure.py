"""By what a result is judged: which metric its `best` is of, and whether less or more of that is better.

The project's metric may change. A result stays what it was chosen by: of the built-in training it has the values of
other metrics, too, but at the step that was the best by its own.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from state import files
from state.project import Project, Settings

# Of the built-in training: `training.config.METRICS`, which this room does not import.
DIRECTIONS: dict[str, Literal["min", "max"]] = {
    "error_rate": "min",
    "balanced_error": "min",
    "macro_f1": "max",
    "loss": "min",
}
SETTING = "training.metric"
CONFIG, COMMAND = "config.toml", "command.json"


@dataclass(frozen=True)
class Measure:
    """The name of a metric, and the direction in which it gets better: "min" or "max"."""

    metric: str
    direction: Literal["min", "max"]


def named(metric: str, direction: str) -> Measure:
    """A measure by its name and direction as they are kept: anything but "max" is "min"."""
    return Measure(metric, "max" if direction == "max" else "min")


def known_as(name: str) -> str:
    """What people call a value of a trial: of a metric whose own name begins with `val` (`val/auc`), without the `val/`
    that stands before it in what a trial keeps."""
    return name.removeprefix("val/") if name.startswith("val/val") else name


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a step by the names that people know."""
    return {known_as(name): each for name, each in value.items()}


def of_project(settings: Settings) -> Measure:
    """By what the project's runs are judged now."""
    return named(settings.metric, settings.direction)


def of_result(project: Project, id: str, result: Mapping[str, Any], configured: Mapping[str, Any]) -> Measure:
    """By what the result of a trial was judged: as it says, or else as the trial was asked, by its folder or by its
    configuration (`configured`, dotted names), as far as the result has that metric; without any, as the project's are
    now."""
    now = of_project(project.settings)
    if (told := _named(result, now)) is not None:
        return told
    best = result.get("best")
    asked = [*_asked(project, project.trial_folder(id), configured, now), now]
    written = [found for found in asked if isinstance(best, Mapping) and f"val/{found.metric}" in best]
    return (written or asked)[0]


def _asked(project: Project, folder: Path, configured: Mapping[str, Any], now: Measure) -> Iterator[Measure]:
    """What a trial was asked to be judged by, the surest first."""
    if project.settings.command:
        asked = files.read_json(folder / COMMAND)
        if isinstance(asked, Mapping) and (found := _named(asked, now)) is not None:
            yield found
        return
    name = metric_of(folder) or configured.get(SETTING)
    if name in DIRECTIONS:
        yield Measure(name, DIRECTIONS[name])


def metric_of(folder: Path) -> str | None:
    """The metric in the configuration that a trial of the built-in training was started with; None where there is
    none that can be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(tomllib.loads((folder / CONFIG).read_text(encoding="utf-8"))["training"]["metric"])
    return None


def _named(told: Mapping[str, Any], now: Measure) -> Measure | None:
    metric, direction = told.get("metric"), told.get("direction")
    if not isinstance(metric, str) or not metric:
        return None
    return Measure(metric, direction if direction in ("min", "max") else now.direction)
