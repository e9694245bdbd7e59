"""What only a GPU can show: memory that runs out there, a device that fails, several trials side by side on one,
several GPUs, parts of one (MIG), and whether the probe finds what measuring every size does.

Skipped where there is none. `make test-gpu` runs these, and the tests of training once more with their trials there;
what was measured on the way is shown at its end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rounds import sharing, slots
from rounds.attending import Supervisor
from rounds.warm import ForkServer
from state import files, gpus, measurements, trials
from state.store import open_store
from tests import own_pipelines, small_project, test_several_gpus, training_runs
from tests.small_project import wait_for
from training import ascent, bench, loop, timing
from training import device as devices
from training.config import OPTIMIZERS
from training.data import open_dataset
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


Show = Callable[[str], None]


def python(script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    there = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=there)


def train(config: Path, folder: Path, script: str = "", **environment: str) -> dict[str, Any]:
    """The result of a training in a process of its own, in which a script runs before."""
    code = f"{textwrap.dedent(script)}\nimport sys\nfrom training import train\ntrain.main(sys.argv[1:])"
    done = python(code, "--config", config, "--output", folder, **environment)
    assert "Traceback" not in done.stderr, done.stderr
    return training_runs.result(folder)


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


def test_a_trial_that_shares_a_gpu_cannot_take_more_than_its_share(many_digits: Path, tmp_path: Path) -> None:
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, **WIDE, training__batch_size=256)
    result = train(config, tmp_path / "run", **{devices.MEMORY: str(GIB)})
    assert (result["status"], result["reason"]) == ("infeasible", "out_of_memory")
    assert result["peak_memory"] <= GIB


def test_what_a_process_takes_beside_what_torch_counts_is_no_more_than_sharing_reckons_with(
    many_digits: Path, tmp_path: Path, show: Show
) -> None:
    """Context, kernels and the workspaces of the libraries. Where others use the GPU meanwhile, this says nothing."""
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, **WIDE, training__steps=4)
    script = """
        import sys
        from pathlib import Path
        import torch
        from training import train
        train.run(Path(sys.argv[1]), Path(sys.argv[2]), None, 0.0)
        print("reserved", torch.cuda.memory_reserved(), flush=True)
        sys.stdin.read()
    """
    (tmp_path / "run").mkdir()
    free = torch.cuda.mem_get_info()[0]
    command = [sys.executable, "-c", textwrap.dedent(script), str(config), str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reserved = next(int(line.split()[1]) for line in process.stdout if line.startswith("reserved "))
        beside = free - torch.cuda.mem_get_info()[0] - reserved
        process.communicate()
    show(f"beside what torch counts, a process takes {beside / 2**20:.0f} MiB of the GPU")
    assert 0 < beside <= sharing.CONTEXT + (sharing.MARGIN - 1) * reserved


def test_sizes_are_measured_as_before_once_memory_has_run_out(many_digits: Path, tmp_path: Path, show: Show) -> None:
    """In the same process: nothing of what was refused is left, neither as memory nor as time."""
    config = training_runs.configuration(many_digits, **WIDE)
    device = devices.choose(config)
    devices.prepare(config, device)
    measured = bench.Bench(config, open_dataset(config), device, bench.budget(device, 2 * GIB))
    try:
        before, refused, after = (measured.measure(size) for size in (16, 1024, 16))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        del measured
        devices.release_memory(device)
    assert (before.outcome, refused.outcome, after.outcome) == ("measured", "out_of_memory", "measured")
    assert before.peak_memory is not None
    assert after.peak_memory is not None
    show(
        f"16 examples before and after memory ran out: {before.throughput:.0f} and {after.throughput:.0f} a second, "
        f"{before.peak_memory / 2**20:.0f} and {after.peak_memory / 2**20:.0f} MiB"
    )
    assert after.peak_memory <= 1.1 * before.peak_memory
    assert after.throughput > 0.8 * before.throughput


def test_the_probe_finds_what_measuring_every_size_does(many_digits: Path, tmp_path: Path, show: Show) -> None:
    """Each size of the grid up to the first two that do not fit, one after another."""
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, **WIDE)
    began = time.monotonic()
    done = run_probe(config, tmp_path / "probe", "--memory-cap", str(GIB))
    assert done.returncode == 0, done.stderr
    took, result = time.monotonic() - began, training_runs.result(tmp_path / "probe")
    script = """
        import dataclasses, json, sys
        from pathlib import Path
        from training import ascent, bench, device
        from training.config import load
        from training.data import open_dataset
        config = load(Path(sys.argv[1]))
        there = device.choose(config)
        device.prepare(config, there)
        measured = bench.Bench(config, open_dataset(config), there, bench.budget(there, int(sys.argv[2])))
        over = 0
        for size in sorted({ascent.on_grid(size) for size in range(2, int(sys.argv[3]) + 1)}):
            found = measured.measure(size)
            print(json.dumps(dataclasses.asdict(found)), flush=True)
            over += not found.fits(measured.budget)
            if over == 2:
                break
    """
    began = time.monotonic()
    highest = ascent.cap(len(open_dataset(training_runs.configuration(many_digits, **WIDE)).train), None).size
    done = python(script, config, GIB, highest)
    assert done.returncode == 0, done.stderr
    each = [ascent.Size(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]
    fitting = [size for size in each if size.fits(result["memory_budget"])]
    best = max(size.throughput for size in fitting)
    show(f"probe: {result['recommended']}, limited by {result['limited_by']}, in {took:.0f} s; of every size:")
    for size in each:
        rate = f"{size.throughput:.0f} examples/s, {(size.peak_memory or 0) / 2**20:.0f} MiB" if size in fitting else ""
        show(f"  {size.batch_size}: {size.outcome} {rate}")
    show(f"  in {time.monotonic() - began:.0f} s")
    recommended = next(size for size in fitting if size.batch_size == result["recommended"])
    assert recommended.throughput > 0.9 * best
    # Two that the probe does not tell apart may lie between its sizes.
    assert result["largest_feasible"] >= 0.75 * max(size.batch_size for size in fitting)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_exactly_on_a_gpu(name: str, many_digits: Path, tmp_path: Path) -> None:
    """Its state is where it was, and so is what noise is drawn from."""
    config = training_runs.configuration(
        many_digits,
        optimizer__name=name,
        optimizer__learning_rate=0.01,
        regularization__dropout=0.2,
        augmentation__flip=True,
        runtime__device="cuda",
        runtime__channels_last=True,
        runtime__precision="auto",
        runtime__fused=name in ("sgd", "adam", "adamw"),
    )
    dataset, device = open_dataset(config), devices.choose(config)

    def run(folder: Path, step: int) -> None:
        folder.mkdir(exist_ok=True)
        going = loop.Run(config, folder, device, lambda: going.progress.step >= step, time.monotonic())
        loop.train(going, dataset)

    with pytest.raises(loop.Stopped):
        run(tmp_path / "stopped", 5)
    run(tmp_path / "stopped", 99)
    run(tmp_path / "whole", 99)
    assert training_runs.metrics(tmp_path / "stopped") == training_runs.metrics(tmp_path / "whole")
    states = [
        training_runs.load_file(tmp_path / name / "checkpoints/last.safetensors") for name in ("stopped", "whole")
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_kernel_that_asserts_is_an_error_of_the_device_in_whatever_words(many_digits: Path, tmp_path: Path) -> None:
    """The first to notice may be a library, which says that it could not start."""
    script = """
        from training import loop
        gradient = loop._gradient
        def asserting(network, inputs, labels, *others):
            return gradient(network, inputs, labels + 1000, *others)
        loop._gradient = asserting
    """
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, runtime__device="cuda")
    result = train(config, tmp_path / "run", script)
    assert (result["status"], result["reason"]) == ("failed", "device"), result["message"]


def test_a_gpu_that_is_not_there_is_not_replaced_by_the_cpu(many_digits: Path, tmp_path: Path) -> None:
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, runtime__device="auto")
    for number, given in enumerate(("GPU-00000000-0000-0000-0000-000000000000", "MIG-00000000")):
        result = train(config, tmp_path / f"run-{number}", CUDA_VISIBLE_DEVICES=given)
        assert (result["status"], result["reason"]) == ("failed", "device"), result["message"]


def test_trials_are_spread_over_all_gpus(
    many_digits: Path, tmp_path: Path, fork_server: ForkServer, show: Show
) -> None:
    """Of a machine with one, two trials one after the other."""
    project = small_project.project(tmp_path / "project", many_digits)
    here = slots.machine(project)
    values = small_project.settings(many_digits, runtime__device="cuda", training__steps=200)
    with open_store(project) as store:
        small_project.batch(store, values, [{"training.seed": seed} for seed in range(2 * len(here.gpus))])
        driven, used = Supervisor(store, here, fork_server), set[str]()

        def ended() -> bool:
            driven.tick()
            used.update(slot.gpu for slot in driven.slots.values())
            assert len(driven.slots) <= len(here.gpus)
            return all(trial.status in trials.ENDED for trial in trials.trials(store))

        wait_for(ended, "the trials did not end")
        assert {trial.status for trial in trials.trials(store)} == {"complete"}
        assert used == set(here.gpus)
        for entry in trials.trials(store):
            told = training_runs.result(store.project.trial_folder(entry.id))
            assert told["device"] in here.models
            show(f"{entry.id}: {told['device']}, {told['seconds']:.2f} s for {told['steps_done']} steps")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_trial_of_a_command_trains_on_two_gpus(tmp_path: Path, show: Show) -> None:
    """By torchrun and NCCL, as people do."""
    script = test_several_gpus.SCRIPT
    for before, after in {
        'dist.init_process_group("gloo")': 'torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))\n'
        'dist.init_process_group("nccl")',
        "x, y = torch.from_numpy(data": "x, y = (part.cuda() for part in (torch.from_numpy(data",
        '["y"]).long()': '["y"]).long()))',
        "torch.nn.Linear(64, 10)": "torch.nn.Linear(64, 10).cuda()",
        '"OMP_NUM_THREADS")}': '"OMP_NUM_THREADS")}\n'
        'seen["uuid"] = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)',
    }.items():
        assert before in script
        script = script.replace(before, after)
    own_pipelines.write_script(tmp_path / "code", script)
    there = own_pipelines.project(
        tmp_path / "p",
        tmp_path / "code",
        "lr=0.5",
        "steps=60",
        arguments="",
        command=test_several_gpus.COMMAND,
        gpus=2,
    )
    with open_store(there) as store:
        here = slots.machine(there)
        if not here.gpus:
            pytest.skip("no two of its GPUs are of one kind")
        ids = test_several_gpus.queue(store, 0.5, 0.1)
        test_several_gpus.drive(Supervisor(store, here, ForkServer(there.folder)))
        for id in ids:
            entry = trials.trial(store, id)
            assert entry.status == "complete", entry.message
            output = there.trial_folder(id) / "output"
            told = [files.read_json(output / f"rank-{rank}.json") or {} for rank in (0, 1)]
            assert len({one["uuid"] for one in told}) == 2
            show(f"{id}: two GPUs, {told[0]['CUDA_VISIBLE_DEVICES']}")


def parts() -> list[gpus.Gpu]:
    return [gpu for gpu in gpus.at_hand() if gpu.uuid.startswith("MIG-")]


@pytest.mark.skipif(not parts(), reason="needs a GPU that is divided (MIG)")
def test_a_part_of_a_gpu_is_measured_by_its_own_memory(many_digits: Path, tmp_path: Path, show: Show) -> None:
    """Its name is the one that torch has for it, and memory that runs out there is told as such, whatever the driver
    lets a process ask of the card."""
    config = training_runs.write_config(tmp_path / "config.toml", many_digits, **WIDE, training__batch_size=1024)
    asking = "import torch; print(torch.cuda.get_device_name(0), *torch.cuda.mem_get_info(0), sep='|')"
    for number, part in enumerate(parts()):
        only = {"CUDA_VISIBLE_DEVICES": part.uuid}
        name, free, total = python(asking, **only).stdout.strip().split("|")
        show(f"{part.uuid}: {name}, {int(free) / GIB:.1f} of {int(total) / GIB:.1f} GiB free")
        assert name == part.name
        assert 0.8 * part.memory < int(total) <= part.memory
        share = {devices.MEMORY: str(GIB)}
        result = train(config, tmp_path / f"run-{number}", **only, **share)
        assert (result["status"], result["reason"]) == ("infeasible", "out_of_memory"), result["message"]
