"""Training as on an NVIDIA GPU, where there is none: whatever it computes, it mixes no devices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import stand_in_gpu, test_texts, training_runs
from training import checks

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="has an NVIDIA GPU: `make test-gpu`")

TEXTS: dict[str, Any] = {
    "data__task": "text-classification",
    "data__max_length": 16,
    "training__batch_size": 4,
    "model__library": "transformers",
    "model__name": "bert",
}


def run(module: str, *arguments: str, first: str = "") -> subprocess.CompletedProcess[str]:
    """A module of training in a process that has the stand-in."""
    code = f"import sys\nfrom tests import stand_in_gpu\nfrom training import {module}\nstand_in_gpu.start()\n{first}"
    command = [sys.executable, "-c", f"{code}{module}.main(sys.argv[1:])", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def config(path: Path, data: Path, **changes: Any) -> str:
    few = {"training__steps": 4, "training__evaluate_every": 2, "runtime__device": "cuda"}
    return str(training_runs.write_config(path, data, **few | {"runtime__precision": "float32"} | changes))


@pytest.fixture
def sms(tmp_path: Path) -> Path:
    return test_texts.write(tmp_path / "sms.csv", test_texts.csv(test_texts.rows()))


@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation__flip": True, "augmentation__crop_padding": 2, "regularization__gradient_clip": 1.0},
        {"runtime__precision": "auto", "runtime__channels_last": True, "training__evaluation_examples": 20},
        {"training__ghost_batch_size": 8, "regularization__label_smoothing": 0.1},
        *({"optimizer__name": name} for name in ("adam", "lamb")),
    ],
)
def test_images_are_trained_on_with_nothing_left_behind(digits: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    words = ("--config", config(tmp_path / "c.toml", digits, **changes), "--output", str(tmp_path / "run"))
    done = run("train", *words)
    assert done.returncode == 0, done.stderr
    found = training_runs.result(tmp_path / "run")
    assert (found["status"], found["device"], found["steps_done"]) == ("complete", stand_in_gpu.NAME, 4)


def test_a_run_goes_on_with_nothing_left_behind(digits: Path, tmp_path: Path) -> None:
    """From its checkpoints, to the end that it had."""
    words = ("--config", config(tmp_path / "c.toml", digits), "--output", str(tmp_path / "run"))
    results = []
    for _ in range(2):
        done = run("train", *words)
        assert done.returncode == 0, done.stderr
        results.append(training_runs.result(tmp_path / "run"))
    assert [found["resumed"] for found in results] == [0, 1]
    assert results[0]["best"] == results[1]["best"]


def test_texts_are_trained_on_with_nothing_left_behind(sms: Path, tmp_path: Path) -> None:
    done = run("train", "--config", config(tmp_path / "c.toml", sms, **TEXTS), "--output", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert training_runs.result(tmp_path / "run")["device"] == stand_in_gpu.NAME


def test_batch_sizes_are_measured_with_nothing_left_behind(digits: Path, tmp_path: Path) -> None:
    words = ("--config", config(tmp_path / "c.toml", digits), "--output", str(tmp_path / "probe"))
    done = run("probe", *words, "--largest", "16", "--choose", "100")
    assert done.returncode == 0, done.stderr
    found = training_runs.result(tmp_path / "probe")
    assert (found["status"], found["device_type"]) == ("complete", "cuda")
    assert {"runtime.channels_last", "runtime.fused"} <= {each["key"] for each in found["tried"]}


@pytest.mark.parametrize("check", [name for name in checks.CHECKS if name != "batch-size"])
def test_checks_are_made_with_nothing_left_behind(digits: Path, tmp_path: Path, check: str) -> None:
    words = ("--check", check, "--config", config(tmp_path / "c.toml", digits), "--output", str(tmp_path / "out"))
    done = run("checks", *words)
    assert done.returncode == 0, done.stderr
    assert training_runs.result(tmp_path / "out")["status"] == "complete"


def test_what_is_left_behind_is_noticed(digits: Path, tmp_path: Path) -> None:
    """Labels that stay on the CPU: the stand-in refuses them as a GPU does."""
    code = "batches._on_device = lambda batch, device: (batches._copied(batch[0], device), batch[1])"
    words = ("--config", config(tmp_path / "c.toml", digits), "--output", str(tmp_path / "run"))
    assert run("train", *words, first=f"from training import batches\n{code}\n").returncode == 1
    assert "found cuda:0 and cpu" in training_runs.result(tmp_path / "run")["message"]
