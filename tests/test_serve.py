"""The fork server: runs begin at once, are the same as any other, and outlive it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pytest

from tests.small_project import wait_for
from tests.training_runs import assert_same_run, python, result, write_config
from training.record import lock


@dataclass
class Client:
    """A fork server and a connection to it."""

    process: subprocess.Popen[bytes]
    path: Path
    stream: TextIO

    def ask(self, request: object) -> dict[str, Any]:
        self.stream.write(json.dumps(request) + "\n")
        self.stream.flush()
        return json.loads(self.stream.readline())

    def start(self, config: Path, folder: Path, **environment: str) -> int:
        request = {"config": str(config), "output": str(folder), "cache": None, "environment": environment}
        return self.ask(request)["pid"]


def connect(path: Path) -> TextIO:
    with socket.socket(socket.AF_UNIX) as connection:
        # Its socket is there a moment before anybody listens.
        wait_for(lambda: connection.connect_ex(str(path)) == 0, "the server does not listen")
        return connection.makefile("rw", encoding="utf-8")


@pytest.fixture(scope="module")
def begin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Client]]:
    """Begin a fork server; those still there at the end are ended."""
    processes = []

    def begin() -> Client:
        path = tmp_path_factory.mktemp("server") / "s"
        process = subprocess.Popen([sys.executable, "-m", "training.serve", "--socket", str(path)])
        processes.append(process)
        return Client(process, path, connect(path))

    yield begin
    for process in processes:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def client(begin: Callable[[], Client]) -> Client:
    return begin()


def test_it_says_when_it_is_ready_and_only_to_its_user(client: Client):
    assert client.ask({"ping": True}) == {"ready": True}
    assert client.path.stat().st_mode & 0o777 == 0o600


def test_a_served_run_is_the_same_as_one_of_its_own_process(client: Client, digits: Path, tmp_path: Path):
    config = write_config(tmp_path / "config.toml", digits, regularization__dropout=0.2, runtime__threads=2)
    # A second one from the same server, because what the first did must not show in it.
    for name in ("served", "again"):
        client.start(config, tmp_path / name)
        wait_for((tmp_path / name / "result.json").exists, "the run does not end")
    command = [sys.executable, "-m", "training.train", "--config", str(config), "--output", str(tmp_path / "fresh")]
    subprocess.run(command, check=True, capture_output=True)
    assert_same_run(tmp_path / "served", tmp_path / "fresh")
    assert_same_run(tmp_path / "again", tmp_path / "fresh")
    assert result(tmp_path / "served")["first_step_seconds"] > 0
    assert "best validation error_rate" in (tmp_path / "served" / "log.txt").read_text(encoding="utf-8")


def test_the_run_is_a_session_of_its_own_with_its_environment(client: Client, digits: Path, tmp_path: Path):
    config = write_config(tmp_path / "config.toml", digits, training__steps=10_000)
    pid = client.start(config, tmp_path / "run", TUNEBOOK_TEST="图 [x]")
    assert (tmp_path / "run" / "run.lock").read_text(encoding="utf-8").strip() == str(pid)
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGTERM)
    wait_for((tmp_path / "run" / "result.json").exists, "the run does not stop")
    assert result(tmp_path / "run")["status"] == "stopped"


def test_what_it_imports_asks_cuda_nothing():
    """Where the driver's library cannot be asked in its place, as for a part of a GPU (MIG) or in a container without
    it, a single question would leave every run without a GPU: CUDA does not start in a fork of a process that has
    asked it."""
    code = """
import os, sys, torch
from training import serve
if sys.argv[1:]:
    torch.cuda.is_available()
serve.warm_up()
run = os.fork()
if run == 0:
    os._exit(int(torch.cuda._is_in_bad_fork()))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(run, 0)[1]))
"""
    assert [python(code, *asked).returncode for asked in ((), ("asked",))] == [0, 1]


def test_a_folder_in_use_is_answered_with_an_error(client: Client, digits: Path, tmp_path: Path):
    config = write_config(tmp_path / "config.toml", digits)
    with lock(tmp_path / "run"):
        answer = client.ask({"config": str(config), "output": str(tmp_path / "run"), "cache": None})
    assert "another run is going on" in answer["error"]
    assert not (tmp_path / "run" / "exit.json").exists()


@pytest.mark.parametrize(
    "request_", [{}, 7, {"config": 1, "output": 2}, {"config": "c"}, {"config": "\0", "output": "\0"}]
)
def test_a_request_that_is_none_is_answered_with_an_error(client: Client, request_: object):
    assert "error" in client.ask(request_)
    assert client.ask({"ping": True}) == {"ready": True}


def test_a_folder_that_cannot_be_made_is_answered_with_an_error(client: Client, digits: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    request = {"config": str(write_config(tmp_path / "c.toml", digits)), "output": str(tmp_path / "file" / "run")}
    assert "Not a directory" in client.ask(request)["error"]


def test_a_mistake_in_the_configuration_is_in_the_result_as_ever(client: Client, digits: Path, tmp_path: Path):
    config = write_config(tmp_path / "config.toml", digits, model__name="resnet19")
    client.start(config, tmp_path / "run")
    wait_for((tmp_path / "run" / "result.json").exists, "the run does not end")
    assert result(tmp_path / "run")["reason"] == "config"


def test_a_run_that_is_killed_leaves_how_it_died(client: Client, digits: Path, tmp_path: Path):
    config = write_config(tmp_path / "config.toml", digits, training__steps=10_000)
    os.kill(client.start(config, tmp_path / "run"), signal.SIGKILL)
    wait_for((tmp_path / "run" / "exit.json").exists, "the server says nothing of the death")
    death = json.loads((tmp_path / "run" / "exit.json").read_text(encoding="utf-8"))
    assert death == {"code": None, "signal": signal.SIGKILL}
    # Continued, the run takes back what was said of its death.
    write_config(tmp_path / "config.toml", digits)
    client.start(tmp_path / "config.toml", tmp_path / "run")
    wait_for((tmp_path / "run" / "result.json").exists, "the run does not end")
    assert not (tmp_path / "run" / "exit.json").exists()


def test_it_leaves_when_its_parent_does_and_the_run_goes_on(begin: Callable[[], Client], digits: Path, tmp_path: Path):
    client = begin()
    config = write_config(tmp_path / "config.toml", digits, training__steps=60)
    client.start(config, tmp_path / "run")
    client.stream.close()
    assert client.process.wait() == 0
    assert not client.path.exists()
    wait_for((tmp_path / "run" / "result.json").exists, "the run does not end")
    assert result(tmp_path / "run")["status"] == "complete"
