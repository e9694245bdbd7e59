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
from training.sentence import phrase

# What the allocators say besides torch.OutOfMemoryError, in lower case: MPS and the CPU raise
# a plain RuntimeError, cuDNN and cuBLAS report that their workspace or their handle did not fit.
OUT_OF_MEMORY_TEXTS = (
    "out of memory",
    "can't allocate memory",
    "invalid buffer size",
    "cudnn_status_not_supported",
    "cudnn_status_alloc_failed",
    "_allocation_failed",
    "unable to find an engine",
    "cublas_status_alloc_failed",
    "cublas_status_not_initialized",
)
# The same by oneDNN, which computes on the CPU, and by Python: as the whole of a first line.
NO_MEMORY = ("could not create a primitive", "can't start new thread")
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
    if config.runtime.device in ("auto", "cuda") and "cuda" not in present and torch.cuda.device_count():
        allowed = phrase("a GPU that CUDA can use ({reason}), or cpu", reason=_why_no_cuda())
        raise ConfigError((Problem("runtime.device", config.runtime.device, allowed),))
    if wanted not in present:
        allowed = phrase("a device that this machine has: {names}", names=", ".join(["auto", *present]))
        raise ConfigError((Problem("runtime.device", wanted, allowed),))
    # Which of the GPUs is said by CUDA_VISIBLE_DEVICES; torch's limit of memory refuses a device without a number.
    return torch.device(wanted, 0) if wanted == "cuda" else torch.device(wanted)


def _why_no_cuda() -> str:
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).strip().partition("\n")[0]
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
    told = any(part in text for part in OUT_OF_MEMORY_TEXTS) or text.strip().partition("\n")[0] in NO_MEMORY
    return isinstance(error, RuntimeError) and told


def has_failed(error: BaseException) -> bool:
    """Whether a GPU reports an error that is not one of memory: nothing more can be done with it in this process."""
    return isinstance(error, RuntimeError) and "cuda error" in str(error).lower() and not is_out_of_memory(error)


def release_memory(device: torch.device) -> None:
    """Give back what the allocator keeps of memory that nobody uses any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
