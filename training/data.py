"""Opening the data of a run, by its task."""

from __future__ import annotations

from pathlib import Path

from training.config import Config
from training.dataset import Dataset


def open_dataset(config: Config, cache: Path | None = None) -> Dataset:
    """The data that the configuration names, split (G0). Raises DataError.

    `cache` is a folder where decoded images, or tokens, are kept for the next time; without it nothing is written.
    """
    # Whoever trains on images need not have the libraries for texts, nor the other way round.
    if config.data.task == "image-classification":
        from training.image_data import open_images

        return open_images(config, cache)
    from training.text_data import open_texts

    return open_texts(config, cache)
