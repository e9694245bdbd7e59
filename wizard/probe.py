"""Measuring batch sizes: real training steps of the chosen model on the real device, in a detached process (G3, G6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets import catalogue
from presets.language import Message, error_text, say
from state import document, files, launches, runs
from state.database import Store
from state.errors import NotYet, Refusal
from state.measurements import Measurement
from state.project import Project
from wizard import configuration, initial, inspection, machine, measuring, optimizer, own_probe, quantity, speed

KIND = "probe"
SIZES, PROGRESS = "sizes.jsonl", "progress.jsonl"
# What is decided only after the probe; it does not change the time or the memory of a step.
PROVISIONAL = {"training.batch_size": 8, "training.steps": 100, "training.evaluate_every": 100}
DEPENDS_ON = ("model.", "runtime.")
IMAGE_INPUTS = ("data.image_size", "data.channels")
TEXT_INPUTS = ("data.max_length",)


def subject(store: Store, used: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All that the throughput of a batch size depends on (G6), as the set-up chose it, or with the model, the optimizer
    and the inputs of the configuration `used`. Refuses while model or optimizer are not chosen."""
    if store.project.settings.command:
        return own_probe.subject(store, used)
    # What the probe itself chooses is no part of what it is about.
    values = configuration.current(store, without=configuration.RUNTIME)
    if "model.name" not in values or "optimizer.name" not in values:
        raise NotYet("Choose an architecture and an optimizer first: the probe trains with them.")
    device = machine.at_hand(values["runtime.device"])
    inputs = IMAGE_INPUTS if values["data.task"] == "image-classification" else TEXT_INPUTS
    own = ("optimizer.name", *inputs)
    values |= {key: value for key, value in (used or {}).items() if key.startswith("model.") or key in own}
    return {
        **{key: value for key, value in values.items() if key.startswith(DEPENDS_ON)},
        **{key: values[key] for key in ("data.path", *own)},
        "examples": inspection.examples(store),
        "device": device.name,
        "device_memory": device.memory,
        "cores": device.cores,
        "memory_cap": memory_cap(store),
    }


def in_use(store: Store) -> dict[str, Any] | None:
    """The best configuration, where steps take another time and memory with it than with what the set-up chose: a
    launch has adopted another architecture, say. None where they are alike."""
    best = launches.best(store)
    return best.settings if best is not None and differing(store, best.settings) else None


def differing(store: Store, used: Mapping[str, Any]) -> dict[str, Any]:
    """What a step depends on that a configuration has otherwise than the set-up, with its values there."""
    chosen, now = subject(store), subject(store, used)
    # Of a command of the user's own they are among its values.
    chosen, now = chosen.get("values", chosen), now.get("values", now)
    return {key: value for key, value in now.items() if chosen.get(key) != value}


def memory_cap(store: Store) -> int:
    """The bytes that a run may take by the wish of the person; 0: no such wish."""
    wished = store.project.settings.memory_gib
    # However little somebody allows, that is a wish.
    return max(round(wished * 2**30), 1) if wished else 0


def start(store: Store, *, again: bool = False, used: Mapping[str, Any] | None = None) -> str:
    """Start a probe, detached, and return its id; `again`: although there is one already; `used`: with this
    configuration instead of what the set-up chose."""
    if store.project.settings.command:
        return own_probe.start(store, used)
    about = subject(store, used)
    if measuring.under_way(store, KIND, about) is None:
        measuring.end_former(store, KIND)
    rate = catalogue.hyperparameter(
        optimizer.LEARNING_RATE, about["optimizer.name"], fine_tuning=bool(about["model.pretrained"])
    )
    provisional = {**PROVISIONAL, optimizer.LEARNING_RATE: rate.default}
    values = dict(used) if used is not None else configuration.checked(store, provisional)
    # Ghost batch norm is decided afterwards; what was decided before may not go with this architecture.
    values |= {key: value for key, value in about.items() if key.startswith("runtime.")} | {initial.GHOST_KEY: 0}
    text = document.compose(values).as_string()
    cap = ("--memory-cap", str(about["memory_cap"])) if about["memory_cap"] else ()
    choose = ("--choose", str(speed.first_guess(about["examples"])))
    before = measuring.fresh(store, KIND, about)
    earlier = ("--earlier", str(before.result["recommended"])) if before is not None else ()
    command = ("training.probe", "--cache", str(store.project.cache), *cap, *choose, *earlier, "--config")
    return measuring.begin(store, KIND, about, ("config.toml", text), command, again=again, on_device=True)


def sizes(project: Project, id: str) -> list[dict[str, Any]]:
    """The batch sizes measured so far, smallest first; of one that was timed again the later line."""
    lines, _ = files.read_lines(project.measurement_folder(id) / SIZES)
    return sorted({line["batch_size"]: line for line in lines}.values(), key=lambda line: line["batch_size"])


def doing(project: Project, id: str) -> Message:
    """What the probe is at, in a sentence."""
    if project.settings.command:
        return own_probe.doing(project, id)
    lines, _ = files.read_lines(project.measurement_folder(id) / PROGRESS)
    match lines[-1:]:
        case [{"phase": "choice", "key": key, "done": done, "total": total}]:
            return say(
                "How to run is chosen first, which changes rounding at most: {key}, {number} of {total}.",
                key=key,
                number=done + 1,
                total=total,
            )
        case [{"phase": "fetch", "model": name, "bytes": come}]:
            return say(
                "The weights of {name} are being fetched from the hub: {size} so far.",
                name=name,
                size=quantity.memory(come),
            )
        case [{"phase": "fetch", "model": name}]:
            return say("The weights of {name} are being fetched from the hub, unless they are here already.", name=name)
        case [{"phase": "size", "attempt": size}]:
            return say("A batch of {size} is being timed.", size=size)
        case [{"phase": "compare"}]:
            return say("Sizes are being timed once more, side by side.")
        case [{"phase": "check", "attempt": size}]:
            return say("A batch of {size} is checked with an evaluation and a checkpoint.", size=size)
        case _:
            return say("The data and the model are being loaded.")


def running(project: Project, id: str) -> bool:
    """Whether the probe is at work."""
    return runs.alive(project.measurement_folder(id))


def finish(store: Store, id: str) -> Measurement:
    """Record what a probe measured. Refuses while it is at work, and with its sentence when it failed."""
    return measuring.record(store, KIND, id, {"sizes": sizes(store.project, id)})


def under_way(store: Store) -> str | None:
    """The probe of what is chosen now that is at work or waits to be collected."""
    return measuring.under_way(store, KIND, subject(store))


def last(store: Store, used: Mapping[str, Any] | None = None) -> str | None:
    """The newest probe of what is chosen now, or of the configuration `used`, that was not collected, also one that
    failed or was stopped."""
    return measuring.last(store, KIND, subject(store, used))


def fresh(store: Store, used: Mapping[str, Any] | None = None) -> Measurement | None:
    """The latest probe of what the set-up chose, or of a configuration that is `used` instead; None when model,
    optimizer, precision, input size, data or device are others now (G6)."""
    if store.project.settings.command:
        return own_probe.fresh(store, used)
    values = configuration.current(store)
    if "model.name" not in values or "optimizer.name" not in values or inspection.fresh(store) is None:
        return None
    return measuring.fresh(store, KIND, subject(store, used))


def failure(store: Store) -> str:
    """Why the newest probe of what is chosen now came to nothing; empty while it is at work or where none failed."""
    id = last(store)
    if id is None or running(store.project, id):
        return ""
    try:
        measuring.outcome(store, KIND, id)
    except Refusal as refused:
        return error_text(refused)
    return ""


def known(store: Store) -> Measurement:
    """The latest probe. Refuses where there is none for what is chosen now."""
    found = fresh(store)
    if found is None:
        raise NotYet("The batch sizes have not been measured for this model, optimizer and device. Probe them first.")
    return found


def measured(found: Measurement) -> list[dict[str, Any]]:
    """The sizes that worked, smallest first; each with `seconds`, the time of a step with its data."""
    return [
        {**line, "seconds": max(line["step_seconds"], line.get("end_to_end_seconds") or 0.0)}
        for line in found.result["sizes"]
        if line["outcome"] == "measured"
    ]


def step_seconds(found: Measurement, batch_size: int) -> float:
    """Time of a step with its data; between measured sizes by the throughput of the next smaller one."""
    lines = measured(found)
    nearest = max(
        (line for line in lines if line["batch_size"] <= batch_size),
        key=lambda line: line["batch_size"],
        default=lines[0],
    )
    return nearest["seconds"] * batch_size / nearest["batch_size"]
