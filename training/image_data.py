"""Image data sets: resident in memory where they fit, otherwise decoded batch by batch, or once onto the disk."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
from torch import Tensor

from training import cache, image_folders, images, machine, splits
from training.config import Config
from training.dataset import Dataset, Split
from training.sentence import phrase, unpacked
from training.splits import DataError, Part, Skipped, majority_readable


@dataclass(frozen=True, eq=False)
class ResidentImages:
    """Images that lie decoded in memory or in a map of the disk, uint8 (files, C, H, W), of which those numbered `rows`
    belong to this split."""

    pixels: Tensor
    rows: Tensor
    labels: Tensor

    def inputs(self, indices: Tensor) -> Tensor:
        return self.pixels[self.rows[indices]]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class FileImages:
    """Images that are decoded when they are asked for, by a pool of threads."""

    root: Path
    files: tuple[image_folders.File, ...]
    size: int
    channels: int
    threads: int
    labels: Tensor

    def inputs(self, indices: Tensor) -> Tensor:
        batch = torch.empty(len(indices), self.channels, self.size, self.size, dtype=torch.uint8)
        pixels = batch.numpy()
        wanted = [self.files[index] for index in indices.tolist()]

        def decode(place: int) -> None:
            try:
                content = images.read(self.root, wanted[place])
                pixels[place] = images.decode(content, self.size, self.channels).pixels
            except images.Unreadable as error:
                raise DataError(
                    "{path}: changed since the run began: {reason}.",
                    path=splits.printable(self.root / wanted[place].path),
                    reason=str(error),
                ) from None

        for _ in images.in_threads(decode, range(len(wanted)), wanted, self.threads):
            pass
        return batch

    def __len__(self) -> int:
        return len(self.labels)


def open_images(config: Config, folder: Path | None) -> Dataset:
    """Images in class folders, split; resident if they fit in a quarter of the available memory. Raises DataError."""
    data = config.data
    found = image_folders.listing(data.path)
    key = ""
    if folder:
        files = [(file.path, file.size, file.mtime_ns) for file in found.files]
        key = cache.key((cache.code(images), PIL.__version__, data.image_size, data.channels, files))
    facts, pixels = _examined(config, found, folder, key)
    numbers = facts.arrays["kept"]
    unreadable = [Skipped(path, unpacked(reason)) for path, reason in facts.facts["skipped"]]
    majority_readable(unreadable, len(found.files), phrase("{path}: images", path=data.path))
    images.every_class(found, numbers, unreadable)
    labels = np.array([file.label for file in found.files], np.int64)[numbers]
    roles = _roles(config, found, facts, labels, folder, key)
    pixels = None if pixels is None else torch.from_numpy(pixels)

    def split(part: Part) -> Split:
        rows = np.flatnonzero(roles == part)
        own = torch.from_numpy(labels[rows])
        if pixels is not None:
            return ResidentImages(pixels, torch.from_numpy(numbers[rows]), own)
        files = tuple(found.files[numbers[row]] for row in rows)
        return FileImages(found.root, files, data.image_size, data.channels, _threads(config), own)

    mean, std = _statistics(facts.arrays["sums"][roles == Part.TRAIN], data.image_size)
    test = split(Part.TEST) if (roles == Part.TEST).any() else None
    skipped = (*found.skipped, *unreadable)
    digests = facts.arrays["digests"]
    return Dataset(
        found.classes,
        split(Part.TRAIN),
        split(Part.VALIDATION),
        test,
        skipped,
        splits.identity(found.classes, labels, roles, digests),
        {part: splits.independent(digests[roles == part]) for part in Part},
        mean,
        std,
    )


def _examined(
    config: Config, found: image_folders.Listing, folder: Path | None, key: str
) -> tuple[cache.Entry, np.ndarray | None]:
    """What one pass over the files found, and the pixels if they are to be kept; from the cache if it has them."""
    data = config.data
    shape = (len(found.files), data.channels, data.image_size, data.image_size)
    resident = math.prod(shape) <= machine.available_memory() // 4
    keep = resident or (config.runtime.decode_once and folder is not None)
    if folder:
        facts, pixels = cache.load(folder, f"images-{key}"), cache.load(folder, f"pixels-{key}")
        # Mapped pixels are used whatever the memory: the system drops and reads them again as it needs.
        if facts and (pixels or not keep) and not _opened_since(found, facts):
            return facts, pixels.arrays["pixels"] if pixels else None

    def examine(pixels: np.ndarray | None) -> images.Examined:
        return images.examine(found, data.image_size, data.channels, _threads(config), pixels=pixels)

    pixels = np.zeros(shape, np.uint8) if resident else None
    if folder and keep and not resident:
        seen = cache.fill(folder, f"pixels-{key}", "pixels", shape, examine)
    else:
        seen = examine(pixels)
    facts = cache.Entry(
        {"skipped": [[skip.path, skip.reason.packed()] for skip in seen.skipped]},
        {"kept": seen.kept, "digests": seen.digests, "sums": seen.sums},
    )
    if folder:
        cache.save(folder, f"images-{key}", facts.facts, facts.arrays)
        if pixels is not None:
            cache.save(folder, f"pixels-{key}", {}, {"pixels": pixels})
        # From here on trials side by side share one copy.
        if keep and (mapped := cache.load(folder, f"pixels-{key}")):
            return facts, mapped.arrays["pixels"]
    return facts, pixels


def _opened_since(found: image_folders.Listing, facts: cache.Entry) -> bool:
    """Whether a file was left out that this process may read by now, which neither its size nor its time tells."""
    left_out = np.setdiff1d(np.arange(len(found.files)), facts.arrays["kept"]).tolist()
    return any(
        unpacked(reason) == images.CLOSED and os.access(found.root / found.files[number].path, os.R_OK)
        for number, (_, reason) in zip(left_out, facts.facts["skipped"], strict=True)
    )


def _roles(
    config: Config, found: image_folders.Listing, facts: cache.Entry, labels: np.ndarray, folder: Path | None, key: str
) -> np.ndarray:
    """The split of each readable image, int8; from the cache if it has it, which then was checked before."""
    data = config.data
    share = (data.validation_fraction, data.split_seed) if found.held_out else None
    left_out = [path for path, _ in facts.facts["skipped"]]
    name = f"split-{cache.key((key, cache.code(splits), share, left_out))}" if folder else ""
    if folder and (entry := cache.load(folder, name)):
        return entry.arrays["roles"]
    parts = np.array([file.part for file in found.files], np.int64)[facts.arrays["kept"]]
    roles = splits.assign(found.classes, labels, parts, facts.arrays["digests"], share, data.path)
    if folder:
        cache.save(folder, name, {}, {"roles": roles})
    return roles


def _statistics(sums: np.ndarray, size: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel from the sums of each image; exact integers until the last step."""
    count = len(sums) * size**2
    mean, std = [], []
    for total, squares in sums.sum(axis=0).tolist():
        mean.append(total / count / 255)
        std.append(max(squares * count - total**2, 0) ** 0.5 / count / 255 or 1.0)
    return tuple(mean), tuple(std)


def _threads(config: Config) -> int:
    return config.runtime.workers or config.runtime.threads or machine.cores()
