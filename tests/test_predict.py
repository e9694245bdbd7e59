"""The weights of a run are of use without its data: they know their classes and what they are to be fed."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.test_texts import csv, rows
from tests.training_runs import configuration, run_here, write_toml
from training.config import Config, check, unflat

HOME = Path(__file__).parent.parent


def predicted(run: Path, *examples: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training.predict", "--output", str(run), *examples]
    return subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False, timeout=300)


def trained(folder: Path, config: Config) -> dict[str, Any]:
    """The result of a finished run in `folder`/run; its data are gone, and so is its configuration."""
    path = write_toml(folder / "config.toml", config)
    code, result = run_here(path, folder / "run")
    assert code == 0, result["message"]
    shutil.rmtree(config.data.path)
    path.unlink()
    return result


def assert_as_evaluated(lines: str, truth: list[str], result: dict[str, Any]) -> None:
    """What is said of the validation examples, in their order, is what the run's best evaluation counted."""
    answers = [json.loads(line) for line in lines.splitlines()]
    assert all(list(answer["probabilities"]) == result["classes"] for answer in answers)
    assert all(max(answer["probabilities"], key=answer["probabilities"].get) == answer["class"] for answer in answers)
    right = sum(answer["class"] == label for answer, label in zip(answers, truth, strict=True))
    assert (right, len(answers)) == (result["validation"]["correct"], result["validation"]["examples"])
    logs = [-math.log(answer["probabilities"][label]) for answer, label in zip(answers, truth, strict=True)]
    assert sum(logs) / len(logs) == pytest.approx(result["best"]["val/loss"], rel=1e-4)


def test_images_are_told_without_the_data(tmp_path: Path, digits: Path) -> None:
    """Weights that did not say which output is which class, nor how an image becomes their input, were of no use to a
    colleague who had no more than the export's run. And the first file of a long list that could not be read was the
    end of all behind it."""
    data, new = tmp_path / "data", tmp_path / "new [/x]"
    for folder in sorted(digits.iterdir()):
        for number, path in enumerate(sorted(folder.iterdir())[:24]):
            place = data / ("train" if number < 16 else "validation") / f"no {folder.name}"
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / path.name)
    shutil.copytree(data / "validation", new)
    result = trained(tmp_path, configuration(data, training__steps=20, optimizer__learning_rate=0.01))
    examples = sorted(path for path in new.rglob("*") if path.is_file())
    answer = predicted(tmp_path / "run", *map(str, examples))
    assert answer.returncode == 0, answer.stderr
    assert_as_evaluated(answer.stdout, [path.parent.name for path in examples], result)

    (new / "broken.png").write_bytes(b"no image")
    among = [str(examples[0]), str(new / "broken.png"), str(new), str(new / "gone.png"), str(examples[1])]
    some = predicted(tmp_path / "run", *among)
    assert some.returncode == 1
    assert [json.loads(line)["example"] for line in some.stdout.splitlines()] == [among[0], among[-1]]
    broken, folder, gone, total = some.stderr.splitlines()
    assert broken.startswith(f"{among[1]}: not an image")
    assert (folder, gone) == (
        f"{new}: cannot be read: Is a directory.",
        f"{among[3]}: cannot be read: No such file or directory.",
    )
    assert total.startswith("3 of 5 files were left out, as said above. Mend or replace them")


def test_texts_are_told_without_the_data(tmp_path: Path) -> None:
    """The tokenizer that was learnt from the training split was kept nowhere: weights of texts could be used by nobody
    who had not the data."""
    data = tmp_path / "data"
    data.mkdir()
    examples = [(label, text.replace("\n", " ")) for label, text in rows()]
    (data / "train.csv").write_text(csv(examples), encoding="utf-8")
    (data / "validation.csv").write_text(
        csv(held := [(label, f"{text} !") for label, text in examples]), encoding="utf-8"
    )
    small = {
        "model.library": "transformers",
        "model.name": "bert",
        "model.layers": 1,
        "model.hidden_size": 32,
        "model.heads": 2,
        "model.vocabulary_size": 300,
        "data.task": "text-classification",
        "data.path": str(data),
        "data.max_length": 16,
        "optimizer.name": "adamw",
        "optimizer.learning_rate": 0.01,
        "training.steps": 12,
        "training.batch_size": 4,
        "training.evaluate_every": 6,
    }
    result = trained(tmp_path, check(unflat(small)))
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(text for _, text in held) + "\n\n", encoding="utf-8")
    answer = predicted(tmp_path / "run", str(texts))
    assert answer.returncode == 0, answer.stderr
    assert_as_evaluated(answer.stdout, [label for label, _ in held], result)

    (tmp_path / "latin.txt").write_bytes("été".encode("latin-1"))
    answer = predicted(tmp_path / "run", str(tmp_path / "latin.txt"), str(texts))
    assert answer.returncode == 1
    assert_as_evaluated(answer.stdout, [label for label, _ in held], result)
    assert answer.stderr.startswith(f"{tmp_path / 'latin.txt'}: is not UTF-8.\n1 of 2 files were left out")


def test_weights_of_before_their_classes_were_noted_are_named(tmp_path: Path, digits: Path) -> None:
    """And so is a folder in which nothing was trained: each with what to do."""
    config = write_toml(tmp_path / "config.toml", configuration(digits))
    answer = predicted(tmp_path / "run", "image.png")
    assert answer.returncode == 1
    assert answer.stderr.strip() == f"{tmp_path / 'run'}: there are no weights of a run. Train first."
    assert run_here(config, tmp_path / "run")[0] == 0
    for path in (tmp_path / "run" / "checkpoints").glob("step-*.safetensors"):
        save_file(load_file(path), path)
    answer = predicted(tmp_path / "run", "image.png")
    assert answer.returncode == 1
    assert "the weights do not say their classes. Train again." in answer.stderr
