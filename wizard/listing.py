"""The first few of many names, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from presets.language import Message, say

SHOWN = 3


def some(names: Sequence[str | Message], total: int) -> str | Message:
    """The first few names, and how many more there are."""
    shown = names[:SHOWN]
    more = [f".. +{total - len(shown)}"] if total > len(shown) else []
    return reduce(lambda first, second: say("{first}; {second}", first=first, second=second), [*shown, *more])


def named(names: Sequence[str], total: int) -> Message | str:
    """The same behind what they are examples of; empty where there are none."""
    return say(": {listed}", listed=some(names, total)) if names else ""
