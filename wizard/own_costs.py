"""What training takes at each measured size of the user's own command: time, price and energy of so many steps (G7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from presets.language import Message, _, say
from state import pipeline, trials
from state.database import Store
from state.measurements import Measurement
from wizard import batch_table, quantity
from wizard.question import Table


def figures(
    store: Store, found: Measurement, values: Mapping[str, Any], steps: int | None
) -> list[dict[str, Any]] | Message:
    """Of each measured size the time of a step, what so many steps take, or those that the command makes with these
    values, as numbers by names that no language changes; the size that is used is among them, also where it was not
    timed. Why there are none where the steps are not known, or not how long one takes."""
    count = steps or trials.steps_planned(values)
    if not count:
        return say(
            "What training costs depends on its number of steps, which only your script knows: give it with --steps N."
        )
    lines = [line for line in found.result["sizes"] if line["outcome"] == "measured" and line.get("step_seconds")]
    if not lines:
        return say(
            "What training costs cannot be counted: no size has a time of its step, only of whole epochs, or none."
        )
    settings = store.project.settings
    told = [
        {
            "batch_size": line["batch_size"],
            "step_seconds": line["step_seconds"],
            "steps": count,
            "steps_seconds": count * line["step_seconds"],
            **batch_table.taken(settings, count * line["step_seconds"]),
        }
        for line in lines
    ]
    used = values.get(pipeline.BATCH_SIZE, found.result["recommended"])
    if used not in (line["batch_size"] for line in lines):
        told.append({"batch_size": used, "step_seconds": None, "steps": count, "steps_seconds": None})
    return sorted(told, key=lambda line: line["batch_size"])


def table(store: Store, lines: Sequence[Mapping[str, Any]]) -> Table:
    """The same for people."""
    others = batch_table.resources(store.project.settings)
    steps = say("{n} steps", n=quantity.large(lines[0]["steps"]))
    columns = [say("batch size"), say("per step"), steps, say("device seconds")]
    return Table((*columns, *others), tuple(_row(line, len(columns) + len(others)) for line in lines))


def _row(line: Mapping[str, Any], width: int) -> tuple[str, ...]:
    size = str(line["batch_size"])
    if line["step_seconds"] is None:
        return (size, _("not timed"), *["-"] * (width - 2))
    durations = (quantity.duration(line[key]).text() for key in ("step_seconds", "steps_seconds"))
    return (size, *durations, quantity.digits(line["device_seconds"]), *batch_table.shown(line))
