"""W&B LEET on a growing run, from a virtual environment of its own: transformers loads wandb wherever it finds it.

wandb keeps what it logs back until there are 32 kB of it; so the file of an ended run is handed to LEET again, a record
at a time.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from itertools import pairwise
from pathlib import Path
from struct import pack, unpack_from
from termios import TIOCSWINSZ

from tests.live_chart import curve
from tests.terminal import Terminal

# It sends something ten times a second, so there is no quiet to wait for.
WATCHED_SECONDS = 1.0
# Nothing leaves this machine, and nobody has an account.
OFFLINE = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
BIN = Path(sys.prefix) / "leet" / "bin"
# Logs the curves that it reads, a step for each of their points.
LOG = """\
import json, sys, wandb
curves = json.load(sys.stdin)
settings = wandb.Settings(console="off", x_disable_stats=True, x_disable_meta=True, disable_git=True)
with wandb.init(dir=sys.argv[1], project="curves", settings=settings) as run:
    for place in range(min(map(len, curves.values()))):
        run.log({name: values[place] for name, values in curves.items()}, step=10 * place)
"""
# A file begins with so many bytes that are no record; a record with its checksum, length and type.
BEGINNING, HEAD = 7, 7
# Of a record, after its number: the field that holds a step of the curves.
HISTORY = 0x12


def per_update(updates: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """Bytes that LEET sends for each step of a run that it follows, and in a second in which nothing happens.

    Of the first the second is taken off. None where it is not installed.
    """
    if not (BIN / "wandb").exists():
        return None
    curves = {f"loss {rate}": list(curve(rate, updates + 1).y) for rate in (0.02, 0.05, 0.1)}
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, **OFFLINE, "HOME": name, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        command = [BIN / "python", "-c", LOG, name]
        subprocess.run(
            command, input=json.dumps(curves), text=True, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        (ended,) = Path(name).glob("wandb/offline-run-*/*.wandb")
        whole = ended.read_bytes()
        growing = Path(name) / "growing" / ended.name
        growing.parent.mkdir()
        steps = list(_steps(whole))
        growing.write_bytes(whole[: steps[0]])
        with _shown([str(BIN / "wandb"), "leet", "run", str(growing.parent)], environment, size) as screen:
            screen.wait_for("loss")
            screen.watch(WATCHED_SECONDS)
            screen.forget()
            screen.watch(updates * WATCHED_SECONDS)
            idle = len(screen.sent)
            screen.forget()
            for begin, end in pairwise(steps[: updates + 1]):
                with growing.open("ab") as file:
                    file.write(whole[begin:end])
                screen.watch(WATCHED_SECONDS)
            return round((len(screen.sent) - idle) / updates), round(idle / updates / WATCHED_SECONDS)


def _steps(whole: bytes) -> Iterator[int]:
    """Where each record of a step ends. The file is shorter than the blocks in which records are split."""
    place = BEGINNING
    while place < len(whole):
        (length,) = unpack_from("<H", whole, place + 4)
        record = whole[place + HEAD : place + HEAD + length]
        place += HEAD + length
        after = next(number for number, byte in enumerate(record[1:], 2) if byte < 0x80)
        if record[after] == HISTORY:
            yield place


@contextmanager
def _shown(command: list[str], environment: dict[str, str], size: tuple[int, int]) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, pack("HHHH", size[1], size[0], 0, 0))
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    screen = Terminal(process, ours)
    try:
        yield screen
    finally:
        # The program that draws is a child of the one that was started.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        screen.close()
