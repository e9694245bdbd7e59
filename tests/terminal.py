"""A program in a terminal of its own, by Python's pty: what it sends, keys for it, and the line that drops."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from struct import pack

PATIENCE_SECONDS = 20.0
COLUMNS, ROWS = 80, 24
# Makes the terminal the controlling one, so that the program is told when it goes away; then becomes the program.
# Where the tests run under nohup, the signal for that would be ignored.
TAKE_TERMINAL = """\
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, sys.argv[1:])
"""
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "f1": "\x1bOP",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "backspace": "\x7f",
}
# Escape sequences of ECMA-48: CSI, OSC, and the short ones.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])")


class Terminal:
    """What a program has sent since the last `forget`, and what is typed to it."""

    def __init__(self, process: subprocess.Popen[bytes], line: int) -> None:
        self.process = process
        self.sent = b""
        self._line = line

    @property
    def text(self) -> str:
        """What was sent, without the escape sequences: every word as it was painted."""
        return ESCAPES.sub("", self.sent.decode(errors="replace"))

    def resize(self, columns: int, rows: int) -> None:
        """Make the window as large as that; the program is told by a signal."""
        ioctl(self._line, termios.TIOCSWINSZ, pack("HHHH", rows, columns, 0, 0))

    def forget(self) -> None:
        """Look only at what is sent from now on."""
        self.sent = b""

    def press(self, *keys: str) -> None:
        """Type keys by name, or text."""
        for key in keys:
            os.write(self._line, KEYS.get(key, key).encode())

    def wait_for(self, text: str) -> None:
        """Wait until a text has been painted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.text:
            assert time.monotonic() < deadline, f"never painted: {text!r}; painted: {self.text[-4000:]}"
            self._read(0.1)

    def seconds_until_answered(self, key: str) -> float:
        """Type a key; the time until the first byte comes back."""
        began = time.monotonic()
        self.press(key)
        assert self._read(PATIENCE_SECONDS), f"no answer to {key}"
        return time.monotonic() - began

    def wait_for_quiet(self, seconds: float) -> None:
        """Wait until nothing has been sent for so long."""
        while self._read(seconds):
            pass

    def watch(self, seconds: float) -> None:
        """Take what is sent in this time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)

    def wait_for_end(self) -> int:
        """Wait until the program has ended; its exit code, negative for a signal."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end; painted: {self.text[-4000:]}"
            self._read(0.1)
        return self.process.returncode

    def hang_up(self) -> int:
        """Cut the line, as a dropped connection does; returns the exit code."""
        os.close(self._line)
        self._line = -1
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """End what is left."""
        if self.process.poll() is None:
            self.process.kill()
        if self._line >= 0:
            os.close(self._line)
        self.process.wait()

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._line], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self._line, 65536)
        except OSError:
            # The other end is closed.
            return False
        self.sent += data
        return bool(data)


@contextmanager
def terminal(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    size: tuple[int, int] = (COLUMNS, ROWS),
) -> Iterator[Terminal]:
    """Tunebook in a terminal of so many columns and rows, started in a folder."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, pack("HHHH", size[1], size[0], 0, 0))
    # Before the screens are there, and after them, the terminal itself would send back what is typed.
    modes = termios.tcgetattr(theirs)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    # COLUMNS and LINES: pytest's workers have them from readline, and they would go before the window's own size.
    unwanted = ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES")
    plain = {key: value for key, value in os.environ.items() if key not in unwanted}
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, sys.executable, "-P", "-m", "tui.main", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env={**plain, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environment or {})},
        start_new_session=True,
    )
    os.close(theirs)
    opened = Terminal(process, ours)
    try:
        yield opened
    finally:
        opened.close()
