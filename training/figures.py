"""What an architecture costs: `python -m training.figures --library timm --name resnet18`.

Prints one JSON object: parameters, macs (multiply-accumulates of one example's forward pass) and the kind of
normalisation. The catalogue's figures come from here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from training import config, model

NEEDED = {
    "data.path": "none",
    "optimizer.name": "adamw",
    "training.steps": 1,
    "training.batch_size": 1,
    "training.evaluate_every": 1,
}


def figures(settings: Mapping[str, Any], classes: int) -> dict[str, Any]:
    """{"parameters", "macs", "normalisation"} of the model that dotted settings describe, macs for one example.

    Raises ConfigError for settings that make no model.
    """
    chosen = config.check(config.unflat({**NEEDED, **settings}))
    images = chosen.model.library == "timm"
    channels, size, length = chosen.data.channels, chosen.data.image_size, chosen.data.max_length
    facts = model.Facts(classes, chosen.model.vocabulary_size, pad_id=0, mean=(0.5,) * channels, std=(0.5,) * channels)
    network = model.build(chosen, facts).eval()
    batch: Any = torch.zeros(1, channels, size, size, dtype=torch.uint8)
    if not images:
        batch = {name: torch.ones(1, length, dtype=torch.int64) for name in ("input_ids", "attention_mask")}
    # The counter has no formula for the CPU's fused attention; the plain one does the same multiplications.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(batch)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "macs": counter.get_total_flops() // 2,
        "normalisation": normalisation(network),
    }


def normalisation(network: nn.Module) -> str:
    """Which statistics its layers normalise by: "batch" where any does so over the batch (row G10), else "group",
    "layer", or "none"."""
    kinds = {
        "batch": (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
        "group": (nn.GroupNorm,),
        "layer": (nn.LayerNorm,),
    }
    layers = list(network.modules())
    return next((kind for kind, classes in kinds.items() if any(isinstance(x, classes) for x in layers)), "none")


def main(arguments: list[str]) -> int:
    """Print the figures of one architecture; 2 where there is none such."""
    parser = argparse.ArgumentParser(prog="python -m training.figures", description="What an architecture costs.")
    parser.add_argument("--library", required=True, choices=("timm", "transformers"))
    parser.add_argument("--name", required=True, help="model name in timm, model type in transformers")
    parser.add_argument("--settings", type=json.loads, default={}, help='JSON, such as {"data.image_size": 64}')
    parser.add_argument("--classes", type=int, default=10)
    options = parser.parse_args(arguments)
    task = "image-classification" if options.library == "timm" else "text-classification"
    chosen = {"model.library": options.library, "model.name": options.name, "data.task": task}
    try:
        print(json.dumps(figures({**chosen, **options.settings}, options.classes)))
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
