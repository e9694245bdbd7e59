"""Examples of the validation and test splits that are nearly those of the training split: saved anew, scaled, retyped.

No torch here: the inspection of the data starts without it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from training.splits import NAMED, Part

# Pixels on a side of the small pictures that are compared.
SIDE = 16
# Below so many pixels on a side, of which a single one is much of a picture, near copies are not looked for.
LEAST = 24
# Two pictures correlate so much that are one, saved anew or scaled. Different handwritten digits do not, nor do pieces
# of one photograph unless they are a few pixels apart.
ALIKE = 0.998
# Levels: what varies less than this is noise.
CONTRAST = 4.0
# Examples of the other splits that are compared, evenly chosen; those of the training split at a time.
MOST, BLOCK = 2_000, 4_096
APART = re.compile(r"[\W_]+")


def small(pixels: np.ndarray) -> np.ndarray:
    """A picture as it is compared, uint8 (SIDE²,), of `pixels` uint8 (C, size, size)."""
    # Of colours the green, which is most of the brightness and need not be computed.
    channel = Image.fromarray(np.ascontiguousarray(pixels[len(pixels) // 2]))
    return np.asarray(channel.resize((SIDE, SIDE), Image.Resampling.BOX)).ravel()


def images(roles: np.ndarray, digests: np.ndarray, pictures: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Of how many examples of the later splits (`compared`) how many are nearly one of the training split but not the
    very file (`examples`), and [one, the other] of the first. `pictures` are those of `small`."""
    train = np.flatnonzero(roles == Part.TRAIN)
    others = _later(roles, digests)
    others = others[np.linspace(0, len(others) - 1, MOST).astype(int)] if len(others) > MOST else others
    wanted = _normal(pictures[others])
    best, nearest = np.zeros(len(others), np.float32), np.zeros(len(others), np.int64)
    for start in range(0, len(train), BLOCK):
        block = train[start : start + BLOCK]
        likeness = wanted @ _normal(pictures[block]).T
        place = likeness.argmax(axis=1)
        found = likeness[np.arange(len(others)), place]
        nearest[found > best] = block[place[found > best]]
        best = np.maximum(best, found)
    return _told(others, np.flatnonzero(best > ALIKE), nearest, names)


def texts(roles: np.ndarray, digests: np.ndarray, found: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """The same of texts: those that differ in case, blanks and punctuation alone."""
    plain = [hashlib.blake2b(_plain(text).encode(), digest_size=16).digest() for text in found]
    first: dict[bytes, int] = {}
    for place in np.flatnonzero(roles == Part.TRAIN).tolist():
        first.setdefault(plain[place], place)
    others = _later(roles, digests)
    nearest = np.array([first.get(plain[place], -1) for place in others.tolist()], np.int64)
    return _told(others, np.flatnonzero(nearest >= 0), nearest, names)


def _later(roles: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """The examples of the later splits whose very content the training split does not have."""
    learnt = {digest.tobytes() for digest in digests[roles == Part.TRAIN]}
    later = np.flatnonzero(roles != Part.TRAIN)
    return later[[digests[place].tobytes() not in learnt for place in later]] if len(later) else later


def _normal(pictures: np.ndarray) -> np.ndarray:
    """Each as a vector of length 1 about 0; of what hardly varies, as nothing."""
    values = pictures.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.where(length < CONTRAST * SIDE, 0, values / np.maximum(length, 1))


def _plain(text: str) -> str:
    # Of what is made of marks alone nothing would be left.
    return APART.sub(" ", text.casefold()).strip() or text


def _told(others: np.ndarray, found: np.ndarray, nearest: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    first = found[:NAMED]
    pairs = zip(nearest[first].tolist(), others[first].tolist(), strict=True)
    named = [(names[one], names[other]) for one, other in pairs]
    return {"compared": len(others), "examples": len(found), "named": named}
