"""Tunebook in tmux, as a person sees it: keys sent, the screen captured; and the terminal killed under it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

needed = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

# On a busy machine a probe alone takes minutes.
PATIENCE_SECONDS = 900.0
LOOK_SECONDS = 0.1
COLUMNS, ROWS = 80, 24


class Tmux:
    """A window of 80 by 24 cells of a tmux server of its own."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    @property
    def shown(self) -> str:
        """What the window shows, line by line."""
        return self._run("capture-pane", "-p", "-t", "t")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names or as they are."""
        self._run("send-keys", "-t", "t", *keys)

    def write(self, text: str) -> None:
        """Type a text, and enter."""
        self._run("send-keys", "-t", "t", "-l", text)
        self.press("Enter")

    def wait_for(self, *texts: str) -> None:
        """Wait until the window shows all of these at once."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(text not in (shown := self.shown) for text in texts):
            in_time = time.monotonic() < deadline and self._alive()
            assert in_time, f"waited in vain for {texts}; on the screen:\n{shown}"
            time.sleep(LOOK_SECONDS)

    def wait_for_one(self, *texts: str) -> str:
        """Wait until the window shows one of these; which."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := [text for text in texts if text in self.shown]):
            in_time = time.monotonic() < deadline and self._alive()
            assert in_time, f"waited in vain for one of {texts}; on the screen:\n{self.shown}"
            time.sleep(LOOK_SECONDS)
        return found[0]

    def wait_for_end(self) -> None:
        """Wait until the program has left."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._alive():
            assert time.monotonic() < deadline, f"it does not end; on the screen:\n{self.shown}"
            time.sleep(LOOK_SECONDS)

    def kill(self) -> None:
        """The terminal goes away, whatever is under way in it."""
        subprocess.run(self._command("kill-server"), capture_output=True)

    def _alive(self) -> bool:
        return self._run("display-message", "-p", "-t", "t", "#{pane_dead}").strip() == "0"

    def _run(self, *words: str) -> str:
        done = subprocess.run(self._command(*words), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _command(self, *words: str) -> list[str]:
        return ["tmux", "-u", "-S", f"{self._folder}/socket", *words]


@contextmanager
def tmux(arguments: Sequence[str], folder: Path) -> Iterator[Tmux]:
    """Tunebook in a window of its own, started in a folder."""
    # COLUMNS and LINES: pytest's workers have them from readline, and they would go before the window's own size.
    unwanted = ("NO_COLOR", "COLORTERM", "TMUX", "COLUMNS", "LINES")
    plain = {key: value for key, value in os.environ.items() if key not in unwanted}
    # What a program that ended has left on the screen can still be read.
    stays = ["set-option", "-g", "remain-on-exit", "on", ";"]
    window = ["new-session", "-d", "-s", "t", "-x", str(COLUMNS), "-y", str(ROWS), "-c", str(folder)]
    program = [sys.executable, "-P", "-m", "tui.main", *arguments]
    # Of its own, and short: the path of a socket has a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="tmux-") as server:
        command = ["tmux", "-u", "-f", os.devnull, "-S", f"{server}/socket", *stays, *window, "--", *program]
        subprocess.run(command, env={**plain, "LANG": "C.UTF-8"}, check=True)
        opened = Tmux(server)
        try:
            yield opened
        finally:
            opened.kill()
