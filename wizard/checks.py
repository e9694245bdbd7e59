"""Checks of the first configuration by short runs, in a detached process: one batch by heart, shuffled labels (G12),
the number of steps by a sweep of constant rates (P15), and steps to a target by batch size (G7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets.language import Message, say
from state import configurations, document, files, runs
from state.database import Store
from state.document import content_hash
from state.measurements import Measurement
from state.project import Project
from wizard import configuration, inspection, measuring, scaling
from wizard.inspection import Progress

ONE_BATCH, SHUFFLE, LENGTH, BATCH_SIZE = "one-batch", "shuffle", "length", "batch-size"
LENGTHS = ("training.steps", "training.evaluate_every", "training.evaluation_examples")


def start(store: Store, kind: str, provisional: Mapping[str, Any] | None = None) -> str:
    """Start a check, detached, and return its id; `provisional` fills what is not decided yet."""
    values = _values(store, provisional)
    subject = _subject(store, kind, values)
    sizes = ("--sizes", *(str(size) for size in subject["sizes"])) if kind == BATCH_SIZE else ()
    command = ("training.checks", "--check", kind, *sizes, "--cache", str(store.project.cache), "--config")
    text = document.compose(values).as_string()
    return measuring.begin(store, kind, subject, ("config.toml", text), command, on_device=True)


def under_way(store: Store, kind: str, provisional: Mapping[str, Any] | None = None) -> str | None:
    """The check of what is decided now that is at work or waits to be collected."""
    return measuring.under_way(store, kind, _subject(store, kind, _values(store, provisional)))


def finish(store: Store, kind: str, id: str) -> Measurement:
    """Record what a check found. Refuses while it is at work, and with its sentence when it failed."""
    more = scaling.context(store, measuring.outcome(store, kind, id)) if kind == BATCH_SIZE else {}
    return measuring.record(store, kind, id, more)


def fresh(store: Store, kind: str, provisional: Mapping[str, Any] | None = None) -> Measurement | None:
    """The latest check, unless configuration or data are others now."""
    return measuring.fresh(store, kind, _subject(store, kind, _values(store, provisional)))


def last(store: Store, kind: str, provisional: Mapping[str, Any] | None = None) -> str | None:
    """The newest check of what is decided now that was not recorded, however it ended; `finish` says why it did."""
    return measuring.last(store, kind, _subject(store, kind, _values(store, provisional)))


def so_far(store: Store, id: str) -> scaling.Report | None:
    """What a comparison of batch sizes has shown up to now; None before its first run has ended."""
    found = files.read_json(store.project.measurement_folder(id) / "so_far.json")
    return scaling.report({**found, **scaling.context(store, found)}) if found else None


def progress(project: Project, id: str) -> Progress:
    """How far a check has come, in steps; it may be done before they are."""
    folder = project.measurement_folder(id)
    running = runs.alive(folder)
    lines, _ = files.read_lines(folder / "progress.jsonl")
    last = lines[-1] if lines else {}
    return Progress(int(last.get("done", 0)), int(last.get("total", 0)), running)


def about(kind: str) -> Message:
    """Why, and what it takes."""
    return {
        ONE_BATCH: say(
            "train on 32 examples alone, up to 300 steps at three rates: a sound network learns them by heart; if not, "
            "inputs, labels or model are at fault"
        ),
        SHUFFLE: say(
            "train up to 300 steps with the labels and as many with shuffled ones: if it makes no difference, the "
            "inputs say nothing about the labels"
        ),
        LENGTH: say(
            "train at several constant rates without regularisation until the training split is fitted; the fastest "
            "says how many steps a run needs"
        ),
        BATCH_SIZE: say(
            "train at half the batch size, at itself and at twice it, each at three constant rates without "
            "regularisation and for as many examples: up to which size do larger batches save as many steps as they "
            "should?"
        ),
    }[kind]


def verdict(found: Measurement) -> Message:
    """What a check says, and what to do about it."""
    result = found.result
    match result["check"]:
        case "one-batch":
            return _of_one_batch(result)
        case "shuffle":
            return _of_shuffle(result)
        case "batch-size":
            return scaling.verdict(scaling.report(result))
        case _:
            return _of_length(result)


def _of_one_batch(result: Mapping[str, Any]) -> Message:
    if result["passed"]:
        return say(
            "Passed: {examples} examples were learnt by heart in {steps} steps at the rate {rate:.3g}. Inputs, labels "
            "and model fit together.",
            examples=result["examples"],
            steps=result["steps"],
            rate=result["learning_rate"],
        )
    return say(
        "Failed: of {examples} examples {error:.0%} are still wrong after {steps} steps, at none of the rates {rates}. "
        "Look at what the network gets (are the images blank, the texts cut to nothing, the labels in order?) before "
        "anything else.",
        examples=result["examples"],
        error=result["error_rate"],
        steps=result["steps"],
        rates=[f"{entry['learning_rate']:.3g}" for entry in result["tried"]],
    )


def _of_shuffle(result: Mapping[str, Any]) -> Message:
    if result["diverged"]:
        return say(
            "Failed: the loss grew beyond all bounds even at a hundredth of the learning rate. Are the inputs finite, "
            "and of a usual size?"
        )
    real, shuffled = result["labels"], result["shuffled"]
    figures = {"steps": result["steps"], "real": real["loss"], "shuffled": shuffled["loss"]}
    if result["passed"]:
        return say(
            "Passed: after {steps} steps the training loss is {real:.3g} with the labels and {shuffled:.3g} with "
            "shuffled ones. There is something to learn: a first result that is no better than chance needs more steps "
            "or another rate.",
            **figures,
        )
    return say(
        "Failed: after {steps} steps the training loss is {real:.3g} with the labels and {shuffled:.3g} with shuffled "
        "ones, no clear difference. Do the labels belong to their examples? Are the inputs large enough to see it?",
        **figures,
    )


def _of_length(result: Mapping[str, Any]) -> Message:
    tried = [
        f"{entry['learning_rate']:.3g}: {entry['steps'] or '-'} ({entry['error_rate']:.1%})"
        for entry in result["tried"]
    ]
    if not result["passed"]:
        return say(
            "No rate fits the training split in {limit} steps (steps and lowest error by rate: {tried}). Allow more "
            "steps, or take a larger model; until then the longest run is the best guess.",
            limit=result["limit"],
            tried=tried,
        )
    words = say(
        "The fastest rate, {rate:.3g}, fits the training split in {steps} steps: {fitted:.0%} of it are still wrong at "
        "most (steps and lowest error by rate: {tried}).",
        rate=result["learning_rate"],
        steps=result["steps"],
        fitted=result["fitted"],
        tried=tried,
    )
    if result["at_boundary"]:
        return say("{words} It is at the boundary of the sweep: a rate beyond may be faster still.", words=words)
    return words


def _values(store: Store, provisional: Mapping[str, Any] | None) -> dict[str, Any]:
    given = dict(provisional or {})
    return {**configuration.checked(store, given), **given}


def _subject(store: Store, kind: str, values: dict[str, Any]) -> dict[str, Any]:
    data = inspection.subject(store)["files"]
    # Data in the project's folder are named as they lie there, so that a check counts in a copy of the project, too.
    values = {**values, configurations.DATA: store.project.settings.data}
    if kind != BATCH_SIZE:
        return {"configuration": content_hash(values), "data": data}
    # What the sizes took to a target holds whatever length is decided on afterwards.
    apart = {key: value for key, value in values.items() if key not in LENGTHS}
    return {"configuration": content_hash(apart), "data": data, "sizes": list(scaling.sizes(store))}
