"""Small real runs for the tests of training: handwritten digits, a small residual network, one thread."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tests import small_project
from training import train
from training.config import Config, check, flat, unflat

# What differs from run to run whatever is done.
TIMES = {"seconds", "examples_per_second"}


def configuration(data: Path, **changes: Any) -> Config:
    """Eight steps on the digits, with changes such as training__steps=4."""
    few = {"training__steps": 8, "training__batch_size": 16, "training__evaluate_every": 4}
    return check(unflat(small_project.settings(data, **few | changes)))


def write_config(path: Path, data: Path, **changes: Any) -> Path:
    """The same as a TOML file."""
    return write_toml(path, configuration(data, **changes))


def write_toml(path: Path, config: Config) -> Path:
    # JSON's strings, numbers and truth values are TOML's.
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in flat(config).items())
    path.write_text("".join(lines), encoding="utf-8")
    return path


def run_here(config: Path, folder: Path, cache: Path | None = None) -> tuple[int, dict[str, Any]]:
    """Train in this process as the command line does; the exit code and result.json."""
    folder.mkdir(exist_ok=True)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        code = train.run(config, folder, cache, time.monotonic())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return code, result(folder)


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without the times."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in TIMES} for line in lines]


def assert_same_run(one: Path, other: Path) -> None:
    """Both runs have the same metrics, the same checkpoints to the last bit, and the same result but for times."""
    assert metrics(one) == metrics(other)
    names = sorted(path.name for path in (one / "checkpoints").glob("*.safetensors"))
    assert names == sorted(path.name for path in (other / "checkpoints").glob("*.safetensors"))
    assert len(names) > 1
    for name in names:
        tensors, others = load_file(one / "checkpoints" / name), load_file(other / "checkpoints" / name)
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensors[key], others[key]) for key in tensors)
    same = ("status", "best", "final", "steps_done", "parameters", "validation", "sample", "classes")
    first, second = result(one), result(other)
    assert {key: first[key] for key in same} == {key: second[key] for key in same}


def python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=300
    )
