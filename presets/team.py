"""A team's own presets: `presets.toml` in the project, or in the user's configuration folder.

    [architectures.our-net]       # a new id; an id of the catalogue changes that entry
    like = "resnet18"             # whatever is not said here is as there, but for what another model changes
    model = "resnet14t"
    parameters = 8053122
    macs = 1674795008

    [optimizers.adamw.learning_rate]
    default = 3e-4                # default, low, high, opens_at, scale, source, choices or fine_tuning

Every mistake is an error with file, line and key. The file is read when a project is opened.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from presets.language import Message, say

FILE = "presets.toml"
TABLES = ("architectures", "optimizers")


class CatalogueError(Exception):
    """A mistake in the catalogue's files, or a question for an entry that they do not have."""


class PresetError(CatalogueError):
    """A mistake in a team's presets; `message` says file, line, key and what is allowed."""

    def __init__(self, message: Message):
        self.message = message
        super().__init__(message.text())


@dataclass(frozen=True)
class Presets:
    """What one file adds or changes: id to fields, and optimizer to hyperparameter to fields."""

    path: Path
    architectures: Mapping[str, dict[str, Any]]
    optimizers: Mapping[str, dict[str, Any]]
    lines: Mapping[str, int]

    def wrong(self, key: str, value: Any, allowed: str | Message) -> PresetError:
        """The error for a value, with the line that it is on."""
        return PresetError(
            say(
                "{path}, line {line}: {key} = {value}; allowed: {allowed}",
                path=str(self.path),
                line=self.line(key),
                key=key,
                value=repr(value),
                allowed=allowed,
            )
        )

    def wrong_entry(self, key: str, words: Message) -> PresetError:
        """The error for an entry as a whole."""
        return PresetError(
            say("{path}, line {line}: {key}: {words}", path=str(self.path), line=self.line(key), key=key, words=words)
        )

    def line(self, key: str) -> int:
        """The line of a key, or of the nearest table around it."""
        while key and key not in self.lines:
            key = key.rpartition(".")[0]
        return self.lines.get(key, 1)


def places(root: Path | None) -> tuple[Path, ...]:
    """Where presets may be: the user's configuration folder, then the project, which has the last word. By the XDG base
    directory specification a relative $XDG_CONFIG_HOME does not count."""
    configured = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    # Of a user whom the system does not know, as in a container, there is no home: `~` then stays what it is.
    home = configured if configured.is_absolute() else Path(os.path.expanduser("~/.config"))
    return (home / "tunebook" / FILE, *((root / FILE,) if root is not None else ()))


def load(path: Path) -> Presets | None:
    """What is in a file; None where there is no such file. Raises PresetError for what is not two kinds of tables."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PresetError(say("{path}: {reason}", path=str(path), reason=error.strerror or str(error))) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PresetError(say("{path}, line {line}: this is not UTF-8.", path=str(path), line=line)) from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PresetError(say("{path}: {reason}", path=str(path), reason=str(error))) from None
    found = Presets(path, document.get("architectures", {}), document.get("optimizers", {}), _lines(text))
    for key, value in document.items():
        if key not in TABLES:
            raise found.wrong(key, value, ", ".join(f"[{name}.NAME]" for name in TABLES))
        if not isinstance(value, dict):
            raise found.wrong(key, value, f"[{key}.NAME]")
        for name, entry in value.items():
            if not isinstance(entry, dict):
                raise found.wrong(f"{key}.{name}", entry, f"[{key}.{name}]")
    return found


def _lines(text: str) -> dict[str, int]:
    """Dotted key to line number; a key, or the name of a table, is the first thing on its line."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = header[1].replace('"', "").replace("'", "")
            parts = table.split(".")
            for end in range(1, len(parts) + 1):
                lines.setdefault(".".join(parts[:end]), number)
        elif key := re.match(r"""\s*([\w."'-]+)\s*=""", line):
            name = key[1].replace('"', "").replace("'", "")
            lines.setdefault(f"{table}.{name}" if table else name, number)
    return lines
