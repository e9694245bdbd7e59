"""Slots: one trial on each GPU, and on the CPU as many as the cores carry and memory holds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rounds import slots
from rounds.gpu_faults import GpuFaults
from rounds.slots import Machine, Share, Slot
from state.project import Project, Settings


def test_each_gpu_takes_one_trial_which_sees_no_other() -> None:
    here, settings = Machine(8, ("GPU-a", "GPU-b")), {"runtime.device": "auto", "runtime.threads": 4}
    taken: list[Slot] = []
    while slot := slots.free(here, settings, 0, len(taken), taken):
        taken.append(slot)
    assert [slot.environment()["CUDA_VISIBLE_DEVICES"] for slot in taken] == ["GPU-a", "GPU-b"]
    assert slots.free(here, settings, 0, 1, taken[1:]) == taken[0]
    assert slots.free(here, settings, 1, 1, taken[1:]) is None
    # A trial that was told to use the CPU does not wait for a GPU.
    assert slots.free(here, {**settings, "runtime.device": "cpu"}, 0, 2, taken) == Slot("cpu", "", 4)


def test_a_trial_on_several_gpus_shares_none_of_them() -> None:
    pairs, each = ("GPU-a,GPU-b", "GPU-c,GPU-d"), {"runtime.threads": 5}
    here = Machine(8, pairs)
    first = slots.free(here, each, 0, 0, [])
    assert first is not None
    assert first == Slot("cuda", pairs[0], 5)
    # Each of its two processes has half of its threads.
    assert first.environment()["CUDA_VISIBLE_DEVICES"] == pairs[0]
    assert first.environment()["OMP_NUM_THREADS"] == "2"
    # Those that began before each had two count with the pair that they are of, and the other way round.
    assert slots.free(here, each, 0, 1, [Slot("cuda", "GPU-b")]) == Slot("cuda", pairs[1], 5)
    assert slots.free(here, each, 0, 2, [Slot("cuda", "GPU-b"), Slot("cuda", "GPU-c")]) is None
    assert slots.free(Machine(8, ("GPU-a", "GPU-b", "GPU-c")), each, 0, 1, [first]) == Slot("cuda", "GPU-c", 5)


@pytest.mark.parametrize(
    ("wanted", "budget", "cores", "on_each"),
    [
        # Only a wish for more than there are GPUs puts several on one.
        (0, 35, 16, [1, 1]),
        (2, 35, 16, [1, 1]),
        (3, 35, 16, [2, 1]),
        # As many as memory holds, and as there are cores.
        (16, 35, 16, [3, 3]),
        (16, 35, 5, [3, 2]),
        (16, 9, 16, [1, 1]),
    ],
)
def test_several_trials_share_a_gpu_where_that_is_wished_for_and_its_memory_holds_them(
    wanted: int, budget: int, cores: int, on_each: list[int]
) -> None:
    here, settings, share = Machine(cores, ("GPU-a", "MIG-b")), {"runtime.threads": 1}, Share(10, budget)
    taken: list[Slot] = []
    while slot := slots.free(here, settings, wanted, len(taken), taken, share):
        taken.append(slot)
    assert [[slot.gpu for slot in taken].count(gpu) for gpu in here.gpus] == on_each
    assert slots.at_once(here, "cuda", wanted, share) == sum(on_each)
    assert slots.threads(here, "cuda", wanted, share) == cores // sum(on_each)
    # Without figures nothing is shared, and nobody moves in with a trial that counts on the whole of a GPU.
    alone = [Slot("cuda", "GPU-a", 1), Slot("cuda", "MIG-b", 1)]
    assert slots.free(here, settings, wanted, 1, alone, share) is None
    assert slots.free(here, settings, 16, 1, alone[:1], None) == alone[1]


def test_trials_of_different_size_share_a_gpu_up_to_its_memory() -> None:
    """What counts is the sum of what those on it take."""
    here, settings = Machine(8, ("GPU-a",)), {"runtime.threads": 1}
    taken = [Slot("cuda", "GPU-a", 1, 20)]
    assert slots.free(here, settings, 4, 0, taken, Share(10, 35)) == Slot("cuda", "GPU-a", 1, 10)
    assert slots.free(here, settings, 4, 0, [*taken, Slot("cuda", "GPU-a", 1, 10)], Share(10, 35)) is None


@pytest.mark.parametrize(
    ("cores", "wanted", "at_once", "threads"),
    [(1, 0, 1, 1), (2, 0, 1, 2), (2, 2, 2, 1), (2, 9, 2, 1), (16, 0, 8, 2), (16, 3, 3, 5), (3, 0, 1, 3)],
)
def test_trials_on_the_cpu_share_the_cores(cores: int, wanted: int, at_once: int, threads: int) -> None:
    here = Machine(cores)
    assert slots.at_once(here, "cpu", wanted) == at_once
    assert slots.threads(here, "cpu", wanted) == threads
    taken: list[Slot] = []
    while slot := slots.free(here, {"runtime.device": "cpu", "runtime.threads": threads}, wanted, len(taken), taken):
        taken.append(slot)
    assert len(taken) == at_once
    assert taken[0].environment()["OMP_NUM_THREADS"] == str(threads)
    assert "CUDA_VISIBLE_DEVICES" not in taken[0].environment()


def test_a_trial_that_uses_all_cores_runs_alone_unless_more_are_wished_for() -> None:
    here, everything = Machine(4), {"runtime.device": "cpu", "runtime.threads": 0}
    first = slots.free(here, everything, 0, 0, [])
    assert first == Slot("cpu", "", 4)
    assert slots.free(here, everything, 0, 1, [Slot("cpu", "", 4)]) is None
    assert slots.free(here, everything, 2, 1, [Slot("cpu", "", 4)]) == first
    # One that wants more cores than there are runs all the same, alone.
    assert slots.free(here, {"runtime.device": "cpu", "runtime.threads": 9}, 0, 0, []) == Slot("cpu", "", 9)


def test_trials_on_the_cpu_are_no_more_than_memory_holds() -> None:
    """By the cores alone, eight began where memory holds three, and the kernel killed them."""
    here, settings, share = Machine(16), {"runtime.device": "cpu", "runtime.threads": 2}, Share(10, 35)
    for wanted in (0, 9):
        taken: list[Slot] = []
        while slot := slots.free(here, settings, wanted, len(taken), taken, share):
            taken.append(slot)
        assert len(taken) == slots.at_once(here, "cpu", wanted, share) == 3
        assert slots.threads(here, "cpu", wanted, share) == 5
        assert "TUNEBOOK_GPU_MEMORY" not in taken[0].environment()
    # What counts is the sum of what those that run take; one that takes more than there is runs alone.
    assert slots.free(here, settings, 0, 1, [Slot("cpu", "", 2, 26)], share) is None
    assert slots.free(here, settings, 0, 1, [Slot("cpu", "", 2, 25)], share) == Slot("cpu", "", 2, 10)
    assert slots.free(here, settings, 0, 0, [], Share(40, 35)) == Slot("cpu", "", 2, 40)
    assert slots.at_once(here, "cpu", 0, Share(40, 35)) == 1


def test_a_gpu_that_shall_be_avoided_takes_no_trial() -> None:
    here, settings = Machine(8, ("GPU-a", "GPU-b")), {"runtime.threads": 4}
    assert slots.free(here, settings, 0, 0, [], None, {"GPU-a"}) == Slot("cuda", "GPU-b", 4)
    assert slots.free(here, settings, 0, 0, [], None, {"GPU-a", "GPU-b"}) is None


def test_a_trial_that_shares_a_gpu_is_held_to_its_share() -> None:
    assert Slot("cuda", "GPU-a", 1, 5).environment()["TUNEBOOK_GPU_MEMORY"] == "5"
    assert "TUNEBOOK_GPU_MEMORY" not in Slot("cuda", "GPU-a", 1).environment()


def test_a_gpu_on_which_trials_fail_gets_no_more_unless_all_do() -> None:
    here, faults = Machine(8, ("GPU-a", "GPU-b")), GpuFaults()
    one, other = Slot("cuda", "GPU-a"), Slot("cuda", "GPU-b")
    faults.note(one, failed=True)
    assert faults.avoided(here) == set()
    faults.note(one, failed=False)
    faults.note(one, failed=True)
    assert faults.avoided(here) == set()
    faults.note(one, failed=True)
    assert faults.avoided(here) == {"GPU-a"}
    # What fails wherever it runs is no fault of the GPUs.
    faults.note(other, failed=True)
    assert faults.avoided(here) == set()
    faults.note(other, failed=False)
    assert faults.avoided(here) == {"GPU-a"}
    faults.note(Slot("cpu"), failed=True)
    assert faults.avoided(Machine(8)) == set()


def test_gpus_that_are_not_there_count_as_the_cpu() -> None:
    assert slots.device(Machine(2), {"runtime.device": "cuda"}) == "cpu"
    assert slots.device(Machine(2), {"runtime.device": "auto"}) == ("mps" if sys.platform == "darwin" else "cpu")
    assert slots.device(Machine(2, ("GPU-a",)), {}) == "cuda"


def test_this_machine_has_a_core(tmp_path: Path) -> None:
    assert slots.machine(Project(tmp_path, Settings())).cores >= 1
