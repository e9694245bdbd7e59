"""Watching detached work from the command line: a line for each trial that ends, until the batch is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from presets.language import _, say, told
from rounds import launching, planning, queue, supervisor
from state import trials
from state.database import Store
from state.errors import Refusal
from state.project import Project
from state.trials import Batch, Trial
from tui.say import figure, measured
from tui.session import Session, goes_on

POLL_SECONDS = 0.5
LOOK_SECONDS = 0.05
# How long a supervisor may take to come up before another one is started.
START_SECONDS = 10.0
# One that keeps dying, and no trial ends meanwhile, has a reason, which its log says.
MOST_STARTS = 3


def watch(session: Session, store: Store, name: str) -> list[Trial]:
    """Say how the trials of a batch end, until none of them runs or waits; returns them all.

    The supervisor is started where none is at work. Ctrl-C ends the watching, never the trials. Refuses where the
    supervisor cannot stay alive.
    """
    batch = trials.batch(store, name)
    listed = trials.trials(store, name)
    known = {entry.id for entry in listed if entry.status in trials.ENDED}
    several = len({entry.study for entry in listed}) > 1
    message = say(
        "{name} goes on in the background. See: {command}. Stop it: tunebook round stop {name}",
        name=name,
        command=to_look(batch),
    )
    with goes_on(message):
        # First of all, so that the words about the background are true from the beginning.
        supervisor.ensure(store.project)
        session.progress(
            say(
                "{name}: {done} of {total} trials have ended. Ctrl-C ends the watching, not the trials.",
                name=name,
                done=len(known),
                total=len(listed),
            ).text()
        )
        ending = _ending(store, name, known, session.progress)
        for place, entry in enumerate(said_once(ending), len(known) + 1):
            session.progress(f"[{place}/{len(listed)}] {trial_line(entry, store.project.settings.metric, several)}")
    return trials.trials(store, name)


def said_once(entries: Iterable[Trial]) -> Iterator[Trial]:
    """The trials, with what several complete ones have to say left to the first: what it found amiss in the script's
    files (lines that are not understood), every other finds too."""
    remarks: set[str] = set()
    for entry in entries:
        remark = str((entry.said or {}).get("id", ""))
        yield replace(entry, message="", said=None) if entry.status == "complete" and remark in remarks else entry
        if remark:
            remarks.add(remark)


def to_go_on(batch: Batch) -> str:
    """The command that runs a batch, or runs it on. Baseline and launch have one of their own."""
    if batch.kind == planning.KIND:
        return f"tunebook round run {batch.name}"
    # Of launches, several may wait.
    return f"tunebook launch {batch.name}" if batch.kind == launching.KIND else f"tunebook {batch.kind}"


def to_look(batch: Batch) -> str:
    """The command that says where a batch is that has not ended."""
    return f"tunebook round status {batch.name}"


def come_up(project: Project) -> bool:
    """Whether a supervisor is at work, where one was just started; it is given a moment to come up."""
    due = time.monotonic() + START_SECONDS
    while not (at_work := supervisor.alive(project)) and supervisor.has_work(project) and time.monotonic() < due:
        time.sleep(LOOK_SECONDS)
    return at_work


def _ending(store: Store, name: str, known: Collection[str], remark: Callable[[str], None]) -> Iterator[Trial]:
    """The trials of a batch as they end, except those known already; a supervisor has just been started. `remark` is
    told why one that is due does not start, once for each reason."""
    seen, waits = set(known), ""
    starts, due = 1, time.monotonic() + START_SECONDS
    while True:
        listed = trials.trials(store, name)
        for entry in listed:
            if entry.status in trials.ENDED and entry.id not in seen:
                seen.add(entry.id)
                starts = 0
                yield entry
        batch = trials.batch(store, name)
        held = queue.waits_for([batch], listed)
        if held is not None and held[1].id != waits:
            remark(f"{held[0].id}: {held[1].text()}")
        waits = held[1].id if held is not None else ""
        if not queue.under_way(batch, listed):
            return
        if not supervisor.alive(store.project) and time.monotonic() >= due:
            if starts == MOST_STARTS:
                log = store.project.folder / supervisor.LOG
                raise Refusal("The supervisor does not stay alive. Its log says why: {path}", path=str(log))
            supervisor.ensure(store.project)
            starts, due = starts + 1, time.monotonic() + START_SECONDS
        time.sleep(POLL_SECONDS)


def trial_line(entry: Trial, metric: str, several: bool) -> str:
    """A trial in one line: its end, its best value and where it was, and the values that were tried in it; of `several`
    studies its own, which says what is compared."""
    # A re-run tries nothing new: its study says which side of a launch it is on.
    tried = [f"{name}={figure(value)}" for name, value in entry.settings.items()]
    values = "  ".join([entry.study, *tried] if several or not tried else tried)
    if entry.status == "complete" and entry.best is not None:
        at = _("at step {step}").format(step=entry.best_step)
        result = f"{measured(entry.metric or metric)} {figure(entry.best)} {at}"
        parts = (result, values, told(entry.message, entry.said).text())
    else:
        parts = (": ".join(part for part in (entry.reason, told(entry.message, entry.said).text()) if part), values)
    return "  ".join(part for part in (entry.id, status_word(entry.status), *parts) if part)


def status_word(status: str) -> str:
    """What became of a trial, in the language of the moment."""
    return {
        "queued": _("waiting"),
        "running": _("running"),
        "complete": _("complete"),
        "infeasible": _("infeasible"),
        "failed": _("failed"),
        "stopped": _("stopped"),
    }.get(status, status)


def trial_document(entry: Trial) -> dict[str, Any]:
    """A trial as the JSON answers give it."""
    names = ("id", "study", "status", "reason", "message", "settings", "overrides", "best", "best_step", "final")
    result = entry.result or {}
    return {
        **{name: getattr(entry, name) for name in names},
        "steps_done": entry.steps_done,
        "queued_at": entry.queued_at,
        "started_at": entry.started_at,
        "ended_at": entry.ended_at,
        "seconds": result.get("seconds"),
        "restarts": entry.restarts,
    }
