"""How a measurement ends that was cut short, in words for people: what was measured before it still holds."""

from __future__ import annotations

import dataclasses
import signal
import sys
from collections.abc import Mapping
from typing import Any

from training import ascent, memory
from training.ascent import Limit
from training.relay import Found
from training.sentence import Sentence, phrase, said, unpacked

# Of a failure by which a process ends that has more to tell than its own part: not even the model had room.
NO_ROOM = "no_room"


def ending(status: str, reason: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """How a measurement ended, as result.json has it."""
    return {"status": status, "reason": reason, **words}


def stopped() -> dict[str, Any]:
    """The ending where somebody asked for it."""
    return ending("stopped", "stopped", said("Stopped when asked to; start it again to measure from the beginning."))


def died(found: Found, code: int, oom_killer: bool = False) -> dict[str, Any]:
    """The end of a child that could not report it; `oom_killer`: the kernel has killed somebody for want of memory."""
    place = phrase("before the first batch size")
    if found.attempt is not None:
        place = phrase("at batch size {size}", size=found.attempt)
    if code == -signal.SIGKILL:
        # The kernel kills who takes too much.
        words = _killed(place, oom_killer)
        return rescued(found, "memory", "oom_killer" if oom_killer else "killed", words)
    ended = _ended(code)
    # Libraries that were refused memory once may crash the next time, and some crash at once.
    refused = any(size.outcome == "out_of_memory" for size in found.sizes.values())
    limited = bool(found.facts.get("memory_cap")) or memory.limited()
    if not refused and (found.fitting() or not limited):
        words = said("The process that measured {ended} {place}.", ended=ended, place=place)
        return rescued(found, "error", "crashed", words)
    words = said(
        "The process that measured {ended} {place}, most likely because memory ran out.", ended=ended, place=place
    )
    if not found.fitting():
        fits = too_much(found.attempt, allowed(found.facts))
        words = said("{died} {fits}", died=unpacked(words["said"]), fits=unpacked(fits["said"]))
    return rescued(found, "memory", "crashed", words)


def rescued(found: Found, ended_by: Limit, reason: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """The ending of a measurement that was cut short: the sizes that it measured before still hold."""
    budget = found.facts.get("memory_budget", 0)
    noise = found.facts.get("noise", ascent.NOISE)
    best = ascent.recommend([*found.sizes.values()], budget, ended_by, found.facts.get("earlier"), noise)
    if best is not None:
        return ending("complete", reason, words) | dataclasses.asdict(best)
    if reason == "killed":
        return ending("failed", reason, words)
    return ending("failed", "out_of_memory" if ended_by == "memory" else "error", words)


def nothing_fits(smallest: int, budget: int) -> dict[str, Any]:
    """The ending where no size fits, `smallest` being the smallest that was tried."""
    return ending("failed", "out_of_memory", too_much(smallest, budget))


def too_much(smallest: int | None, budget: int) -> dict[str, Any]:
    """That not even this batch size fits; None: that it came to none."""
    mebibytes = budget / 2**20
    if smallest is None:
        return said(
            "Not even the model and its data fit into {mebibytes:.0f} MiB, which is what a run may take here. Choose a "
            "smaller model or a smaller input, free some memory, or raise the memory cap if you have set one "
            "(tunebook probe --memory-cap GIB; 0 removes it).",
            mebibytes=mebibytes,
        )
    return said(
        "Not even a batch of {size} fits into {mebibytes:.0f} MiB, which is what a run may take here. Choose a smaller "
        "model or a smaller input, free some memory, or raise the memory cap if you have set one (tunebook probe "
        "--memory-cap GIB; 0 removes it).",
        size=smallest,
        mebibytes=mebibytes,
    )


def allowed(facts: Mapping[str, Any]) -> int:
    """The bytes that a run may take, also where it was not said yet; a device that is full allows none."""
    budget = facts.get("memory_budget")
    return budget if budget is not None else min(facts.get("memory_cap") or sys.maxsize, memory.available())


def unchosen(code: int | None, failed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Why no runtime choice is made, as a fact: the process that tried them died, or (None) memory had no room;
    `failed`: its ending, where its GPU failed."""
    if failed is not None:
        words = said("No runtime choice is made. {failure}", failure=unpacked(failed["said"]))
    elif code is None:
        words = said("No runtime choice is made: memory has no room for two networks side by side.")
    else:
        words = said("No runtime choice is made: the process that tried them {ended}.", ended=_ended(code))
    return {"tried": [], "unchosen": words}


def _ended(code: int) -> Sentence:
    if code < 0:
        return phrase("was ended by signal {number}", number=-code)
    return phrase("ended with code {number}", number=code)


def _killed(place: Sentence, oom_killer: bool) -> dict[str, Any]:
    if oom_killer:
        return said(
            "The kernel killed the process that measured for want of memory, {place}. Free some memory, choose a "
            "smaller model or a smaller input, or set a memory cap below what is free, so that smaller batches are "
            "tried (tunebook probe --memory-cap GIB).",
            place=place,
        )
    return said(
        "The process that measured was killed {place}; memory that ran out may be the reason. Try again; where that "
        "ends the same way, free some memory, choose a smaller model or a smaller input, or set a memory cap below "
        "what is free, so that smaller batches are tried (tunebook probe --memory-cap GIB).",
        place=place,
    )
