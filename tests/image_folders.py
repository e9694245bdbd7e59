"""Folders of small images to open as data sets."""

import io
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from training.config import Config, check
from training.dataset import Split


def config(path: Path, size: int = 8, channels: int = 1, **data: object) -> Config:
    return check(
        {
            "model": {"library": "timm", "name": "test_resnet"},
            "data": {
                "task": "image-classification",
                "path": str(path),
                "image_size": size,
                "channels": channels,
                **data,
            },
            "optimizer": {"name": "sgd", "learning_rate": 0.1},
            "training": {"steps": 1, "batch_size": 1, "evaluate_every": 1},
        }
    )


def grey(path: Path, level: int, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(path)


def two_classes(root: Path, each: int = 4) -> Path:
    for number in range(each):
        grey(root / "dark" / f"{number}.png", number)
        grey(root / "light" / f"{number}.png", 200 + number)
    return root


def inputs(split: Split, indices: torch.Tensor) -> torch.Tensor:
    found = split.inputs(indices)
    assert isinstance(found, torch.Tensor)
    return found


def everything(split: Split) -> torch.Tensor:
    return inputs(split, torch.arange(len(split)))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
