"""Whether an accelerator waits for the host, which hands it the operations of a step one by one (G4).

By two times of the probe: that of a step on the device, and that in which the host hands it over without waiting. On
the CPU the host is the device: nothing is handed over, nothing is measured, and the host is never named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from presets.language import Message, say
from wizard import loading, quantity

# From this share of a step on, handing it over is what takes the time (our judgement).
BOUND = 0.9
# A step has as many operations whatever the batch size, so that handing it over takes about as long for all. Where it
# takes longer for larger sizes, the queue of the device was full, and the host waited for the device (our judgement).
SAME = 1.25


def bound(lines: Sequence[Mapping[str, Any]]) -> set[int]:
    """The sizes, of those measured, for which the device waits for the host, and not for data; where no two of several
    take the host about as long, none is."""
    times = {line["batch_size"]: line["host_seconds"] for line in lines if line.get("host_seconds")}
    steps = {line["batch_size"]: line["step_seconds"] for line in lines if not loading.bound(line)}
    same = {size for size, seconds in times.items() if seconds <= SAME * min(times.values())}
    if len(same) < min(2, len(times)):
        return set()
    return {size for size in same & steps.keys() if times[size] >= BOUND * steps[size]}


def advice(lines: Sequence[Mapping[str, Any]], device: str) -> Message | None:
    """That the device waits for the host, up to which size, and what would help; None where it does not."""
    waiting = bound(lines)
    if not waiting:
        return None
    line = max((line for line in lines if line["batch_size"] in waiting), key=lambda line: line["batch_size"])
    return say(
        "Up to {size} the host is the bottleneck: of the {step} of a step it needs {host} to hand the operations to "
        "{device}, which waits for them. There a larger batch takes hardly longer. Fewer operations would help too: "
        "the fused optimizer and, for images on CUDA, compilation (runtime.fused, runtime.compile); the probe has "
        "tried them, and keeps what is faster.",
        size=line["batch_size"],
        step=quantity.duration(line["step_seconds"]),
        host=quantity.duration(line["host_seconds"]),
        device=device,
    )
