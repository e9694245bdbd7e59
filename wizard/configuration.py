"""The configuration that the set-up decisions come to: defaults, what the project says, what was decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from presets.language import Message, say, stored
from state import configurations, decisions, pipeline
from state.database import Store
from state.errors import Invalid
from training import config
from wizard import besides, own

# The decisions of the set-up, in their order. Whatever else is recorded as a decision sets nothing here.
STEPS = ("data", "metric", "architecture", "weights", "optimizer", "batch_size", "initial", "steps", "baseline")
# Decided by measurement, together with the batch size.
RUNTIME = "runtime"
# How data are loaded: decided where the probe shows that steps wait for them.
INPUT = "input"
# In which precision, where a person does not leave that to the measurement.
PRECISION = "precision"
# Of a pipeline of the user's own: the rest is decided in their script.
OWN_STEPS = ("metric", "initial", "batch_size", "baseline")


def steps(store: Store) -> tuple[str, ...]:
    """The decisions of this project's set-up, in their order."""
    if not store.project.settings.command:
        return STEPS
    sized = bool(store.project.settings.batch_size)
    return tuple(step for step in OWN_STEPS if sized or step != "batch_size")


def current(store: Store, without: str = "") -> dict[str, Any]:
    """Dotted name to value, in the order of the sections: defaults, what the project says, and what was decided, but
    in the step `without`.

    Settings that have no default and were not decided yet are missing.
    """
    decided = settled(store, without=without)
    if store.project.settings.command:
        since = own.listed_since(store.project, decided)
        return {**{key: value for key, value in own.values(store.project).items() if key not in since}, **decided}
    values = {**_defaults(), **_of_project(store), **_of_optimizer(decided), **decided}
    return {key: values[key] for key in _keys() if key in values}


def settled(store: Store, before: int | None = None, *, without: str = "") -> dict[str, Any]:
    """What the decisions of the set-up have set, but for the step `without`; with `before`, what they had set when that
    decision was made."""
    values: dict[str, Any] = {}
    for entry in in_force(store, before):
        if entry.step != without:
            values.update(entry.settings)
    return values


def in_force(store: Store, before: int | None = None) -> list[decisions.Decision]:
    """The decisions of the set-up in force, in the order in which they were made; but weights follow the architecture
    that they were chosen for, also where a person has come back to it since: it would take its sizes back."""
    latest: dict[str, decisions.Decision] = {}
    made_for = None
    for entry in decisions.decisions(store, all=True):
        if entry.step in (*STEPS, RUNTIME, INPUT, PRECISION) and (before is None or entry.id < before):
            latest[entry.step] = entry
            if entry.step == "weights":
                made_for = latest.get("architecture")
    found = sorted(latest.values(), key=lambda entry: entry.id)
    architecture = latest.get("architecture")
    if made_for and architecture and made_for.chosen == architecture.chosen:
        weights = latest["weights"]
        found.remove(weights)
        found.insert(found.index(architecture) + 1, weights)
    return found


def checked(store: Store, provisional: dict[str, Any] | None = None) -> dict[str, Any]:
    """The whole configuration, every setting in it; `provisional` fills what is not decided yet.

    Refuses with every mistake that `training.config` finds in it, or what the user's own pipeline lacks.
    """
    if (there := pipeline.of(store.project)) is not None:
        values = {**(provisional or {}), **current(store)}
        if lacking := pipeline.missing(there, values):
            raise Invalid("The command needs a value for {names}.", names=lacking)
        return values
    try:
        return config.flat(config.check(config.unflat({**(provisional or {}), **current(store)})))
    except config.ConfigError as error:
        raise Invalid("The configuration cannot be used: {problems}", problems=error.in_one_line()) from None


def whole(store: Store) -> str:
    """Keep the whole configuration, with the reason for each value, and return its hash. Refuses an incomplete one."""
    values = checked(store)
    return configurations.save(store, values, reasons(store, values))


def reasons(store: Store, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Dotted name to the reason for its value, as the store keeps messages: that of the decision that set it, where it
    is about this very value."""
    if store.project.settings.command:
        found = {key: stored(say("from tunebook.toml")) for key in values}
    else:
        found = {key: stored(_plain(key)) for key in values}
        found.update({key: stored(say("from tunebook.toml")) for key in _of_project(store)})
    for entry in in_force(store):
        told = {} if store.project.settings.command else besides.reasons(entry, values)
        found.update({key: told.get(key, entry.reason) for key in entry.settings if key in values})
    return found


def _plain(key: str) -> Message:
    about, _ = config.about(key)
    return say("left at its default ({about})", about=Message(about))


def _keys() -> Iterator[str]:
    """Every setting there is, in the order of the sections."""
    for name, section in config.SECTIONS.items():
        yield from (f"{name}.{entry.name}" for entry in dataclasses.fields(section))


def _defaults() -> dict[str, Any]:
    """Every setting that has one value for all projects."""
    return {
        f"{name}.{entry.name}": entry.default
        for name, section in config.SECTIONS.items()
        for entry in dataclasses.fields(section)
        if entry.default is not dataclasses.MISSING and entry.default is not None
    }


def _of_project(store: Store) -> dict[str, Any]:
    settings = store.project.settings
    return {
        "data.task": settings.task,
        "data.path": str(store.project.data),
        "data.text_column": settings.text_column,
        "data.label_column": settings.label_column,
        "data.encoding": settings.encoding,
        "training.metric": settings.metric,
    }


def _of_optimizer(values: dict[str, Any]) -> dict[str, Any]:
    own = config.OPTIMIZERS.get(values.get("optimizer.name", ""), {})
    return {f"optimizer.{key}": value for key, value in own.items() if value is not None}


def same(store: Store, entry: decisions.Decision, *steps: str) -> bool:
    """Whether the given steps are still decided as they were when `entry` was decided."""
    then = {earlier.step: earlier.chosen for earlier in in_force(store, entry.id)}
    now = {earlier.step: earlier.chosen for earlier in in_force(store)}
    return all(then.get(step) == now.get(step) for step in steps)
