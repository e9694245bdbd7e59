"""The network of a run: a timm or transformers classifier behind one interface, batch in, logits out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training import ghost_norm
from training.config import Config, ConfigError, Problem
from training.dataset import Facts
from training.sentence import phrase


class ImageClassifier(nn.Module):
    """uint8 images (B, C, H, W) to logits (B, classes). Normalises on the device, where one byte a value arrives."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], channels_last: bool):
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=self.memory_format)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        scaled = (images.float() / 255 - self.mean) / self.std
        return self.network(scaled.contiguous(memory_format=self.memory_format))

    def no_weight_decay(self) -> set[str]:
        """Names of parameters, or patterns of them, that the architecture's authors except from weight decay."""
        return {f"network.{name}" for name in getattr(self.network, "no_weight_decay", set)()}


class TextClassifier(nn.Module):
    """{"input_ids", "attention_mask"}, both int64 (B, T), to logits (B, classes)."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        return self.network(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits


def build(config: Config, facts: Facts, *, saved: bool = False) -> nn.Module:
    """The network on the CPU, its weights drawn from torch's default generator or loaded as `model.pretrained` says;
    with `saved` a checkpoint of the run holds them all, and the others, which may be gone by now, are not asked for.

    Raises ConfigError for an unknown name, for weights that do not fit, and for settings the architecture has not.
    """
    # Imported where needed: timm and transformers take seconds each, and a run needs one of them.
    if config.model.library == "timm":
        from training.image_model import network

        model = ImageClassifier(*network(config, facts, saved=saved), config.runtime.channels_last)
        if (size := config.training.ghost_batch_size) and not ghost_norm.apply(model, size):
            raise _no_batch_norm(config)
        return model
    if config.training.ghost_batch_size:
        raise _no_batch_norm(config)
    from training.text_model import network

    return TextClassifier(network(config, facts, saved=saved))


def _no_batch_norm(config: Config) -> ConfigError:
    allowed = phrase("0: {name} has no batch norm", name=config.model.name)
    return ConfigError((Problem("training.ghost_batch_size", config.training.ghost_batch_size, allowed),))
