"""The warm start: settings of NAdamW that others found to work (Medapati et al. 2025), for a first round."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("warm_start.toml")
OPTIMIZER = "nadamw"


@dataclass(frozen=True)
class Point:
    """One setting. `warmup` is a share of the steps, after which the rate falls by a cosine."""

    learning_rate: float
    one_minus_beta1: float
    beta2: float
    weight_decay: float
    warmup: float
    dropout: float
    label_smoothing: float

    def settings(self, steps: int) -> dict[str, float | int]:
        """What it sets in a run of so many steps, by dotted name."""
        return {
            "optimizer.learning_rate": self.learning_rate,
            "optimizer.beta1": round(1 - self.one_minus_beta1, 6),
            "optimizer.beta2": self.beta2,
            "optimizer.weight_decay": self.weight_decay,
            "schedule.warmup_steps": max(1, round(self.warmup * steps)),
            "regularization.dropout": self.dropout,
            "regularization.label_smoothing": self.label_smoothing,
        }


@dataclass(frozen=True)
class WarmStart:
    """The points in their order, the paper that proposes them, and the file that they are from."""

    points: tuple[Point, ...]
    paper: str
    source: str


@cache
def warm_start() -> WarmStart:
    """The list. Raises TypeError for a file that does not hold it."""
    table = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return WarmStart(tuple(Point(**point) for point in table["points"]), table["paper"], table["source"])
