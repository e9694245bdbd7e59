"""The other side of `benchmarks.review`: the same round as a study of Optuna, opened in optuna-dashboard."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from rounds.record import TrialRecord

PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Opened:
    """Processor seconds of the server until it answers, and for the data of a study's page; its bytes."""

    start: float
    page: float
    size: int


def study(records: Sequence[TrialRecord], folder: Path) -> str:
    """The trials with their parameters, results and evaluations in SQLite, as Optuna's documentation has it."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = f"sqlite:///{folder}/optuna.db"
    made = optuna.create_study(study_name="s", storage=url)
    numeric = [name for name, value in records[0].values.items() if isinstance(value, int | float)]
    spread: Any = {name: optuna.distributions.FloatDistribution(*_range(records, name)) for name in numeric}
    made.add_trials(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.COMPLETE if record.feasible else optuna.trial.TrialState.FAIL,
            value=record.best if record.feasible else None,
            params={name: float(record.values[name]) for name in numeric},
            distributions=spread,
            intermediate_values={step: v for step, v in record.curves[record.metric] if math.isfinite(v)},
        )
        for record in records
    )
    return url


def opened(url: str) -> Opened:
    """Start the server on a study, and ask for what its page asks for. Nothing is in its memory before."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("optuna-dashboard"), url, "--port", str(port), "--server", "wsgiref"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*map(str, command), "--quiet"], stdout=quiet, stderr=quiet) as server:
        try:
            own = psutil.Process(server.pid)
            _asked(f"http://127.0.0.1:{port}/api/studies", server)
            start = _spent(own)
            size = len(_asked(f"http://127.0.0.1:{port}/api/studies/1", server))
            return Opened(start, _spent(own) - start, size)
        finally:
            server.terminate()


def _range(records: Sequence[TrialRecord], name: str) -> tuple[float, float]:
    values = [float(record.values[name]) for record in records]
    return min(values), max(values)


def _asked(address: str, server: subprocess.Popen[Any]) -> bytes:
    """The answer, as soon as there is one; it is whole, and it is JSON."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
                body = answer.read()
            json.loads(body)
            return body
        except urllib.error.HTTPError:
            raise
        except OSError:
            # It does not listen yet.
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _spent(process: psutil.Process) -> float:
    """Processor time of a process and its children so far."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system
