"""How the process of a trial is started: by the fork server, which has all imported, or as a child of ours."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from rounds import warm
from rounds.slots import Slot
from state import runs
from state.errors import Unavailable
from state.project import Project

log = logging.getLogger("tunebook.supervisor")


def start(project: Project, server: warm.ForkServer, folder: Path, slot: Slot) -> tuple[int, bool]:
    """Start the process of a folder that is ready for it; its pid, and whether it is a child of this process, which has
    to take its exit status. Raises Refusal, Unavailable where nothing can be started now."""
    if project.settings.command:
        return runs.start(
            [sys.executable, "-P", "-m", "state.run_command", str(folder)], folder, slot.environment()
        ), True
    config, cache = folder / "config.toml", project.cache
    if server.poll() == "ready":
        try:
            return server.start(config, folder, cache, slot.environment()), False
        except warm.Lost as error:
            log.warning("the fork server is lost: %s", error)
            # Its last child may have begun all the same; the next look at the folder shows.
            raise Unavailable("The fork server did not answer.") from None
    command = [sys.executable, "-P", "-m", "training.train"]
    for option, path in (("--config", config), ("--output", folder), ("--cache", cache)):
        command += [option, str(path)]
    return runs.start(command, folder, slot.environment()), True
