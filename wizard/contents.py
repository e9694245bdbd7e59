"""What the inspection saw of the images or the texts themselves, told to people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from presets.language import Message, say

# Modes of images (Pillow's names) that have no colour.
GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"}
# Images whose brightest pixel lies below this use less than a quarter of the 256 levels.
DARK = 64


def grey(found: dict[str, Any]) -> bool:
    """Whether no image has colour."""
    return set(found["modes"]) <= GREY


def images(found: dict[str, Any]) -> Iterator[Message]:
    """Their sizes and colours, and what becomes of them."""
    (narrowest, width, widest), (lowest, height, highest) = found["widths"], found["heights"]
    if (narrowest, lowest) == (widest, highest):
        yield say("All images are {width:g} by {height:g} pixels.", width=width, height=height)
    else:
        yield say(
            "Images of {width:g} by {height:g} pixels in the middle, widths from {narrowest} to {widest}, heights from "
            "{lowest} to {highest}: all are brought to one square size.",
            width=width,
            height=height,
            narrowest=narrowest,
            widest=widest,
            lowest=lowest,
            highest=highest,
        )
    modes = [f"{mode} {count}" for mode, count in found["modes"].items()]
    if grey(found):
        yield say("All are without colour ({modes}): the network gets one channel.", modes=modes)
    else:
        yield say("Modes: {modes}. All are brought to three colour channels.", modes=modes)


def texts(found: dict[str, Any]) -> Iterator[Message]:
    """How long they are."""
    _, median, high, longest = found["words"]
    yield say(
        "Texts of {median:g} words in the middle; 95% have at most {high:g}, the longest has {longest}. What is "
        "longer than the chosen length is cut.",
        median=median,
        high=high,
        longest=longest,
    )


def seen_in_part(found: dict[str, Any]) -> Iterator[Message]:
    """What the files hold that no network gets to see."""
    if n := found.get("several"):
        yield say(
            "Files with several images (animations, pages or stacks): {n}. Only the first of each is used. If the "
            "others count, save each as a file of its own.",
            n=n,
        )
    if (brightest := found.get("brightest", 255)) < DARK:
        yield say(
            "No pixel is brighter than {brightest} of 255, so that at most {levels} levels are left of these images. "
            "Values of 16 bits are read as a share of 65,535, those of 8 bits as a share of 255: where the files use "
            "10 or 12 bits, or numbers from 0 to 16, say, write them again over the whole range.",
            brightest=brightest,
            levels=brightest + 1,
        )
