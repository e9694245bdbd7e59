"""Published weights: over HTTP, with the hub's own library, from a hub that runs on this machine."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
from safetensors.torch import save_file

from tests import training_runs
from tests.hub import serving, slowly

NAME, REPOSITORY = "resnet18", "timm/resnet18.a1_in1k"
FROM_HUB = {"model__name": NAME, "model__pretrained": "hub", "data__image_size": 32}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder as the hub has one; its weights take 45 MiB, of which the library writes 10 at a time."""
    folder = tmp_path / "published"
    folder.mkdir()
    save_file(timm.create_model(NAME).state_dict(), folder / "model.safetensors")
    return folder


def run(
    module: str, config: Path, output: Path, hub: str, home: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_HUB_DOWNLOAD_TIMEOUT": "5"}
    command = [sys.executable, "-m", module, "--config", str(config), "--output", str(output), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def probed(digits: Path, folder: Path, hub: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    """A probe with weights from that hub, and what it said meanwhile."""
    config = training_runs.write_config(folder / "config.toml", digits, **FROM_HUB)
    done = run("training.probe", config, folder / "probe", hub, folder / "home", "--largest", "8")
    lines = (folder / "probe/progress.jsonl").read_text(encoding="utf-8").splitlines()
    return done, [json.loads(line) for line in lines]


def test_weights_come_from_the_hub_and_what_has_come_is_told(digits: Path, published: Path, tmp_path: Path) -> None:
    with serving({REPOSITORY: published}, slowly) as hub:
        done, said = probed(digits, tmp_path, hub)
    assert done.returncode == 0, done.stderr
    come = [phase["bytes"] for phase in said if phase.get("bytes")]
    assert come == sorted(come)
    assert 0 < come[-1] <= (published / "model.safetensors").stat().st_size
    # What is here is not fetched again, and needs no network.
    config = training_runs.write_config(
        tmp_path / "run.toml", digits, **FROM_HUB, training__steps=2, training__evaluate_every=2
    )
    done = run("training.train", config, tmp_path / "run", hub, tmp_path / "home")
    assert done.returncode == 0, done.stderr


def test_a_connection_that_breaks_off_is_said_and_the_next_time_it_is_whole(
    digits: Path, published: Path, tmp_path: Path
) -> None:
    sent: list[int] = []

    def cut(place: int) -> None:
        sent.append(place)
        if place > 2**24:
            raise ConnectionError

    with serving({REPOSITORY: published}, cut) as hub:
        done, _said = probed(digits, tmp_path, hub)
    assert done.returncode == 1
    assert f"weights of {NAME} that the hub has and this machine can reach" in done.stderr
    assert "Traceback" not in done.stderr
    sent.clear()
    with serving({REPOSITORY: published}, sent.append) as hub:
        done, _said = probed(digits, tmp_path, hub)
    assert done.returncode == 0, done.stderr


def test_what_the_hub_does_not_have_is_said(digits: Path, tmp_path: Path) -> None:
    with serving({}) as hub:
        done, _said = probed(digits, tmp_path, hub)
    assert done.returncode == 1
    assert f"weights of {NAME} that the hub has" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pickle_from_the_hub_is_not_run(digits: Path, tmp_path: Path) -> None:
    folder, trap = tmp_path / "published", tmp_path / "trap"
    folder.mkdir()

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (trap,)

    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"conv1.weight": Trap()}, file)
    with serving({REPOSITORY: folder}) as hub:
        done, _said = probed(digits, tmp_path, hub)
    assert done.returncode == 1
    assert f"weights of {NAME}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not trap.exists()
