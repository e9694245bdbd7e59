"""Training as on an NVIDIA GPU, where there is none: whatever it computes, it mixes no devices, and of what a GPU says
when it breaks it tells what a smaller batch would mend from what ends the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import small_project, stand_in_gpu, test_texts, training_runs

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


def run(
    module: str, *runs: tuple[str, ...], first: str = "", breaks: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """A module of training, one run after the other, in a process that has the stand-in: importing torch and its
    compiler takes longer than each. `breaks`: what goes wrong in each with sixteen examples or more."""
    code = f"""
import json, sys
from tests import stand_in_gpu
from training import {module}
stand_in_gpu.start()
{first}
for words, trouble in zip(*json.loads(sys.argv[1])):
    stand_in_gpu.break_at(16, stand_in_gpu.TROUBLES.get(trouble))
    try:
        {module}.main(words)
    except SystemExit as ended:
        if ended.code and not trouble:
            sys.exit(ended.code)
"""
    command = [sys.executable, "-c", code, json.dumps([runs, breaks or [""] * len(runs)])]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def many_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many that a probe goes beyond its first size."""
    return small_project.digits(tmp_path_factory.mktemp("digits"), examples=1000)


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


def test_a_size_for_which_memory_ran_out_in_whatever_words_is_too_large_and_smaller_ones_are_measured(
    many_digits: Path, tmp_path: Path
) -> None:
    """On a part of a GPU, what the allocator said was taken for an error of another kind."""
    kinds = ("memory", "share", "part", "engine")
    # An evaluation has as many examples as are always had room for.
    asked = (words(tmp_path, many_digits, kind, training__evaluation_batch_size=8) for kind in kinds)
    done = run("probe", *((*each, "--largest", "16") for each in asked), breaks=kinds)
    assert "Traceback" not in done.stderr
    for kind in kinds:
        found = training_runs.result(tmp_path / kind)
        lines = map(json.loads, (tmp_path / kind / "sizes.jsonl").read_text(encoding="utf-8").splitlines())
        assert {line["batch_size"]: line["outcome"] for line in lines}[16] == "out_of_memory", kind
        assert found["status"] == "complete", kind
        assert 8 <= found["largest_feasible"] < 16, kind


def test_a_trial_tells_memory_that_ran_out_from_a_gpu_that_failed(digits: Path, tmp_path: Path) -> None:
    """cuBLAS says after an assert what it says without room: that the setting did not fit was a mistake."""
    told = {
        "memory": ("infeasible", "out_of_memory"),
        "part": ("infeasible", "out_of_memory"),
        "engine": ("infeasible", "out_of_memory"),
        "handle": ("failed", "device"),
        "launch": ("failed", "device"),
        "ecc": ("failed", "device"),
    }
    done = run("train", *(words(tmp_path, digits, kind) for kind in told), breaks=(*told,))
    results = {kind: training_runs.result(tmp_path / kind) for kind in told}
    assert {kind: (found["status"], found["reason"]) for kind, found in results.items()} == told
    assert results["launch"]["message"].endswith("AcceleratorError: CUDA error: unspecified launch failure")
    assert "Traceback" not in done.stderr


def test_a_probe_whose_gpu_fails_keeps_what_it_measured_and_measures_no_more_there(
    many_digits: Path, tmp_path: Path
) -> None:
    kinds = ("assert", "handle")
    run("probe", *((*words(tmp_path, many_digits, kind), "--largest", "64") for kind in kinds), breaks=kinds)
    for kind in kinds:
        found = training_runs.result(tmp_path / kind)
        assert (found["status"], found["recommended"], found["limited_by"]) == ("complete", 8, "error"), kind


def test_a_gpu_that_fails_while_it_is_chosen_how_to_run_is_measured_by_another_process(
    many_digits: Path, tmp_path: Path
) -> None:
    """A kernel of the compiler's that crashed was taken for a compiler that is not there: the same process went on, in
    which nothing can be done any more, and the probe failed."""
    crashing = """
import torch
def compiled(*_, **__):
    raise stand_in_gpu.kill(stand_in_gpu.LAUNCH)
torch.compile = compiled
"""
    done = run("probe", (*words(tmp_path, many_digits), "--largest", "16", "--choose", "100"), first=crashing)
    assert done.returncode == 0, done.stderr
    found = training_runs.result(tmp_path / "run")
    assert (found["status"], found["largest_feasible"], found["tried"]) == ("complete", 16, [])
    assert found["unchosen"]["message"].startswith("No runtime choice is made. The GPU failed: ")
