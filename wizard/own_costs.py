"""What training takes at each measured size of the user's own command: time, price and energy of so many steps (G7)."""

from __future__ import annotations

from presets.language import Message, say
from state import pipeline
from state.database import Store
from state.measurements import Measurement
from wizard import configuration, quantity
from wizard.question import Table


def table(store: Store, found: Measurement, steps: int | None) -> Table | Message:
    """The measured sizes by what so many steps take, or those that the command makes; why there is no such table where
    the steps are not known, or not how long one takes."""
    count = steps or configuration.current(store).get(pipeline.STEPS)
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
    columns += [say("price")] if settings.price_per_hour else []
    columns += [say("energy")] if settings.power_watts else []
    return Table(tuple(columns), tuple(_row(store, line["batch_size"], line["step_seconds"], count) for line in lines))


def _row(store: Store, size: int, step_seconds: float, count: int) -> tuple[str, ...]:
    settings, total = store.project.settings, count * step_seconds
    row = [
        str(size),
        quantity.duration(step_seconds).text(),
        quantity.duration(total).text(),
        quantity.digits(total),
    ]
    row += [f"{total / 3600 * settings.price_per_hour:.2f}"] if settings.price_per_hour else []
    row += [f"{quantity.digits(total / 3600 * settings.power_watts / 1000)} kWh"] if settings.power_watts else []
    return tuple(row)
