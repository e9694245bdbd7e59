"""Where a run computes and how precisely, and how a device says that its memory ran out."""

from __future__ import annotations

import gc
import os
import platform
import resource
import sys
from pathlib import Path

import torch
from torch.utils import deterministic

from training.config import Config, ConfigError, Problem
from training.machine import cores
from training.memory import keep_what_is_freed
from training.sentence import brief, phrase

# What the allocators say besides torch.OutOfMemoryError, in lower case: MPS and the CPU raise a plain RuntimeError, the
# libraries report that their workspace did not fit. Before torch 2.14, one that runs out where the driver may not be
# asked who has the memory, as on a part of a GPU (MIG), stumbles over that instead (torch issue 112377).
OUT_OF_MEMORY_TEXTS = (
    "out of memory",
    "can't allocate memory",
    "invalid buffer size",
    "_alloc_failed",
    "_allocation_failed",
    "not enough memory for workspace",
    "nvml_success == r internal assert failed",
)
# cuDNN and cuBLAS say this where they had no room, but also where an earlier error has ended the work of the GPU.
NO_ROOM_OR_NO_GPU = ("cudnn_status_not_supported", "unable to find an engine", "cublas_status_not_initialized")
# That torch was built without this kind of GPU; nothing shows it before the first kernel.
NOT_BUILT_FOR = "no kernel image is available"
# By these an error is one of the GPU, or of a kernel on it.
OF_THE_GPU = ("cuda error", "cuda driver error")
# The same by oneDNN, which computes on the CPU, and by Python: as the whole of a first line.
NO_MEMORY = ("could not create a primitive", "can't start new thread")
# Where the driver shows its cards, /dev/nvidia0 and so on.
DEVICES = Path("/dev")
# The bytes of the GPU that a trial which shares it may take.
MEMORY = "TUNEBOOK_GPU_MEMORY"


def choose(config: Config) -> torch.device:
    """The device to run on; `auto` prefers CUDA, then MPS. Raises ConfigError for one that this machine has not, and
    for a GPU that is there and cannot be used: nobody wants to find that out by how slow the CPU was."""
    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    if torch.cuda.is_available():
        present.insert(0, "cuda")
    wanted = present[0] if config.runtime.device == "auto" else config.runtime.device
    if config.runtime.device in ("auto", "cuda") and "cuda" not in present:
        _require_none(config)
    if wanted not in present:
        allowed = phrase("a device that this machine has: {names}", names=", ".join(["auto", *present]))
        raise ConfigError((Problem("runtime.device", wanted, allowed),))
    # Which of the GPUs is said by CUDA_VISIBLE_DEVICES; torch's limit of memory refuses a device without a number.
    return torch.device(wanted, 0) if wanted == "cuda" else torch.device(wanted)


def _require_none(config: Config) -> None:
    """Raise for a GPU that is there all the same: ConfigError where CUDA can use none at all, RuntimeError where the
    one is lost that this process was given."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if torch.cuda.device_count():
        raise _unusable(config, _why_no_cuda())
    if given and given.startswith(("GPU-", "MIG-")):
        # Who names a card, or a part of one, has seen it: the supervisor, for one, gives each trial its own so. torch
        # counts none where the driver has lost it, and none of the parts where CUDA does not start.
        raise RuntimeError(f"CUDA error: {given} cannot be used: {_why_no_cuda()}")
    if given not in ("", "-1") and any(DEVICES.glob("nvidia[0-9]*")):
        # Driver and library of two versions, as after an update, or a torch that was built for processors alone.
        raise _unusable(config, _why_no_cuda())


def _unusable(config: Config, reason: str) -> ConfigError:
    # The variable is the one way that a project, an export and a process that is started by hand have in common.
    allowed = phrase(
        "a GPU that CUDA can use ({reason}), or cpu, which is used where CUDA_VISIBLE_DEVICES is set to nothing",
        reason=reason,
    )
    return ConfigError((Problem("runtime.device", config.runtime.device, allowed),))


def _why_no_cuda() -> str:
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return brief(error)
    return "it does not start"


def name(device: torch.device) -> str:
    """The device in words, as its maker calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def precision(config: Config, device: torch.device) -> torch.dtype | None:
    """The dtype of autocast, or None for plain float32. Raises ConfigError for bfloat16 on a GPU without it."""
    native = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    if config.runtime.precision == "bfloat16":
        if not native:
            raise ConfigError(
                (Problem("runtime.precision", "bfloat16", phrase("float32 on {device}", device=name(device))),)
            )
        return torch.bfloat16
    if config.runtime.precision == "auto" and device.type == "cuda" and native:
        return torch.bfloat16
    return None


def prepare(config: Config, device: torch.device) -> None:
    """Set threads, determinism, float32 precision and what becomes of freed memory for this process; before anything
    runs on the device."""
    torch.set_num_threads(config.runtime.threads or cores())
    if device.type == "cpu":
        keep_what_is_freed()
    exact = config.runtime.deterministic
    if exact:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Not `warn_only`: attention on CUDA computes exact gradients only where it must.
    torch.use_deterministic_algorithms(exact)
    # Deterministic mode would also fill every new tensor, which costs time and changes no result of ours.
    setattr(deterministic, "fill_uninitialized_memory", False)  # noqa: B010 (types know no properties of modules)
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact
    if device.type == "cuda":
        # TensorFloat-32 only where the precision is ours to choose; "float32" is taken at its word. By these names and
        # not by `fp32_precision`: once that was set, torch refuses to read these, as compilation does here and there.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = config.runtime.precision == "auto"
        if share := os.environ.get(MEMORY):
            # One that takes more than its share finds that out itself, and not its neighbour.
            total = torch.cuda.mem_get_info(device)[1]
            torch.cuda.set_per_process_memory_fraction(min(1.0, int(share) / total), device)


def give_up_exactness(error: RuntimeError) -> bool:
    """Whether an error means that an operation of this network can give no exact result here; from then on it may."""
    text = str(error)
    if "deterministic implementation" not in text or not torch.are_deterministic_algorithms_enabled():
        return False
    print(f"results differ in the last digits from run to run: {text.partition('.')[0]}", flush=True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return True


def is_exact() -> bool:
    """Whether this process gives the same result for the same seed on the same machine."""
    enabled, lenient = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    return enabled and not lenient


def seed_noise(device: torch.device, seed: int) -> None:
    """Seed what dropout and stochastic depth draw from; unlike torch.manual_seed it touches this device alone."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def peak_memory(device: torch.device) -> int:
    """The most memory used so far, in bytes: on CUDA reserved by the allocator, on the CPU resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    told = any(part in text for part in OUT_OF_MEMORY_TEXTS) or brief(error).lower() in NO_MEMORY
    told = told or (any(part in text for part in NO_ROOM_OR_NO_GPU) and not _is_dead())
    return isinstance(error, RuntimeError) and told


def has_failed(error: BaseException) -> bool:
    """Whether a GPU reports an error that is not one of memory: nothing more can be done with it in this process."""
    text = str(error).lower()
    told = any(part in text for part in OF_THE_GPU) or (any(part in text for part in NO_ROOM_OR_NO_GPU) and _is_dead())
    return isinstance(error, RuntimeError) and told and not (is_out_of_memory(error) or NOT_BUILT_FOR in text)


def _is_dead() -> bool:
    """Whether an error has ended what this process can do with its GPU: it is reported by whatever is asked next."""
    if not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def release_memory(device: torch.device) -> None:
    """Give back what the allocator keeps of memory that nobody uses any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
