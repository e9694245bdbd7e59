"""The measured figures of the catalogue: `python -m tests.figures` says what differs, `--write` writes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import timm
import tomlkit
import torch

from training.figures import figures

CATALOGUE = Path(__file__).parent.parent / "presets/architectures.toml"


def measured(family: dict[str, Any], size: dict[str, Any]) -> dict[str, Any]:
    """The figures of one entry of architectures.toml, measured now."""
    images = family["task"] == "image-classification"
    settings = {
        "model.library": family["library"],
        "model.name": size["model"],
        "data.task": family["task"],
        "data.image_size" if images else "data.max_length": size["input_size"],
        **size.get("settings", {}),
    }
    found = figures(settings, classes=10 if images else 2)
    published = timm.get_pretrained_cfg(size["model"]) if images else None
    # transformers itself does not say under which licence a checkpoint on the hub is.
    return {
        **found,
        "licence": (published.license or "") if published else "",
        "fixed_input": published.fixed_input_size if published else False,
    }


def main(write: bool) -> int:
    """Compare every entry with its measurement, and write where asked; 1 where any differs and is not written."""
    torch.set_num_threads(1)
    document = tomlkit.parse(CATALOGUE.read_text(encoding="utf-8"))
    differs = False
    for family in document.unwrap():
        for size, plain in zip(document[family]["sizes"], document.unwrap()[family]["sizes"], strict=True):
            now = measured(document.unwrap()[family], plain)
            if any(plain.get(name) != value for name, value in now.items()):
                print(plain["id"], now)
                differs = True
            for name, value in now.items():
                size[name] = value
    if write:
        CATALOGUE.write_text(tomlkit.dumps(document), encoding="utf-8")
    return int(differs and not write)


if __name__ == "__main__":
    sys.exit(main(write="--write" in sys.argv[1:]))
