"""What training takes at each measured size of the user's own command: time, price and energy of so many steps (G7)."""

from __future__ import annotations

from presets.language import Message, _, say
from state import pipeline, trials
from state.database import Store
from state.measurements import Measurement
from state.project import Settings
from wizard import batch_table, configuration, quantity
from wizard.question import Table


def table(store: Store, found: Measurement, steps: int | None) -> Table | Message:
    """The measured sizes by what so many steps take, or those that the command makes, and the size that is used, also
    where it was not timed; why there is no such table where the steps are not known, or not how long one takes."""
    count = steps or trials.steps_planned(configuration.current(store))
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
    columns = [say("batch size"), say("per step"), say("{n} steps", n=quantity.large(count)), say("device seconds")]
    others = batch_table.resources(settings)
    rows = [_row(settings, line["batch_size"], line["step_seconds"], count) for line in lines]
    used = configuration.current(store).get(pipeline.BATCH_SIZE, found.result["recommended"])
    if used not in (line["batch_size"] for line in lines):
        rows.append((str(used), _("not timed"), *["-"] * (len(columns) + len(others) - 2)))
        rows.sort(key=lambda row: int(row[0]))
    return Table((*columns, *others), tuple(rows))


def _row(settings: Settings, size: int, step_seconds: float, count: int) -> tuple[str, ...]:
    total = count * step_seconds
    return (
        str(size),
        quantity.duration(step_seconds).text(),
        quantity.duration(total).text(),
        quantity.digits(total),
        *batch_table.taken(settings, total),
    )
