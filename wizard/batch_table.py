"""The measured batch sizes as a table, by the time and the resources that training takes, and where throughput stops
rising (G4, G7, G8)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from presets.language import Message, _, say
from state.database import Store
from state.measurements import Measurement
from state.project import Settings
from wizard import host, inspection, loading, probe, quantity
from wizard.question import Table

# Twice the batch in the same time per step doubles the throughput; below this it no longer nearly does (G4).
NEARLY_DOUBLE = 1.8


def figures(store: Store, found: Measurement, planned: int) -> list[dict[str, Any]]:
    """What the table of a probe says, as numbers by names that no language changes: of each measured size its speed,
    and what `planned` examples, and as many steps as these make at the recommended size, take."""
    settings = store.project.settings
    examples = inspection.examples(store)
    count = math.ceil(planned / int(found.result["recommended"]))
    return [
        {
            "batch_size": line["batch_size"],
            "examples_per_second": line["batch_size"] / line["seconds"],
            "step_seconds": line["seconds"],
            "step_seconds_spread": line["spread"],
            "throughput_gain": gain,
            "limited_by": limit,
            "peak_memory_bytes": line["peak_memory"],
            "epoch_seconds": examples * line["seconds"] / line["batch_size"],
            "examples": planned,
            "examples_seconds": planned * line["seconds"] / line["batch_size"],
            "steps": count,
            "steps_seconds": count * line["seconds"],
            **taken(settings, planned * line["seconds"] / line["batch_size"]),
        }
        for line, gain, limit in zip(probe.measured(found), _gains(found), _limits(found), strict=True)
    ]


def table(store: Store, found: Measurement, planned: int) -> Table:
    """The measured sizes by the time and the resources that training takes: with `planned` examples in all, by perfect
    scaling (G7, G8), and with as many steps as these make at the recommended size, whatever the size."""
    lines = figures(store, found, planned)
    count = math.ceil(planned / int(found.result["recommended"]))
    columns = [
        say("batch size"),
        say("examples/s"),
        say("per step"),
        say("spread"),
        say("gain"),
        say("limited by"),
        say("memory"),
        say("an epoch"),
        say("{n} examples", n=quantity.large(planned)),
        say("{n} steps", n=quantity.large(count)),
        say("device seconds"),
    ]
    columns += resources(store.project.settings)
    limits = {"input_pipeline": _("input pipeline"), "host": _("host"), "device": _("device"), None: "-"}
    rows = [
        (
            str(line["batch_size"]),
            quantity.digits(line["examples_per_second"]),
            quantity.duration(line["step_seconds"]).text(),
            f"{line['step_seconds_spread']:.1%}",
            "-" if line["throughput_gain"] is None else f"{line['throughput_gain']:.2f} x",
            limits[line["limited_by"]],
            quantity.memory(line["peak_memory_bytes"]).text(),
            quantity.duration(line["epoch_seconds"]).text(),
            quantity.duration(line["examples_seconds"]).text(),
            quantity.duration(line["steps_seconds"]).text(),
            quantity.digits(line["device_seconds"]),
            *shown(line),
        )
        for line in lines
    ]
    return Table(tuple(columns), tuple(rows))


def resources(settings: Settings) -> list[Message]:
    """The columns of `shown`."""
    return [*([say("price")] if settings.price_per_hour else []), *([say("energy")] if settings.power_watts else [])]


def taken(settings: Settings, seconds: float) -> dict[str, float]:
    """So many seconds of the device, what they cost and the energy they take, where an hour's is known."""
    hours, told = seconds / 3600, {"device_seconds": seconds}
    if settings.price_per_hour:
        told["price"] = hours * settings.price_per_hour
    if settings.power_watts:
        told["energy_kwh"] = hours * settings.power_watts / 1000
    return told


def shown(line: Mapping[str, Any]) -> Iterator[str]:
    """Price and energy for people, in the columns of `resources`."""
    if "price" in line:
        yield quantity.price(line["price"])
    if "energy_kwh" in line:
        yield f"{quantity.digits(line['energy_kwh'])} kWh"


def bottlenecks(found: Measurement) -> Iterator[Message]:
    """Where doubling stopped nearly doubling, from the measured times (G4), and which of them do not compare."""
    lines, device = probe.measured(found), found.result["device"]
    limits = {line["batch_size"]: limit for line, limit in zip(lines, _limits(found), strict=True)}
    doublings = [(line, gain) for line, gain in zip(lines, _gains(found), strict=True) if gain is not None]
    # One size that a neighbour slowed down does not end the rise.
    last = max((place for place, (_, gain) in enumerate(doublings) if gain >= NEARLY_DOUBLE), default=-1)
    if last + 1 < len(doublings):
        size = doublings[last + 1][0]["batch_size"]
        about = {"half": size // 2, "size": size, "device": device}
        if limits[size] == "input_pipeline":
            yield say("From {half} to {size} throughput no longer nearly doubles: steps wait for their data.", **about)
        elif limits[size] == "host":
            yield say(
                "From {half} to {size} throughput no longer nearly doubles: {device} waits for the host.", **about
            )
        else:
            yield say(
                "From {half} to {size} throughput no longer nearly doubles: {device} is busy with that many examples.",
                **about,
            )
    elif doublings and all(gain >= NEARLY_DOUBLE for _line, gain in doublings):
        yield say(
            "Throughput nearly doubles with every doubling of the batch: the device is not fully used by any size."
        )
    elif doublings:
        yield say(
            "Up to {size} throughput nearly doubles with a doubling of the batch, though not at every size ({gains}): "
            "most likely something else disturbed the others, and the device is not fully used by any size.",
            size=doublings[-1][0]["batch_size"],
            gains=[f"{line['batch_size']}: {gain:.2f} x" for line, gain in doublings],
        )
    if (waiting := host.advice(lines, device)) is not None:
        yield waiting
    compared = set(found.result.get("compared") or ())
    if compared and (apart := [line["batch_size"] for line in lines if line["batch_size"] not in compared]):
        yield say(
            "The fastest sizes were timed once more, side by side; {sizes} were not, and had other neighbours: that "
            "makes them slower or faster by comparison.",
            sizes=apart,
        )


def _gains(found: Measurement) -> list[float | None]:
    """How many times the throughput rose by doubling; None where the size before was not half of it, or only one of the
    two was timed again beside others: another moment had other neighbours."""
    rates = {line["batch_size"]: line["batch_size"] / line["seconds"] for line in probe.measured(found)}
    compared = set(found.result.get("compared") or ())
    return [
        rates[size] / rates[size // 2]
        if size % 2 == 0 and size // 2 in rates and (size in compared) == (size // 2 in compared)
        else None
        for size in rates
    ]


def _limits(found: Measurement) -> list[str | None]:
    """What limits each size: the input pipeline, the host, or the device, where throughput no longer nearly doubles."""
    lines = probe.measured(found)
    waiting = host.bound(lines)
    return [_limit(line, gain, waiting) for line, gain in zip(lines, _gains(found), strict=True)]


def _limit(line: dict[str, Any], gain: float | None, waiting: set[int]) -> str | None:
    if loading.bound(line):
        return "input_pipeline"
    if line["batch_size"] in waiting:
        return "host"
    return "device" if gain is not None and gain < NEARLY_DOUBLE else None
