"""A path as it is given to a command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from presets.language import error_text
from state.errors import Invalid


class Place(click.Path):
    """A path, which may begin with `~`. Refuses what leads nowhere: nobody's home, links in a circle."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            path.expanduser().resolve()
        except (RuntimeError, ValueError, OSError) as error:
            said = Invalid("{path}: {reason}.", path=str(path), reason=str(error).rstrip("."))
            self.fail(error_text(said), param, ctx)
        return path
