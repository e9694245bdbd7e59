"""What a page may ask of the application, so that pages know neither the application nor each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textual.geometry import Size

from state.database import Store
from state.project import Project

if TYPE_CHECKING:
    from rounds.next_step import Design
    from tui.reviewed import Reviewed


class Book(Protocol):
    """The application, as its pages see it."""

    ascii_only: bool
    """Whether to do without braille and glyphs."""

    leaving: bool
    """Whether it is about to end: its pages are being taken down."""

    reviewed: Reviewed | None
    """The review that was shown last."""

    @property
    def size(self) -> Size:
        """The terminal, in cells."""
        ...

    @property
    def has_project(self) -> bool:
        """Whether a project is open."""
        ...

    @property
    def store(self) -> Store:
        """The open store of the project; for the screen's own thread only."""
        ...

    @property
    def project(self) -> Project:
        """The project on screen."""
        ...

    def open(self, place: str, *, instead: bool = False) -> None:
        """Show the page of a name over the present one, or in its place: `round round-1`."""
        ...

    def design(self, proposed: Design) -> None:
        """Show the design of a round, filled in with what is proposed."""
        ...

    def open_folder(self, root: Path, then: str = "") -> None:
        """Show the home page of the project in a folder, and over it the page `then`, if any."""
        ...

    def read_settings(self) -> None:
        """Go on with what tunebook.toml says now. Refuses what cannot be read."""
        ...

    def attempt(self, action: Callable[[], object]) -> bool:
        """Do something a person asked for; what prevents it is said on the page. Returns whether it was done."""
        ...
