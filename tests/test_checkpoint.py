"""Checkpoints: the best are kept, what is on the disk is always whole, and what does not fit is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch._subclasses import FakeTensorMode

from tests import small_project
from tests.training_runs import configuration, result, run_here, write_config
from training import checkpoint, look
from training.checkpoint import Checkpoints, Progress
from training.config import ConfigError
from training.evaluation import Evaluation

UNSHARE = shutil.which("unshare")


def small_network() -> tuple[nn.Module, torch.optim.Optimizer]:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    network(torch.randn(2, 2, 8, 8)).sum().backward()
    optimizer.step()
    return network, optimizer


def evaluation(step: int, error_rate: float, loss: float = 1.0) -> Evaluation:
    return Evaluation(step, loss, error_rate, error_rate, 1 - error_rate, correct=0, examples=100)


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("step-*"))


def test_the_best_are_kept_and_of_equals_the_earlier(digits: Path, tmp_path: Path):
    config = configuration(digits, training__keep_checkpoints=2)
    network, optimizer = small_network()
    checkpoints, progress = Checkpoints(tmp_path / "checkpoints", config), Progress()
    for step, error_rate in ((1, 0.5), (2, 0.3), (3, 0.3), (4, 0.4), (5, 0.3)):
        nn.init.constant_(network.get_parameter("0.bias"), step)
        progress.step = step
        checkpoints.consider(evaluation(step, error_rate), network, progress)
        if step in (1, 4):
            checkpoints.save(network, optimizer, progress)
    checkpoints.save(network, optimizer, progress)
    assert [entry.step for entry in progress.best] == [2, 3]
    assert kept(tmp_path / "checkpoints") == ["step-000002.safetensors", "step-000003.safetensors"]
    path = tmp_path / "checkpoints" / "step-000003.safetensors"
    assert load_file(path)["0.bias"].tolist() == [3.0] * 4
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["step"] == "3"
    assert json.loads(metadata["metrics"]) == {
        "val/loss": 1.0,
        "val/error_rate": 0.3,
        "val/balanced_error": 0.3,
        "val/macro_f1": 0.7,
    }
    assert len(metadata["config"]) == 64


def test_the_metric_of_the_configuration_decides(digits: Path, tmp_path: Path):
    checkpoints = Checkpoints(tmp_path, configuration(digits, training__metric="loss", training__keep_checkpoints=1))
    progress = Progress()
    for entry in (evaluation(1, 0.5, loss=0.1), evaluation(2, 0.1, loss=0.5)):
        checkpoints.consider(entry, small_network()[0], progress)
    assert [entry.step for entry in progress.best] == [1]


def test_the_whole_state_comes_back_in_the_memory_format_it_had(digits: Path, tmp_path: Path):
    config = configuration(digits)
    network, optimizer = small_network()
    progress = Progress(step=7, seconds=1.25, final=evaluation(7, 0.1), best=[evaluation(7, 0.1)])
    progress.watch.window = [0.1, 0.2]
    Checkpoints(tmp_path / "c", config).save(network, optimizer, progress)

    fresh, fresh_optimizer = small_network()
    restored = Checkpoints(tmp_path / "c", config).restore(fresh, fresh_optimizer)
    assert restored == Progress(7, 1.25, 1, progress.final, progress.best, watch=progress.watch)
    states = (optimizer.state_dict()["state"], fresh_optimizer.state_dict()["state"])
    for number, state in states[0].items():
        for name, value in state.items():
            assert torch.equal(value, states[1][number][name])
            assert value.stride() == states[1][number][name].stride()
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), fresh.parameters(), strict=True))


def test_numbers_that_the_host_reads_each_step_stay_with_it():
    """On a GPU that is made up: its tensors have shapes and no values."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        parameter = nn.Parameter(torch.empty(4, 3, device="cuda"))
        optimizer = torch.optim.NAdam([parameter], foreach=True)
        saved = {"optimizer.0.step": torch.ones(()), "optimizer.0.mu_product": torch.ones(())}
        saved |= {f"optimizer.0.{name}": torch.empty(4, 3) for name in ("exp_avg", "exp_avg_sq")}
        checkpoint._load_optimizer(optimizer, saved, [parameter])
        devices = {name: tensor.device.type for name, tensor in optimizer.state[parameter].items()}
    assert devices == {"step": "cpu", "mu_product": "cpu", "exp_avg": "cuda", "exp_avg_sq": "cuda"}


def test_saving_takes_a_small_share_of_the_time(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As long as after quick saves it is due by the clock alone; after one of five seconds, a hundred seconds later."""
    now, takes = 0.0, 0.0

    def write(*_: object) -> None:
        nonlocal now
        now += takes

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(checkpoint, "_write_tensors", write)
    checkpoints, state = Checkpoints(tmp_path / "c", configuration(digits)), small_network()
    for seconds, wanted in ((0.1, 10.0), (5.0, 100.0), (0.1, 10.0)):
        takes = seconds
        checkpoints.save(*state, Progress())
        now += wanted - 0.01
        assert not checkpoints.due()
        now += 0.02
        assert checkpoints.due()


def test_tensors_that_share_memory_can_be_saved(digits: Path, tmp_path: Path):
    network = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    network[1].weight = network[0].weight
    optimizer = torch.optim.SGD(network.parameters())
    Checkpoints(tmp_path / "c", configuration(digits)).save(network, optimizer, Progress())
    saved = load_file(tmp_path / "c" / "last.safetensors")
    assert torch.equal(saved["model.0.weight"], saved["model.1.weight"])


def test_a_checkpoint_of_another_configuration_is_refused(digits: Path, tmp_path: Path):
    network, optimizer = small_network()
    Checkpoints(tmp_path / "c", configuration(digits)).save(network, optimizer, Progress())
    other = Checkpoints(tmp_path / "c", configuration(digits, training__seed=1))
    with pytest.raises(ConfigError, match="a checkpoint of this same configuration; choose another output folder"):
        other.restore(network, optimizer)


def test_a_run_does_not_go_on_with_other_data(digits: Path, tmp_path: Path):
    """Its best evaluations were of other examples; with a class more, its weights do not fit either."""
    data = shutil.copytree(digits, tmp_path / "digits")
    config = write_config(tmp_path / "config.toml", data, training__steps=4)
    assert run_here(config, tmp_path / "run")[1]["steps_done"] == 4
    image = next((data / "0").iterdir())
    for folder in ("1", "A"):
        (data / folder).mkdir(exist_ok=True)
        for number in range(3):
            changed = bytearray(image.read_bytes())
            # Behind the end of the image, where nothing is read.
            (data / folder / f"new{number}.png").write_bytes(changed + bytes([number]))
        code, ended = run_here(config, tmp_path / "run")
        assert (code, ended["status"], ended["reason"]) == (1, "failed", "config")
        assert "a checkpoint of the same data, which have changed since it was saved; choose" in ended["message"]
        assert "begins anew with `tunebook round retry`" in ended["message"]
        code, anew = run_here(config, tmp_path / f"with {folder}")
        assert (code, anew["steps_done"]) == (0, 4)


def test_a_checkpoint_of_before_the_data_were_noted_goes_on(digits: Path, tmp_path: Path):
    network, optimizer = small_network()
    Checkpoints(tmp_path / "c", configuration(digits)).save(network, optimizer, Progress(step=3))
    tensors = load_file(tmp_path / "c" / "last.safetensors")
    with safe_open(tmp_path / "c" / "last.safetensors", framework="pt") as file:
        metadata = {name: value for name, value in file.metadata().items() if name != "data"}
    save_file(tensors, tmp_path / "c" / "last.safetensors", metadata)
    assert Checkpoints(tmp_path / "c", configuration(digits), "now").restore(network, optimizer).step == 3


def test_a_damaged_checkpoint_is_named(digits: Path, tmp_path: Path):
    network, optimizer = small_network()
    checkpoints = Checkpoints(tmp_path / "c", configuration(digits))
    checkpoints.save(network, optimizer, Progress())
    path = tmp_path / "c" / "last.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ConfigError, match=r"last\.safetensors.* allowed: a checkpoint that can be read"):
        checkpoints.restore(network, optimizer)


@pytest.mark.skipif(UNSHARE is None, reason="needs unshare to mount a small disk")
def test_a_full_disk_ends_the_run_with_its_reason_and_the_last_checkpoint_whole(digits: Path, tmp_path: Path):
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    config = write_config(tmp_path / "config.toml", digits, training__steps=20, training__evaluate_every=1)
    # Room for the first checkpoint of 3 MB and its best weights of 1.5 MB, not for all that follow.
    train = (
        "import sys; from training import checkpoint, train; "
        "checkpoint.SAVE_SECONDS = 0.0; train.main(['--config', sys.argv[1], '--output', sys.argv[2]])"
    )
    script = (
        'mount -t tmpfs -o size=8m none "$1" || exit 77; '
        '"$3" -c "$4" "$5" "$1"; code=$?; mkdir "$2" && cp -r "$1/." "$2"; exit $code'
    )
    command = [str(UNSHARE), "-rm", "sh", "-c", script, "sh", *map(str, (disk, copy, sys.executable, train, config))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("this machine lets nobody mount a small disk")
    assert ended.returncode == 1, ended
    assert (result(copy)["status"], result(copy)["reason"]) == ("failed", "disk_full")
    assert "Traceback" not in ended.stderr
    assert not list((copy / "checkpoints").glob("*.tmp"))
    with safe_open(copy / "checkpoints" / "last.safetensors", framework="pt") as file:
        assert 0 < int(file.metadata()["step"]) < result(copy)["steps_done"] + 1
    # With room again the run goes on to its end.
    code, ended_well = run_here(config, copy)
    assert (code, ended_well["status"], ended_well["resumed"]) == (0, "complete", 1)


def test_a_run_goes_on_where_the_weights_that_it_began_with_are_gone(digits: Path, tmp_path: Path):
    """Its checkpoint holds all that it needs of them, their normalisation too; so does a look at what it came to."""
    weights = tmp_path / "weights.safetensors"
    network = timm.create_model("test_resnet", num_classes=10, in_chans=1)
    mean = {"mean": torch.full((1, 1, 1, 1), 0.25), "std": torch.full((1, 1, 1, 1), 0.5)}
    save_file({**network.state_dict(), **mean}, weights)
    data = small_project.digits(tmp_path / "data" / "train")
    small_project.digits(tmp_path / "data" / "test", 50)
    config = write_config(tmp_path / "t.toml", data.parent, model__pretrained=str(weights))
    folder = tmp_path / "run"
    assert run_here(config, folder)[0] == 0
    shutil.copy(config, folder / "config.toml")
    before = look.look(folder, None, lambda _done, _total: None)
    weights.unlink()
    assert look.look(folder, None, lambda _done, _total: None) == before
    first = result(folder)
    assert run_here(config, folder) == (0, result(folder))
    assert (result(folder)["resumed"], result(folder)["best"]) == (1, first["best"])
