"""Image classifiers of timm, from scratch, from a local file of weights, or from the hub."""

from __future__ import annotations

import difflib
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import adapt_input_conv
from torch import Tensor, nn

from training import device as devices
from training.config import Config, ConfigError, Problem
from training.sentence import brief, phrase, together

if TYPE_CHECKING:
    from training.dataset import Facts

# What timm calls our rates, and what to say of an architecture that has no such thing.
RATES = {
    "drop_rate": ("regularization.dropout", phrase("dropout")),
    "drop_path_rate": ("regularization.drop_path", phrase("stochastic depth")),
}


def network(
    config: Config, facts: Facts, *, saved: bool = False
) -> tuple[nn.Module, tuple[float, ...], tuple[float, ...]]:
    """The timm model, and the mean and standard deviation per channel to normalise its input with.

    `saved`, and what is raised: as `model.build` says.
    """
    model = _create(config, facts, hub=config.model.pretrained == "hub" and not saved)
    mean, std = facts.mean, facts.std
    if config.model.pretrained and config.data.channels == 3:
        # Weights go with the normalisation that they were trained under.
        mean, std = model.pretrained_cfg["mean"], model.pretrained_cfg["std"]
    if config.model.pretrained not in ("", "hub") and not saved:
        loaded = _read(Path(config.model.pretrained))
        # A checkpoint of this program's has its own with it: that of the data it was trained on.
        mean, std = _take_normalisation(loaded, config.data.channels) or (mean, std)
        _load(model, loaded, config)
    _try_image_size(model, config)
    return model, mean, std


def _create(config: Config, facts: Facts, *, hub: bool) -> Any:
    name = config.model.name
    if not timm.is_model(name):
        # Asked first, because timm would look on the network for a name such as hf-hub:…
        similar = difflib.get_close_matches(name, timm.list_models(), n=3)
        allowed = phrase("a model of timm, such as {names}", names=", ".join(similar or ["resnet18"]))
        raise ConfigError((Problem("model.name", name, allowed),))
    rates = {"drop_rate": config.regularization.dropout, "drop_path_rate": config.regularization.drop_path}
    arguments: dict[str, Any] = {"num_classes": facts.classes, "in_chans": config.data.channels}
    # A rate of 0 too: some architectures have another one of their own.
    arguments |= {"img_size": config.data.image_size} | rates
    while True:
        try:
            return timm.create_model(name, pretrained=hub, **arguments)
        except TypeError as error:
            refused = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if refused and rates.get(refused[1]):
                key, what = RATES[refused[1]]
                allowed = phrase("0: {name} has no {what}", name=name, what=what)
                raise ConfigError((Problem(key, rates[refused[1]], allowed),)) from None
            if not refused or refused[1] not in {"img_size", *rates} & arguments.keys():
                raise
            # Convolutional networks take any size; only those built for one size, such as ViT, are told. What has no
            # dropout has a rate of 0.
            del arguments[refused[1]]
        except (AssertionError, ValueError) as error:
            raise _bad_image_size(config, error) from None
        except Exception as error:
            # A connection that breaks off raises errors of the HTTP library's own.
            if not hub:
                raise
            allowed = phrase(
                "weights of {name} that the hub has and this machine can reach ({reason})",
                name=name,
                reason=brief(error),
            )
            raise ConfigError((Problem("model.pretrained", "hub", allowed),)) from None


def _try_image_size(model: nn.Module, config: Config) -> None:
    """Put one blank image through the model, so that a size it cannot take is said before the run."""
    size = config.data.image_size
    model.eval()
    try:
        with torch.inference_mode():
            model(torch.zeros(1, config.data.channels, size, size))
    except (AssertionError, RuntimeError, ValueError) as error:
        if devices.is_out_of_memory(error):
            raise
        raise _bad_image_size(config, error) from None
    model.train()


def _bad_image_size(config: Config, error: Exception) -> ConfigError:
    allowed = phrase("a size that {name} takes ({reason})", name=config.model.name, reason=brief(error))
    return ConfigError((Problem("data.image_size", config.data.image_size, allowed),))


def _take_normalisation(loaded: dict[str, Tensor], channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Take mean and standard deviation out of a file's tensors; None where it has none for so many channels."""
    mean, std = loaded.pop("mean", None), loaded.pop("std", None)
    if mean is None or std is None or not mean.shape == std.shape == (1, channels, 1, 1):
        return None
    return tuple(mean.flatten().tolist()), tuple(std.flatten().tolist())


def _load(model: Any, loaded: dict[str, Tensor], config: Config) -> None:
    """Load the weights of a local file; all names must fit, except that a head for other classes starts afresh."""
    path, own = config.model.pretrained, model.state_dict()
    classifier = model.pretrained_cfg["classifier"]
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    head = {name for name in own if name.rpartition(".")[0] in heads}
    afresh = {name for name in head if name not in loaded or loaded[name].shape != own[name].shape}
    loaded = {name: tensor for name, tensor in loaded.items() if name not in afresh}

    first = model.pretrained_cfg["first_conv"]
    for name in (first,) if isinstance(first, str) else tuple(first or ()):
        kernel = f"{name}.weight"
        if kernel in loaded and loaded[kernel].shape[1] != own[kernel].shape[1]:
            loaded[kernel] = adapt_input_conv(config.data.channels, loaded[kernel])

    missing = [name for name in own if name not in loaded and name not in afresh]
    unknown = [name for name in loaded if name not in own]
    misfits = [
        f"{name} {tuple(loaded[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in loaded and loaded[name].shape != own[name].shape
    ]
    complaints = [
        *([phrase("missing: {names}", names=_some(missing))] if missing else []),
        *([phrase("unknown: {names}", names=_some(unknown))] if unknown else []),
        *([phrase("of another shape: {names}", names=_some(misfits))] if misfits else []),
    ]
    if complaints:
        allowed = phrase(
            "weights of {name} ({listed}). Take other weights, or none: `tunebook new DIR --weights scratch`",
            name=config.model.name,
            listed=together(complaints),
        )
        raise ConfigError((Problem("model.pretrained", path, allowed),))
    model.load_state_dict(loaded, strict=False)
    if afresh:
        print(f"The classifier starts afresh ({_some(sorted(afresh))}); the other weights come from {path}.")


def _read(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a safetensors file, or of a torch file that holds a state dict and no other objects."""
    allowed = phrase(
        "empty, hub, or a file of weights: safetensors or a state dict, not cut short. Take other weights, or "
        "none: `tunebook new DIR --weights scratch`"
    )
    problem = Problem("model.pretrained", str(path), allowed)
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if (foreign := re.search(r"Unsupported (?:global|class|operand)[^\n]*?([\w.]+\.\w+)", str(error))) is None:
            raise ConfigError((problem,)) from None
        allowed = phrase(
            "a state dict alone, or safetensors: this file needs {name}, which only an unrestricted unpickler could "
            "read, and that may run any code",
            name=foreign[1],
        )
        raise ConfigError((Problem("model.pretrained", str(path), allowed),)) from None
    except (OSError, EOFError, RuntimeError, ValueError, SafetensorError):
        raise ConfigError((problem,)) from None
    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise ConfigError((problem,))
    # DataParallel puts module. before each name, this program's own checkpoints network., beside mean and std; VOLO has
    # names of its own that begin so.
    plain = {name.removeprefix("module."): tensor for name, tensor in content.items()}
    if {"mean", "std"} <= plain.keys() or all(name.startswith("network.") for name in plain):
        return {name.removeprefix("network."): tensor for name, tensor in plain.items()}
    return plain


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = [f".. +{len(listed) - 5}"] if len(listed) > 5 else []
    return ", ".join([*listed[:5], *more])
