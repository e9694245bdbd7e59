"""What a data set and its splits are, and what a network must know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from training.splits import Part, Skipped

if TYPE_CHECKING:
    from training.tokenizer import Tokenizer


class Split(Protocol):
    """Examples by number, 0 to N - 1. `labels` is int64 (N,), on the CPU."""

    @property
    def labels(self) -> Tensor: ...

    def inputs(self, indices: Tensor) -> Tensor | dict[str, Tensor]:
        """Images: uint8 (B, C, H, W). Texts: input_ids and attention_mask, int64 (B, T), padded to the longest."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images have `mean` and `std`, texts a `tokenizer`. `identity`: what tells these data from others
    (`splits.identity`); `independent`: as how many different examples those of each part count (`splits.independent`).

    `mean`, `std`: per channel over all pixels of the training split, in units of 0 to 1; a channel that never changes
    has std 1, so that it can be divided by.
    """

    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split | None
    skipped: tuple[Skipped, ...]
    identity: str
    independent: Mapping[Part, int]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    tokenizer: Tokenizer | None = None


@dataclass(frozen=True)
class Facts:
    """What a network must know of the data: classes, tokenizer (texts), channel statistics in 0..1 units (images)."""

    classes: int
    vocabulary_size: int = 0
    pad_id: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
