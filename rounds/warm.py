"""The client of the fork server (`training.serve`): trials that start without importing torch again."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from state import files
from state.errors import Refusal, Unavailable

# -P: a file of the user's that is called like a module of ours or of Python's must not be imported in its place.
COMMAND = (sys.executable, "-P", "-m", "training.serve")
IMPORT_SECONDS = 180.0
ANSWER_SECONDS = 30.0
ATTEMPTS = 3
# What the kernel takes as the name of a Unix socket: 108 bytes on Linux, 104 on macOS.
LONGEST_NAME = 100


class Lost(Exception):
    """The fork server did not answer; it has been ended."""


class ForkServer:
    """The fork server of one supervisor: started at the first `poll`, replaced when it dies, ended by `close`.

    Its trials live on without it. After a few deaths in a row it is "unavailable" for good.
    """

    def __init__(self, folder: Path, command: Sequence[str] = COMMAND):
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self._command = command
        self._path = _shorter(folder / f"serve-{os.getpid()}.sock")
        self._connection: socket.socket | None = None
        self._ready = False
        self._began = 0.0
        self._deaths = 0

    def poll(self) -> Literal["starting", "ready", "unavailable"]:
        """How the server is, without waiting for it; starts it where it is not running."""
        if self.process is not None and self.process.poll() is not None:
            self._end()
        if self._ready:
            return "ready"
        if self._deaths >= ATTEMPTS:
            return "unavailable"
        if self.process is None:
            self._begin()
        elif time.monotonic() - self._began > IMPORT_SECONDS:
            self._end()
        else:
            self._greet()
        return "ready" if self._ready else "starting"

    @property
    def warm(self) -> bool:
        """Whether the server has imported all, so that the next trial starts at once."""
        return self._ready

    def start(self, config: Path, output: Path, cache: Path, environment: Mapping[str, str]) -> int:
        """Start a trial in a child of the server; returns its pid once it holds the trial's lock.

        Raises Lost where the server does not answer, Refusal with its sentence where it could not start the child,
        Unavailable where there was no room for it on the disk or among the processes.
        """
        request = {"config": config, "output": output, "cache": cache}
        try:
            answer = self._ask({**{name: str(path) for name, path in request.items()}, "environment": environment})
        except (OSError, ValueError) as error:
            self._end()
            raise Lost(str(error) or type(error).__name__) from None
        if "pid" not in answer:
            reason = str(answer.get("error", answer))
            raise (Unavailable if files.passes(reason) else Refusal)("{reason}", reason=reason)
        self._deaths = 0
        return int(answer["pid"])

    def close(self) -> None:
        """End the server, whose trials go on."""
        self._end()

    def _begin(self) -> None:
        self._path.unlink(missing_ok=True)
        with open(self._folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [*self._command, "--socket", str(self._path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._began = time.monotonic()

    def _greet(self) -> None:
        """Connect once the server listens, and see whether it has answered to its greeting."""
        try:
            if self._connection is None:
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._connection = connection
                connection.settimeout(ANSWER_SECONDS)
                connection.connect(str(self._path))
                connection.sendall(b'{"ping": true}\n')
            if select.select([self._connection], [], [], 0)[0]:
                self._ready = bool(_read_line(self._connection).get("ready"))
        except (OSError, ValueError):
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._connection is None:
            raise OSError("not connected")
        self._connection.sendall(json.dumps(request, ensure_ascii=False).encode() + b"\n")
        return _read_line(self._connection)

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self._deaths += 1
        self.process, self._connection, self._ready = None, None, False
        self._path.unlink(missing_ok=True)


def _read_line(connection: socket.socket) -> dict[str, Any]:
    """One JSON object on a line. Raises OSError where the other end is gone or silent, ValueError for anything else."""
    data = b""
    while not data.endswith(b"\n"):
        received = connection.recv(65_536)
        if not received:
            raise ConnectionError("the fork server closed the connection")
        data += received
    answer = json.loads(data)
    if not isinstance(answer, dict):
        raise ValueError(f"not an answer: {answer!r}")
    return answer


def _shorter(path: Path) -> Path:
    """The path relative to the working folder where the whole one is too long for the name of a socket."""
    return path if len(os.fsencode(path)) <= LONGEST_NAME else Path(os.path.relpath(path))
