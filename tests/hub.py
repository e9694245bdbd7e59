"""A hub on this machine: it answers the library of the real one over HTTP, with weights of our own making."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

COMMIT = "0" * 40
ADDRESS = re.compile(r"/(?P<name>.+?)/resolve/[^/]+/(?P<file>[^?]+)")


@contextlib.contextmanager
def serving(repositories: Mapping[str, Path], pause: Callable[[int], object] = lambda sent: None) -> Iterator[str]:
    """The address of a hub that has these repositories, folders of files. It sends 64 KiB at a time; `pause` is told
    before each how much of the file was sent, and may wait, or raise OSError so that the connection breaks off."""

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(alone=True)

        def do_GET(self) -> None:
            self._answer(alone=False)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self, *, alone: bool) -> None:
            asked = ADDRESS.match(self.path)
            folder = repositories.get(asked["name"]) if asked else None
            file = folder / asked["file"] if folder and asked else None
            if file is None or not file.is_file():
                self._head(404, {"X-Error-Code": "EntryNotFound" if folder else "RepoNotFound", "Content-Length": "0"})
                return
            content = file.read_bytes()
            first = int(re.sub(r"\D", "", self.headers.get("Range", "bytes=0-").partition("-")[0]) or 0)
            headers = {
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Repo-Commit": COMMIT,
                "Accept-Ranges": "bytes",
                "Content-Length": str(len(content) - first),
            }
            if first:
                headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            self._head(206 if first else 200, headers)
            if alone:
                return
            with contextlib.suppress(OSError):
                for sent in range(first, len(content), 2**16):
                    pause(sent)
                    self.wfile.write(content[sent : sent + 2**16])
                return
            self.close_connection = True

        def _head(self, code: int, headers: dict[str, str]) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def slowly(sent: int) -> None:
    """A slow line: some 10 MB a second."""
    time.sleep(0.006)
