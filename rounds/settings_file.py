"""tunebook.toml as a supervisor knows it: people change it while trials wait and run."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from presets.language import error_text
from rounds.trouble import now_and_then
from state import files, project
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
        path = root / project.FILE
        try:
            status = path.stat()
            # Before it is read: what is written meanwhile is another version.
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if version == self.read:
                return
            self.store.project = project.open_project(root)
        except (OSError, Refusal) as error:
            self.refused += 1
            if now_and_then(self.refused):
                said = error if isinstance(error, Refusal) else files.refusal(error, path)
                log.warning("%s; the settings stay as they were", error_text(said))
            return
        self.read, self.refused = version, 0
