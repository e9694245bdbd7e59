"""When the host is named as what limits a step: by numbers, as they come from a device that works beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.set_up import probed, set_up, size
from training import ascent, timing
from wizard import flow, host
from wizard.question import Question


def said(question: Question) -> str:
    return "\n".join(message.text() for message in question.evidence)


def on_device(*figures: tuple[int, float, float | None], **changes: Any) -> list[dict[str, Any]]:
    """Sizes with the milliseconds of their step, and of them those in which the host hands it over."""
    return [
        size(batch, step / 1000, host_seconds=None if handed is None else handed / 1000, **changes)
        for batch, step, handed in figures
    ]


@pytest.mark.parametrize(
    ("figures", "sizes"),
    [
        # The device waits up to 16, and has enough to do from 32 on.
        ([(8, 10.0, 9.9), (16, 10.1, 9.8), (32, 13.0, 10.0), (64, 25.0, 10.1)], {8, 16}),
        # It has enough to do with any size.
        ([(8, 10.0, 2.0), (16, 19.0, 2.1), (32, 38.0, 2.0)], set()),
        # Its queue is full: the host waits for it, longer with each size.
        ([(8, 10.0, 9.5), (16, 19.0, 18.2), (32, 38.0, 37.0)], set()),
        # The queue fills up with larger sizes only.
        ([(8, 10.0, 9.8), (16, 10.2, 9.9), (32, 40.0, 38.0)], {8, 16}),
        # One size alone; and on the CPU, where nothing is handed over.
        ([(8, 10.0, 9.8)], {8}),
        ([(8, 10.0, None), (16, 10.0, None)], set()),
        ([], set()),
    ],
    ids=["small ones", "none", "full queue", "full later", "alone", "cpu", "nothing"],
)
def test_the_host_is_named_where_handing_over_a_step_takes_as_long_as_the_step(
    figures: list[tuple[int, float, float | None]], sizes: set[int]
) -> None:
    assert host.bound(on_device(*figures)) == sizes


def test_where_steps_wait_for_their_data_the_host_is_not_named() -> None:
    waiting = on_device((8, 10.0, 9.9), (16, 10.0, 9.9), input_seconds=0.02)
    assert host.bound([{**line, "end_to_end_seconds": 0.02} for line in waiting]) == set()


def test_the_question_names_host_device_and_data_where_each_is_the_bottleneck(tmp_path: Path) -> None:
    sizes = on_device((8, 10.0, 9.9), (16, 10.1, 9.8), (32, 13.0, 10.0), (64, 25.0, 10.1))
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, *sizes, device="H100")
        question = flow.ask(store, "batch_size")
        assert question.table is not None
        place = [column.text() for column in question.table.columns].index("limited by")
        assert [row[place] for row in question.table.rows] == ["host", "host", "device", "device"]
        text = said(question)
        assert "From 16 to 32 throughput no longer nearly doubles: H100 is busy with that many examples." in text
        assert "Up to 16 the host is the bottleneck: of the 10 ms of a step it needs 9.8 ms to hand" in text
        assert "runtime.compile" in text
        # It said that the device is busy, beside that the input pipeline is the bottleneck.
        probed(store, *sizes[:2], size(32, 0.0102, whole=0.03, input_seconds=0.03), device="H100", recommended=32)
        text = said(flow.ask(store, "batch_size"))
        assert "From 16 to 32 throughput no longer nearly doubles: steps wait for their data." in text
        assert "is busy with that many" not in text


def test_on_the_cpu_nothing_is_handed_over_and_a_size_timed_again_keeps_the_share_of_the_host() -> None:
    assert timing.handing_over(lambda: None, torch.device("cpu")) is None
    found = ascent.Size(8, "measured", step_seconds=0.01, host_seconds=0.008)
    assert ascent.retimed(found, 0.02).host_seconds == pytest.approx(0.016)
    assert ascent.retimed(ascent.Size(8, "measured", step_seconds=0.01), 0.02).host_seconds is None
