"""Room on disk and GPU, what is swept up to make some, and what logging out does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rounds import judging, launching, planning, reviewing, room, sharing, slots, sweep
from rounds.outlook import outlook
from rounds.room import Disk, Room
from rounds.slots import Machine, Share, Slot
from rounds.sweep import Superfluous
from state import gpus, measurements, trial_progress, trials
from state.database import Store
from state.store import open_store
from tests import small_project

RESULTS = [0.4, 0.5, None, 0.2, 0.3, 0.35, 0.6, 0.25]
CHECKPOINT = 3_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A baseline and a round that has ended, with checkpoints of 3 kB for each trial."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        ended(opened, "baseline-1-001", 0.5)
        planning.save(opened, planning.propose(opened, trials=len(RESULTS)), wanted="run")
        for entry, best in zip(trials.trials(opened, "round-1"), RESULTS, strict=True):
            ended(opened, entry.id, best)
        yield opened


def ended(store: Store, id: str, best: float | None) -> None:
    small_project.end(store, id, best, "infeasible" if best is None else "complete")
    checkpoints(store, id)


def checkpoints(store: Store, name: str) -> Path:
    folder = store.project.trial_folder(name) / sweep.CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "last.safetensors").write_bytes(b"x" * CHECKPOINT)
    return folder


def left(store: Store) -> list[str]:
    return sorted(path.parent.name for path in store.project.folder.glob("trials/*/checkpoints"))


def test_nothing_is_superfluous_before_a_round_is_over(store: Store) -> None:
    assert sweep.superfluous(store) == []
    reviewing.review_batch(store, "round-1")
    assert sweep.superfluous(store) == []
    # A launch that is not decided yet may be repeated, or another trial of the round be taken.
    launching.start(store, launching.propose(store, "round-1"))
    assert sweep.superfluous(store) == []
    assert sweep.sweep(store) == 0
    assert len(left(store)) == 9


def test_a_launch_that_was_overtaken_keeps_no_checkpoints_of_its_round(store: Store) -> None:
    """It counted as open for ever."""
    reviewing.review_batch(store, "round-1")
    launching.start(store, launching.propose(store, "round-1"))
    other = launching.propose(store, "round-1", "round-1-005")
    judging.decide_unrepeated(store, other, "adopt", "for the test")
    assert sweep.sweep(store) == 5 * CHECKPOINT


def test_of_a_round_that_is_over_the_best_few_keep_theirs_and_baseline_and_launch_all(store: Store) -> None:
    reviewing.review_batch(store, "round-1")
    launching.start(store, launching.propose(store, "round-1"))
    for entry in trials.trials(store, "launch-1"):
        ended(store, entry.id, 0.2 + entry.number / 1000)
    judging.decide(store, "launch-1", "adopt", "for the test")
    assert sweep.sweep(store) == 5 * CHECKPOINT
    runs = [f"launch-1-00{number}" for number in range(1, 7)]
    assert left(store) == sorted(["baseline-1-001", *runs, "round-1-004", "round-1-005", "round-1-008"])
    # Whatever else there is of a trial stays.
    assert (store.project.trial_folder("round-1-001") / "metrics.jsonl").exists()
    assert sweep.superfluous(store) == []


def test_a_trial_that_was_stopped_alone_keeps_its_checkpoints_and_lets_the_others_go(store: Store) -> None:
    trial_progress.mark_ended(store, "round-1-001", {"status": "stopped", "reason": "stopped", "steps_done": 3})
    trials.ask(store, "round-1-001", "stop")
    reviewing.review_batch(store, "round-1")
    planning.save(store, planning.propose(store, trials=4))
    assert sweep.sweep(store) == 4 * CHECKPOINT
    assert "round-1-001" in left(store)


def test_earlier_tries_of_a_trial_keep_no_checkpoints_once_it_has_ended(store: Store) -> None:
    folder = checkpoints(store, "round-1-001.1")
    checkpoints(store, "round-1-001.backup")
    trials.ask(store, "round-1-001", "retry")
    assert sweep.sweep(store) == 0
    small_project.end(store, "round-1-001", 0.4)
    assert sweep.sweep(store) == CHECKPOINT
    assert not folder.exists()
    assert "round-1-001.backup" in left(store)


def test_what_makes_way_where_the_disk_is_short_is_noted(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody had asked for it, and nothing said where they had gone."""
    reviewing.review_batch(store, "round-1")
    planning.save(store, planning.propose(store, trials=4))
    monkeypatch.setattr(room, "disk_free", lambda path: 0)
    caplog.set_level("INFO", "tunebook.supervisor")
    settings = trials.trial_settings(store, trials.trial(store, "round-1-001"))
    assert Room(store).lacking(settings, Slot("cpu"), []) is not None
    assert caplog.messages == [
        f"the disk is short: checkpoints that nobody will need were removed, {5 * CHECKPOINT} bytes"
    ]
    assert Room(store).lacking(settings, Slot("cpu"), []) is not None
    assert len(caplog.messages) == 1


def test_a_trial_waits_until_the_disk_has_room_for_its_checkpoints_and_for_those_to_come(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Room(store)
    settings = trials.trial_settings(store, trials.trial(store, "round-1-001"))
    assert here.checkpoints(settings) == CHECKPOINT
    assert here.checkpoints({**settings, "model.name": "resnet50"}) == 0
    need = room.LEAST_DISK + int(CHECKPOINT * room.BESIDE)
    running = trials.trial(store, "round-1-001")
    to_come = int(CHECKPOINT * room.BESIDE) - CHECKPOINT
    monkeypatch.setattr(room, "disk_free", lambda path: need)
    assert here.lacking(settings, Slot("cpu"), []) is None
    message = here.lacking(settings, Slot("cpu"), [running])
    assert message is not None
    assert message.text().startswith("Waiting: only 200 MiB are free at ")
    monkeypatch.setattr(room, "disk_free", lambda path: need + to_come)
    assert here.lacking(settings, Slot("cpu"), [running]) is None


def test_a_round_whose_checkpoints_the_disk_cannot_hold_is_warned_of(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what those of the last trials took, whatever the momentum or another optimizer; earlier rounds make way."""
    plan = planning.propose(store, "compare", optimizers=("sgd", "adamw"), trials=10)
    spare = room.LEAST_DISK + int(CHECKPOINT * (room.BESIDE - 1))
    for free, fit in ((10 * CHECKPOINT, 10), (10 * CHECKPOINT - 1, 9), (CHECKPOINT, 1), (-spare, 0)):
        monkeypatch.setattr(room, "disk_free", lambda path, free=free: free + spare)
        assert room.forecast(store, plan) == Disk(10 * CHECKPOINT, free + spare, fit)
        short = outlook(store, plan, Machine(2)).short
        assert len(short) == (fit < 10)
        assert not short or f": {fit} would run, the others wait." in short[0].text()
    monkeypatch.setattr(sweep, "superfluous", lambda store: [Superfluous(store.project.root, 10 * CHECKPOINT + spare)])
    assert room.forecast(store, plan) == Disk(10 * CHECKPOINT, 10 * CHECKPOINT + spare, 10)
    other = replace(plan, base={**plan.base, "model.name": "resnet50"})
    assert room.forecast(store, other) is None


def test_a_gpu_with_less_free_memory_than_the_probe_saw_in_use_takes_no_trial(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = trials.trial_settings(store, trials.trial(store, "round-1-001"))
    sizes = [{"batch_size": size, "peak_memory": size * 2**20} for size in (8, 16)]
    measurements.record(
        store, "probe-1", "probe", {"model.name": "test_resnet"}, {"sizes": sizes, "device_type": "cpu"}
    )
    assert sharing.probed(store, settings) is None
    measurements.record(
        store, "probe-2", "probe", {"model.name": "test_resnet"}, {"sizes": sizes, "device_type": "cuda"}
    )
    assert sharing.probed(store, settings) == 8 * 2**20
    assert sharing.probed(store, {**settings, "training.batch_size": 12}) == 16 * 2**20
    assert sharing.probed(store, {**settings, "training.batch_size": 32}) is None
    assert sharing.probed(store, {**settings, "model.name": "other"}) is None
    # Nor does it take from it that another was measured since.
    measurements.record(store, "probe-9", "probe", {"model.name": "other"}, {"sizes": []})
    assert sharing.probed(store, settings) == 8 * 2**20
    slot = Slot("cuda", "GPU-a", 1)
    for free, waits in ((8 * 2**20, True), (9 * 2**20, False)):
        monkeypatch.setattr(gpus, "memory", lambda _kind, free=free: {"GPU-a": free})
        lacking = Room(store).lacking(settings, slot, [])
        assert (lacking is not None) == waits
    # Of a part of a GPU nothing is known, so that nothing is in the way.
    assert Room(store).lacking(settings, Slot("cuda", "MIG-1", 1), []) is None


def test_the_probe_of_a_gpu_says_how_many_trials_fit_on_it(store: Store) -> None:
    """By the peak at the chosen size, with a margin and what a process takes besides; one on the CPU says nothing."""
    settings = trials.trial_settings(store, trials.trial(store, "round-1-001")) | {"runtime.device": "auto"}
    result = {
        "sizes": [{"batch_size": 8, "peak_memory": 2**30}],
        "memory_budget": 20 * 2**30,
        "device_type": "cuda",
        "device": "NVIDIA A100",
    }
    measurements.record(store, "probe-1", "probe", {"model.name": "test_resnet"}, {**result, "device_type": "cpu"})
    here = Machine(32, ("GPU-a", "GPU-b"), frozenset({"NVIDIA A100"}))
    assert sharing.share(store, settings, here) is None
    assert sharing.offer(store, here, settings) is None
    measurements.record(store, "probe-2", "probe", {"model.name": "test_resnet"}, result)
    found = sharing.share(store, settings, here)
    assert found == Share(int(2**30 * sharing.MARGIN) + sharing.CONTEXT, 20 * 2**30)
    assert found is not None
    assert found.count == 11
    offer = sharing.offer(store, here, settings)
    assert offer is not None
    assert "22 trials fit on the 2 GPUs at once" in offer.text()
    assert sharing.offer(store, Machine(32), settings) is None
    # The driver would refuse the second process on each.
    assert sharing.share(store, settings, replace(here, exclusive=True)) is None
    other = Machine(32, ("GPU-a", "GPU-b"), frozenset({"NVIDIA A100", "NVIDIA T4"}))
    assert sharing.share(store, settings, other) is None
    assert sharing.offer(store, other, settings) is None


def test_the_probe_on_the_cpu_says_how_many_trials_memory_holds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the memory that the machine has, or that is granted of it; without such a probe nothing is known."""
    settings = trials.trial_settings(store, trials.trial(store, "round-1-001")) | {"runtime.device": "cpu"}
    monkeypatch.setattr(sharing, "memory", lambda: 10 * 2**30)
    sizes = [{"batch_size": 8, "peak_memory": 2**30}]
    for kind, known in (("cuda", False), ("cpu", True)):
        result = {"sizes": sizes, "memory_budget": 2**31, "device_type": kind, "device": "x"}
        measurements.record(store, f"probe-{1 + known}", "probe", {"model.name": "test_resnet"}, result)
        found = sharing.share(store, settings, Machine(32))
        wanted = Share(int(2**30 * sharing.MARGIN) + sharing.CONTEXT, 9 * 2**30)
        assert found == (wanted if known else None)
    assert slots.at_once(Machine(32), "cpu", 0, found) == 5
