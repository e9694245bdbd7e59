"""The input pipeline: whether steps wait for their data, and what can be done about it (G4, P19)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import psutil

from presets.language import Message, say, stored
from state import decisions, measurements
from state.database import Store
from state.errors import Refusal
from state.measurements import Measurement
from training.config import TASKS
from wizard import configuration, inspection, machine, probe, quantity
from wizard.question import Option

DECODE_ONCE, WORKERS = "decode-once", "workers"
ONCE_KEY, WORKERS_KEY = "runtime.decode_once", "runtime.workers"
# With its data a step may take so much longer before the input pipeline is what limits it (our judgement).
INPUT_BOUND = 0.9
INPUT_SHARE = 0.5
# Decoded images up to this share of the free memory are kept there, and in a cache up to this share of the free disk
# (training/image_data.py, training/cache.py).
SHARE = 1 / 4


def bound(line: Mapping[str, Any]) -> bool:
    """Whether the steps of a measured size wait for their data: with data they are clearly slower, and preparing the
    data takes about as long.

    Without the second half, a neighbour that slowed one of the timings would be taken for a slow pipeline.
    """
    whole, data = line.get("end_to_end_seconds"), line.get("input_seconds") or 0.0
    return bool(whole) and line["step_seconds"] / whole < INPUT_BOUND and data > INPUT_SHARE * line["step_seconds"]


def options(store: Store, line: Mapping[str, Any]) -> tuple[Option, ...]:
    """What makes the data come faster at the size of this line, and changes nothing that is learnt; nothing where steps
    do not wait for data."""
    values = configuration.current(store)
    if not bound(line) or values["data.task"] != TASKS[0] or values[ONCE_KEY] or not _decoded_again(store, values):
        return ()
    found = []
    if (need := _bytes(store, values)) <= SHARE * shutil.disk_usage(store.project.root).free:
        passed = quantity.duration(_images(store) * line["input_seconds"] / line["batch_size"])
        words = say(
            "decode all images onto the disk once: {size} of it, and about {time} before the sizes are measured again",
            size=quantity.memory(need),
            time=passed,
        )
        found.append(Option(DECODE_ONCE, DECODE_ONCE, words))
    if (cores := _idle_cores(values)) is not None:
        words = say("decode with all {cores} cores, and measure the sizes again", cores=cores)
        found.append(Option(WORKERS, WORKERS, words))
    return tuple(found)


def advice(store: Store, line: Mapping[str, Any]) -> Message | None:
    """What limits the steps of this size where it is the input pipeline, and what would help."""
    if not bound(line):
        return None
    reason = say(
        "At {size} the input pipeline is the bottleneck: a step takes {alone} on the device alone and {whole} with its "
        "data; a larger batch will not help.",
        size=line["batch_size"],
        alone=quantity.duration(line["step_seconds"]),
        whole=quantity.duration(line["end_to_end_seconds"]),
    )
    values = configuration.current(store)
    if offered := [option.label for option in options(store, line)]:
        return say(
            "{reason} What would: {options} (below, or `tunebook probe --{first}`); image files no larger than the "
            "{side} pixels that the network gets.",
            reason=reason,
            options=offered,
            first=offered[0] if offered[0] == DECODE_ONCE else f"{WORKERS} {_idle_cores(values)}",
            side=values["data.image_size"],
        )
    if values["data.task"] == TASKS[0] and not values[ONCE_KEY] and _decoded_again(store, values):
        return say(
            "{reason} Decoding the images once would, but that takes {size}, more than a quarter of the free disk; "
            "smaller image files or more processor cores would too.",
            reason=reason,
            size=quantity.memory(_bytes(store, values)),
        )
    return say("{reason} Smaller images or shorter texts, or more processor cores, would.", reason=reason)


def effect(store: Store, found: Measurement, size: int) -> Message | None:
    """What the chosen way of loading has changed: a step with its data before and after, as measured."""
    kept = {key: value for key, value in found.subject.items() if key in (ONCE_KEY, WORKERS_KEY) and value}
    if not kept:
        return None
    for earlier in reversed(measurements.measurements(store, probe.KIND)):
        others = {key for key, value in found.subject.items() if earlier.subject.get(key) != value}
        if earlier.id == found.id or not others or not others <= {ONCE_KEY, WORKERS_KEY}:
            continue
        then = {line["batch_size"]: line["seconds"] for line in probe.measured(earlier)}
        now = {line["batch_size"]: line["seconds"] for line in probe.measured(found)}
        if size in then and size in now:
            return say(
                "{settings}: at {size} a step with its data takes {now} instead of {before}, as {earlier} and {later} "
                "measured it.",
                settings=_words(kept),
                size=size,
                now=quantity.duration(now[size]),
                before=quantity.duration(then[size]),
                earlier=earlier.id,
                later=found.id,
            )
    return None


def chosen(store: Store, option: str) -> dict[str, Any]:
    """What the option sets."""
    cores = machine.at_hand(configuration.current(store)["runtime.device"]).cores
    return asked(store, decode_once=option == DECODE_ONCE, workers=cores if option == WORKERS else None)


def asked(store: Store, *, decode_once: bool, workers: int | None) -> dict[str, Any]:
    """What a wished way of loading sets; None for `workers`: as before. Refuses where there is nothing to decode, and
    where the disk has no room."""
    values = configuration.current(store)
    if values.get("data.task") != TASKS[0] or "data.image_size" not in values:
        raise Refusal("Only images are decoded, and only by the built-in training.")
    free = shutil.disk_usage(store.project.root).free
    if decode_once and (need := _bytes(store, values)) > SHARE * free:
        raise Refusal(
            "The decoded images take {need}, more than a quarter of the {free} that are free on the disk.",
            need=quantity.memory(need),
            free=quantity.memory(free),
        )
    once = {ONCE_KEY: True} if decode_once else {}
    return once if workers is None else {**once, WORKERS_KEY: workers}


def decide(store: Store, changes: Mapping[str, Any]) -> None:
    """Record how data are loaded from now on, besides what was decided about that before."""
    earlier = decisions.decision(store, configuration.INPUT)
    decided = {**(earlier.settings if earlier is not None else {}), **changes}
    decisions.decide(
        store,
        configuration.INPUT,
        question=stored(say("How should the data be loaded? (It changes the time, not what is learnt.)")),
        options=[],
        recommended=None,
        chosen=_words(decided),
        reason=stored(reason(changes)),
        evidence=[],
        settings=decided,
    )


def reason(changes: Mapping[str, Any]) -> Message:
    """Why data are loaded so."""
    if ONCE_KEY in changes:
        return say("images that are decoded again in every epoch make steps wait: they are decoded once, onto the disk")
    if not changes[WORKERS_KEY]:
        return say("as many threads decode images as compute")
    return say("so that steps do not wait for their images, {n} threads decode them", n=changes[WORKERS_KEY])


def _decoded_again(store: Store, values: Mapping[str, Any]) -> bool:
    """Whether the images are too many to be kept in memory."""
    free, limit = psutil.virtual_memory().available, machine.at_hand(values["runtime.device"]).memory
    if machine.at_hand(values["runtime.device"]).kind == "cpu":
        free = min(free, limit)
    return _bytes(store, values) > SHARE * free


def _images(store: Store) -> int:
    return sum(int(split["examples"]) for split in inspection.known(store)["splits"].values() if split)


def _bytes(store: Store, values: Mapping[str, Any]) -> int:
    return _images(store) * int(values["data.channels"]) * int(values["data.image_size"]) ** 2


def _idle_cores(values: Mapping[str, Any]) -> int | None:
    """All cores, where fewer threads than that decode; else None."""
    cores = machine.at_hand(values["runtime.device"]).cores
    threads = values[WORKERS_KEY] or values["runtime.threads"] or cores
    return cores if threads < cores else None


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {quantity.setting(value)}" for key, value in settings.items())
