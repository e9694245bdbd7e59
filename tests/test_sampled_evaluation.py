"""Evaluation on the way on a sample of the validation split, and on the whole of it in the end (P16)."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.training_runs import assert_same_run, configuration, result, run_here, write_config
from training import device as devices
from training import loop, model
from training.data import open_dataset
from training.evaluation import evaluate, sample

SAMPLED: dict[str, Any] = {
    "training__steps": 24,
    "training__evaluate_every": 4,
    "training__evaluation_examples": 20,
}


def test_the_sample_has_its_share_of_each_class_and_depends_on_the_data_alone(digits: Path) -> None:
    labels = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)[torch.randperm(1000, generator=torch.Generator())]
    config = configuration(digits, training__evaluation_examples=100)
    drawn = sample(labels, config)
    assert drawn is not None
    assert len(set(drawn.tolist())) == 100
    assert drawn.tolist() == sorted(drawn.tolist())
    assert Counter(labels[drawn].tolist()) == {0: 60, 1: 30, 2: 10}
    again = sample(labels, configuration(digits, training__evaluation_examples=100, training__seed=7))
    assert again is not None
    assert torch.equal(drawn, again)
    other = sample(labels, configuration(digits, training__evaluation_examples=100, data__split_seed=1))
    assert other is not None
    assert not torch.equal(drawn, other)
    # A seed may be of any size, as that of the split is.
    large = sample(labels, configuration(digits, training__evaluation_examples=100, data__split_seed=2**64 + 1))
    assert large is not None
    assert len(large) == 100
    # A smaller sample is a part of a larger one.
    few = sample(labels, configuration(digits, training__evaluation_examples=30))
    assert few is not None
    assert set(few.tolist()) < set(drawn.tolist())
    for number in (0, 1000, 5000):
        assert sample(labels, configuration(digits, training__evaluation_examples=number)) is None


def test_the_sample_is_the_first_of_the_examples_evenly_spaced_within_each_class(digits: Path) -> None:
    """By the definition, class by class: a project's sample stays the same."""
    seed = configuration(digits).data.split_seed
    labels = torch.randint(40, (500,), generator=torch.Generator().manual_seed(1)) ** 2
    shuffled = torch.randperm(500, generator=torch.Generator().manual_seed(seed))
    place = {}
    for label in labels.unique().tolist():
        own = [one for one in shuffled.tolist() if labels[one] == label]
        place |= {one: (number + 0.5) / len(own) for number, one in enumerate(own)}
    first = sorted(shuffled.tolist(), key=lambda one: place[one])[:77]
    drawn = sample(labels, configuration(digits, training__evaluation_examples=77))
    assert drawn is not None
    assert drawn.tolist() == sorted(first)


def test_very_many_classes_take_hardly_longer(digits: Path) -> None:
    """A pass over all examples for each class took minutes."""
    config = configuration(digits, training__evaluation_examples=1000)

    def seconds(classes: int) -> float:
        labels = torch.randint(classes, (100_000,), generator=torch.Generator().manual_seed(1))
        began = time.perf_counter()
        sample(labels, config)
        return time.perf_counter() - began

    seconds(10)
    assert min(seconds(20_000) for _ in range(3)) < 20 * max(min(seconds(10) for _ in range(3)), 0.005)


def test_the_result_is_that_of_the_whole_split(digits: Path, tmp_path: Path) -> None:
    config = configuration(digits, **SAMPLED)
    code, found = run_here(write_config(tmp_path / "config.toml", digits, **SAMPLED), tmp_path / "run")
    assert code == 0
    dataset = open_dataset(config)
    assert found["validation"]["examples"] == len(dataset.validation) > 20
    assert found["sample"]["examples"] == 20
    # Each kept checkpoint, evaluated by hand, is what the result says of it.
    folder = tmp_path / "run" / "checkpoints"
    device = devices.choose(config)
    network = model.build(config, loop.facts(dataset)).to(device)
    by_hand = {}
    for path in folder.glob("step-*.safetensors"):
        network.load_state_dict(load_file(path))
        precision = devices.precision(config, device)
        seen = evaluate(network, dataset.validation, config, device, precision, int(path.stem[5:]))
        assert seen is not None
        by_hand[seen.step] = seen
        with safe_open(path, framework="pt") as file:
            described = file.metadata()
        assert described["examples"] == str(len(dataset.validation))
        assert json.loads(described["metrics"]) == pytest.approx(seen.metrics())
    best = min(by_hand.values(), key=lambda entry: (entry.error_rate, entry.step))
    assert found["best"] == pytest.approx({"step": best.step} | best.metrics())
    assert found["validation"]["correct"] == best.correct
    checked = {entry["step"]: entry for entry in found["sample"]["checked"]}
    assert set(by_hand) <= set(checked)
    assert found["final"]["step"] == 24
    assert found["final"]["val/loss"] == checked[24]["whole"]["val/loss"]
    assert any(entry["sample"]["val/loss"] != entry["whole"]["val/loss"] for entry in checked.values())


def test_the_time_of_the_last_evaluations_is_the_runs(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.evaluate

    def slow(*arguments: Any) -> Any:
        if len(arguments) < 8:
            # On the whole split.
            time.sleep(2)
        return real(*arguments)

    monkeypatch.setattr(loop, "evaluate", slow)
    _, found = run_here(write_config(tmp_path / "config.toml", digits, **SAMPLED), tmp_path / "run")
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert found["seconds"] >= last["seconds"] + 2


def test_a_sample_does_not_change_what_is_learnt(digits: Path, tmp_path: Path) -> None:
    run_here(write_config(tmp_path / "one.toml", digits, **SAMPLED), tmp_path / "one")
    whole = SAMPLED | {"training__evaluation_examples": 0}
    run_here(write_config(tmp_path / "other.toml", digits, **whole), tmp_path / "other")
    first, second = result(tmp_path / "one"), result(tmp_path / "other")
    assert first["final"] == second["final"]
    assert second["sample"] is None


@pytest.mark.parametrize("calls", [7, 8, 9])
def test_a_run_that_dies_during_the_last_evaluations_ends_the_same(
    calls: int, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_config(tmp_path / "config.toml", digits, **SAMPLED)
    run_here(config, tmp_path / "whole")
    real, count = loop.evaluate, 0

    def dies(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == calls:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(loop, "evaluate", dies)
    with pytest.raises(KeyboardInterrupt):
        run_here(config, tmp_path / "killed")
    assert not (tmp_path / "killed" / "result.json").exists()
    code, found = run_here(config, tmp_path / "killed")
    assert (code, found["resumed"]) == (0, 1)
    assert_same_run(tmp_path / "killed", tmp_path / "whole")
    # Once more: all is known, nothing is evaluated again.
    before = count
    assert run_here(config, tmp_path / "killed")[1]["best"] == found["best"]
    assert count == before
