"""What a person prefers on this machine, whatever the project: language, mouse, plain ASCII, and keys.

`config.toml` in the folder `tunebook` of $XDG_CONFIG_HOME (else ~/.config); a missing file prefers nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from state import toml_lines
from state.errors import Invalid, Unwritable, mistyped

TYPES: dict[str, type] = {"display.language": str, "display.mouse": bool, "display.ascii": bool}


@dataclass(frozen=True)
class Preferences:
    """As the file says; `keys`: id of an action to its keys, with commas between."""

    path: Path
    language: str = ""
    mouse: bool = True
    ascii: bool | None = None
    """None: as the terminal seems to need it."""
    keys: Mapping[str, str] = field(default_factory=dict)


def place(environment: Mapping[str, str]) -> Path:
    """Where the file is, or would be."""
    configured = environment.get("XDG_CONFIG_HOME", "")
    # Of a user whom the system does not know, as in a container, there is no home: `~` then stays what it is.
    folder = Path(configured) if Path(configured).is_absolute() else Path(os.path.expanduser("~/.config"))
    return folder / "tunebook" / "config.toml"


def read(environment: Mapping[str, str] | None = None) -> Preferences:
    """The person's preferences. Refuses a file with unknown keys or wrong types."""
    path = place(os.environ if environment is None else environment)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Preferences(path)
    except UnicodeDecodeError as error:
        raise Invalid("{path}: byte {byte} is not UTF-8.", path=str(path), byte=error.start) from None
    except OSError as error:
        raise Unwritable("{path}: {reason}", path=str(path), reason=error.strerror or str(error)) from None
    # Most people have no such file: every command would wait for this.
    import tomllib

    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid("{source}: not valid TOML: {reason}", source=str(path), reason=str(error)) from None
    where = toml_lines.places(path, text)
    keys = _keys(raw.pop("keys", {}), where)
    found: dict[str, Any] = {}
    for section, content in raw.items():
        for name, value in content.items() if isinstance(content, dict) else [("", content)]:
            found[f"{section}.{name}".rstrip(".")] = value
    for name, value in found.items():
        if name not in TYPES:
            known = ", ".join([*TYPES, "keys.ACTION"])
            raise Invalid("{path}: unknown key {key}; known: {known}", path=where(name), key=name, known=known)
        if type(value) is not TYPES[name]:
            raise mistyped(where(name), name, value, TYPES[name])
    return Preferences(path, keys=keys, **{name.partition(".")[2]: value for name, value in found.items()})


def _keys(raw: Any, where: Callable[[str], str]) -> dict[str, str]:
    """The table `keys`: `"round.pause" = "P"`, or the same in tables of its own (`[keys.round]`)."""
    found: dict[str, str] = {}

    def gather(part: Any, name: str) -> None:
        if isinstance(part, dict):
            for key, value in part.items():
                gather(value, f"{name}.{key}" if name else key)
        elif isinstance(part, str) and name:
            found[name] = part
        else:
            dotted = f"keys.{name}".rstrip(".")
            raise mistyped(where(dotted), dotted, part, str if name else dict)

    gather(raw, "")
    return found
