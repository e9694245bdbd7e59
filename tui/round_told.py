"""Where a round is, as the commands that do something to one say it."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections import Counter

from presets.language import Message, _, sentences
from rounds import outage, planning, queue, reviewed, supervisor, wishes
from rounds.record import turned
from state import by_metric, logout, measure, metrics, trials
from state.database import Store
from state.trials import Batch, Trial
from tui.session import Session
from tui.watch import come_up, status_word, to_go_on, to_look, trial_document


def tell(session: Session, store: Store, batch: Batch, listed: list[Trial], *, started: bool = False) -> None:
    """Where a round is, as a line and as a document; `started`: a supervisor was, where one is needed."""
    at_work = come_up(store.project) if started else supervisor.alive(store.project)
    counts = Counter(entry.status for entry in listed)
    gone = wishes.lost(store, listed)
    seen = Counter(_("lost") if entry in gone else status_word(entry.status) for entry in listed)
    states = _(", ").join(f"{count} {word}" for word, count in seen.items())
    session.text(_("{name}: {why}").format(name=batch.name, why=states))
    for entry in gone:
        session.text(
            _("{trial} does not run: its process is gone. It goes on when the round does.").format(trial=entry.id)
        )
    running = queue.under_way(batch, listed)
    ends = running and logout.fate() == "ends"
    if ends:
        session.progress(
            _("Logging out would end it here, as systemd is set up. To prevent that: loginctl enable-linger")
        )
    paused = outage.why_paused(store, batch, listed)
    looked_over, measured = reviewed.holds(store, batch), by_metric.of_batch(store, batch.name)
    session.text(_state(batch, listed, gone, paused, at_work=at_work, looked_over=looked_over))
    session.answer(
        {
            "round": batch.name,
            "goal": batch.goal,
            "check": batch.plan.get("check"),
            "search": batch.plan.get("search"),
            "metric": measured.metric,
            "direction": measured.direction,
            "wanted": batch.wanted,
            "why": paused,
            "under_way": running,
            "ends_at_logout": ends,
            "supervisor": at_work,
            "reviewed": batch.reviewed if looked_over else None,
            "states": dict(counts),
            "lost": [entry.id for entry in gone],
            # There lie its log, its curves and its checkpoints.
            "trials": [
                trial_document(entry) | {"folder": str(store.project.trial_folder(entry.id))} for entry in listed
            ],
            "next": ["tunebook", "round", "retry", "--failed", batch.name]
            if paused is not None and not running
            else _next(batch, listed, at_work=at_work, running=running),
        }
    )


def _next(batch: Batch, listed: list[Trial], *, at_work: bool, running: bool) -> list[str]:
    """The words of the command that comes next, for programs."""
    if all(map(trials.over, listed)):
        if batch.kind == planning.KIND:
            return ["tunebook", "round", "review", batch.name]
        return ["tunebook", "status"]
    return shlex.split(to_look(batch) if running and at_work else to_go_on(batch))


def _state(
    batch: Batch, listed: list[Trial], gone: list[Trial], paused: Message | None, *, at_work: bool, looked_over: bool
) -> str:
    """What a round does now, and what goes on with it; those that are `gone` do not run, whatever is known of them.
    `paused`: why it is, where that is known; `looked_over`: whether its review holds."""
    running = any(entry.status == "running" and entry not in gone for entry in listed)
    go_on = _("Go on: {command}").format(command=to_go_on(batch))
    if all(map(trials.over, listed)):
        if batch.kind != planning.KIND:
            return _("It has ended. See: {command}").format(command="tunebook status")
        if looked_over:
            return _("It has ended and was reviewed. See: tunebook round review {name}").format(name=batch.name)
        return _("It has ended. Review it: tunebook round review {name}").format(name=batch.name)
    if running and not at_work:
        return sentences(_("No supervisor is at work."), go_on)
    match batch.wanted:
        case "run" if at_work:
            return _("It goes on in the background. Look again: {command}").format(command=to_look(batch))
        case "run":
            return sentences(_("No supervisor is at work."), go_on)
        case "pause" if running:
            return sentences(_("It is pausing: what runs goes to its end, and nothing more is started."), go_on)
        case "pause" if paused is not None:
            return paused.text()
        case "pause":
            return sentences(_("It is paused."), go_on)
        case "stop" if running:
            return sentences(_("It is stopping: what runs saves itself."), go_on)
        case "stop":
            return sentences(_("It is stopped."), go_on)
        case "drop":
            return _("It was dropped. To run it after all: {command}").format(command=to_go_on(batch))
        case _:
            return _("It is planned. Run it: {command}").format(command=to_go_on(batch))


def so_far(store: Store, entry: Trial) -> Trial:
    """A trial with the best of its evaluations where it has not ended yet."""
    if entry.status != "running" or not entry.steps_done:
        return entry
    now = measure.of_project(store.project.settings)
    curve = metrics.curve(store, entry.id, f"val/{now.metric}")
    finite = [(turned(value, now.direction), step, value) for step, value in curve if math.isfinite(value)]
    if not finite:
        return entry
    _cost, step, value = min(finite)
    return dataclasses.replace(entry, best=value, best_step=step)
