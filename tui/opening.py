"""Opening the screens from the command line, as the person prefers them and as the terminal can show them."""

from __future__ import annotations

import locale
import os
import sys
from pathlib import Path

from state import preferences
from state.errors import Refusal
from tui import keys
from tui.session import Session

# Terminals that cannot place text; of "unknown" and none nobody knows.
WITHOUT_PLACES = ("", "dumb", "unknown")
# Their fonts lack most of what is not ASCII, whatever the locale says.
WITHOUT_GLYPHS = ("linux", "vt")
WITHOUT_COLOURS = ("vt",)


def screens(session: Session, root: Path | None, *, ascii_only: bool = False, no_mouse: bool = False) -> None:
    """Open them on a project, or on the welcome page; returns when they are left.

    Refuses a terminal that cannot show them.
    """
    term = os.environ.get("TERM", "")
    if term in WITHOUT_PLACES:
        raise Refusal(
            "TERM={term}: this terminal cannot show the screens. Everything goes by commands too: tunebook --help. If "
            "the terminal can do more than that, say what it is: TERM=xterm tunebook",
            term=term or "''",
        )
    if term.startswith(WITHOUT_COLOURS):
        os.environ["NO_COLOR"] = "1"
    prefers = session.preferences or preferences.read()
    # Before the screens are loaded: their bindings are made then.
    keys.remap(prefers.keys, str(prefers.path))
    from tui.app import run

    plain = term.startswith(WITHOUT_GLYPHS) or not _utf8() if prefers.ascii is None else prefers.ascii
    run(root, mouse=prefers.mouse and not no_mouse, ascii_only=plain or ascii_only)


def _utf8() -> bool:
    """Whether the locale, and so the terminal as far as it is known, is one of UTF-8."""
    # The terminal's, where it is not installed here, is the C locale to all programs.
    named = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "")
    if named.lower().replace("-", "").partition("@")[0].endswith(".utf8"):
        return True
    # In the C locale Python takes to UTF-8 of its own accord.
    assumed = sys.flags.utf8_mode and "PYTHONUTF8" not in os.environ
    return not assumed and locale.getencoding().lower().replace("-", "") == "utf8"
