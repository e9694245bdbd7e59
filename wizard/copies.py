"""Examples that are there more than once, in one split, across splits, or under two classes, told to people (G0)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from presets.language import Message, say
from wizard import quantity
from wizard.listing import named


def independent(found: dict[str, Any]) -> int:
    """As how many different examples those of the validation split count: copies of each other tell nothing new. An
    inspection of an earlier version has not counted them."""
    split = found["splits"]["validation"]
    return int(split.get("independent", split["examples"]))


def conflicting(found: dict[str, Any]) -> int:
    """How many contents are under more than one class."""
    return int((found.get("copies") or {}).get("conflicting", 0))


def told(found: dict[str, Any]) -> Iterator[Message]:
    """Examples that are in two splits or under two classes, and those that are there more than once in what is measured
    with."""
    duplicates, copies = found["duplicates"], found.get("copies") or {}
    if duplicates["across_splits"]:
        yield say(
            "{n} examples are in the training split and in another one: what is measured on them is memory, not "
            "learning. Remove them from one side{named}.",
            n=duplicates["across_splits"],
            named=named([f"{one} = {other}" for one, other in copies.get("across", ())], duplicates["across_splits"]),
        )
    yield from _near(found)
    if n := conflicting(found):
        yield say(
            "{n} contents are under more than one class{where}. Decide which class is right, and remove the "
            "other{named}.",
            n=n,
            where=_where(copies.get("conflicting_validation")),
            named=named(
                [
                    f"{one} ({quantity.name(a)}) = {other} ({quantity.name(b)})"
                    for one, a, other, b in copies.get("conflicts", ())
                ],
                n,
            ),
        )
    yield from _repeated(found)


def _near(found: dict[str, Any]) -> Iterator[Message]:
    """What is nearly in the training split; an inspection of an earlier version has not looked for it."""
    near = found.get("near") or {}
    if not (n := near.get("examples")):
        return
    listed = named([f"{one} ~ {other}" for one, other in near["named"]], n)
    if found.get("images"):
        yield say(
            "{n} of {compared} examples of the other splits look nearly like one of the training split, as a picture "
            "does that was saved anew, scaled or touched up, or the next frame of a film: what is measured on them is "
            "partly memory. Look at some, and put what belongs together into one split{listed}.",
            n=n,
            compared=near["compared"],
            listed=listed,
        )
    else:
        yield say(
            "{n} of {compared} examples of the other splits differ from one of the training split in case, blanks and "
            "punctuation alone: what is measured on them is partly memory. Keep one of each, or put them into one "
            "split{listed}.",
            n=n,
            compared=near["compared"],
            listed=listed,
        )


def in_training(found: dict[str, Any]) -> Iterator[Message]:
    """Copies within what is learnt from."""
    if n := found["duplicates"]["within_train"]:
        yield say(
            "Copies of other examples: {n}. They stay on one side of the split; in learning they count twice. Delete "
            "them, unless they are meant to.",
            n=n,
        )


def _repeated(found: dict[str, Any]) -> Iterator[Message]:
    """Copies within what is measured with."""
    validation, test = found["splits"]["validation"], found["splits"].get("test") or {}
    if n := validation.get("copies"):
        yield say(
            "Copies within the validation split: {n} of {examples} examples have the content of another one. Copies "
            "are answered alike, so that these tell as much as {independent} different examples, and intervals and "
            "the comparison with chance go by so many. Keep one of each.",
            n=n,
            examples=validation["examples"],
            independent=validation["independent"],
        )
    if n := test.get("copies"):
        yield say(
            "Copies within the test split: {n} of {examples} examples have the content of another one; these tell as "
            "much as {independent} different examples. Keep one of each.",
            n=n,
            examples=test["examples"],
            independent=test["independent"],
        )


def _where(validation: int | None) -> Message | str:
    """What contents under more than one class do, by how many are so within the validation split, where that is
    known."""
    if validation is None:
        return ""
    if not validation:
        return say(
            ", none of them within the validation split: the error can reach 0 all the same, but what is learnt of "
            "them contradicts itself"
        )
    return say(
        ", of which within the validation split: {n}. No model can be right about all of these, so the error cannot "
        "reach 0",
        n=validation,
    )
