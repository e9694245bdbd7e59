"""Where a run computes and how precisely, and how a device says that its memory ran out."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path

import torch
from torch.utils import deterministic

from training.config import Config, ConfigError, Problem
from training.machine import cores
from training.sentence import phrase

# What the allocators say besides torch.OutOfMemoryError, in lower case (engine.md 1.1): MPS and the CPU raise
# a plain RuntimeError, cuDNN and cuBLAS report that their workspace did not fit.
OUT_OF_MEMORY_TEXTS = (
    "out of memory",
    "can't allocate memory",
    "cudnn_status_not_supported",
    "cublas_status_alloc_failed",
)


def choose(config: Config) -> torch.device:
    """The device to run on; `auto` prefers CUDA, then MPS. Raises ConfigError for one that this machine has not."""
    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    if torch.cuda.is_available():
        present.insert(0, "cuda")
    wanted = present[0] if config.runtime.device == "auto" else config.runtime.device
    if wanted not in present:
        allowed = phrase("a device that this machine has: {names}", names=", ".join(["auto", *present]))
        raise ConfigError((Problem("runtime.device", wanted, allowed),))
    # Which of the GPUs is said by CUDA_VISIBLE_DEVICES; torch's limit of memory refuses a device without a number.
    return torch.device(wanted, 0) if wanted == "cuda" else torch.device(wanted)


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
    """Set threads, determinism and float32 precision for this process; before anything runs on the device."""
    torch.set_num_threads(config.runtime.threads or cores())
    exact = config.runtime.deterministic
    if exact:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(exact, warn_only=True)
    # Deterministic mode would also fill every new tensor, which costs time and changes no result of ours.
    setattr(deterministic, "fill_uninitialized_memory", False)  # noqa: B010 (types know no properties of modules)
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact
    if device.type == "cuda":
        # TensorFloat-32 only where the precision is ours to choose; "float32" is taken at its word.
        float32 = "tf32" if config.runtime.precision == "auto" else "ieee"
        torch.backends.cuda.matmul.fp32_precision = float32
        torch.backends.cudnn.fp32_precision = float32


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
    """Whether an error means that memory ran out (engine.md 1.1)."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in OUT_OF_MEMORY_TEXTS)
