"""Measurements under way: detached processes in folders of their own, that the screens only look at.

What a measurement depends on (its subject) is written down when it starts. A result counts as long as its subject is
still the case (G6), whoever collects it and whenever.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from presets.language import Message, say, told
from state import files, gpus, measurements, moved, runs
from state.database import Store
from state.errors import AtWork, Refusal

SUBJECT = "subject.json"
# In the folder of one that somebody has stopped.
STOPPED = "stopped"
# Where each kind of measurement leaves its result.
RESULTS = {
    "inspection": "inspection.json",
    "probe": runs.RESULT,
    "one-batch": runs.RESULT,
    "shuffle": runs.RESULT,
    "length": runs.RESULT,
    "batch-size": runs.RESULT,
}

# From SIGTERM to SIGKILL: a probe of a command ends that first.
GRACE_SECONDS = 5.0
# What each measures, in a few words.
TITLES = {
    "inspection": say("the data"),
    "probe": say("batch sizes"),
    "one-batch": say("one batch by heart"),
    "shuffle": say("shuffled labels"),
    "length": say("number of steps by a sweep of constant rates"),
    "batch-size": say("steps to a target by batch size"),
}


def begin(
    store: Store,
    kind: str,
    subject: Mapping[str, Any],
    document: tuple[str, str],
    command: Sequence[str],
    *,
    again: bool = False,
    on_device: bool = False,
) -> str:
    """Start a module of `training` in a new folder and return the measurement's id.

    `document` is the file (name, text) that it reads, `command` the module and its options up to that file's path,
    `on_device`: whether it trains, and is to have the emptiest GPU for itself, if there are any.
    One that is under way for the same subject is not started again: its id is returned. `again`: one that has ended
    is, even if its result was not collected.
    """
    running = under_way(store, kind, subject)
    if running is not None and not (again and not runs.alive(store.project.measurement_folder(running))):
        return running
    id = measurements.next_id(store, kind)
    folder = files.make_folder(store.project.measurement_folder(id))
    name, text = document
    files.write_atomically(folder / name, text)
    files.write_atomically(folder / SUBJECT, json.dumps(dict(subject), ensure_ascii=False))
    # -P: a folder called "training" where the person happens to stand must not be taken for ours.
    start = [sys.executable, "-P", "-m", *command, str(folder / name), "--output", str(folder)]
    runs.start(start, folder, gpus.emptiest() if on_device else None)
    return id


def under_way(store: Store, kind: str, subject: Mapping[str, Any]) -> str | None:
    """The newest measurement of this subject that is at work, or has ended well and was not collected yet."""
    id = last(store, kind, subject)
    if id is None:
        return None
    alive = runs.alive(store.project.measurement_folder(id))
    return id if alive or _result(store, kind, id).get("status") == "complete" else None


def at_work(store: Store) -> Message | None:
    """What is being measured by anybody, in a sentence; None where nothing is."""
    for kind in RESULTS:
        if (id := living(store, kind)) is not None:
            return say("Being measured: {what} ({id}).", what=TITLES[kind], id=id)
    return None


def living(store: Store, kind: str) -> str | None:
    """The newest measurement of a kind that is at work, whatever its subject."""
    return next((id for id in _newest_first(store, kind) if runs.alive(store.project.measurement_folder(id))), None)


def stop(store: Store, id: str) -> None:
    """Ask a measurement to end, because a person wants it to: what it has so far stays in its folder."""
    folder = store.project.measurement_folder(id)
    # A full disk keeps nobody from stopping.
    with contextlib.suppress(Refusal):
        files.write_atomically(folder / STOPPED, "")
    runs.stop(folder)


def end_former(store: Store, kind: str) -> None:
    """End what is at work on a subject that is no longer chosen, when another is to be measured: two at once would
    measure each other. What cannot save itself in time is killed."""
    until = time.monotonic() + GRACE_SECONDS
    for id in _newest_first(store, kind):
        folder = store.project.measurement_folder(id)
        runs.stop(folder)
        while runs.alive(folder):
            # Where its process cannot be seen from here, it cannot be ended either.
            if time.monotonic() > until and not runs.stop(folder, hard=True):
                break
            time.sleep(0.02)


def written(store: Store, id: str) -> dict[str, Any]:
    """The subject of a measurement, as it was when it started."""
    return moved.here(store, files.read_json(store.project.measurement_folder(id) / SUBJECT) or {})


def last(store: Store, kind: str, subject: Mapping[str, Any]) -> str | None:
    """The newest measurement of this subject that was not collected, however it ended; `record` says why it did."""
    # Also behind those of what was chosen for a while: it is the same still.
    id = next((id for id in _newest_first(store, kind) if written(store, id) == dict(subject)), None)
    return None if id is None or measurements.recorded(store, id) else id


def fresh(store: Store, kind: str, subject: Mapping[str, Any]) -> measurements.Measurement | None:
    """The latest measurement of this subject: one of anything that is different now does not count, one that was made
    of something else since takes nothing from it."""
    found = reversed(measurements.measurements(store, kind))
    return next((one for one in found if _is_of(store, one, subject)), None)


def known_at(store: Store, found: measurements.Measurement, at: str) -> bool:
    """Whether a measurement, or one of the same subject, was the last of its kind at a moment."""
    before = [one for one in measurements.measurements(store, found.kind) if one.at <= at]
    return found.at <= at and _is_of(store, before[-1], moved.here(store, found.subject))


def _is_of(store: Store, found: measurements.Measurement, subject: Mapping[str, Any]) -> bool:
    return moved.here(store, found.subject) == dict(subject)


def record(store: Store, kind: str, id: str, more: Mapping[str, Any]) -> measurements.Measurement:
    """Keep the result of a measurement that has ended, with `more` in it.

    Refuses while it is at work, and with what it said when it ended badly.
    """
    known = measurements.latest(store, kind)
    if known is not None and known.id == id:
        return known
    result = outcome(store, kind, id)
    measurements.record(store, id, kind, written(store, id), {**result, **more})
    recorded = measurements.latest(store, kind)
    assert recorded is not None
    return recorded


def outcome(store: Store, kind: str, id: str) -> dict[str, Any]:
    """What a measurement found. Refuses while it is at work, and with what it said when it ended badly."""
    folder = store.project.measurement_folder(id)
    if runs.alive(folder):
        raise AtWork("{id} is still at work.", id=id)
    result = _result(store, kind, id)
    if result.get("status") == "complete":
        return result
    # An inspection by an earlier release has its message as its error.
    if words := str(result.get("message") or result.get("error") or ""):
        message = told(words, result.get("said"))
        raise Refusal(message.id, **message.values)
    if (folder / STOPPED).exists():
        raise Refusal("{id} was stopped before it had a result.", id=id)
    last = next((line for line in reversed(runs.log_tail(folder)) if line.strip()), "-")
    raise Refusal(
        "{id} ended before it was done (last words: {last}). Look into {log}, then start it again.",
        id=id,
        last=last,
        log=str(folder / runs.LOG),
    )


def _result(store: Store, kind: str, id: str) -> dict[str, Any]:
    return files.read_json(store.project.measurement_folder(id) / RESULTS[kind]) or {}


def _newest_first(store: Store, kind: str) -> list[str]:
    folder = store.project.folder / "measurements"
    numbers = [
        int(match[1]) for entry in folder.glob(f"{kind}-*") if (match := re.fullmatch(rf"{kind}-(\d+)", entry.name))
    ]
    return [f"{kind}-{number}" for number in sorted(numbers, reverse=True)]
