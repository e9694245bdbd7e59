"""A fork server: it imports once what every run needs, so that a run of seconds does not take seconds to begin.

`python -m training.serve --socket PATH` listens on a Unix socket. A request is a JSON object on one line, and so is its
answer: {"ping": true} -> {"ready": true}; {"config": path, "output": folder, "cache": folder or null, "environment":
{name: value}} -> {"pid": n} once the run holds the lock of its folder, or {"error": why not}.

The server leaves when the last connection is closed, or on SIGTERM; the runs it started go on. It has one thread, uses
no device and computes nothing, because what is forked after threads have started or CUDA has is broken.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from training import record

# Besides what training.train imports: what a run imports when it builds its network or takes its first step.
WARM_MODULES = (
    "training.train",
    "training.image_data",
    "training.text_data",
    "training.image_model",
    "training.text_model",
    "transformers.models.bert.modeling_bert",
    "transformers.models.distilbert.modeling_distilbert",
    "torch._dynamo",
)
NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
# For a server whose parent died before it connected.
PATIENCE_SECONDS = 120.0


@dataclass
class Server:
    """The handles that a forked run must let go of, and the runs whose end is awaited."""

    listener: socket.socket
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    connections: dict[socket.socket, bytes] = field(default_factory=dict)
    runs: dict[int, Path] = field(default_factory=dict)


def main() -> NoReturn:
    """The command line."""
    parser = argparse.ArgumentParser(prog="serve", description="Start runs quickly, on request.")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen; at most about 100 bytes")
    path = parser.parse_args().socket
    if sys.platform == "darwin":
        sys.exit("The frameworks of macOS do not work in a forked process; start each run by training.train instead.")
    record.tolerant_output()
    # CUDA's presence is asked of the driver's library without starting CUDA; numpy starts no threads of its own.
    os.environ[NVML_CHECK] = "1"
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        listener = listen(path)
    except OSError as error:
        sys.exit(f"{path}: {error}")
    try:
        warm_up()
        serve(Server(listener))
    finally:
        signal.set_wakeup_fd(-1)
        path.unlink(missing_ok=True)
    sys.exit()


def listen(path: Path) -> socket.socket:
    """A listening socket that only this user can reach. Raises OSError, also if another server answers at `path`."""
    listener = socket.socket(socket.AF_UNIX)
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise OSError("another server listens here")
        path.unlink()
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen()
    return listener


def warm_up() -> None:
    """Import all that runs will need; what is not installed here is reported by the run that needs it."""
    for module in WARM_MODULES:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    # Of what was imported here, which runs will be made of, whatever becomes of the files meanwhile.
    record.versions()
    record.code()
    # Objects that live for ever are kept out of the collector's way, whose marks would make the runs copy their pages.
    gc.collect()
    gc.freeze()


def serve(server: Server) -> None:
    """Answer requests until nobody is connected any more, or SIGTERM."""
    signals = wake_up_socket()
    for handle in (server.listener, signals):
        server.selector.register(handle, selectors.EVENT_READ)
    someone_came = False
    while True:
        ready = server.selector.select(None if someone_came else PATIENCE_SECONDS)
        if not ready and not someone_came:
            return
        for key, _ in ready:
            if key.fileobj is signals:
                if {signal.SIGTERM, signal.SIGINT} & set(signals.recv(4096)):
                    return
                reap(server)
            elif key.fileobj is server.listener:
                connection, _ = server.listener.accept()
                server.selector.register(connection, selectors.EVENT_READ)
                server.connections[connection] = b""
                someone_came = True
            elif isinstance(key.fileobj, socket.socket):
                receive(server, key.fileobj)
        if someone_came and not server.connections:
            return


def wake_up_socket() -> socket.socket:
    """A socket from which the numbers of arriving signals can be read, beside everything else that is waited for."""
    signals, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.detach())
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        # Without a handler the number would not be written.
        signal.signal(number, lambda number, frame: None)
    return signals


def receive(server: Server, connection: socket.socket) -> None:
    """Read what has come and answer every whole line of it; forget the connection when its other end is closed."""
    arrived = time.monotonic()
    try:
        content = connection.recv(65536)
        *lines, rest = (server.connections[connection] + content).split(b"\n")
        server.connections[connection] = rest
        for line in lines:
            connection.sendall(json.dumps(answer(server, line, arrived)).encode() + b"\n")
    except ConnectionError:
        content = b""
    if not content:
        server.selector.unregister(connection)
        del server.connections[connection]
        connection.close()


def answer(server: Server, line: bytes, arrived: float) -> dict[str, Any]:
    """The answer to one request, after doing what it asks for."""
    try:
        request = json.loads(line)
        if request.get("ping"):
            return {"ready": True}
        folder, config = Path(request["output"]), Path(request["config"])
        cache = Path(request["cache"]) if request.get("cache") else None
        environment = {str(name): str(value) for name, value in request.get("environment", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return {"error": f"not a request: {type(error).__name__}: {error}"}
    said, saying = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal between the fork and the run's own handlers waits; the run lets it in (train.StopRequest.listen).
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        pid = os.fork()
    except OSError as error:
        # No room for one more process, or no memory: that passes.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        os.close(said)
        os.close(saying)
        return {"error": str(error)}
    if pid == 0:
        os.close(said)
        become_run(server, saying, config, folder, cache, environment, arrived)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
    os.close(saying)
    with open(said, encoding="utf-8") as reader:
        word = reader.read()
    if word == "locked":
        server.runs[pid] = folder
        return {"pid": pid}
    os.waitpid(pid, 0)
    return {"error": word or f"{folder}: the run died before it began"}


def become_run(
    server: Server,
    saying: int,
    config: Path,
    folder: Path,
    cache: Path | None,
    environment: dict[str, str],
    arrived: float,
) -> NoReturn:
    """In the forked process: take the lock, say so through the pipe `saying`, train, and never return."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        server.selector.close()
        for handle in (server.listener, *server.connections):
            handle.close()
        try:
            with record.lock(folder):
                write_to_log(folder)
                os.write(saying, b"locked")
                os.close(saying)
                os.environ.update(environment)
                # It may start CUDA, and is to find out as any run does whether that works.
                os.environ.pop(NVML_CHECK, None)

                from training.train import run

                code = run(config, folder, cache, arrived)
        except (record.Busy, OSError) as error:
            print(error, file=sys.stderr)
            with contextlib.suppress(OSError):
                os.write(saying, str(error).encode())
    except BaseException:
        # Nothing may reach the server's loop, which this process is a copy of.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def write_to_log(folder: Path) -> None:
    """Make log.txt in `folder` the standard output and error, and nothing the input."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)


def reap(server: Server) -> None:
    """Collect the runs that have ended; for one that left no result, exit.json says how it died."""
    for pid, folder in list(server.runs.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            del server.runs[pid]
            code = os.waitstatus_to_exitcode(status)
            if not (folder / "result.json").exists():
                death = {"code": code, "signal": None} if code >= 0 else {"code": None, "signal": -code}
                try:
                    record.write_json(folder / "exit.json", death)
                except OSError as error:
                    print(f"{folder}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
