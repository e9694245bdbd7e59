"""The folder of one trial before and after its process: its configuration, what it occupied, and how it was lost."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from presets.language import Message, restored, say, stored
from rounds import ending
from rounds.slots import Slot
from state import (
    configurations,
    document,
    files,
    gpus,
    measure,
    own_files,
    pipeline,
    run_command,
    runs,
    spent,
    trial_progress,
    trials,
)
from state.database import Store, now
from state.errors import Refusal
from state.metrics import number
from state.trials import Trial
from state.usual_names import EPOCHS, leaf
from training.config import METRICS, check, flat, unflat

SLOT = "slot.json"
# What the built-in training goes on from (training.checkpoint).
LAST = Path("checkpoints", "last.safetensors")


def prepare(store: Store, entry: Trial, slot: Slot) -> bool:
    """Make the folder ready for a process; returns whether that continues a run which was lost, other than by a restart
    of the machine.

    A trial that was stopped goes on in its folder; one that is tried again after it ended begins in an empty folder. A
    command of the user's own goes on where its project says how it does; otherwise it begins anew, and what it left is
    set aside. Raises ConfigError for a configuration that training would refuse, Refusal where the disk does or the
    command cannot be filled.
    """
    folder = store.project.trial_folder(entry.id)
    # Of a try that ended while nobody looked.
    runs.end_orphans(folder)
    stopped = (runs.result(folder) or {}).get("status") == "stopped"
    anew = begins_anew(store, entry)
    # The row knows it, too, where a full disk prevented the start after the folder was set aside.
    before = max(entry.spent, spent.seconds(folder))
    # An empty one is what a full disk left of this same start.
    if _tried_again(folder, entry) and folder.exists() and any(folder.iterdir()):
        set_aside(folder)
    text = configuration(store, entry, None if anew else measure.metric_of(folder))
    files.make_folder(folder)
    runs.note_try(folder, entry.queued_at, anew=anew, spent=before)
    lost = (folder / runs.PROCESS).exists() and not stopped and not runs.rebooted(folder)
    for old in (ending.EXIT, runs.RESULT):
        (folder / old).unlink(missing_ok=True)
    files.write_atomically(folder / "config.toml", text)
    files.write_atomically(folder / SLOT, json.dumps(dataclasses.asdict(slot)))
    if store.project.settings.command:
        _prepare_command(store, entry, slot, folder, anew=anew)
    return lost


def begins_anew(store: Store, entry: Trial) -> bool:
    """Whether the next start of a trial goes on with nothing of an earlier one: for one that was lost before it had
    saved anything, what went by until then is no time of its own."""
    folder = store.project.trial_folder(entry.id)
    if _tried_again(folder, entry):
        return True
    if store.project.settings.command:
        return _to_go_on(store, folder) is None
    # One that was stopped has saved what it had done.
    stopped = (runs.result(folder) or {}).get("status") == "stopped" and entry.steps_done > 0
    return not stopped and not (folder / LAST).exists()


def _tried_again(folder: Path, entry: Trial) -> bool:
    """Whether a trial is tried again after it ended, and what is in its folder is of before; one that was stopped goes
    on, and so does one whose second try has begun already."""
    if entry.wanted != "retry" or runs.of_try(folder, entry.queued_at):
        return False
    return (runs.result(folder) or {}).get("status") != "stopped"


def _to_go_on(store: Store, folder: Path) -> list[str] | None:
    """What is added to the command of a trial that goes on in its folder; None where it begins anew: nothing says how
    it goes on, it has saved nothing, or its command, or its code as far as that can be told, has changed since."""
    before = files.read_json(folder / run_command.COMMAND)
    try:
        own = pipeline.own(store.project)
    except Refusal:
        return None
    if before is None or before.get("template") != list(own.command):
        return None
    code, now = before.get("code"), own_files.now(store)
    if None not in (code, now) and code != now:
        return None
    return pipeline.to_go_on(own, folder / run_command.OUTPUT)


def _prepare_command(store: Store, entry: Trial, slot: Slot, folder: Path, *, anew: bool) -> None:
    """What `state.run_command` needs to run the user's command as this trial."""
    own = pipeline.own(store.project)
    if lost := pipeline.gone(own) or gpus.short(store.project.settings.gpus):
        raise lost
    before = files.read_json(folder / run_command.COMMAND) or {}
    resume = None if anew else _to_go_on(store, folder)
    if resume is None:
        # Without a command, a start was broken off after what is there was made.
        if before:
            set_aside(folder / run_command.OUTPUT)
            (folder / run_command.COMMAND).unlink()
        (folder / run_command.METRICS).unlink(missing_ok=True)
        before = {}
    output = files.make_folder(folder / run_command.OUTPUT)
    settings = trials.trial_settings(store, entry)
    asked = {
        "command": pipeline.fill(own, settings, output, folder / run_command.INPUT),
        "template": own.command,
        "code": own_files.now(store) if resume is None else before.get("code"),
        "resume": resume or [],
        "resumed": before.get("resumed", 0) + (resume is not None),
        "seconds": _seconds(folder, before),
        "output": str(output),
        "steps": trials.steps_planned(settings),
        "epochs": _epochs(own, settings),
        "named": pipeline.named_files(own),
        "program": pipeline.program(own),
        "directory": str(own.directory),
        "data": str(store.project.data) if store.project.settings.data else "",
        # What goes on is judged as it was until now.
        "metric": before.get("metric", store.project.settings.metric),
        "direction": before.get("direction", store.project.settings.direction),
        "device": slot.device,
    }
    files.write_atomically(folder / run_command.COMMAND, json.dumps(asked, ensure_ascii=False, indent=1))


def _epochs(own: pipeline.Pipeline, settings: Mapping[str, Any]) -> float | None:
    """How many epochs the command is to make, as its value or the command itself says; None where neither does."""
    fixed = pipeline.fixed(own, EPOCHS)
    named = [value for key, value in settings.items() if leaf(key) in EPOCHS]
    return number(named[0] if len(named) == 1 else fixed[1] if fixed and not named else None)


def _seconds(folder: Path, before: Mapping[str, Any]) -> float:
    """How long a trial had taken when its command wrote the last value that it goes on from."""
    begun, written = folder / run_command.COMMAND, folder / run_command.METRICS
    last = max(written.stat().st_mtime - begun.stat().st_mtime, 0.0) if before and written.exists() else 0.0
    return before.get("seconds", 0.0) + last


def configuration(store: Store, entry: Trial, metric: str | None = None) -> str:
    """The `config.toml` of a trial: every setting, with the reason for its value as a comment; checked where the
    built-in training reads it. `metric`: by which a trial that goes on was judged until now; None: it begins, and is
    judged by the project's."""
    base = configurations.configuration(store, trials.batch(store, entry.batch).configuration)
    settings = trials.trial_settings(store, entry)
    if not store.project.settings.command:
        judged = metric or store.project.settings.metric
        if judged in METRICS:
            settings |= {measure.SETTING: judged}
        settings = flat(check(unflat(settings)))
    reasons = {key: restored(reason).text() for key, reason in base.reasons.items()}
    own = {key: f"Chosen for {entry.id}." for key in entry.overrides}
    return document.compose(settings, {**reasons, **own}, f"Trial {entry.id}").as_string()


def set_aside(folder: Path) -> None:
    """Keep what an earlier try of a trial left under the next free number, `round-1-007.1` say."""
    if not folder.exists():
        return
    number = 1
    while (target := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    folder.rename(target)


def slot(folder: Path) -> Slot:
    """The slot that the process in a folder was started in; a core of the CPU where none was noted."""
    noted = files.read_json(folder / SLOT)
    return Slot(**noted) if noted else Slot("cpu")


def adopt(folder: Path) -> None:
    """Note which process lives in the folder, where its starter died before it could: the holder of the lock says."""
    lock = folder / runs.LOCK
    if runs.process(folder) is None and files.lock_held(lock):
        holder = lock.read_text(encoding="utf-8", errors="replace").strip()
        # In a container of its own it has another number there than here, where that may be anybody's.
        if holder.isdecimal() and runs.has_open(int(holder), lock):
            runs.remember_process(folder, int(holder))


def goes_on(store: Store, folder: Path, cause: Message) -> Message:
    """That a trial was lost and why, and from where it goes on."""
    step = (files.read_json(folder / "checkpoints" / "last.json") or {}).get("step")
    if store.project.settings.command and _to_go_on(store, folder) is not None:
        return say("It was lost: {cause} It goes on at its next turn, from what its script has saved.", cause=cause)
    if store.project.settings.command or not step:
        return say("It was lost: {cause} It begins again at its next turn.", cause=cause)
    return say("It was lost: {cause} It goes on from its checkpoint at step {step}.", cause=cause, step=step)


def drop(store: Store, entry: Trial) -> None:
    """End a trial that was stopped before it began; what an earlier try of it came to stands, as its folder says."""
    folder = store.project.trial_folder(entry.id)
    if (result := runs.result(folder)) is not None:
        trial_progress.mark_ended(store, entry.id, result, runs.ended_at(folder))
    else:
        finish(store, entry.id, unfinished(store, entry), spent.until(folder))


def unfinished(
    store: Store, entry: Trial, status: str = "stopped", reason: str = "stopped", message: Message | None = None
) -> dict[str, object]:
    """The result of a trial whose process left none; the best value is that of when it last was stopped."""
    words = {"message": message.text(), "said": stored(message)} if message else {"message": ""}
    result = {"status": status, "reason": reason, **words, "best": {}, "steps_done": entry.steps_done}
    if entry.best_step is None:
        return result
    best = {"step": entry.best_step, f"val/{entry.metric}": entry.best}
    return {**result, "metric": entry.metric, "direction": entry.direction, "best": best}


def finish(store: Store, id: str, result: Mapping[str, Any], at: str = "") -> None:
    """End a trial whose process left no result: the result is written in its place, for the folder is the truth. `at`:
    when that process was gone, otherwise now."""
    folder = files.make_folder(store.project.trial_folder(id))
    result = {**result, "ended_at": at or now()}
    files.write_atomically(folder / runs.RESULT, files.as_json(result))
    trial_progress.mark_ended(store, id, result, result["ended_at"])
