"""A run from its configuration to its result: continuing, stopping, diverging, and everything that can be wrong."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file
from timm.optim import create_optimizer_v2  # pyright: ignore[reportPrivateImportUsage]  the documented place
from torch import Tensor, nn

from tests.training_runs import assert_same_run, configuration, metrics, run_here, write_config
from training import bench, checkpoint, loop, model, optimizer, train
from training import device as devices
from training.batches import augment, derived_seed, training_batches
from training.config import OPTIMIZERS, Config, ConfigError
from training.data import open_dataset
from training.dataset import Dataset
from training.meter import Diverged, Watch
from training.record import Metrics, lock
from training.train import StopRequest

CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent
# Everything that draws random numbers, and a memory format that a checkpoint has to restore.
NOISY: dict[str, Any] = {
    "regularization__dropout": 0.2,
    "regularization__drop_path": 0.1,
    "regularization__label_smoothing": 0.1,
    "augmentation__flip": True,
    "augmentation__crop_padding": 2,
    "runtime__channels_last": True,
}


@pytest.fixture(scope="module")
def dataset(digits: Path) -> Dataset:
    return open_dataset(configuration(digits))


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until `condition` holds; fail if the process ends before."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def start(config: Path, folder: Path, save_seconds: float = 10.0) -> subprocess.Popen[str]:
    code = (
        "import sys; from training import checkpoint, train; "
        f"checkpoint.SAVE_SECONDS = {save_seconds}; train.main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "--config", str(config), "--output", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def last_step(folder: Path) -> int:
    path = folder / "checkpoints" / "last.json"
    return json.loads(path.read_text(encoding="utf-8"))["step"] if path.exists() else 0


def test_a_killed_run_goes_on_as_if_nothing_had_happened(digits: Path, tmp_path: Path):
    config = write_config(
        tmp_path / "config.toml",
        digits,
        training__steps=150,
        training__evaluate_every=5,
        optimizer__name="nadamw",
        optimizer__learning_rate=0.003,
        **NOISY,
    )
    killed = tmp_path / "killed"
    process = start(config, killed, save_seconds=0.0)
    wait_for(lambda: last_step(killed) >= 10, process)
    process.kill()
    process.communicate()
    assert not (killed / "result.json").exists()
    assert 10 <= last_step(killed) < 150

    code, result = run_here(config, killed)
    assert (code, result["resumed"]) == (0, 1)
    run_here(config, tmp_path / "whole")
    assert_same_run(killed, tmp_path / "whole")


def stopping(config: Config, folder: Path, step: int) -> loop.Run:
    """A run that is asked to stop after `step` updates."""
    folder.mkdir(exist_ok=True)
    run = loop.Run(config, folder, CPU, lambda: run.progress.step >= step, time.monotonic())
    return run


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_exactly(name: str, digits: Path, dataset: Dataset, tmp_path: Path):
    config = configuration(digits, optimizer__name=name, optimizer__learning_rate=0.01, runtime__channels_last=True)
    with pytest.raises(loop.Stopped):
        loop.train(stopping(config, tmp_path / "stopped", 5), dataset)
    # A line that the first process began to write when it was killed.
    with (tmp_path / "stopped" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "train/lo')
    loop.train(stopping(config, tmp_path / "stopped", 99), dataset)
    loop.train(stopping(config, tmp_path / "whole", 99), dataset)
    states = [load_file(tmp_path / folder / "checkpoints" / "last.safetensors") for folder in ("stopped", "whole")]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole")


def test_a_run_killed_between_evaluations_goes_on_exactly(
    digits: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The checkpoint that it goes on from is older than its metrics, and knows of no evaluation."""
    config = configuration(digits, training__evaluate_every=8, **NOISY)
    run = stopping(config, tmp_path / "killed", 99)

    def killed() -> bool:
        if run.progress.step == 6:
            raise KeyboardInterrupt
        return False

    run.stop = killed
    with monkeypatch.context() as patched:
        patched.setattr("training.checkpoint.SAVE_SECONDS", 0.0)
        patched.setattr("training.checkpoint.SAVE_SHARE", math.inf)
        patched.setattr("training.meter.FETCH_STEPS", 1)
        with pytest.raises(KeyboardInterrupt):
            loop.train(run, dataset)
    assert last_step(tmp_path / "killed") == 5
    assert [line["step"] for line in metrics(tmp_path / "killed")] == [1, 2, 3, 4, 5, 6]
    loop.train(stopping(config, tmp_path / "killed", 99), dataset)
    loop.train(stopping(config, tmp_path / "whole", 99), dataset)
    states = [load_file(tmp_path / folder / "checkpoints" / "last.safetensors") for folder in ("killed", "whole")]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")


def test_a_run_stopped_during_an_evaluation_makes_up_for_it(
    digits: Path, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = configuration(digits)
    # The step is done when the request comes, its evaluation is not.
    with pytest.raises(loop.Stopped):
        loop.train(stopping(config, tmp_path / "stopped", 4), dataset)
    assert not any("val/loss" in line for line in metrics(tmp_path / "stopped"))
    capsys.readouterr()
    loop.train(stopping(config, tmp_path / "stopped", 99), dataset)
    # What was trained before it went on has no pace and no loss that it knows of.
    said = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("step 4/8"))
    assert "examples/s" not in said
    assert "nan" not in said
    lines = (tmp_path / "stopped" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    (made_up,) = [line for line in map(json.loads, lines) if line["step"] == 4 and "val/loss" in line]
    assert "examples_per_second" not in made_up
    loop.train(stopping(config, tmp_path / "whole", 99), dataset)
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole")


@pytest.mark.parametrize(("metric", "told"), [("macro_f1", "macro_f1"), ("loss", "error_rate")])
def test_whoever_watches_sees_the_metric_that_the_run_is_judged_by(
    metric: str, told: str, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The lines had the error rate, and the last one the best of another metric, which none of them had shown."""
    code, result = run_here(write_config(tmp_path / "c.toml", digits, training__metric=metric), tmp_path / "run")
    assert code == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert f"  {told} {result['final'][f'val/{told}']:.4f}  " in lines[-1]
    assert all(f"  {told} " in line and "validation loss" in line for line in lines)


def test_sigterm_leaves_a_checkpoint_and_a_result(digits: Path, tmp_path: Path):
    config = write_config(tmp_path / "config.toml", digits, training__steps=5000, training__evaluate_every=5)
    folder = tmp_path / "run"
    process = start(config, folder)
    wait_for(lambda: (folder / "metrics.jsonl").exists() and metrics(folder), process)
    process.terminate()
    output, errors = process.communicate()
    assert process.returncode == 143
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert (result["status"], result["reason"]) == ("stopped", "stopped")
    assert last_step(folder) == result["steps_done"] > 0
    assert "Traceback" not in output + errors


def test_a_signal_interrupts_the_preparation_once_and_later_only_answers():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop = StopRequest()
        stop.listen()
        with pytest.raises(loop.Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        later = StopRequest()
        later.listen()
        assert not later()
        os.kill(os.getpid(), signal.SIGINT)
        assert later()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_a_signal_that_came_before_the_run_listened_stops_it_with_a_result(digits: Path, tmp_path: Path):
    """The fork server holds signals back while it makes a run of itself."""
    config = write_config(tmp_path / "config.toml", digits)
    (tmp_path / "run").mkdir()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    try:
        # To this thread alone: torch's others would not hold it back.
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        code = train.run(config, tmp_path / "run", None, time.monotonic())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert code == 143
    assert json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))["status"] == "stopped"


def test_when_values_are_fetched_does_not_change_them(
    digits: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = configuration(digits)
    loop.train(stopping(config, tmp_path / "late", 99), dataset)
    monkeypatch.setattr("training.meter.FETCH_STEPS", 1)
    monkeypatch.setattr("training.checkpoint.SAVE_SECONDS", 0.0)
    loop.train(stopping(config, tmp_path / "at_once", 99), dataset)
    assert metrics(tmp_path / "late") == metrics(tmp_path / "at_once")


def test_what_a_checkpoint_takes_is_no_training_time(monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    pace = loop.Pace(16, 0)
    now = 3.0
    since, now = now, 8.0
    pace.leave_out(since)
    now = 9.0
    assert pace.measure(10) == {"examples_per_second": 40.0}


def test_a_diverged_run_is_infeasible_and_says_where(digits: Path, tmp_path: Path):
    config = write_config(tmp_path / "config.toml", digits, optimizer__learning_rate=1e12)
    code, result = run_here(config, tmp_path / "run")
    assert (code, result["status"], result["reason"]) == (3, "infeasible", "diverged")
    bad = metrics(tmp_path / "run")[-1]
    assert bad["step"] == result["steps_done"] < 8
    assert {"nan", "inf"} & {bad["train/loss"], bad["grad_norm"]}
    assert f"at step {bad['step']}." in result["message"]
    assert result["said"]["id"].format(**result["said"]["values"]) == result["message"]
    assert result["best"] is None


def test_a_loss_that_stays_high_is_divergence_but_not_in_warm_up(digits: Path):
    config = configuration(digits, training__steps=1000, schedule__warmup_steps=200)
    watch = Watch()
    for step in range(1, 350):
        watch.see(step, 2.0 if step == 1 else 6.0, 1.0, config, classes=10)
    with pytest.raises(Diverged, match=r"twice its initial value, 2.303, .* up to step 350"):
        watch.see(350, 6.0, 1.0, config, classes=10)


def test_a_hump_from_next_to_no_loss_is_no_divergence(digits: Path):
    config = configuration(digits, training__steps=1000)
    watch = Watch()
    for step in range(1, 1000):
        watch.see(step, 0.001 if step == 1 else 1.0, 1.0, config, classes=10)
    assert watch.high_windows == 0


def test_a_long_run_logs_about_a_thousand_evenly_spaced_steps(digits: Path, tmp_path: Path):
    config = configuration(digits, training__steps=4999)
    metrics_file = Metrics(tmp_path / "metrics.jsonl")
    meter = loop.Meter(metrics_file, Watch(), config, classes=10)
    for step in range(1, 5000):
        meter.add(step, torch.tensor(1.0), torch.tensor(2.0), 0.1, 0.0)
        if meter.due():
            meter.fetch()
    meter.fetch()
    steps = [line["step"] for line in metrics(tmp_path)]
    assert steps == [1, *range(5, 5000, 5)]


def test_each_epoch_is_a_permutation_and_any_step_can_be_the_first(digits: Path, dataset: Dataset):
    config = configuration(digits, training__steps=20)
    per_epoch = len(dataset.train) // 16
    labels = [batch for _, batch in training_batches(config, dataset.train, CPU, first_step=1)]
    assert len(labels) == 20
    assert all(len(batch) == 16 for batch in labels)
    first, second = torch.cat(labels[:per_epoch]), torch.cat(labels[per_epoch : 2 * per_epoch])
    assert not torch.equal(first, second)
    # Nothing comes twice in an epoch: no class has more than the split has of it.
    assert (first.bincount(minlength=10) <= dataset.train.labels.bincount(minlength=10)).all()
    again = [batch for _, batch in training_batches(config, dataset.train, CPU, first_step=8)]
    assert all(torch.equal(one, other) for one, other in zip(labels[7:], again, strict=True))


def test_augmentation_moves_and_mirrors_each_image_on_its_own():
    image = torch.arange(1, 17, dtype=torch.uint8).view(1, 4, 4)
    images = image.expand(64, 1, 4, 4)
    augmented = augment(images, padding=1, flip=True, generator=torch.Generator().manual_seed(0))
    padded = nn.functional.pad(image, (1, 1, 1, 1))
    possible = {
        tuple(side[0, top : top + 4, left : left + 4].flatten().tolist())
        for side in (padded, padded.flip(2))
        for top in range(3)
        for left in range(3)
    }
    seen = {tuple(each.flatten().tolist()) for each in augmented}
    assert seen <= possible
    assert len(seen) > len(possible) // 2
    assert torch.equal(augment(images, 0, False, torch.Generator()), images)


def test_seeds_of_different_purposes_differ():
    purposes = [(), ("order", 0), ("order", 1), ("noise", 1), ("noise", 11)]
    seeds = {derived_seed(seed, *purpose) for seed in (0, 1, 10**30) for purpose in purposes}
    assert len(seeds) == 15
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_rate_warms_up_then_falls_to_its_final_share(digits: Path):
    changes: dict[str, Any] = {"training__steps": 100, "optimizer__learning_rate": 1.0, "schedule__final_factor": 0.1}
    for name, middle in (("linear", 0.55), ("cosine", 0.55), ("constant", 1.0)):
        config = configuration(digits, schedule__name=name, schedule__warmup_steps=9, **changes)
        rates = [optimizer.rate(config, step) for step in range(1, 101)]
        assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
        assert rates[9] == max(rates) == 1.0
        assert (rates[54] + rates[55]) / 2 == pytest.approx(middle, abs=0.01)
        assert rates[-1] == pytest.approx(1.0 if name == "constant" else 0.1)
        assert rates[9:] == sorted(rates[9:], reverse=True)
    single = configuration(digits, training__steps=1, training__evaluate_every=1, schedule__name="cosine")
    assert optimizer.rate(single, 1) == 0.05


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_biases_and_normalisation_are_not_decayed(name: str, digits: Path, dataset: Dataset):
    config = configuration(digits, optimizer__name=name, optimizer__weight_decay=0.1)
    built = optimizer.build(config, model.build(config, loop.facts(dataset)))
    for group in built.param_groups:
        assert {parameter.ndim > 1 for parameter in group["params"]} == {group["weight_decay"] == 0.1}


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_lamb_adapts_to_each_layer_whatever_the_weight_decay(decay: float, digits: Path, dataset: Dataset):
    """Each matrix moves by the rate's share of its length, biases and scales as Adam moves them (You et al. 2020)."""
    config = configuration(
        digits, optimizer__name="lamb", optimizer__learning_rate=0.001, optimizer__weight_decay=decay
    )
    torch.manual_seed(0)
    network = model.build(config, loop.facts(dataset))
    for parameter in network.parameters():
        # The last normalisation of a residual branch begins at zero, which keeps the gradient from its layers.
        if not parameter.any():
            nn.init.ones_(parameter)
    built = optimizer.build(config, network)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    inputs, labels = next(training_batches(config, dataset.train, torch.device("cpu"), first_step=1))
    loop.update(network, built, inputs, labels, config, None)
    moved = {
        name: float((parameter.detach() - before[name]).norm() / before[name].norm())
        for name, parameter in network.named_parameters()
        if parameter.ndim > 1
    }
    assert moved == pytest.approx(dict.fromkeys(moved, 0.001), rel=1e-3)
    # The first step of Adam is of the rate's size.
    norms = [parameter.detach() for name, parameter in network.named_parameters() if name.endswith("bn1.weight")]
    assert float((norms[0] - 1).abs().median()) == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize(
    "name",
    [
        "resnet10t",
        "convnext_atto",
        "vit_tiny_patch16_224",
        "swin_tiny_patch4_window7_224",
        "levit_128s",
        "edgenext_xx_small",
    ],
)
def test_what_an_architecture_excepts_is_not_decayed_either(name: str, digits: Path):
    """The groups are timm's own; on a device without memory, as names and shapes are all that counts."""
    config = configuration(digits, model__name=name, optimizer__name="adamw", optimizer__weight_decay=0.1)
    with torch.device("meta"):
        network = model.ImageClassifier(timm.create_model(name, num_classes=10), (0.5,) * 3, (0.5,) * 3, False)
    own, theirs = (
        {parameter: group["weight_decay"] for group in built.param_groups for parameter in group["params"]}
        for built in (optimizer.build(config, network), create_optimizer_v2(network.network, "adamw", weight_decay=0.1))
    )
    assert own == theirs


def test_a_vit_goes_on_exactly_from_a_checkpoint_of_before_its_tokens_were_excepted(
    digits: Path, dataset: Dataset, tmp_path: Path
):
    """What a parameter is called in a checkpoint does not depend on whether it is decayed."""
    config = configuration(digits, model__name="test_vit", data__image_size=160, optimizer__name="adamw")
    network = model.build(config, loop.facts(dataset))
    matrices, others = ([p for p in network.parameters() if (p.ndim > 1) == many] for many in (True, False))
    before = torch.optim.AdamW([{"params": matrices}, {"params": others}])
    network(torch.zeros(2, 1, 160, 160, dtype=torch.uint8)).sum().backward()
    before.step()
    assert len(optimizer.build(config, network).param_groups[1]["params"]) > len(others)
    saved = {
        f"optimizer.{number}.{name}": value
        for number, state in before.state_dict()["state"].items()
        for name, value in state.items()
    }
    now = optimizer.build(config, network)
    checkpoint._load_optimizer(now, saved, checkpoint._numbered(network))
    for parameter in network.parameters():
        assert torch.equal(now.state[parameter]["exp_avg"], before.state[parameter]["exp_avg"])
    assert checkpoint._optimizer_tensors(now, checkpoint._numbered(network)).keys() == saved.keys()


def test_clipping_bounds_the_update_and_reports_the_norm_before(digits: Path, dataset: Dataset):
    weight = nn.Linear(1, 2, bias=False)
    nn.init.zeros_(weight.weight)
    config = configuration(
        digits, regularization__gradient_clip=0.25, optimizer__momentum=0.0, optimizer__nesterov=False
    )
    chosen = torch.optim.SGD(weight.parameters(), lr=1.0)
    _, norm = loop.update(weight, chosen, torch.full((4, 1), 10.0), torch.zeros(4, dtype=torch.int64), config, None)
    assert norm.item() == pytest.approx(10 / math.sqrt(2))
    assert weight.weight.norm().item() == pytest.approx(0.25, rel=1e-4)


def test_values_that_are_not_finite_are_words_in_the_metrics(tmp_path: Path):
    file = Metrics(tmp_path / "metrics.jsonl")
    file.write(1, {"train/loss": math.nan, "grad_norm": math.inf, "learning_rate": -math.inf})
    assert metrics(tmp_path) == [{"step": 1, "train/loss": "nan", "grad_norm": "inf", "learning_rate": "-inf"}]


BAD = [
    ({"training__batch_size": 1000}, "training.batch_size: 1000; allowed: at most 1"),
    ({"model__name": "resnet19"}, "model.name: 'resnet19'; allowed: a model of timm, such as resnet18"),
    ({"model__name": "hf-hub:someone/something"}, "model.name: 'hf-hub:someone/something'; allowed: a model of timm"),
    (
        {"model__name": "vgg11", "regularization__drop_path": 0.1},
        "regularization.drop_path: 0.1; allowed: 0: vgg11 has",
    ),
    ({"model__name": "inception_v3", "data__image_size": 8}, "data.image_size: 8; allowed: a size that inception_v3"),
    ({"model__pretrained": "no/such/file.pth"}, "model.pretrained: 'no/such/file.pth'; allowed: empty, hub, or a file"),
    ({"data__path": "no/such/folder"}, "no/such/folder"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_what_cannot_be_is_one_sentence(
    changes: dict[str, Any], message: str, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = write_config(tmp_path / "config.toml", digits, **changes)
    code, result = run_here(config, tmp_path / "run")
    assert (code, result["status"]) == (1, "failed")
    assert result["reason"] == ("data" if "data__path" in changes else "config")
    assert message in result["message"]
    assert "\n" not in result["message"]
    shown = capsys.readouterr()
    assert shown.err.strip() == result["message"]


def test_an_unforeseen_error_is_one_line_and_its_traceback_goes_to_the_log(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("the world ends")

    monkeypatch.setattr("training.loop.update", broken)
    code, result = run_here(write_config(tmp_path / "config.toml", digits), tmp_path / "run")
    assert (code, result["status"], result["reason"]) == (1, "failed", "error")
    assert result["message"] == "ZeroDivisionError: the world ends"
    assert "Traceback" not in capsys.readouterr().err
    assert "in broken" in (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")


def test_a_folder_whose_name_is_not_utf8_gets_its_result(digits: Path, tmp_path: Path):
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    few = {"training__steps": 2, "training__evaluate_every": 2}
    code, result = run_here(write_config(odd / "config.toml", digits, **few), odd / "run")
    assert (code, result["status"]) == (0, "complete")
    assert str(tmp_path / "caf?") in json.dumps(result)
    # An error that names it has its result and its traceback, too.
    code, result = run_here(odd / "gone.toml", odd / "other")
    assert (code, result["status"]) == (1, "failed")


def test_running_out_of_memory_is_infeasible(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def greedy(*_: object) -> Tensor:
        return torch.empty(2**60, dtype=torch.uint8)

    monkeypatch.setattr("training.loop.update", greedy)
    code, result = run_here(write_config(tmp_path / "config.toml", digits), tmp_path / "run")
    assert (code, result["status"], result["reason"]) == (3, "infeasible", "out_of_memory")


def test_a_model_that_runs_out_of_memory_as_it_is_built_is_not_of_a_wrong_size(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def forward(*_: object) -> Tensor:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(timm.models.resnet.ResNet, "forward", forward)
    config = write_config(tmp_path / "config.toml", digits, model__name="resnet18")
    code, result = run_here(config, tmp_path / "run")
    assert (code, result["status"], result["reason"]) == (3, "infeasible", "out_of_memory")


def test_the_texts_of_other_allocators_are_known():
    for text in (
        "MPS backend out of memory (MPS allocated: 5 GB)",
        "CUDNN_STATUS_NOT_SUPPORTED",
        "CUDA out of memory.",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "GET was unable to find an engine to execute this computation",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "Invalid buffer size: 24.00 GiB",
        # Of torch before 2.14 on a part of a GPU, where it may not ask the driver who has the memory.
        'NVML_SUCCESS == r INTERNAL ASSERT FAILED at "../c10/cuda/CUDACachingAllocator.cpp":1154, please report a bug',
        "CUDA driver error: out of memory",
        "CUDA error: CUSOLVER_STATUS_ALLOC_FAILED",
        "Not enough memory for workspace!",
        "could not create a primitive",
        "can't start new thread",
    ):
        assert devices.is_out_of_memory(RuntimeError(text))
    assert devices.is_out_of_memory(torch.OutOfMemoryError("x"))
    assert not devices.is_out_of_memory(RuntimeError("CUDA error: invalid configuration argument"))
    assert not devices.is_out_of_memory(ValueError("out of memory"))


def test_an_error_of_a_gpu_is_one_unless_its_memory_ran_out():
    assert devices.has_failed(RuntimeError("CUDA error: unspecified launch failure"))
    assert devices.has_failed(torch.AcceleratorError("CUDA error: device-side assert triggered"))
    assert devices.has_failed(RuntimeError("CUDA driver error: unknown error"))
    assert not devices.has_failed(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    assert not devices.has_failed(RuntimeError("shapes cannot be multiplied"))


class Rough(nn.Module):
    """A layer that changes nothing, by an operation of which torch has no exact implementation."""

    def forward(self, values: Tensor) -> Tensor:
        nothing = torch.zeros(1, device=values.device)
        return values + nothing.put_(torch.arange(1, device=values.device), nothing.clone())


@pytest.mark.filterwarnings("ignore:put_ does not have")
@pytest.mark.parametrize("rough", [False, True])
def test_a_network_that_cannot_be_exact_trains_all_the_same_and_the_result_says_so(
    rough: bool, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    build = model.build
    if rough:
        monkeypatch.setattr(model, "build", lambda *of, **how: nn.Sequential(build(*of, **how), Rough()))
    code, result = run_here(write_config(tmp_path / "config.toml", digits), tmp_path / "run")
    assert (code, result["exact"]) == (0, not rough)
    assert ("differ in the last digits" in capsys.readouterr().out) == rough


def test_a_gpu_that_cannot_be_used_is_no_reason_to_take_the_cpu(digits: Path, monkeypatch: pytest.MonkeyPatch):
    def init() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 1).\nUpdate it.")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    told = r"runtime.device: 'auto'.*driver on your system is too old.*or cpu.*CUDA_VISIBLE_DEVICES is set to nothing"
    with pytest.raises(ConfigError, match=told):
        devices.choose(configuration(digits, runtime__device="auto"))
    assert devices.choose(configuration(digits, runtime__device="cpu")) == CPU


@pytest.mark.parametrize(
    ("given", "shown", "told"),
    [
        # It fell off the bus after the supervisor had seen it, or CUDA does not start on the part of a card.
        ("GPU-5c89852c", False, RuntimeError),
        ("MIG-c6d4f1ef", False, RuntimeError),
        # Driver and library are of two versions.
        ("0", True, ConfigError),
        (None, True, ConfigError),
        # Nobody is to use one.
        ("", True, None),
        ("-1", True, None),
        ("0", False, None),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="has an NVIDIA GPU")
def test_nor_is_one_that_is_lost_or_that_the_driver_does_not_tell_of(
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    shown: bool,
    told: type[Exception] | None,
):
    """Such trials were run on the CPU, and for hours nothing said so."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    monkeypatch.setattr(devices, "DEVICES", tmp_path)
    for name in ("nvidiactl", *(["nvidia0"] * shown)):
        (tmp_path / name).touch()
    config = configuration(digits, runtime__device="auto")
    if told is None:
        assert devices.choose(config) == CPU
        return
    with pytest.raises(told, match="no NVIDIA driver on your system") as raised:
        devices.choose(config)
    assert devices.has_failed(raised.value) == (told is RuntimeError)


def test_a_gpu_that_torch_was_not_built_for_is_not_taken_for_one_that_fails():
    """Each of its trials was begun three times."""
    error = torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device\nSearch for")
    assert not devices.has_failed(error)
    told = train.unexpected(error)
    assert (told["status"], told["reason"]) == ("failed", "config")
    assert "was not built for such a GPU" in told["message"]


def test_on_an_apple_gpu_memory_runs_out_before_the_machine_swaps(monkeypatch: pytest.MonkeyPatch):
    """Of itself torch takes 1.7 times what Metal recommends."""
    asked: list[float] = []
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 2**34)
    monkeypatch.setattr(torch.mps, "set_per_process_memory_fraction", asked.append)
    assert bench.budget(torch.device("mps")) == int(0.7 * 2**34)
    assert bench.budget(torch.device("mps"), 2**32) == 2**32
    assert asked == [1.0, 0.25]


def test_a_folder_in_use_is_left_alone(digits: Path, tmp_path: Path):
    folder = tmp_path / "run"
    with lock(folder):
        process = start(write_config(tmp_path / "config.toml", digits), folder)
        _, errors = process.communicate()
    assert process.returncode == 1
    assert "another run is going on" in errors
    assert "Traceback" not in errors
    assert {path.name for path in folder.iterdir()} == {"run.lock"}


def test_a_gpu_has_its_number_without_which_torch_limits_no_memory(digits: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for wanted in ("auto", "cuda"):
        assert devices.choose(configuration(digits, runtime__device=wanted)) == torch.device("cuda", 0)


@pytest.mark.parametrize(("precision", "short"), [("auto", True), ("float32", False)])
def test_how_float32_is_computed_on_a_gpu_can_be_read_by_either_name(precision: str, short: bool, digits: Path):
    """What compilation reads differs from version to version of torch; flags of both kinds, set side by side, can no
    longer be read. In a process of its own, as they are for good."""
    code = f"""
        import torch
        from pathlib import Path
        from training import device
        from tests.training_runs import configuration
        device.prepare(configuration(Path({str(digits)!r}), runtime__precision={precision!r}), torch.device("cuda"))
        cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        print(cuda.allow_tf32, cudnn.allow_tf32, torch.get_float32_matmul_precision() == "high")
        print(*(each.fp32_precision == "tf32" for each in (cuda, cudnn.conv, cudnn.rnn)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout.split() == [str(short)] * 6, done.stderr


def test_a_missing_device_is_named_with_those_that_are_there(digits: Path):
    missing = "cuda" if not torch.cuda.is_available() else "mps"
    with pytest.raises(ConfigError, match=r"runtime.device: .* allowed: a device that this machine has: auto, .*cpu"):
        devices.choose(configuration(digits, runtime__device=missing))


def test_the_result_holds_what_the_contract_promises(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, result = run_here(write_config(tmp_path / "config.toml", digits), tmp_path / "run", cache=tmp_path / "cache")
    assert code == 0
    assert result["status"] == "complete"
    assert result["steps_done"] == 8
    assert result["final"]["step"] == 8
    validation = result["validation"]
    assert sum(validation["per_class"]) == validation["examples"]
    wrong = validation["examples"] - validation["correct"]
    assert result["best"]["val/error_rate"] == wrong / validation["examples"]
    assert result["classes"] == [str(number) for number in range(10)]
    assert result["versions"]["timm"]
    assert len(result["code"]) == len(result["data"]) == 64
    assert result["peak_memory"] > 2**20
    assert result["first_step_seconds"] > 0
    best = result["best"]
    assert f"best validation error_rate {best['val/error_rate']!r} at step {best['step']}" in capsys.readouterr().out
    # Run again, it finds nothing left to do and says the same.
    code, again = run_here(tmp_path / "config.toml", tmp_path / "run", cache=tmp_path / "cache")
    assert (code, again["best"], again["resumed"]) == (0, best, 1)


def test_the_result_says_from_which_commit_and_what_was_changed_since(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A repository with a change that was not committed: commit and patch make the working directory again."""
    repository = tmp_path / "repository"
    repository.mkdir()

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (repository / "own.py").write_text("first\n")
    git("add", ".")
    git("commit", "-qm", "first")
    monkeypatch.chdir(repository)
    config = write_config(tmp_path / "config.toml", digits, training__steps=2, training__evaluate_every=2)
    # As after a checkout of the same content: git would write its index anew, under a lock that a kill leaves behind.
    os.utime("own.py", (1, 1))
    index = Path(".git/index").read_bytes()
    _code, result = run_here(config, tmp_path / "clean")
    assert Path(".git/index").read_bytes() == index
    assert (result["commit"], result["changed"]) == (git("rev-parse", "HEAD").strip(), False)
    assert result["untracked"] == {"count": 0, "first": []}
    assert not (tmp_path / "clean" / "changes.patch").exists()
    (repository / "own.py").write_text("second\n")
    _code, result = run_here(config, tmp_path / "changed")
    assert result["changed"] is True
    git("checkout", "-q", "own.py")
    git("apply", str(tmp_path / "changed" / "changes.patch"))
    assert (repository / "own.py").read_text() == "second\n"
    assert result["command"][1:] == [
        "-m",
        "training.train",
        "--config",
        str(config),
        "--output",
        str(tmp_path / "changed"),
    ]
