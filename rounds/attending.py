"""What a supervisor does about trials at each look: it starts queued ones in free slots, stops those that shall stop,
notices how each ends, goes on with what was killed, and keeps the store's index of them."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from presets.language import error_message, say, stored
from rounds import ending, outage, queue, sharing, slots, starting, trial_folder, warm
from rounds.gpu_faults import GpuFaults
from rounds.room import Room, disk_free
from rounds.settings_file import SettingsFile
from rounds.slots import Machine, Slot
from rounds.stalling import Steps
from rounds.trouble import ATTEMPTS, Trouble, now_and_then
from state import files, runs, spent, trial_progress, trials
from state.database import Store
from state.errors import Damaged, Refusal, Unavailable
from state.metrics import index_metrics
from state.trials import Batch, Trial
from training.config import ConfigError

INDEX_SECONDS = 1.0
# How soon a result is seen between two looks.
GLANCE_SECONDS = 0.02
# From SIGTERM, on which a trial saves itself, to SIGKILL.
GRACE_SECONDS = 30.0
# How long whoever reaps a dead trial has to say how it died.
ENDING_SECONDS = 2.0
# A trial that was killed is continued once: what kills it twice would kill it again.
RESTARTS = 1
# One that ran into a full disk goes on as often as there is room again, not for ever, since that may be its own doing;
# one whose GPU failed twice may find another that does not. That the machine was restarted is none of its doing, and
# nothing goes on after that by itself.
GOES_ON = {"disk_full": 5, "device": 2, "rebooted": sys.maxsize}
LONGEST_PAUSE = 10.0
# Whoever has less cannot write a line of a log any more.
FULL_DISK = 2**20
# Between two looks at a trial whose store cannot be written, in seconds.
STORE_PAUSE = 1.0

log = logging.getLogger("tunebook.supervisor")


@dataclass
class Supervisor:
    """What a supervisor remembers between two looks at the store; nothing that its successor could not find out."""

    store: Store
    machine: Machine
    server: warm.ForkServer
    grace: float = GRACE_SECONDS
    slots: dict[str, Slot] = field(default_factory=dict)
    children: dict[int, Path] = field(default_factory=dict)
    # When a trial was asked to stop, and when it was found dead, by time.monotonic.
    asked: dict[str, float] = field(default_factory=dict)
    missed: dict[str, float] = field(default_factory=dict)
    # Those of them that were found dead on a full disk.
    full: set[str] = field(default_factory=set)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    indexed: float = 0.0
    steps: Steps = field(default_factory=Steps)
    faults: GpuFaults = field(default_factory=GpuFaults)
    oom_kills: int = field(default_factory=ending.oom_kills)
    looked_around: bool = False
    unread: int = 0

    def __post_init__(self) -> None:
        self.room = Room(self.store)
        self.settings = SettingsFile(self.store)

    def tick(self) -> bool:
        """Look once at all wishes and all trials, and act; False when there was nothing left to do."""
        self._reap()
        unfinished = trials.unfinished(self.store)
        for id in self.slots.keys() - {entry.id for entry in unfinished}:
            # Another supervisor has ended it, as where a network's file system keeps no locks.
            self._forget(id)
        # After the wishes: whoever changes the file and then wishes something means the file as it is now.
        each = self.store.project.settings.gpus
        self.settings.look()
        if self.store.project.settings.gpus != each:
            self.machine = slots.machine(self.store.project)
        batches = batches_of(self.store, unfinished)
        named = {batch.name: batch for batch in batches}
        for entry in unfinished:
            if entry.status == "running":
                self._guarded(entry, lambda entry=entry: self._attend(named[entry.batch], entry))
            elif not self.looked_around or entry.id in self.slots:
                self._guarded(entry, lambda entry=entry: self._begun(entry))
        self.looked_around = True
        for batch in batches:
            for entry in queue.dropped(batch, unfinished):
                if entry.id not in self.slots:
                    self._guarded(entry, lambda entry=entry: trial_folder.drop(self.store, entry))
            self._fill(batch, unfinished)
        if time.monotonic() - self.indexed >= INDEX_SECONDS:
            self._index()
        return queue.work(batches, unfinished) or bool(self.slots)

    def rest(self, seconds: float) -> None:
        """Wait until the next look, or until a trial that runs has written its result: no slot need stand empty."""
        results = [self.store.project.trial_folder(id) / runs.RESULT for id in self.slots]
        expected, until = [path for path in results if not path.exists()], time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not any(path.exists() for path in expected):
            time.sleep(min(left, GLANCE_SECONDS) if expected else left)

    def close(self) -> None:
        """End the fork server and bring the index up to date; the trials go on."""
        self.server.close()
        self._index()

    def _index(self) -> None:
        """Read what the trials have appended to their metrics; what cannot be entered now is read the next time."""
        self.indexed = time.monotonic()
        try:
            index_metrics(self.store, self.slots)
            self.unread = 0
        except Damaged:
            raise
        except Unavailable as error:
            self.unread += 1
            if now_and_then(self.unread):
                log.warning("metrics: %s", error)

    def _fill(self, batch: Batch, unfinished: list[Trial]) -> None:
        """Start trials of a batch until no slot is free."""
        for entry in queue.waiting(batch, unfinished):
            own = sum(1 for other in unfinished if other.batch == batch.name and other.id in self.slots)
            if not self._guarded(entry, lambda entry=entry, own=own: self._begin(batch, entry, own)):
                return

    def _begin(self, batch: Batch, entry: Trial, own: int) -> bool:
        """Start a trial, or adopt it; False where it has to wait, and the rest of its batch with it. `own`: how many of
        the batch run."""
        folder = self._folder(entry)
        if self._begun(entry):
            return True
        result = runs.result(folder)
        new = entry.wanted != "retry" or runs.of_try(folder, entry.queued_at)
        if result is not None and new and result.get("status") != "stopped":
            self._attend(batch, entry)
            return True
        settings = trials.trial_settings(self.store, entry)
        slot = self._slot(batch, entry, settings, own)
        if slot is None:
            return False
        if outage.pause(self.store, batch):
            log.warning("%s: paused, as its trials fail one after another", batch.name)
            return False
        if self._given_up(entry):
            return True
        # A command of the user's own needs nothing that the fork server has imported.
        if not self.store.project.settings.command and self.server.poll() == "starting":
            return False
        self._start(entry, slot)
        return True

    def _begun(self, entry: Trial) -> bool:
        """Whether a process is at work on a trial that does not run by its row, which could not be written when it was
        started (a locked store, a full disk, a supervisor that was killed): it is adopted, whatever is wished of it."""
        folder = self._folder(entry)
        if not runs.alive(folder):
            self.slots.pop(entry.id, None)
            return False
        # One that has its result is about to be gone; it is waited for.
        if runs.result(folder) is None:
            self._adopt(entry)
        return True

    def _slot(self, batch: Batch, entry: Trial, settings: Mapping[str, Any], own: int) -> Slot | None:
        """Where a trial can begin now; None where it has to wait."""
        share = sharing.share(self.store, settings, self.machine)
        running = [trials.trial(self.store, id) for id in self.slots]
        avoided, lacking = self.faults.avoided(self.machine), None
        while slot := slots.free(self.machine, settings, batch.slots, own, self.slots.values(), share, avoided):
            found = self.room.lacking(settings, slot, running)
            if found is None:
                return slot
            lacking = lacking or found
            if not slot.gpu:
                break
            # Somebody else may have filled this one, and not the next.
            avoided |= {slot.gpu}
        # The first that waits says so, in place of how it was lost before; its figures would change with every look.
        if lacking is not None and (entry.said or {}).get("id") != lacking.id:
            # On a disk that is full to its last byte, not even that can be noted; it waits all the same.
            with contextlib.suppress(Refusal):
                trial_progress.note(self.store, entry.id, lacking.text(), stored(lacking))
        return None

    def _start(self, entry: Trial, slot: Slot) -> None:
        folder = self._folder(entry)
        anew = trial_folder.begins_anew(self.store, entry)
        lost = trial_folder.prepare(self.store, entry, slot)
        pid, ours = starting.start(self.store.project, self.server, folder, slot)
        if ours:
            self.children[pid] = folder
        runs.remember_process(folder, pid)
        self.slots[entry.id] = slot
        trial_progress.mark_running(self.store, entry.id, restart=lost, anew=anew)
        log.info(
            "%s: %s as process %d on %s", entry.id, "continued" if lost else "started", pid, slot.gpu or slot.device
        )

    def _adopt(self, entry: Trial) -> None:
        """Take over a trial whose process lives already: an earlier supervisor died between its start and its row."""
        folder = self._folder(entry)
        self.slots[entry.id] = trial_folder.slot(folder)
        trial_folder.adopt(folder)
        trial_progress.mark_running(self.store, entry.id, restart=False, anew=runs.began_anew(folder))
        log.info("%s: adopted", entry.id)

    def _attend(self, batch: Batch, entry: Trial) -> None:
        """Look at a running trial: stop it, take over its result, or find out that it is lost."""
        folder = self._folder(entry)
        stopping = queue.to_stop(batch, entry)
        # In this order: a process writes its result before it ends.
        living = runs.alive(folder)
        result = runs.result(folder)
        if not living and (result is None or result.get("status") != "complete"):
            # What a shell or a launcher has started outlives it, and would train on unwatched.
            runs.end_orphans(folder)
        reason = str((result or {}).get("reason"))
        again = not stopping and entry.restarts < GOES_ON.get(reason, 0)
        # One that stopped or goes on is continued in the same folder, so it must be gone for good.
        if result is not None and not (living and (again or result.get("status") == "stopped")):
            slot = self.slots.get(entry.id) or trial_folder.slot(folder)
            index_metrics(self.store, [entry.id])
            if again:
                # It has saved what it could, and waits for room, or for a GPU, as those do that have not begun.
                trial_progress.mark_queued(self.store, entry.id)
                (folder / runs.RESULT).unlink(missing_ok=True)
                log.warning("%s: %s at step %s; it waits", entry.id, reason, result.get("steps_done"))
            else:
                trial_progress.mark_ended(self.store, entry.id, result, runs.ended_at(folder))
                log.info("%s: %s after %s steps", entry.id, result.get("status"), result.get("steps_done"))
            self.faults.note(slot, failed=reason == "device")
            self._forget(entry.id)
        elif living:
            self.slots.setdefault(entry.id, trial_folder.slot(folder))
            self.missed.pop(entry.id, None)
            self.full.discard(entry.id)
            if stopping:
                self._stop(entry, folder)
            else:
                self._watch(entry, folder)
        elif stopping:
            index_metrics(self.store, [entry.id])
            message = say("Stopped before it could save.")
            result = trial_folder.unfinished(self.store, entry, "stopped", "stopped", message)
            trial_folder.finish(self.store, entry.id, result, spent.until(folder))
            self._forget(entry.id)
        elif self._told(entry, folder):
            self._lost(entry, folder)

    def _watch(self, entry: Trial, folder: Path) -> None:
        """Say that a trial makes no steps any more, and take it back when it does; what to do about it people know."""
        silent = self.steps.stalled(entry.id, entry.steps_done, time.monotonic())
        if silent is not None and not entry.message:
            message = say(
                "No new step for {minutes} minutes: it may hang. Look into {log}, or stop it and try it again.",
                minutes=round(silent / 60),
                log=folder / runs.LOG,
            )
            log.warning("%s: %s", entry.id, message.text())
            trial_progress.note(self.store, entry.id, message.text(), stored(message))
        elif silent is None and entry.message:
            trial_progress.note(self.store, entry.id, "")

    def _stop(self, entry: Trial, folder: Path) -> None:
        """Ask once, and kill what has not saved itself in time."""
        trial_folder.adopt(folder)
        if entry.id not in self.asked:
            self.asked[entry.id] = time.monotonic()
            runs.stop(folder)
        elif time.monotonic() - self.asked[entry.id] > self.grace:
            log.warning("%s: did not stop within %g s and is killed", entry.id, self.grace)
            runs.stop(folder, hard=True)

    def _told(self, entry: Trial, folder: Path) -> bool:
        """Whether it is known how a dead trial ended, or nobody will say any more."""
        if entry.id not in self.missed and disk_free(folder) < FULL_DISK:
            self.full.add(entry.id)
        since = self.missed.setdefault(entry.id, time.monotonic())
        return ending.known(folder) is not None or time.monotonic() - since > ENDING_SECONDS

    def _lost(self, entry: Trial, folder: Path) -> None:
        """A process is gone without a result: continue the trial once if it was killed, else give it up."""
        kills = ending.oom_kills()
        cause = ending.cause(folder, kills > self.oom_kills, entry.id in self.full)
        index_metrics(self.store, [entry.id])
        log.warning("%s: lost at step %d: %s", entry.id, entry.steps_done, cause.message.text())
        if cause.again and entry.restarts < GOES_ON.get(cause.reason, RESTARTS):
            trial_progress.mark_queued(self.store, entry.id, anew=trial_folder.begins_anew(self.store, entry))
            # Where the disk is full, what it waits for is said by those who look for room.
            if cause.reason != "disk_full":
                told = trial_folder.goes_on(self.store, folder, cause.message)
                trial_progress.note(self.store, entry.id, told.text(), stored(told))
        else:
            message = cause.message
            if lines := ending.last_lines(folder):
                message = say("{cause} The last lines of its log: {lines}", cause=message, lines=lines)
            result = trial_folder.unfinished(self.store, entry, cause.status, cause.reason, message)
            trial_folder.finish(self.store, entry.id, result, spent.until(folder))
        # Only once it is noted, since what cannot be is found out anew.
        self.oom_kills = kills
        self._forget(entry.id)

    def _forget(self, id: str) -> None:
        """A trial does not run any more, and its row says so."""
        self.slots.pop(id, None)
        self.asked.pop(id, None)
        self.missed.pop(id, None)
        self.full.discard(id)
        self.steps.forget(id)

    def _given_up(self, entry: Trial) -> bool:
        """Whether a trial could not be started however often it was tried; its row says why."""
        trouble = self.troubles.get(entry.id, Trouble())
        if trouble.attempts < ATTEMPTS:
            return False
        log.error("%s: given up: %s", entry.id, trouble.message and trouble.message.text())
        result = trial_folder.unfinished(self.store, entry, "failed", trouble.reason, trouble.message)
        trial_folder.finish(self.store, entry.id, result)
        return True

    def _guarded(self, entry: Trial, act: Callable[[], object]) -> bool:
        """Do something about one trial; what goes wrong is logged, tried again after a pause, and keeps no other trial
        waiting. Returns what `act` does, else True."""
        trouble = self.troubles.get(entry.id, Trouble())
        if time.monotonic() < trouble.until:
            return True
        go_on: object = True
        try:
            go_on = act()
            if go_on is not False:
                self.troubles.pop(entry.id, None)
        except Damaged:
            raise
        except Unavailable as error:
            self._wait(entry, trouble, error)
        except ConfigError as error:
            self.troubles[entry.id] = Trouble(ATTEMPTS, 0.0, "config", error_message(error))
        except Exception as error:
            if isinstance(error, OSError) and error.errno in files.PASSING:
                self._wait(entry, trouble, files.refusal(error, self._folder(entry)))
                return True
            if now_and_then(trouble.attempts + 1):
                log.exception("%s: attempt %d", entry.id, trouble.attempts + 1)
            pause = min(2.0**trouble.attempts, LONGEST_PAUSE)
            self.troubles[entry.id] = Trouble(
                trouble.attempts + 1, time.monotonic() + pause, "error", error_message(error)
            )
        return go_on is not False

    def _wait(self, entry: Trial, trouble: Trouble, error: Refusal) -> None:
        """Try again a moment later what was no fault of the trial, however long that lasts: what could not be noted is
        found out anew."""
        waited = trouble.waited + 1
        if now_and_then(waited):
            log.warning("%s: %s", entry.id, error)
        if entry.status != "running" and not entry.message:
            with contextlib.suppress(Refusal):
                trial_progress.note(self.store, entry.id, str(error), stored(error_message(error)))
        self.troubles[entry.id] = replace(trouble, until=time.monotonic() + STORE_PAUSE, waited=waited)

    def _reap(self) -> None:
        """Take the exit status of the trials that are children of ours."""
        for pid, folder in list(self.children.items()):
            try:
                done, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                done, status = pid, None
            if done:
                del self.children[pid]
                if status is not None and runs.result(folder) is None:
                    # On a full disk nobody can say it.
                    with contextlib.suppress(Unavailable):
                        ending.write(folder, status)

    def _folder(self, entry: Trial) -> Path:
        return self.store.project.trial_folder(entry.id)


def batches_of(store: Store, unfinished: list[Trial]) -> list[Batch]:
    """The batches that these trials are of, in the order of the queue; the plans of all others need not be read."""
    return [trials.batch(store, name) for name in dict.fromkeys(entry.batch for entry in unfinished)]
