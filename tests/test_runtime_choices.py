"""Runtime choices: measured, the faster ones kept and recorded with their figures, and no reason to probe again."""

from __future__ import annotations

import dataclasses
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch._inductor import config as inductor

from state import decisions, runs
from tests import training_runs
from tests.set_up import probed, set_up
from training import choices, cut_short
from training.bench import Bench
from training.choices import Tried
from training.config import Config
from training.data import open_dataset
from training.loop import update
from tui import answers
from wizard import configuration, flow, probe, runtime

COMPILE = torch.compile

AT = {"size": 64, "preparation": 0.0}
TRIED: list[dict[str, Any]] = [
    {"key": "runtime.channels_last", "value": True, "before": 0.3, "seconds": 0.1, "kept": True, **AT},
    {"key": "runtime.fused", "value": False, "before": 0.1, "seconds": 0.2, "kept": False, **AT},
]


def tried_by(config: Config, progress: choices.Progress = lambda *_: None) -> list[Tried]:
    tried = choices.choose(config, open_dataset(config), torch.device("cpu"), None, 10_000, progress, 512)
    assert tried is not None
    return tried


def test_each_choice_is_tried_on_real_steps_and_kept_only_where_it_is_faster(digits: Path) -> None:
    config = training_runs.configuration(digits)
    threads = torch.get_num_threads()
    told: list[tuple[str, int, int]] = []

    def tell(key: str, done: int, total: int) -> None:
        told.append((key, done, total))

    try:
        tried = tried_by(config, tell)
    finally:
        torch.set_num_threads(threads)
    assert {"runtime.channels_last", "runtime.fused"} <= {each.key for each in tried}
    assert told == [(each.key, place, len(tried)) for place, each in enumerate(tried)]
    for each in tried:
        assert not each.kept or each.before >= choices.GAIN * each.seconds
    kept = [
        Tried("runtime.channels_last", True, 16, 2.0, 1.0, 0.0, True),
        Tried("runtime.fused", False, 16, 1.0, 2.0, 0.0, False),
    ]
    changed = choices.changed(config, kept)
    assert changed.runtime.channels_last
    assert changed.runtime.fused


@dataclass(frozen=True)
class Step:
    """One that takes a hundredth of a second to hand over, and so long for each example beyond that."""

    size: int
    seconds: float


@pytest.mark.parametrize(
    ("each", "fits", "size"),
    [
        # Busy from the first size on; from 128 examples on; never; and where memory ends before.
        (1.0e-3, 4096, 16),
        (1.0e-4, 4096, 128),
        (1.0e-6, 4096, 512),
        (1.0e-6, 64, 64),
    ],
)
def test_on_a_gpu_choices_are_tried_at_a_size_that_keeps_it_busy(each: float, fits: int, size: int) -> None:
    """With sixteen examples a step of a GPU is the launching of its kernels, which the memory format changes little:
    what is faster by a third at the sizes that people train with was not kept."""

    def step(examples: int) -> Step:
        if examples > fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Step(examples, max(0.01, each * examples))

    found = choices.busy(step, torch.device("cpu"), 16, 512)
    assert found.size == size
    # Of what fits not at all, nothing is chosen.
    with pytest.raises(torch.OutOfMemoryError):
        choices.busy(step, torch.device("cpu"), 8192, 8192)


@pytest.mark.parametrize("sure", [True, False])
def test_a_gain_that_chance_may_have_made_is_not_kept(
    digits: Path, monkeypatch: pytest.MonkeyPatch, sure: bool
) -> None:
    config = training_runs.configuration(digits)
    monkeypatch.setattr(choices, "_candidates", lambda *_: [("runtime.channels_last", True), ("runtime.fused", False)])
    monkeypatch.setattr(choices.timing, "in_turn", lambda *_: ([1.2, 1.0], sure))
    tried = tried_by(config)
    assert [(each.kept, each.sure) for each in tried] == [(sure, sure)] * 2


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_is_tried_only_where_the_processor_computes_in_it(
    digits: Path, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr(choices.machine, "has_bfloat16", lambda: native)
    offered = dict(choices._candidates(training_runs.configuration(digits), torch.device("cpu")))
    assert ("runtime.precision" in offered) == native


@pytest.mark.parametrize("wrong", [1.0, 3.0, 0.3, float("nan"), float("inf")])
def test_what_is_faster_and_gives_other_gradients_is_not_kept(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    """On processors with bfloat16 it was kept also where torch's convolutions in it gave NaN, or anything: each run
    diverged at its first steps, or learnt from what was no gradient."""

    def miscomputed(*of: Any) -> tuple[torch.Tensor, torch.Tensor]:
        loss, norm = update(*of)
        asked.append(of[-1])
        # Now and then.
        return loss, norm * wrong if of[-1] is not None and asked.count(of[-1]) == 2 else norm

    asked: list[torch.dtype | None] = []
    # Not so small that it happens in earnest.
    config = training_runs.configuration(digits, data__image_size=64)
    monkeypatch.setattr(choices, "_candidates", lambda *_: [("runtime.precision", "bfloat16")])
    monkeypatch.setattr(choices, "update", miscomputed)
    monkeypatch.setattr(choices.timing, "in_turn", lambda steps, *_: ([step() for step in steps] and [2.0, 1.0], True))
    monkeypatch.setattr(choices.machine.Neighbours, "busy", lambda self: False)
    (tried,) = tried_by(config)
    assert (tried.kept, tried.agrees) == (wrong == 1.0, wrong == 1.0)
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, tried=[dataclasses.asdict(tried)])
        shown = "\n".join(message.text() for message in flow.ask(store, "batch_size").evidence)
        assert ("not kept: its gradients come out wrong here" in shown) == (wrong != 1.0)


def test_a_machine_without_a_compiler_trains_uncompiled(
    digits: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = training_runs.configuration(digits)
    monkeypatch.setattr(choices, "_candidates", lambda *_: [("runtime.compile", True), ("runtime.channels_last", True)])
    monkeypatch.setattr(inductor.cpp, "cxx", ("/no/such/compiler",))
    tried = tried_by(config)
    assert [each.key for each in tried] == ["runtime.channels_last"]
    assert "runtime.compile cannot be tried here" in capfd.readouterr().err


class _Compiled(nn.Module):
    """Compiled by a backend that every machine has; the first batch of a size takes as long as a real one's does."""

    def __init__(self, network: nn.Module, asked: list[int]):
        super().__init__()
        self.compiled, self.asked = COMPILE(network, dynamic=False, backend="eager"), asked

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) not in self.asked:
            time.sleep(2.5)
        self.asked.append(len(inputs))
        return self.compiled(inputs)


@pytest.fixture
def own_limits() -> Iterator[None]:
    """What a bench allows its process is that of the tests again afterwards, and of all that they start."""
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    yield
    resource.setrlimit(resource.RLIMIT_DATA, limits)


@pytest.mark.usefixtures("own_limits")
def test_a_network_that_runs_compile_is_measured_compiled(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its training steps; what compiling takes is no part of a step."""
    asked: list[list[int]] = []

    def counting(network: nn.Module, *, dynamic: bool) -> nn.Module:
        assert not dynamic
        asked.append([])
        return _Compiled(network, asked[-1])

    monkeypatch.setattr(torch, "compile", counting)
    config = training_runs.configuration(digits, runtime__compile=True)
    measured = Bench(config, open_dataset(config), torch.device("cpu"), 2**34)
    sizes = [measured.measure(size) for size in (4, 8)]
    assert [set(each) for each in asked] == [{4}, {8}]
    assert all(len(each) > 2 for each in asked)
    again = measured.side_by_side(sizes, lambda _: None)
    assert set(asked[2]) == {4, 8}
    for size in (*sizes, *again):
        assert size.outcome == "measured"
        assert size.step_seconds is not None
        assert size.step_seconds < 1
    assert measured.check(8, tmp_path / "check") is None
    assert set(asked[3]) == {8}


def test_what_the_probe_kept_becomes_settings_with_their_figures(tmp_path: Path) -> None:
    """And the probe stays valid: what it chose itself is no part of what it is about."""
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, tried=TRIED)
        shown = "\n".join(message.text() for message in flow.ask(store, "batch_size").evidence)
        assert "in steps of 64 examples" in shown
        assert "runtime.channels_last = true: 100 ms a step instead of 300 ms, kept" in shown
        assert "runtime.fused = false: 200 ms a step, 100 ms without, not kept" in shown
        flow.answer(store, "batch_size", 64)
        assert configuration.current(store)["runtime.channels_last"] is True
        made = decisions.decision(store, "runtime")
        assert made is not None
        assert made.settings == {"runtime.channels_last": True}
        assert probe.fresh(store) is not None
        assert flow.standing(store).step == "initial"
        probed(store, recommended=32, tried=[])
        flow.answer(store, "batch_size", 32)
        assert configuration.current(store)["runtime.channels_last"] is False


def test_what_was_faster_and_is_not_kept_says_why(tmp_path: Path) -> None:
    """Twice as fast and "not kept", right after "the faster ones are kept"."""
    threads = {
        "key": "runtime.threads",
        "value": 1,
        "before": 0.037,
        "seconds": 0.023,
        "preparation": 0.0,
        "kept": False,
    }
    compiled = {"key": "runtime.compile", "value": True, "before": 2, "seconds": 1, "preparation": 600, "kept": False}
    unsure = {**threads, "key": "runtime.fused", "sure": False}
    unsure_compiled = {**compiled, "preparation": 3.0, "sure": False}
    with set_up(tmp_path / "p", "probe") as store:
        rounding = {**threads, "key": "runtime.precision", "value": "bfloat16"}
        probed(store, tried=[threads, compiled, unsure, unsure_compiled, rounding])
        shown = "\n".join(message.text() for message in flow.ask(store, "batch_size").evidence)
        assert "23 ms a step, 37 ms without, not kept: others kept the cores busy" in shown
        assert "not kept: it takes 10 min 0 s first, more than it saves" in shown
        assert "23 ms a step, 37 ms without, not kept: others kept the cores busy, which says little" in shown
        assert "runtime.fused = 1: 23 ms a step, 37 ms without, not kept: the times varied too much to tell" in shown
        # Where chance may have made the gain, nothing is known of what compilation saves.
        assert "2.0 s without, not kept: the times varied too much to tell" in shown
        assert "3.0 s first" not in shown


def test_a_person_can_insist_on_float32_and_leave_it_to_the_probe_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is measured anew without bfloat16 being tried, and what was measured with it holds again afterwards."""
    kept = {"key": "runtime.precision", "value": "bfloat16", "before": 2.0, "seconds": 1.0, "preparation": 0.0}
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, tried=[*TRIED, {**kept, "kept": True}])
        offered = [str(option.value) for option in flow.ask(store, "batch_size").options]
        assert "float32" in offered
        # Whatever the question offers can be given as an option of the command.
        for words in offered:
            answers.check({"batch_size": words})
        flow.answer(store, "batch_size", 64)
        assert configuration.current(store)["runtime.precision"] == "bfloat16"
        runtime.insist(store, "float32")
        assert configuration.current(store)["runtime.precision"] == "float32"
        assert probe.fresh(store) is None
        assert probe.subject(store)["runtime.precision"] == "float32"
        runtime.insist(store, "auto")
        assert configuration.current(store)["runtime.precision"] == "bfloat16"
        assert probe.fresh(store) is not None
        flow.answer(store, "batch_size", "float32")
        assert configuration.current(store)["runtime.precision"] == "float32"
        assert flow.standing(store) == flow.Standing("batch_size", "probe", probe.under_way(store))
        runs.stop(store.project.measurement_folder("probe-2"))


def test_a_size_chosen_in_float32_is_chosen_anew_where_the_probe_keeps_bfloat16(tmp_path: Path) -> None:
    kept = {"key": "runtime.precision", "value": "bfloat16", "before": 2.0, "seconds": 1.0, "preparation": 0.0}
    with set_up(tmp_path / "p", "probe") as store:
        runtime.insist(store, "float32")
        probed(store, tried=TRIED)
        flow.answer(store, "batch_size", 64)
        assert flow.standing(store).step == "initial"
        runtime.insist(store, "auto")
        probed(store, tried=[*TRIED, {**kept, "kept": True}])
        assert flow.standing(store).step == "batch_size"
        flow.answer(store, "batch_size", 64)
        assert configuration.current(store)["runtime.precision"] == "bfloat16"


def test_bfloat16_is_not_tried_where_float32_was_asked_for(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices.machine, "has_bfloat16", lambda: True)
    config = training_runs.configuration(digits, runtime__precision="float32")
    assert "runtime.precision" not in dict(choices._candidates(config, torch.device("cpu")))


def test_where_nothing_could_be_tried_the_reason_is_said(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: Any) -> list[Tried]:
        raise MemoryError("out of memory")

    monkeypatch.setattr(choices, "_choose", no_room)
    config = training_runs.configuration(digits)
    assert choices.choose(config, open_dataset(config), torch.device("cpu"), None, 10_000, lambda *_: None, 512) is None
    for number, (code, words) in enumerate([(None, "no room for two networks"), (-9, "was ended by signal 9")]):
        with set_up(tmp_path / str(number), "probe") as store:
            probed(store, **cut_short.unchosen(code))
            shown = "\n".join(message.text() for message in flow.ask(store, "batch_size").evidence)
            assert words in shown


@pytest.mark.parametrize("busy", [True, False])
def test_beside_busy_neighbours_neither_threads_nor_rounding_are_chosen(
    digits: Path, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(choices.machine, "has_bfloat16", lambda: True)
    monkeypatch.setattr(choices.machine, "cores", lambda: 2)
    monkeypatch.setattr(choices.machine.Neighbours, "busy", lambda self: busy)
    monkeypatch.setattr(choices.timing, "in_turn", lambda *_: ((2.0, 1.0), True))
    # In smaller images bfloat16 may come out wrong, and is not kept for that.
    config = training_runs.configuration(digits, data__image_size=64, runtime__precision="auto", runtime__threads=0)
    tried = choices.choose(config, open_dataset(config), torch.device("cpu"), None, 10_000, lambda *_: None, 512)
    assert tried is not None
    kept = {each.key: each.kept for each in tried}
    assert kept["runtime.channels_last"]
    assert (kept["runtime.threads"], kept["runtime.precision"]) == (not busy, not busy)
