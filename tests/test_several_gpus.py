"""Several GPUs for each trial of a command of the user's own: torchrun itself, in a place where a driver lists four.

No GPU is there: the processes train on the CPU, and say which GPUs they would see.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rounds.attending import Supervisor
from rounds.gpu_faults import SUSPECT
from rounds.slots import Machine, machine
from rounds.warm import ForkServer
from state import files, gpus, project, runs, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import own_pipelines, small_project
from tests.small_project import wait_for
from tests.test_own_project import tunebook
from wizard import own_probe

# Softmax regression on handwritten digits, as torch.distributed would have it: each process has a share of the batch,
# the gradients are averaged, and one process alone writes.
SCRIPT = """\
import argparse
import json
import os

import numpy as np
import torch
import torch.distributed as dist

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.5)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", required=True)
args = parser.parse_args()

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
data = np.load("digits.npz")
x, y = torch.from_numpy(data["x"]).float(), torch.from_numpy(data["y"]).long()
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
random = torch.Generator().manual_seed(args.seed * world + rank)
for step in range(1, args.steps + 1):
    chosen = torch.randint(0, 600, (args.batch_size // world,), generator=random)
    loss = torch.nn.functional.cross_entropy(model(x[chosen]), y[chosen])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if rank == 0 and step % 10 == 0:
        accuracy = (model(x[600:]).argmax(1) == y[600:]).float().mean().item()
        with open(args.out + "/metrics.jsonl", "a") as file:
            file.write(json.dumps({"step": step, "train_loss": loss.item(), "accuracy": accuracy}) + "\\n")
seen = {name: os.environ[name] for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}
with open(f"{args.out}/rank-{rank}.json", "w") as file:
    json.dump({"world": world, **seen}, file)
dist.destroy_process_group()
"""
LAUNCHER = "-m torch.distributed.run --standalone --nproc-per-node 2"
COMMAND = f"{shlex.quote(sys.executable)} {LAUNCHER} train.py --lr {{lr}} --steps {{steps}} --out {{folder}}"
NAME = "NVIDIA H100 80GB HBM3"


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of the driver's, which lists the cards that are in a file beside it."""
    listed = tmp_path / "driver" / "cards"
    listed.parent.mkdir()
    program = listed.with_name("nvidia-smi")
    program.write_text(f'#!/bin/sh\ncase "$1" in -L) cat {listed};; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    list_cards(listed, "a", "b", "c", "d")
    return listed


def list_cards(listed: Path, *cards: str) -> None:
    listed.write_text("".join(f"GPU {place}: {NAME} (UUID: GPU-{card})\n" for place, card in enumerate(cards)))


@pytest.fixture
def store(tmp_path: Path, driver: Path) -> Iterator[Store]:
    code = tmp_path / "code"
    own_pipelines.write_script(code, SCRIPT)
    made = own_pipelines.project(tmp_path / "p", code, "lr=0.5", "steps=60", arguments="", command=COMMAND, gpus=2)
    with open_store(made) as opened:
        yield opened


def drive(supervisor: Supervisor) -> None:
    """Let it work until nothing is left to do."""
    wait_for(lambda: not supervisor.tick(), "nothing is left to do")


def queue(store: Store, *rates: float) -> list[str]:
    """Trials at these learning rates; their ids."""
    batch = small_project.batch(store, {"lr": 0.5, "training.steps": 60}, [{"lr": rate} for rate in rates])
    return [entry.id for entry in trials.trials(store, batch.name)]


def test_each_trial_has_its_own_pair_and_all_processes_of_a_launcher_see_both(store: Store) -> None:
    here = machine(store.project)
    assert here.gpus == ("GPU-a,GPU-b", "GPU-c,GPU-d")
    ids = queue(store, 0.5, 0.1)
    supervisor = Supervisor(store, Machine(2, here.gpus), ForkServer(store.project.folder))
    drive(supervisor)
    found = [trials.trial(store, id) for id in ids]
    assert [entry.status for entry in found] == ["complete", "complete"], [entry.message for entry in found]
    assert all(entry.best is not None and entry.best > 0.5 for entry in found)
    pairs = []
    for id in ids:
        output = store.project.trial_folder(id) / "output"
        told = [files.read_json(output / f"rank-{rank}.json") for rank in (0, 1)]
        # Two processes of a trial share what it has of the cores.
        assert told[0] is not None
        assert told[0] == told[1]
        assert (told[0]["world"], told[0]["OMP_NUM_THREADS"]) == (2, "1")
        pairs.append(told[0]["CUDA_VISIBLE_DEVICES"])
    assert sorted(pairs) == list(here.gpus)


def test_nothing_of_a_launcher_that_is_killed_trains_on(store: Store) -> None:
    """Each of its processes may have a session of its own."""
    (id,) = queue(store, 0.5)
    there = store.project.root.parent / "code" / "train.py"
    there.write_text(SCRIPT.replace("range(1, args.steps + 1)", "range(1, 10**9)"))
    supervisor = Supervisor(store, machine(store.project), ForkServer(store.project.folder), grace=0.0)
    folder = store.project.trial_folder(id)
    wait_for(lambda: supervisor.tick() and trials.trial(store, id).steps_done > 0, "it makes steps")
    workers = [
        found
        for found in psutil.process_iter(["environ"])
        if (found.info["environ"] or {}).get(runs.FOLDER) == str(folder)
    ]
    # The run, its launcher and two processes.
    assert len(workers) >= 4
    os.killpg(os.getpgid(int((files.read_json(folder / runs.PROCESS) or {})["pid"])), signal.SIGKILL)
    trials.ask(store, id, "stop")
    drive(supervisor)
    # What is killed takes a moment to be gone.
    wait_for(lambda: not any(map(small_project.lives, workers)), "they are gone", seconds=10)


def test_a_trial_that_is_to_have_more_than_there_are_is_told_so_and_never_begins_on_fewer(
    store: Store, driver: Path
) -> None:
    ids = queue(store, 0.5)
    list_cards(driver, "a")
    message = "Each trial is to have 2 GPUs of one kind (pipeline.gpus in tunebook.toml), and may use 1 here"
    with pytest.raises(Refusal, match="Each trial is to have 2 GPUs"):
        own_probe.start(store)
    supervisor = Supervisor(store, machine(store.project), ForkServer(store.project.folder))
    drive(supervisor)
    entry = trials.trial(store, ids[0])
    assert entry.status == "failed"
    assert message in entry.message
    assert not (store.project.trial_folder(ids[0]) / "output" / "metrics.jsonl").exists()


def test_a_number_that_is_changed_while_trials_run_holds_for_those_that_begin_then(store: Store) -> None:
    """And no GPU is given to two of them."""
    ids = queue(store, 0.5, 0.1)
    there = store.project.root.parent / "code" / "train.py"
    there.write_text(SCRIPT.replace("range(1, args.steps + 1)", "range(1, 10**9)"))
    supervisor = Supervisor(store, Machine(2, ("GPU-a,GPU-b",)), ForkServer(store.project.folder), grace=0.0)
    supervisor.tick()
    assert {id: slot.gpu for id, slot in supervisor.slots.items()} == {ids[0]: "GPU-a,GPU-b"}
    project.change(store.project, gpus=1)
    supervisor.tick()
    assert supervisor.machine.gpus == ("GPU-a", "GPU-b", "GPU-c", "GPU-d")
    assert supervisor.slots[ids[1]].gpu == "GPU-c"
    trials.ask(store, trials.trial(store, ids[0]).batch, "stop")
    drive(supervisor)


def test_a_gpu_that_breaks_takes_no_more_trials_of_a_command(tmp_path: Path, driver: Path) -> None:
    """It ends each within a moment, is free again, and was given the next: five trials were lost, and the round
    paused, while the other GPUs had hours to go."""
    broken = """\
        if os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-a":
            sys.exit("torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered")
        """
    working = own_pipelines.SCRIPT.replace("args = ", f"{textwrap.dedent(broken)}\nargs = ")
    own_pipelines.write_script(tmp_path / "code", f"import sys\n{working}")
    list_cards(driver, "a", "b")
    command = own_pipelines.command("--lr {lr} --steps {steps} --out {folder}")
    made = own_pipelines.project(tmp_path / "p", tmp_path / "code", "lr=0.5", "steps=60", arguments="", command=command)
    with open_store(made) as store:
        ids = queue(store, 0.5, 0.1, 0.2, 0.3, 0.4, 0.6)
        supervisor = Supervisor(store, machine(store.project), ForkServer(store.project.folder))
        drive(supervisor)
        found = [trials.trial(store, id) for id in ids]
        assert [entry.status for entry in found] == ["complete"] * len(ids), [entry.message for entry in found]
        assert sum(entry.restarts for entry in found) == SUSPECT
        assert supervisor.faults.avoided(supervisor.machine) == {"GPU-a"}


def test_the_command_says_how_many_gpus_a_trial_has(
    tmp_path: Path, driver: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_pipelines.write_script(tmp_path / "code", SCRIPT)
    new = ("new", str(tmp_path / "q"), "--directory", str(tmp_path / "code"), "--metric", "accuracy")
    asked = ("--set", "lr=0.5", "--set", "steps=60", "--command", COMMAND)
    assert tunebook(*new, *asked, "--gpus", "0") == 2
    assert "a trial has at least 1" in capsys.readouterr().err
    tunebook(*new, *asked, "--gpus", "2")
    assert project.open_project(tmp_path / "q").settings.gpus == 2
    list_cards(driver, "a", "b", "c")
    assert gpus.at_hand(2) == (gpus.Gpu("GPU-a,GPU-b", f"2 x {NAME}"),)
    tunebook(*new[:2], "--gpus", "1")
    assert project.open_project(tmp_path / "q").settings.gpus == 1
