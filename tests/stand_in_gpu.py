"""A stand-in for an NVIDIA GPU where there is none: tensors that say they are on one, are computed on the CPU, and
cannot be mixed with others, as on a GPU. Of its memory and its speed it shows nothing; of its errors those that a test
asks for (`break_at`), in the words of real ones, and that after some of them it does nothing more.

`start` is for a process of its own: it replaces parts of torch for good. It knows what training asks of CUDA.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import psutil
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("cuda", 0)
NAME = "a stand-in"
GIB = 2**30

# What torch adds to an error of CUDA, since kernels report theirs late.
_ADVICE = """
Search for `cudaErrorAssert' in https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""
ASSERTED = torch.AcceleratorError(f"CUDA error: device-side assert triggered{_ADVICE}")
LAUNCH = torch.AcceleratorError(f"CUDA error: unspecified launch failure{_ADVICE}")
ECC = torch.AcceleratorError(f"CUDA error: uncorrectable ECC error encountered{_ADVICE}")


@dataclass(frozen=True)
class Trouble:
    """An error, in the words of torch, of the first work with a large batch; `for_good`: what is reported by whatever
    is asked afterwards, where the GPU does nothing more for this process."""

    error: RuntimeError
    for_good: RuntimeError | None = None


TROUBLES = {
    "memory": Trouble(
        torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.25 GiB "
            "is free. Including non-PyTorch memory, this process has 77.84 GiB memory in use."
        )
    ),
    # Beyond the share that `set_per_process_memory_fraction` leaves.
    "share": Trouble(
        torch.OutOfMemoryError(
            "CUDA out of memory. Allocation was preemptively rejected because it would exceed "
            "per_process_memory_fraction limit. Requested size: 2.00 GiB"
        )
    ),
    # On a part of a GPU (MIG) in a container, before torch 2.14: issues 112377 and 197312 of PyTorch.
    "part": Trouble(
        RuntimeError(
            'NVML_SUCCESS == r INTERNAL ASSERT FAILED at "/pytorch/c10/cuda/CUDACachingAllocator.cpp":1154, please '
            "report a bug to PyTorch. "
        )
    ),
    "engine": Trouble(RuntimeError("GET was unable to find an engine to execute this computation")),
    "assert": Trouble(ASSERTED, ASSERTED),
    "launch": Trouble(LAUNCH, LAUNCH),
    "ecc": Trouble(ECC, ECC),
    # The first that notices an assert that failed in a kernel before.
    "handle": Trouble(
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"), ASSERTED
    ),
}
# The work by which a GPU that is to break notices how large a batch is.
_WORK = "aten.convolution.default"

_MEMORY = ("memory_reserved", "max_memory_reserved", "max_memory_allocated")
_ACTIONS = ("init", "synchronize", "manual_seed", "empty_cache", "reset_peak_memory_stats")
_ACTIONS += ("set_per_process_memory_fraction",)
# Copies alone go from one device to another.
_COPIES = {"aten._to_copy.default", "aten.copy_.default"}
# Within a backward pass torch makes tensors where it takes the others to be, which is the CPU.
_backward: list[bool] = []


@dataclass
class _State:
    """What is to go wrong, from how many examples on, and what has."""

    trouble: Trouble | None = None
    size: int = 0
    dead: list[RuntimeError] = field(default_factory=list)


_state = _State()


def break_at(size: int, trouble: Trouble | None) -> None:
    """From here on, work with so many examples or more meets this trouble."""
    _state.trouble, _state.size = trouble, size
    _state.dead.clear()


def kill(error: RuntimeError) -> RuntimeError:
    """From here on, nothing can be done with the GPU in this process; the error."""
    _state.dead.append(error)
    return error


def _alive(*_: object, **__: object) -> None:
    """Raise what has ended the work of the GPU."""
    for error in _state.dead:
        raise error


def _work(name: str, tensors: Sequence[Tensor]) -> None:
    """Note what is to be computed on the GPU; raises what goes wrong with it."""
    _alive()
    trouble = _state.trouble
    if trouble and name == _WORK and tensors[0].size(0) >= _state.size:
        if trouble.for_good:
            kill(trouble.for_good)
        raise trouble.error


class OnGpu(Tensor):
    """A tensor that says it is on the GPU; `here` has its values."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> OnGpu:
        return Tensor._make_wrapper_subclass(
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            requires_grad=here.requires_grad,
        )

    def __init__(self, here: Tensor):
        self.here = here

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: object, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


# Not by `=`, as types know no other properties for a class that torch made: so here, and where torch is changed below.
setattr(OnGpu, "device", property(lambda _: GPU))  # noqa: B010
setattr(OnGpu, "__torch_function__", torch._C._disabled_torch_function_impl)  # noqa: B010
setattr(OnGpu, "is_cuda", property(lambda _: True))  # noqa: B010


def _computed(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What an operation gives, on the CPU; it is refused where it mixes devices."""
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    on_gpu = [one for one in tensors if isinstance(one, OnGpu)]
    # A number may come from anywhere.
    others = [one for one in tensors if not isinstance(one, OnGpu) and one.dim()]
    if on_gpu and others and str(func) not in _COPIES:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu ({func})")
    if on_gpu:
        _work(str(func), tensors)
    device = kwargs.get("device")
    if device is not None:
        kwargs = {**kwargs, "device": torch.device("cpu"), "pin_memory": False}
    result_there = bool(on_gpu) if device is None else torch.device(device).type == "cuda"
    if _backward and (on_gpu or not others):
        result_there = True
    plain_args, plain_kwargs = tree_map(_plain, (args, kwargs))
    result = func(*plain_args, **plain_kwargs)
    if not result_there:
        return result
    wrapped = tree_map(lambda one: OnGpu(one) if isinstance(one, Tensor) else one, result)
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if on_gpu else wrapped


def _plain(one: Any) -> Any:
    return one.here if isinstance(one, OnGpu) else one


class _Operations(TorchDispatchMode):
    """Of tensors that are made, too."""

    def __torch_dispatch__(self, func: Any, types: object, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Moves(TorchFunctionMode):
    """What goes from one device to the other, which torch would do nothing for: it takes both for the CPU."""

    def __torch_function__(self, func: Any, types: object, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.cpu:
            return _copied(args[0], torch.device("cpu"))
        if func is Tensor.tolist:
            return func(_plain(args[0]))
        if func is Tensor.numpy and isinstance(args[0], OnGpu):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if func is Tensor.to:
            return _to(*args, **kwargs)
        if func is Tensor.backward and isinstance(args[0], OnGpu):
            _backward.append(True)
            try:
                return func(*args, **kwargs)
            finally:
                _backward.pop()
        return func(*args, **kwargs)


def _to(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Tensor.to: another kind first, then another device."""
    words = [*args, kwargs.get("device"), kwargs.get("dtype"), kwargs.get("other")]
    words += [part for one in words if isinstance(one, Tensor) for part in (one.device, one.dtype)]
    devices = [torch.device(one) for one in words if isinstance(one, str | torch.device)]
    dtypes = [one for one in words if isinstance(one, torch.dtype)]
    changed = {"dtype": dtypes[0]} if dtypes else {}
    if (layout := kwargs.get("memory_format")) is not None:
        changed["memory_format"] = layout
    if changed:
        tensor = cast("Callable[..., Tensor]", Tensor.to)(tensor, **changed)
    elif kwargs.get("copy"):
        tensor = tensor.clone()
    return _copied(tensor, devices[0]) if devices else tensor


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    """On this device; training moves nothing whose gradient would have to find the way back."""
    there = device.type == "cuda"
    if isinstance(tensor, OnGpu) == there:
        return tensor
    assert tensor.is_leaf or not torch.is_grad_enabled()
    copy = _plain(tensor).detach().clone()
    return (OnGpu(copy) if there else copy).requires_grad_(tensor.requires_grad)


class _Event:
    """A moment of the device, in which the host is as well."""

    def __init__(self, enable_timing: bool = False):
        self.at = 0.0

    def record(self) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, later: _Event) -> float:
        return (later.at - self.at) * 1000


def start() -> None:
    """From here on this process has a GPU."""

    # The compiler reads all of them.
    sizes = dict.fromkeys(
        ("L2_cache_size", "regs_per_multiprocessor", "max_threads_per_multi_processor", "shared_memory_per_block"),
        2**16,
    )
    properties = SimpleNamespace(
        name=NAME, major=9, minor=0, multi_processor_count=8, total_memory=80 * GIB, warp_size=32, **sizes
    )
    for name, stands_in in {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "current_device": lambda: 0,
        "is_current_stream_capturing": lambda: False,
        "device_count": lambda: 1,
        "get_device_name": lambda *_: NAME,
        "get_device_properties": lambda *_: properties,
        "get_device_capability": lambda *_: (9, 0),
        "is_bf16_supported": lambda **_: True,
        "mem_get_info": lambda *_: (70 * GIB, 80 * GIB),
        # torch's compiler knows functions of torch.cuda one from the other, so that each is one of its own.
        **{name: lambda *_: psutil.Process().memory_info().rss for name in _MEMORY},
        **{name: lambda *_, **__: _alive() for name in _ACTIONS},
        "Event": _Event,
    }.items():
        setattr(torch.cuda, name, stands_in)
    # What asks the driver, or knows CUDA by its kernels.
    setattr(torch.optim.Optimizer, "_accelerator_graph_capture_health_check", lambda _: None)  # noqa: B010
    setattr(Tensor, "pin_memory", _pinned)  # noqa: B010
    setattr(torch, "inference_mode", torch.no_grad)  # noqa: B010
    autocast = torch.autocast.__init__

    def on_cpu(self: torch.autocast, device_type: str, *args: Any, **kwargs: Any) -> None:
        autocast(self, "cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    setattr(torch.autocast, "__init__", on_cpu)  # noqa: B010
    # Where images are down to a pixel its convolutions in bfloat16 give NaN.
    torch.backends.mkldnn.set_flags(False)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    _Moves().__enter__()
    _Operations().__enter__()


def _pinned(tensor: Tensor) -> Tensor:
    if isinstance(tensor, OnGpu):
        raise RuntimeError("cannot pin a tensor of the GPU")
    return tensor
