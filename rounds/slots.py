"""Where trials run: on each GPU, or on so many together, one at a time, or as many as its memory holds; on the CPU as
many as cores carry and memory holds."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from state import gpus
from state.machine import cores
from state.project import Project


@dataclass(frozen=True)
class Machine:
    """What there is to run on: CPU cores that this process may use, GPUs (or their MIG parts, or those that a trial has
    together, with commas) by UUID, and what these are called, where it is known; `exclusive`: whether the driver lets
    one process at a time use one of them."""

    cores: int
    gpus: tuple[str, ...] = ()
    models: frozenset[str] = frozenset()
    exclusive: bool = False


@dataclass(frozen=True)
class Share:
    """What a trial takes of the memory of a GPU, or on the CPU of the machine's, and how much of that there is, in
    bytes."""

    need: int
    budget: int

    @property
    def count(self) -> int:
        """How many such trials fit, at least one."""
        return max(self.budget // self.need, 1)


@dataclass(frozen=True)
class Slot:
    """What one trial occupies: a device ("cpu", "cuda", "mps"), the GPU's UUID, or several with commas, how many CPU
    cores, and how many bytes of the GPU's memory (0: all of it), or on the CPU of the machine's (0: not known)."""

    device: str
    gpu: str = ""
    cores: int = 1
    memory: int = 0

    def environment(self) -> dict[str, str]:
        """The environment that keeps a process to its slot."""
        # Of a trial on several GPUs each has a process, and these share the cores.
        each = max(self.cores // (self.gpu.count(",") + 1), 1)
        threads = {name: str(each) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        gpu = {"CUDA_VISIBLE_DEVICES": self.gpu} if self.gpu else {}
        # `training.device` holds a trial to it.
        share = {"TUNEBOOK_GPU_MEMORY": str(self.memory)} if self.gpu and self.memory else {}
        return {**threads, **gpu, **share}


def machine(project: Project) -> Machine:
    """The machine that this process runs on, as far as it is let use it, in GPUs as a trial of the project has them."""
    found = gpus.at_hand(project.settings.gpus)
    return Machine(
        cores(),
        tuple(gpu.uuid for gpu in found),
        frozenset(gpu.name for gpu in found),
        any(gpu.exclusive for gpu in found),
    )


def device(here: Machine, settings: Mapping[str, Any]) -> str:
    """The device that a configuration (dotted names) runs on; a GPU that there is none of counts as the CPU."""
    wanted = settings.get("runtime.device", "auto")
    if here.gpus and wanted in ("auto", "cuda"):
        return "cuda"
    # Training's "auto" takes Apple's GPU where there is one.
    return "mps" if wanted == "mps" or (wanted == "auto" and sys.platform == "darwin") else "cpu"


def at_once(here: Machine, device: str, wanted: int = 0, share: Share | None = None) -> int:
    """How many trials of a batch run at once; `wanted` 0: as many as the machine allows.

    On the CPU by default one for every two cores: a small model gains little from more threads than that. On GPUs one
    on each. A wish for more is granted up to one trial for each core, and on either as far as memory goes (`share`).
    """
    if device == "cpu":
        most = min(here.cores, share.count) if share is not None else here.cores
        return min(wanted or max(1, here.cores // 2), most)
    most = max(1, len(here.gpus)) if device == "cuda" else 1
    if device == "cuda" and share is not None and wanted > most:
        most = max(most, min(most * share.count, here.cores))
    return min(wanted or most, most)


def threads(here: Machine, device: str, wanted: int = 0, share: Share | None = None) -> int:
    """CPU threads for each trial of a batch, so that all that run at once share the cores."""
    return max(1, here.cores // at_once(here, device, wanted, share))


def free(
    here: Machine,
    settings: Mapping[str, Any],
    wanted: int,
    own: int,
    taken: Collection[Slot],
    share: Share | None = None,
    avoided: Collection[str] = (),
) -> Slot | None:
    """A slot for a trial of this configuration, or None while it has to wait.

    `wanted`: how many trials its batch wants at once (0: as many as fit), `own`: how many of them run, `taken`: the
    slots of all that run, `share`: what it takes of a GPU, or of the machine's memory, where that is known, `avoided`:
    GPUs that it shall not run on. On the CPU a wish beyond what the cores carry is granted up to one trial for each
    core, as far as memory goes.
    """
    kind = device(here, settings)
    cores = int(settings.get("runtime.threads") or here.cores)
    if wanted and own >= at_once(here, kind, wanted, share):
        return None
    same = [slot for slot in taken if slot.device == kind]
    if kind == "cuda":
        shared = share if share is not None and wanted > len(here.gpus) else None
        gpu = _gpu([gpu for gpu in here.gpus if gpu not in avoided], same, shared)
        return Slot(kind, gpu, min(cores, here.cores), shared.need if shared else 0) if gpu else None
    if kind == "mps":
        return None if same else Slot(kind, "", cores)
    fits = len(same) < here.cores if wanted else sum(slot.cores for slot in same) + cores <= here.cores
    need = share.need if share is not None else 0
    held = share is None or sum(slot.memory for slot in same) + need <= share.budget
    return Slot(kind, "", cores, need) if (fits and held) or not same else None


def _gpu(gpus: Collection[str], taken: Collection[Slot], share: Share | None) -> str | None:
    """The GPU with the fewest trials that has room for one more; one without a `share` needs a GPU of its own."""
    # What runs may have begun when a trial had more GPUs, or fewer.
    on = {gpu: [slot.memory for slot in taken if {*slot.gpu.split(",")} & {*gpu.split(",")}] for gpu in gpus}
    fits = [
        gpu
        for gpu, used in on.items()
        if not used or (share is not None and all(used) and sum(used) + share.need <= share.budget)
    ]
    return min(fits, key=lambda gpu: len(on[gpu]), default=None)
