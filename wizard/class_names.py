"""Names of classes that are hardly meant: one class written in several ways, and what stands for a missing label."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from wizard import quantity

# How tables write that there is no value (pandas, R, spreadsheets, C).
MISSING = frozenset(("nan", "na", "n/a", "#n/a", "null", "<na>", "?", "-"))


def alike(classes: Sequence[str]) -> list[str]:
    """Each class that is there in several ways, as `Spam = spam`: they differ in case, in blanks, in how a letter is
    put together, in marks that are not seen, or in how a number is written."""
    groups: dict[str | float, list[str]] = defaultdict(list)
    for name in classes:
        groups[_plain(name)].append(_visible(name))
    return [" = ".join(names) for names in groups.values() if len(names) > 1]


def missing(classes: Sequence[str]) -> list[str]:
    """The classes that are called as a missing value is."""
    return [name for name in classes if name.strip().lower() in MISSING]


def _plain(name: str) -> str | float:
    text = unicodedata.normalize("NFKC", name).casefold()
    text = " ".join("".join(letter for letter in text if unicodedata.category(letter) != "Cf").split())
    try:
        # 1e3 and 1_000 may be names of something; 1.0 and 01 are written by programs.
        return float(text) if text.replace(".", "", 1).isdecimal() and len(text) < 16 else text
    except ValueError:
        return text


def _visible(name: str) -> str:
    return quantity.name(name if name.isprintable() else ascii(name))
