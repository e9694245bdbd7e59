"""tunebook.toml as a supervisor knows it: people change it while trials wait and run."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from presets.language import error_text
from rounds.trouble import now_and_then
from state import project
from state.database import Store
from state.errors import Refusal

log = logging.getLogger("tunebook.supervisor")


@dataclass
class SettingsFile:
    """Which version of the file the project of an open store was read from last, and how often in a row one could not
    be read."""

    store: Store
    read: tuple[int, int, int] | None = None
    refused: int = 0

    def look(self) -> None:
        """Give the store the settings that the file has now, where it is another; what cannot be read at the moment,
        half a file from an editor for instance, is logged and read later, and the settings stay as they were."""
        root = self.store.project.root
        # Before it is read: what is written meanwhile is another version.
        version = project.version(root)
        if version is not None and version == self.read:
            return
        try:
            self.store.project = project.open_project(root)
        except Refusal as error:
            self.refused += 1
            if now_and_then(self.refused):
                log.warning("%s The settings stay as they were.", error_text(error))
            return
        self.read, self.refused = version, 0
