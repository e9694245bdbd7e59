"""Training as on an NVIDIA GPU, where there is none: whatever it computes, it mixes no devices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import stand_in_gpu, test_texts, training_runs

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="has an NVIDIA GPU: `make test-gpu`")

IMAGES: dict[str, dict[str, Any]] = {
    "augmented": {
        "augmentation__flip": True,
        "augmentation__crop_padding": 2,
        "regularization__gradient_clip": 1.0,
    },
    "rounded": {
        "runtime__precision": "auto",
        "runtime__channels_last": True,
        "training__evaluation_examples": 20,
    },
    "ghosts": {"training__ghost_batch_size": 8, "regularization__label_smoothing": 0.1},
    "adam": {"optimizer__name": "adam"},
    "lamb": {"optimizer__name": "lamb"},
}
TEXTS: dict[str, Any] = {
    "data__task": "text-classification",
    "data__max_length": 16,
    "training__batch_size": 4,
    "model__library": "transformers",
    "model__name": "bert",
    "model__layers": 1,
}


def run(module: str, *runs: tuple[str, ...], first: str = "") -> subprocess.CompletedProcess[str]:
    """A module of training, one run after the other, in a process that has the stand-in: importing torch and its
    compiler takes longer than each."""
    code = f"""
import json, sys
from tests import stand_in_gpu
from training import {module}
stand_in_gpu.start()
{first}
for words in json.loads(sys.argv[1]):
    try:
        {module}.main(words)
    except SystemExit as ended:
        if ended.code:
            sys.exit(ended.code)
"""
    command = [sys.executable, "-c", code, json.dumps(runs)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def words(folder: Path, data: Path, name: str = "run", **changes: Any) -> tuple[str, ...]:
    """The command line of a short run."""
    few = {"training__steps": 4, "training__evaluate_every": 2, "runtime__device": "cuda"}
    changes = few | {"runtime__precision": "float32"} | changes
    config = training_runs.write_config(folder / f"{name}.toml", data, **changes)
    return "--config", str(config), "--output", str(folder / name)


def test_images_are_trained_on_with_nothing_left_behind(digits: Path, tmp_path: Path) -> None:
    """Also by a run that goes on from its checkpoints, to the end that it had."""
    runs = [words(tmp_path, digits, name, **changes) for name, changes in IMAGES.items()]
    done = run("train", *runs)
    assert done.returncode == 0, done.stderr
    results = {name: training_runs.result(tmp_path / name) for name in IMAGES}
    told = {(found["status"], found["device"], found["steps_done"]) for found in results.values()}
    assert told == {("complete", stand_in_gpu.NAME, 4)}
    assert results["rounded"]["precision"] == "bfloat16"
    assert run("train", runs[0]).returncode == 0
    again = training_runs.result(tmp_path / "augmented")
    assert (again["resumed"], again["best"]) == (1, results["augmented"]["best"])


def test_texts_are_trained_on_with_nothing_left_behind(tmp_path: Path) -> None:
    sms = test_texts.write(tmp_path / "sms.csv", test_texts.csv(test_texts.rows()))
    done = run("train", words(tmp_path, sms, **TEXTS))
    assert done.returncode == 0, done.stderr
    assert training_runs.result(tmp_path / "run")["device"] == stand_in_gpu.NAME


def test_batch_sizes_are_measured_with_nothing_left_behind(digits: Path, tmp_path: Path) -> None:
    done = run("probe", (*words(tmp_path, digits), "--largest", "16", "--choose", "100"))
    assert done.returncode == 0, done.stderr
    found = training_runs.result(tmp_path / "run")
    assert (found["status"], found["device_type"]) == ("complete", "cuda")
    assert {"runtime.channels_last", "runtime.fused"} <= {each["key"] for each in found["tried"]}


def test_checks_are_made_with_nothing_left_behind(digits: Path, tmp_path: Path) -> None:
    names = ("one-batch", "shuffle", "length")
    done = run("checks", *(("--check", name, *words(tmp_path, digits, name)) for name in names))
    assert done.returncode == 0, done.stderr
    assert {training_runs.result(tmp_path / name)["status"] for name in names} == {"complete"}


def test_what_is_left_behind_is_noticed(digits: Path, tmp_path: Path) -> None:
    """Labels that stay on the CPU: the stand-in refuses them as a GPU does."""
    code = """
from training import batches
batches._on_device = lambda batch, device: (batches._copied(batch[0], device), batch[1])
"""
    assert run("train", words(tmp_path, digits), first=code).returncode == 1
    assert "found cuda:0 and cpu" in training_runs.result(tmp_path / "run")["message"]
