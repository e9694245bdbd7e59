"""A path as it is given to a command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from presets.language import _, error_text
from state.errors import Invalid


class Place(click.Path):
    """A path, which may begin with `~`. Refuses what leads nowhere: nobody's home, links in a circle."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if value == "":
            # Of a variable of a shell, say, that was not set; it would be the current folder.
            self.fail(_("a path is wanted, and nothing was given"), param, ctx)
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            path.expanduser().resolve()
        except (RuntimeError, ValueError, OSError) as error:
            said = Invalid("{path}: {reason}.", path=str(path), reason=str(error).rstrip("."))
            self.fail(error_text(said), param, ctx)
        return path
