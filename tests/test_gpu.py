"""What only a GPU can show: memory that runs out there, a device that fails, several trials side by side on one.

Skipped where there is none. `make test-gpu` runs these, and the tests of training once more with their trials there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rounds import sharing, slots
from rounds.attending import Supervisor
from rounds.warm import ForkServer
from state import measurements, trials
from state.store import open_store
from tests import small_project, training_runs
from tests.small_project import wait_for
from training import timing
from wizard import machine

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

GIB = 2**30
# A network whose batches fill a gibibyte soon, on digits that are there anyway.
WIDE = {"model__name": "resnet18", "data__image_size": 224, "data__channels": 3, "runtime__device": "cuda"}


@pytest.fixture(scope="module")
def many_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_project.digits(tmp_path_factory.mktemp("digits"), examples=1797)


def run_probe(config: Path, folder: Path, *options: str, script: str = "") -> subprocess.CompletedProcess[str]:
    code = f"{script}\nimport sys\nfrom training import probe\nprobe.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "--config", str(config), "--output", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def sizes(folder: Path) -> dict[int, dict[str, Any]]:
    found = map(json.loads, (folder / "sizes.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["batch_size"]: line for line in found}


def test_the_driver_and_torch_speak_of_the_same_cards(many_digits: Path, tmp_path: Path) -> None:
    here = slots.machine(small_project.project(tmp_path / "project", many_digits))
    uuids = [str(torch.cuda.get_device_properties(place).uuid) for place in range(torch.cuda.device_count())]
    assert [gpu.removeprefix("GPU-") for gpu in here.gpus if not gpu.startswith("MIG-")] in (uuids, [])
    assert len(here.gpus) >= len(uuids)
    assert here.models == {torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())}
    found = machine.at_hand("cuda")
    assert (found.kind, found.name) == ("cuda", torch.cuda.get_device_name(0))
    # torch counts without what the driver keeps to itself.
    assert found.memory == 0 or 0.9 * found.memory < torch.cuda.get_device_properties(0).total_memory <= found.memory


def test_memory_of_a_gpu_that_runs_out_ends_the_ascent_and_not_the_probe(many_digits: Path, tmp_path: Path) -> None:
    """The budget is far above the cap, so that the ascent goes on until the allocator refuses."""
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, **WIDE)
    folder = tmp_path / "probe"
    blind = "from training import bench; true = bench.budget; bench.budget = lambda *of: true(*of) * 50"
    done = run_probe(config, folder, "--memory-cap", str(GIB), script=blind)
    assert done.returncode == 0, done.stderr
    found, result = sizes(folder), training_runs.result(folder)
    assert "out_of_memory" in {size["outcome"] for size in found.values()}
    assert (result["status"], result["device_type"]) == ("complete", "cuda")
    assert found[result["recommended"]]["peak_memory"] <= GIB


def test_the_size_recommended_under_a_cap_trains_under_it(many_digits: Path, tmp_path: Path) -> None:
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, **WIDE)
    done = run_probe(config, tmp_path / "probe", "--memory-cap", str(GIB), "--choose", "2000")
    assert done.returncode == 0, done.stderr
    result = training_runs.result(tmp_path / "probe")
    assert all(
        size["peak_memory"] <= result["memory_budget"]
        for size in sizes(tmp_path / "probe").values()
        if size["batch_size"] <= result["largest_feasible"]
    )
    chosen = {each["key"].replace(".", "__"): each["value"] for each in result["tried"] if each["kept"]}
    training_runs.write_config(config, many_digits, **WIDE, **chosen, training__batch_size=result["recommended"])
    capped = f"import torch; torch.cuda.set_per_process_memory_fraction({GIB} / torch.cuda.mem_get_info()[1], 0)"
    code = f"{capped}\nimport sys\nfrom training import train\ntrain.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "--config", str(config), "--output", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert training_runs.result(tmp_path / "run")["peak_memory"] <= GIB


def test_how_long_the_host_needs_for_a_step_is_told_from_how_long_the_device_does(
    many_digits: Path, tmp_path: Path
) -> None:
    """Large products keep the device busy long after the host has handed them over; with small sums it waits for the
    host, and so it does with a tiny network."""
    device = torch.device("cuda")
    for side, few, share in ((4096, 20, 0.5), (8, 200, None)):
        matrix = torch.ones(side, side, device=device)

        def step(matrix: torch.Tensor = matrix, few: int = few, large: bool = share is not None) -> None:
            for _ in range(few):
                _ = matrix @ matrix if large else matrix + 1

        step()
        handed, whole = timing.handing_over(step, device), timing.seconds(step, device, 5)
        assert handed is not None
        assert handed < 0.5 * whole if share else handed > 0.5 * whole
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, runtime__device="cuda")
    done = run_probe(config, tmp_path / "probe", "--largest", "32")
    assert done.returncode == 0, done.stderr
    lines = [*sizes(tmp_path / "probe").values()]
    assert all(line["host_seconds"] > 0.7 * line["step_seconds"] for line in lines)


def test_a_device_that_fails_in_the_middle_leaves_what_was_measured(many_digits: Path, tmp_path: Path) -> None:
    """A kernel that reads beyond its tensor: from then on CUDA refuses everything in that process."""
    script = """
        import torch
        from training import bench
        measure = bench.Bench._measure
        def failing(self, size):
            if size >= 32:
                # Labels that there are none of.
                self.dataset.train.labels.fill_(1000)
            return measure(self, size)
        bench.Bench._measure = failing
    """
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, runtime__device="cuda")
    done = run_probe(config, tmp_path / "probe", script=textwrap.dedent(script))
    assert done.returncode == 0, done.stderr
    result = training_runs.result(tmp_path / "probe")
    assert (result["recommended"], result["limited_by"]) == (16, "error")
    assert "Traceback" not in done.stderr


@pytest.fixture
def nearly_full() -> Iterator[None]:
    """Another process holds all but some two gibibytes."""
    holding = """
        import sys, torch
        held = torch.empty(int(sys.argv[1]), dtype=torch.uint8, device="cuda")
        print("held", flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(holding)]
    free = torch.cuda.mem_get_info()[0]
    with subprocess.Popen(
        [*command, str(free - 2 * GIB)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate()


@pytest.mark.usefixtures("nearly_full")
def test_a_trial_that_runs_out_of_memory_says_so(many_digits: Path, tmp_path: Path) -> None:
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, **WIDE, training__batch_size=1024)
    command = [sys.executable, "-m", "training.train", "--config", str(config), "--output", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    result = training_runs.result(tmp_path / "run")
    assert (done.returncode, result["status"], result["reason"]) == (3, "infeasible", "out_of_memory")
    assert "Traceback" not in done.stderr


def test_two_trials_share_a_gpu_where_the_probe_says_that_they_fit(
    many_digits: Path, tmp_path: Path, fork_server: ForkServer
) -> None:
    project = small_project.project(tmp_path / "project", many_digits)
    here = slots.machine(project)
    values = small_project.settings(many_digits, runtime__device="cuda", training__steps=200)
    with open_store(project) as store:
        config = training_runs.write_config(tmp_path / "config.toml", many_digits, runtime__device="cuda")
        done = run_probe(config, tmp_path / "probe")
        assert done.returncode == 0, done.stderr
        result = training_runs.result(tmp_path / "probe") | {"sizes": [*sizes(tmp_path / "probe").values()]}
        measurements.record(store, "probe-1", "probe", {"model.name": values["model.name"]}, result)
        assert sharing.offer(store, here, values) is not None
        wanted = 2 * len(here.gpus)
        overrides = [{"training.seed": seed} for seed in range(wanted)]
        small_project.batch(store, values, overrides, slots=wanted)
        driven, most = Supervisor(store, here, fork_server), 0

        def ended() -> bool:
            nonlocal most
            driven.tick()
            most = max(most, len(driven.slots))
            return all(trial.status in trials.ENDED for trial in trials.trials(store))

        wait_for(ended, "the trials did not end")
        assert {trial.status for trial in trials.trials(store)} == {"complete"}
        assert most == wanted
