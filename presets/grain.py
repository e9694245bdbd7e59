"""How fine a metric can be read: what a single validation example is worth in it, and how far another choice of
validation examples would move it. Runs with other seeds do not show that, as all are measured on the same examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Grain:
    """The most that one example can change (`worth`), the place of its class, and of how many examples it is one."""

    worth: float
    label: int
    examples: int


def grain(metric: str, per_class: Sequence[int]) -> Grain | None:
    """Where one example weighs most, by the number of validation examples of each class.

    None for a metric that single answers do not make up, such as the loss, and without examples.
    """
    there = sorted((count, label) for label, count in enumerate(per_class) if count)
    if not there:
        return None
    count, label = there[0]
    match metric:
        case "error_rate":
            return Grain(1 / sum(per_class), label, count)
        case "balanced_error":
            return Grain(1 / (len(there) * count), label, count)
        case "macro_f1":
            # Of answers that are all right but one: its class has lost it, and the class it was taken for has it in
            # vain, which weighs most where that is the next smallest.
            vain = 1 / (2 * there[1][0] + 1) if len(there) > 1 else 0.0
            return Grain((1 / (2 * count - 1) + vain) / len(there), label, count)
    return None


def answered_at_once(validation: Mapping[str, Any] | None) -> float:
    """How many examples of what a result says of its validation split are answered at once, as they are copies of each
    other; 1 where there are none, or none were counted."""
    known = validation or {}
    return (known.get("examples") or 1) / known["independent"] if known.get("independent") else 1.0


def standard_error(metric: str, value: float, per_class: Sequence[int]) -> float | None:
    """About how much the metric would differ from one choice of so many validation examples to another, were all
    classes as hard as each other; None for a metric that is no share of wrong answers, and without examples."""
    there = [count for count in per_class if count]
    if metric not in ("error_rate", "balanced_error") or not there:
        return None
    parts = 1 / sum(there) if metric == "error_rate" else sum(1 / count for count in there) / len(there) ** 2
    return math.sqrt(max(value * (1 - value), 0.0) * parts)
