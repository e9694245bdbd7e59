"""How much memory a trial takes by the probe, and so how many fit: on one GPU, or on the CPU into the machine's (G14).

Several run on one GPU only where a person asks for more trials at once than there are GPUs: whether that is faster than
one after the other depends on model and GPU, and was not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presets.language import Message, say
from rounds import slots
from rounds.slots import Machine, Share
from state import measurements
from state.database import Store
from state.machine import memory
from state.measurements import Measurement

# A trial evaluates and saves, too, which the probe's steps do not.
MARGIN = 1.2
# What a process takes beside what the probe saw of it: on a GPU the context and the kernels, on the CPU Python and the
# libraries (judgement).
CONTEXT = 512 * 2**20
# Of the memory of the machine, which has other things to do as well (judgement).
OF_MACHINE = 0.9


def probed(store: Store, settings: Mapping[str, Any], device: str = "cuda") -> int | None:
    """Bytes that the probe saw in use at a configuration's batch size; None where it was of another model, or on
    another kind of device, whose memory says nothing of this one's."""
    found = _with_its_model(store, settings)
    if found is None or found.result.get("device_type") != device:
        return None
    sizes = [line for line in found.result.get("sizes", ()) if line.get("peak_memory")]
    fits = [line for line in sizes if line["batch_size"] >= settings.get("training.batch_size", 0)]
    return min(fits, key=lambda line: line["batch_size"])["peak_memory"] if fits else None


def _with_its_model(store: Store, settings: Mapping[str, Any]) -> Measurement | None:
    """The last probe with the model of a configuration, behind those with others that are compared or in use."""
    found = reversed(measurements.measurements(store, "probe"))
    return next((one for one in found if one.subject.get("model.name") == settings.get("model.name")), None)


def share(store: Store, settings: Mapping[str, Any], here: Machine) -> Share | None:
    """What a trial of this configuration takes of a GPU of this machine, or on the CPU of its memory, and of how much;
    None where no probe there told, where one of the GPUs is of another model than that, with other memory, and where
    the driver would refuse a second process."""
    if slots.device(here, settings) == "cpu":
        peak = probed(store, settings, "cpu")
        return Share(int(peak * MARGIN) + CONTEXT, int(OF_MACHINE * memory())) if peak is not None else None
    found, peak = _with_its_model(store, settings), probed(store, settings)
    if found is None or peak is None or here.exclusive or here.models - {found.result.get("device")}:
        return None
    return Share(int(peak * MARGIN) + CONTEXT, int(found.result.get("memory_budget") or 0))


def offer(store: Store, here: Machine, settings: Mapping[str, Any]) -> Message | None:
    """That more trials of this configuration than one fit on each GPU, and how to have that; None where not."""
    found = share(store, settings, here) if slots.device(here, settings) == "cuda" else None
    most = slots.at_once(here, "cuda", here.cores, found) if found else 0
    if most <= len(here.gpus):
        return None
    return say(
        "By the probe's memory figures {n} trials fit on the {gpus} GPUs at once; whether that is faster is yours to "
        "try: tunebook round run --slots {n}",
        n=most,
        gpus=len(here.gpus),
    )
