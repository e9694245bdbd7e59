"""The supervisor: one detached process per project that makes its trials agree with what people want of them.

    python -m rounds.supervisor --project DIR

It looks at the store a few times a second (`rounds.attending`), and leaves when there is nothing left to do. It may be
killed at any moment: trials live on, and the next supervisor adopts them.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from presets.language import error_text
from rounds import attending, queue, slots, warm
from rounds.attending import Supervisor
from rounds.trouble import now_and_then
from state import files, logout, runs, trials
from state.errors import Damaged, Refusal, Unavailable
from state.project import Project, open_project
from state.store import open_store

LOCK = "supervisor.lock"
LOG = "supervisor.log"
TICK_SECONDS = 0.25
# After a baseline often comes a round, after a round a launch: for so long a warm fork server waits for them.
LINGER_SECONDS = 10.0

log = logging.getLogger("tunebook.supervisor")
# Those that this process has started last, by the folder of the project.
_started: dict[Path, subprocess.Popen[bytes]] = {}


def ensure(project: Project) -> bool:
    """Start the supervisor, detached, where there is work and none is alive; whether one is at work then.

    Returns at once: whether trials start, their rows say.
    """
    if alive(project) or not has_work(project):
        return alive(project)
    # -P: see `warm.COMMAND`; the working folder is the project's, which is full of files that are not ours.
    command = [sys.executable, "-P", "-m", "rounds.supervisor", "--project", str(project.root)]
    try:
        with open(project.folder / LOG, "ab") as output:
            _started[project.root] = subprocess.Popen(
                logout.wrapped(command),
                cwd=project.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise files.refusal(error, project.folder / LOG) from None
    return True


def alive(project: Project) -> bool:
    """Whether a supervisor is at work on the project."""
    return files.lock_held(project.folder / LOCK)


def seen_to(project: Project) -> bool:
    """Whether a supervisor is at work on the project, or one that this process has started is coming up: until it has
    its lock, it loads for a while."""
    started = _started.get(project.root)
    return alive(project) or (started is not None and started.poll() is None)


def has_work(project: Project) -> bool:
    """Whether any trial runs, also one that could not be noted, or is to be started."""
    with open_store(project) as store:
        unfinished = trials.unfinished(store)
        if queue.work(attending.batches_of(store, unfinished), unfinished):
            return True
        folders = (project.trial_folder(entry.id) for entry in unfinished)
        return any(runs.alive(folder) and runs.result(folder) is None for folder in folders)


def supervise(project: Project) -> None:
    """Run the supervisor of a project in this process until there is nothing left to do, or SIGTERM. Leaves at once
    where another one is at work."""
    leaving = False

    def leave(number: int, _frame: object) -> None:
        nonlocal leaving
        leaving = True

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    me = {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}
    refused = 0
    # Asked again after the lock is free: whoever wanted something while it was held relied on this process.
    while not leaving and project.folder.exists() and (refused or has_work_or_waits(project)):
        with files.holding(project.folder / LOCK, json.dumps(me)) as held:
            if not held:
                return
            if not refused:
                log.info("process %d is at work", os.getpid())
            try:
                with open_store(project) as store:
                    refused = 0
                    store.require_writable()
                    supervisor = Supervisor(store, slots.machine(store.project), warm.ForkServer(project.folder))
                    try:
                        _loop(supervisor, lambda: leaving)
                    finally:
                        supervisor.close()
            except Damaged:
                # Another can be built in its place only when nobody uses it.
                raise
            except Unavailable as error:
                # Trials may be at work, or wait for this process: somebody holds the store, or the disk is full.
                refused += 1
                if now_and_then(refused):
                    log.warning("%s", error_text(error))
                time.sleep(min(TICK_SECONDS * 2 ** min(refused, 10), attending.LONGEST_PAUSE))
    log.info("process %d leaves", os.getpid())


def has_work_or_waits(project: Project) -> bool:
    """Whether there is work, or nobody can say now, since the store cannot be opened."""
    try:
        return has_work(project)
    except Damaged:
        raise
    except Unavailable:
        return True


def _loop(supervisor: Supervisor, leaving: Callable[[], bool]) -> None:
    failures, worked = 0, time.monotonic()
    # A store that was deleted or built anew under us is to be opened again.
    while not leaving() and not supervisor.store.replaced():
        try:
            if supervisor.tick():
                worked = time.monotonic()
            elif not supervisor.server.warm or time.monotonic() - worked > LINGER_SECONDS:
                return
            failures = 0
        except Damaged:
            raise
        # Trials are at work and their owner is not here to see an error: it is written down, and the work goes on.
        except Exception:
            failures += 1
            if now_and_then(failures):
                log.exception("unexpected, %d in a row", failures)
        supervisor.rest(min(TICK_SECONDS * 2 ** min(failures, 10), attending.LONGEST_PAUSE))


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="rounds.supervisor", description="Run the trials of a project.")
    parser.add_argument("--project", type=Path, required=True, help="the project's folder")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        project = open_project(options.project)
        os.chdir(project.root)
        supervise(project)
    except Refusal as error:
        log.error("%s", error_text(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
