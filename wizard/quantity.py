"""Measured quantities in words: two or three digits that mean something, with their unit."""

from __future__ import annotations

import math

from presets.language import Message, say

# Characters by which a class is named.
LONGEST_NAME = 40
# From here on a number is written with its power of ten.
LARGEST = 1e12
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


def duration(seconds: float) -> Message:
    """A time: `0.42 ms`, `38 ms`, `4.1 s`, `3 min 20 s`, `2 h 5 min`, `3.1 days`."""
    if seconds < 0.9995:
        return say("{n} ms", n=digits(seconds * 1000))
    if seconds < 59.95:
        return say("{n} s", n=digits(seconds))
    whole = round(seconds)
    if whole < 3600:
        return say("{minutes} min {seconds} s", minutes=whole // 60, seconds=whole % 60)
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return say("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)
    return say("{n:.1f} days", n=seconds / 86_400)


def memory(count: float) -> Message:
    """Bytes in binary units: `512 MiB`, `1.4 GiB`."""
    power = 0
    while count >= 1023.5 and power < len(_BYTES) - 1:
        count, power = count / 1024, power + 1
    return say("{n} {unit}", n=digits(count) if power else f"{count:.0f}", unit=_BYTES[power])


def throughput(examples_per_second: float) -> Message:
    """`1,280 examples/s`."""
    return say("{n} examples/s", n=digits(examples_per_second))


def large(count: float) -> str:
    """A count as papers give it: `4.9 M`, `820 k`, `1.8 G`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size * 0.9995:
            return f"{digits(count / size)} {unit}"
    return f"{count:.0f}"


def digits(value: float) -> str:
    """At least two significant digits and no false ones: `0.42`, `3.8`, `38`, `1,280`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    if abs(value) >= LARGEST:
        return f"{value:.2e}"
    places = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def price(amount: float) -> str:
    """An amount of money, in whatever currency: `1,234.50`, `0.012`."""
    return f"{amount:,.2f}" if 1 <= amount < LARGEST else digits(amount)


def name(text: str) -> str:
    """A name out of the data as it is quoted; what was taken for a class may be a whole text."""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def setting(value: object) -> str:
    """A value of a configuration as it is written there: `0.001`, `1e-08`, `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def exact(value: object) -> str:
    """A value of a configuration in as few digits as read back as the same: what is offered to be typed."""
    short = setting(value)
    return repr(value) if isinstance(value, float) and float(short) != value else short
