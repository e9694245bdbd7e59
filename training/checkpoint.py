"""Checkpoints: the weights of the best evaluations, and the whole state of the last step to go on from exactly."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training import record
from training.config import Config, ConfigError, Problem, flat
from training.evaluation import Evaluation
from training.meter import Watch
from training.sentence import Sentence, phrase

# A run of seconds should not spend them on writing, nor a long one more than this share of its time; one that is killed
# loses no more than goes by between two saves, and the evaluation it was in.
SAVE_SECONDS = 10.0
SAVE_SHARE = 0.05
# The whole state of the last step that was saved.
LAST = "last.safetensors"


@dataclass
class Progress:
    """How far a run is. `best` holds the evaluations whose weights are kept, best first; `seconds` of training;
    `sampled`: what `best` and `final` were on a sample, once they have been taken anew on the whole split."""

    step: int = 0
    seconds: float = 0.0
    resumed: int = 0
    final: Evaluation | None = None
    best: list[Evaluation] = field(default_factory=list)
    sampled: list[Evaluation] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)

    @property
    def evaluated(self) -> int:
        """The step of the last evaluation."""
        return self.final.step if self.final else 0


class Checkpoints:
    """The folder `checkpoints/` of a run.

    Whatever is in it belongs together at any moment: best weights wait in memory until `save` writes them with the
    state that knows of them, each file beside and renamed, and those that are no longer best go last.
    """

    def __init__(self, folder: Path, config: Config, data: str = "", uses: Mapping[str, str] | None = None):
        """`data`: what tells the data of the run from others, "" where that does not matter; `uses`: what the best
        weights say of themselves to who uses them without the data."""
        self.folder = folder
        self.config = config
        self.data = data
        self.uses = dict(uses or {})
        self.digest = hashlib.sha256(json.dumps(flat(config), sort_keys=True).encode()).hexdigest()
        self._held: dict[int, dict[str, Tensor]] = {}
        self._saved = time.monotonic()
        self._took = 0.0

    def saved(self) -> bool:
        """Whether there is a last state to go on from."""
        return (self.folder / LAST).exists()

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Load the last state into network and optimizer; the progress it was saved with, or a new one.

        Raises ConfigError if it cannot be read, or was written under another configuration or on other data.
        """
        path = self.folder / LAST
        if not self.saved():
            return Progress()
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata()
                names = file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
            progress = _read_progress(json.loads(metadata["progress"]))
        except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise _unusable(path, phrase("a checkpoint that can be read ({reason})", reason=reason)) from None
        if metadata["config"] != self.digest:
            raise _unusable(path, phrase("a checkpoint of this same configuration"))
        # One of before the data were noted has nothing to say.
        if metadata.get("data") and self.data and metadata["data"] != self.data:
            raise _unusable(path, phrase("a checkpoint of the same data, which have changed since it was saved"))
        network.load_state_dict({name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")})
        _load_optimizer(optimizer, tensors, _numbered(network))
        progress.resumed += 1
        return progress

    def consider(self, evaluation: Evaluation, network: nn.Module, progress: Progress) -> None:
        """Enter an evaluation among the best if it is one of them, and hold on to its weights; ties: the earlier."""
        metric, keep = self.config.training.metric, self.config.training.keep_checkpoints
        ranked = sorted([*progress.best, evaluation], key=lambda entry: (entry.cost(metric), entry.step))
        progress.best = ranked[:keep]
        if evaluation in progress.best:
            self.hold(evaluation.step, network)
        best_steps = {entry.step for entry in progress.best}
        self._held = {step: weights for step, weights in self._held.items() if step in best_steps}

    def hold(self, step: int, network: nn.Module) -> None:
        """Keep the weights until `save` writes them with what is then known of them."""
        self._held[step] = {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}

    def load(self, step: int, network: nn.Module) -> None:
        """Put the weights of one of the best evaluations into the network; they must have been saved."""
        network.load_state_dict(load_file(self._best_path(step)))

    def due(self) -> bool:
        """Whether the last save is long enough ago for another one that takes as long."""
        return time.monotonic() - self._saved >= max(SAVE_SECONDS, self._took / SAVE_SHARE)

    def save(self, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write the best weights not yet written, then the state. Raises OSError, ENOSPC on a full disk."""
        began = time.monotonic()
        self.folder.mkdir(exist_ok=True)
        for entry in progress.best:
            if entry.step in self._held:
                described = self.uses | {
                    "step": str(entry.step),
                    "metrics": json.dumps(entry.metrics()),
                    "examples": str(entry.examples),
                    "config": self.digest,
                    "data": self.data,
                }
                _write_tensors(self._best_path(entry.step), self._held[entry.step], described)
        self._held = {}

        tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
        tensors |= _optimizer_tensors(optimizer, _numbered(network))
        counters = dataclasses.asdict(progress)
        described = {
            "step": str(progress.step),
            "progress": json.dumps(counters),
            "config": self.digest,
            "data": self.data,
        }
        _write_tensors(self.folder / LAST, tensors, described)
        # The state above is whole in itself; this is for who wants to read the counters without safetensors.
        record.write_json(self.folder / "last.json", {"config": self.digest} | counters)

        kept = {self._best_path(entry.step) for entry in progress.best}
        for path in self.folder.glob("step-*.safetensors"):
            if path not in kept:
                path.unlink()
        self._saved = time.monotonic()
        self._took = self._saved - began

    @staticmethod
    def best_steps(folder: Path) -> list[int]:
        """The steps of the best checkpoints in a folder, best first; none where nothing was saved."""
        try:
            counters = json.loads((folder / "last.json").read_text(encoding="utf-8"))
            return [int(entry["step"]) for entry in counters["best"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    @staticmethod
    def best_file(folder: Path) -> Path | None:
        """The weights of the best evaluation whose file is left in a folder; None where there is none."""
        paths = (_best_path(folder, step) for step in Checkpoints.best_steps(folder))
        return next((path for path in paths if path.exists()), None)

    def _best_path(self, step: int) -> Path:
        return _best_path(self.folder, step)


def _best_path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.safetensors"


def _read_progress(counters: dict[str, Any]) -> Progress:
    final = counters["final"]
    return Progress(
        step=counters["step"],
        seconds=counters["seconds"],
        resumed=counters["resumed"],
        final=Evaluation(**final) if final else None,
        best=[Evaluation(**entry) for entry in counters["best"]],
        sampled=[Evaluation(**entry) for entry in counters["sampled"]],
        watch=Watch(**counters["watch"]),
    )


def _numbered(network: nn.Module) -> list[nn.Parameter]:
    """The parameters in the order of their numbers in a checkpoint, which does not depend on how the optimizer groups
    them."""
    trainable = (parameter for parameter in network.parameters() if parameter.requires_grad)
    return sorted(trainable, key=lambda parameter: parameter.ndim <= 1)


def _optimizer_tensors(optimizer: torch.optim.Optimizer, numbered: list[nn.Parameter]) -> dict[str, Tensor]:
    """The state of each parameter as optimizer.<number>.<name>, and what an optimizer counts for a whole group (timm's
    LAMB its steps) as group.<number>.<name>; the rest of the groups is in the configuration."""
    of_parameters = {
        f"optimizer.{number}.{name}": value
        for number, parameter in enumerate(numbered)
        for name, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }
    of_groups = {
        f"group.{number}.{name}": value
        for number, group in enumerate(optimizer.param_groups)
        for name, value in group.items()
        if isinstance(value, Tensor)
    }
    return {**of_parameters, **of_groups}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], numbered: list[nn.Parameter]) -> None:
    grouped = (parameter for group in optimizer.param_groups for parameter in group["params"])
    places = {parameter: place for place, parameter in enumerate(grouped)}
    state: dict[int, dict[str, Tensor]] = {}
    groups = optimizer.state_dict()["param_groups"]
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, entry = name.split(".", 2)
            like = numbered[int(number)]
            if tensor.ndim > 1 and tensor.shape == like.shape:
                # In the parameter's own memory format: the fused kernels go through both side by side.
                tensor = torch.empty_like(like).copy_(tensor)
            state.setdefault(places[like], {})[entry] = tensor
        elif name.startswith("group."):
            _, number, entry = name.split(".", 2)
            groups[int(number)][entry] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for loaded in optimizer.state.values():
        if "mu_product" in loaded:
            # NAdam's, a number for the host as its step is; torch moves it to the device, for which every step waits.
            loaded["mu_product"] = loaded["mu_product"].to(loaded["step"].device)


def _write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    beside = path.with_name(path.name + ".tmp")
    try:
        save_file(_writable(tensors), beside, metadata)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except (OSError, SafetensorError) as error:
        beside.unlink(missing_ok=True)
        # safetensors says in words what the system said in a number.
        for number in (errno.ENOSPC, errno.EDQUOT):
            if f"(os error {number})" in str(error):
                raise OSError(number, os.strerror(number), str(path)) from None
        raise


def _writable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous, and each with memory of its own, as the format asks for."""
    seen: set[int] = set()
    ready = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().to("cpu").contiguous()
        if tensor.untyped_storage().data_ptr() in seen:
            tensor = tensor.clone()
        seen.add(tensor.untyped_storage().data_ptr())
        ready[name] = tensor
    return ready


def _unusable(path: Path, wanted: Sentence) -> ConfigError:
    allowed = phrase(
        "{wanted}; choose another output folder, or remove this one's checkpoints to begin again. A trial of a project "
        "begins anew with `tunebook round retry`",
        wanted=wanted,
    )
    return ConfigError((Problem("checkpoint", str(path), allowed),))
