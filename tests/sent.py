"""How many bytes a program sends to its terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ

HOME = Path(__file__).parent.parent


def bytes_sent(arguments: Sequence[str], columns: int, rows: int) -> int | None:
    """Bytes from the start to the end of Python with these arguments, in true colour; None where it fails."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, pack("HHHH", rows, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(
        [sys.executable, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=HOME, env=environment
    ) as process:
        os.close(theirs)
        sent = 0
        # The last read fails (Linux) or is empty (macOS) once the other end is closed.
        try:
            while data := os.read(ours, 65536):
                sent += len(data)
        except OSError:
            pass
    os.close(ours)
    return sent if process.returncode == 0 else None
