"""Opening the screens from the command line, as the person prefers them."""

from __future__ import annotations

from pathlib import Path

from state import preferences
from tui import keys
from tui.session import Session


def screens(session: Session, root: Path | None, *, ascii_only: bool = False, no_mouse: bool = False) -> None:
    """Open them on a project, or on the welcome page; returns when they are left."""
    prefers = session.preferences or preferences.read()
    # Before the screens are loaded: their bindings are made then.
    keys.remap(prefers.keys, str(prefers.path))
    from tui.app import run

    run(root, mouse=prefers.mouse and not no_mouse, ascii_only=prefers.ascii or ascii_only)
