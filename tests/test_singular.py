"""Sentences with a count of 1: the noun and the verb behind it are singular, in all that the code says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from presets import language
from presets.language import Message, say
from presets.singular import NOUNS
from tests import translate

# What stands behind a number and ends in s without being a noun that is counted.
OTHERS = (
    "This beats becomes bytes changes class comes compares differs does doubles ends fails fits gets goes has holds is "
    "its knows less lies limits makes means ms names needs others pass powers proposes proves rests says seeds shows "
    "spans starts takes this times tries uses vs waits was writes"
)
NO_NOUNS = OTHERS.split()


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ("{n} trials", {"n": 1}, "1 trial"),
        ("{n} trials", {"n": 0}, "0 trials"),
        ("{n} trials", {"n": 11}, "11 trials"),
        ("{n:.2f} days", {"n": 1.0}, "1.00 days"),
        ("{hours:g} device hours", {"hours": 1.0}, "1 device hour"),
        ("{n} examples are few", {"n": True}, "True examples are few"),
        (
            "{name}: {n} of {total} trials have ended.",
            {"name": "1", "n": 1, "total": 5},
            "1: 1 of 5 trials have ended.",
        ),
        ("{n} of {total} trials have ended.", {"n": 0, "total": 1}, "0 of 1 trial has ended."),
        ("All {n} trials have ended.", {"n": 1}, "The one trial has ended."),
        ("outside all {n} trials diverged", {"n": 1}, "outside the one trial diverged"),
        ("The checkpoints of {n} trials take {n} MiB", {"n": 1}, "The checkpoints of 1 trial take 1 MiB"),
        ("the best of {n} trials that are no better", {"n": 1}, "the best of 1 trial that is no better"),
        ("{n} trials over {k} hyperparameters are few", {"n": 1, "k": 2}, "1 trial over 2 hyperparameters is few"),
        ("{n} trials over one hyperparameter are few", {"n": 1}, "1 trial over one hyperparameter is few"),
        ("Study {s}: {n} trials suffice.", {"s": "a trials", "n": 1}, "Study a trials: 1 trial suffices."),
        ("Try {n} more trials of {name}?", {"n": 1, "name": "{n} trials"}, "Try 1 more trial of {n} trials?"),
        ("{n} without new steps", {"n": 1}, "1 without new steps"),
    ],
)
def test_what_is_counted_is_singular_where_it_is_one(template: str, values: dict[str, object], expected: str) -> None:
    assert Message(template, values).text() == expected  # pyright: ignore[reportArgumentType]


def test_chinese_is_as_it_is_written() -> None:
    language.set_language("zh_CN")
    try:
        assert say("{n} trials", n=1).text() == "1 次试验"
    finally:
        language.set_language("en")


def counted() -> Iterator[tuple[str, str]]:
    """Every template with a number that a plural may stand behind."""
    for file, text in translate.in_code():
        if re.search(r"\{\w+(:[^}]*)?\} [a-z ]*\w+s\b", text):
            yield file, text


def test_no_sentence_counts_one_of_many() -> None:
    """Each field of each sentence that counts something, with a count of 1; a noun that is new must be listed."""
    for _file, text in counted():
        names = language.fields(text)
        for name in names:
            try:
                filled = Message(text, {one: 1 if one == name else 7 for one in names}).text()
            except ValueError:  # a format that takes a text
                continue
            for between, noun in re.findall(r"(?<![\w.,<=])1 ([a-z]+ )?([A-Za-z]+s)\b", filled):
                assert noun in NO_NOUNS or between.strip() in (*NO_NOUNS, *NOUNS.values(), "of"), filled


def test_a_sentence_that_counts_is_a_message() -> None:
    """Only a message knows of the singular; `_` fills nothing in."""
    nouns = "|".join(NOUNS)
    for room in translate.ROOMS:
        for path in (translate.HOME / room).glob("**/*.py"):
            for text in re.findall(r'(?<![\w.])_\(\s*"([^"]*)"', path.read_text(encoding="utf-8")):
                assert not re.search(rf"\{{\w+\}} (?:more )?(?:{nouns})\b", text), (path, text)
