"""Which example is trained on, which validates, which is kept for the test; and the errors of data.

No torch here: the inspection of the data starts without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NoReturn

import numpy as np

from training.sentence import Sentence, Spoken

# Copies that are named; how many there are is always said.
NAMED = 20
# Characters by which a class or a column is named.
LONGEST_NAME = 40
# What reads reports how far it is: (done, total).
Progress = Callable[[int, int], None]


class DataError(Spoken):
    """Data that cannot be used: one sentence naming the file, row, class or setting, and what to do."""


@dataclass(frozen=True)
class Skipped:
    """A file, or a row as `file:line`, that was left out, and why."""

    path: str
    reason: Sentence


class Part(IntEnum):
    """The split that an example belongs to."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


# Names of the folders, or of the files without their ending, of ready-made splits; case does not matter.
PART_NAMES = {
    "train": Part.TRAIN,
    "training": Part.TRAIN,
    "val": Part.VALIDATION,
    "valid": Part.VALIDATION,
    "validation": Part.VALIDATION,
    "dev": Part.VALIDATION,
    "eval": Part.VALIDATION,
    "test": Part.TEST,
    "testing": Part.TEST,
}


def printable(path: str | os.PathLike[str]) -> str:
    """A path, or a part of one, as valid text: bytes that are not UTF-8 appear as `\\xd6`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def brief(name: str) -> str:
    """A name out of the data as messages quote it: what is taken for one may be a whole text, or a whole file."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key under which class "2" comes before class "10"."""
    pieces = re.split(r"([0-9]+)", name)
    # re.split alternates: texts at even places, digits at odd ones. Digits compare by length, then by value.
    return [
        (len(piece.lstrip("0")), piece.lstrip("0")) if place % 2 else (0, piece) for place, piece in enumerate(pieces)
    ]


def sorted_classes(names: set[str]) -> tuple[str, ...]:
    """The classes in the order that numbers them."""
    return tuple(sorted(names, key=lambda name: (natural(name), name)))


def refuse_class(place: str, name: str, trained: Collection[str]) -> NoReturn:
    """Refuse a class of another split that the training split does not have, at least not by this name."""
    near = next((other for other in sorted(trained) if other.casefold() == name.casefold()), None)
    if near is not None:
        raise DataError(
            "{place}: the training split has no class {name!r}, but {near!r}. Give the class the same name in both.",
            place=place,
            name=brief(name),
            near=brief(near),
        )
    raise DataError(
        "{place}: the training split has no class {name!r}; add examples of it there, or remove these.",
        place=place,
        name=brief(name),
    )


def assign(
    classes: Sequence[str],
    labels: np.ndarray,
    parts: np.ndarray,
    digests: np.ndarray,
    hold_out_share: tuple[float, int] | None,
    source: str,
) -> np.ndarray:
    """The split of each example, int8 (N,), after checking that every class can be trained and validated.

    `labels` and `parts` (N,) say the class and the ready-made split of each readable example, `digests` uint8 (N, 32)
    its content. `hold_out_share` is (fraction, seed) where there is no validation split. Raises DataError.
    """
    if len(classes) < 2:
        if not classes:
            raise DataError("{source}: at least two classes are needed; there is none.", source=source)
        raise DataError(
            "{source}: at least two classes are needed; there is only one, {name!r}.",
            source=source,
            name=brief(classes[0]),
        )
    counts = np.bincount(labels[parts == Part.TRAIN], minlength=len(classes))
    if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
        if len(empty) > 1:
            raise DataError(
                "{source}: class {name!r} has no readable training example (nor have {others} others); add some or "
                "remove it.",
                source=source,
                name=brief(empty[0]),
                others=len(empty) - 1,
            )
        raise DataError(
            "{source}: class {name!r} has no readable training example; add some or remove it.",
            source=source,
            name=brief(empty[0]),
        )
    if hold_out_share is None:
        if not (parts == Part.VALIDATION).any():
            raise DataError(
                "{source}: the validation split has no readable example; add some or remove it.", source=source
            )
        return parts.astype(np.int8)
    train = np.flatnonzero(parts == Part.TRAIN)
    held_out = hold_out(labels[train], [digest.tobytes() for digest in digests[train]], *hold_out_share)
    if not held_out.any():
        raise DataError(
            "{source}: nothing can be held out for validation, because no class has two different examples; add "
            "examples.",
            source=source,
        )
    result = parts.astype(np.int8)
    result[train[held_out]] = Part.VALIDATION
    return result


def identity(classes: Sequence[str], labels: np.ndarray, roles: np.ndarray, digests: np.ndarray) -> str:
    """SHA-256 over the classes and over the class, split and content of each example in their order, those of the test
    split aside: whether runs were made on the same data, wherever it lies. The arrays are those of `assign`."""
    seen = roles != Part.TEST
    digest = hashlib.sha256(json.dumps(list(classes)).encode() + b"\0")
    for values, kind in ((labels, "<i8"), (roles, "<i8"), (digests, "u1")):
        digest.update(values[seen].astype(kind).tobytes())
    return digest.hexdigest()


def hold_out(labels: np.ndarray, contents: Sequence[bytes], fraction: float, seed: int) -> np.ndarray:
    """Which examples are held out, bool (N,): stratified by class, the same for the same contents and seed.

    The examples of each class are taken in the order of SHA-256(seed, content) until its share is full, so the order
    of the files plays no part. Equal contents fall on the same side, even under different classes. A class of at least
    two different contents gets at least one on either side, unless they are bound to examples of other classes.
    """
    groups: dict[bytes, list[int]] = defaultdict(list)
    for example, content in enumerate(contents):
        groups[content].append(example)
    salted = hashlib.sha256(str(seed).encode() + b"\0")
    ranks = []
    for content, group in groups.items():
        digest = salted.copy()
        digest.update(content)
        ranks.append((digest.digest(), group))
    ordered = [group for _, group in sorted(ranks)]
    label_list: list[int] = labels.tolist()
    totals = np.bincount(labels).tolist()
    shares = [max(1, min(total - 1, int(fraction * total + 0.5))) if total > 1 else 0 for total in totals]
    taken = [0] * len(totals)
    held_out: list[int] = []

    def take(group: list[int], limits: list[int]) -> bool:
        """Hold the group out if no class then exceeds its limit."""
        added = Counter([label_list[example] for example in group]) if len(group) > 1 else {label_list[group[0]]: 1}
        for label, count in added.items():
            if taken[label] + count > limits[label]:
                return False
        for label, count in added.items():
            taken[label] += count
        held_out.extend(group)
        return True

    left: dict[int, list[list[int]]] = defaultdict(list)
    for group in ordered:
        if not take(group, shares):
            for label in {label_list[example] for example in group}:
                left[label].append(group)
    # A class whose every content comes in more copies than its share: its smallest group, if another remains.
    limits = [total - 1 for total in totals]
    for label, groups_left in left.items():
        for group in sorted(groups_left, key=len):
            if taken[label] or take(group, limits):
                break
    result = np.zeros(len(labels), dtype=bool)
    result[held_out] = True
    return result


def duplicates(parts: np.ndarray, digests: np.ndarray) -> tuple[int, int]:
    """Surplus copies among the training examples, and examples of later splits whose content an earlier split has."""
    seen: set[bytes] = set()
    within_train = across = 0
    for part in Part:
        own = [digest.tobytes() for digest in digests[parts == part]]
        distinct = set(own)
        if part is Part.TRAIN:
            within_train = len(own) - len(distinct)
        else:
            across += sum(content in seen for content in own)
        seen |= distinct
    return within_train, across


def independent(digests: np.ndarray) -> int:
    """As many different examples tell as much as these, of which some are copies: (Σm)²/Σm² of the m examples of each
    content (Kish 1965, Survey Sampling, 8.2), rounded down. A copy is answered as its original is, and tells nothing
    new. `digests` uint8 (N, 32)."""
    counts = Counter(digest.tobytes() for digest in digests).values()
    return len(digests) ** 2 // sum(count * count for count in counts) if counts else 0


def copies(
    parts: np.ndarray,
    labels: np.ndarray,
    digests: np.ndarray,
    names: Sequence[str],
    classes: Sequence[str],
    roles: np.ndarray,
) -> dict[str, Any]:
    """Copies by name: `across` splits, [one, the other] of the first; `conflicting` contents of several classes, how
    many, and `conflicts`, [one, its class, the other, its class] of the first; `conflicting_validation`: how many are
    under several within the validation split, as `roles` have it, which no model can be right about."""
    labelled = {
        (digest.tobytes(), int(label))
        for digest, label in zip(digests[roles == Part.VALIDATION], labels[roles == Part.VALIDATION], strict=True)
    }
    within = sum(count > 1 for count in Counter(content for content, _ in labelled).values())
    first: dict[bytes, int] = {}
    across: list[tuple[str, str]] = []
    conflicts: list[tuple[str, str, str, str]] = []
    conflicting: set[bytes] = set()
    numbers = [int(label) for label in labels]
    for place in (int(place) for place in np.argsort(parts, kind="stable")):
        content = digests[place].tobytes()
        earlier = first.setdefault(content, place)
        if parts[earlier] != parts[place] and len(across) < NAMED:
            across.append((names[earlier], names[place]))
        if numbers[earlier] != numbers[place] and content not in conflicting:
            conflicting.add(content)
            if len(conflicts) < NAMED:
                one, other = classes[numbers[earlier]], classes[numbers[place]]
                conflicts.append((names[earlier], one, names[place], other))
    return {
        "across": across,
        "conflicting": len(conflicting),
        "conflicting_validation": within,
        "conflicts": conflicts,
    }


def majority_readable(unreadable: Sequence[Skipped], total: int, source: Sentence) -> None:
    """Raise DataError if more than half of `total` files or rows cannot be used: then something else is wrong."""
    if 2 * len(unreadable) > total:
        first = unreadable[0]
        raise DataError(
            "{source}: {unreadable} of {total} cannot be used, the first being {path} ({reason}).",
            source=source,
            unreadable=len(unreadable),
            total=total,
            path=first.path,
            reason=first.reason,
        )
