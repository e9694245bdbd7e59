"""What an English sentence says where a count is 1: "1 trial has ended" from "{n} trials have ended".

Templates are written for many, and stored so; which of their counts is 1 shows only when they are filled. So a template
is put right before that: the noun behind a count of 1, and the verb behind it where the count is its subject. Chinese
needs none of this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# What is counted, and what may stand between number and noun.
COUNTED = (
    "candidate column configuration content core day decade evaluation example file GPU hour hyperparameter image "
    "label layer level line minute norm number parameter pixel point power rate round row run second seed setting size "
    "split step text thread time token trial update value word"
)
NOUNS = {f"{noun}s": noun for noun in COUNTED.split()} | {"classes": "class", "passes": "pass", "studies": "study"}
BETWEEN = "best device different earlier feasible learning more new optimizer other short such training validation"
VERBS = {
    "are": "is",
    "can": "can",
    "count": "counts",
    "decode": "decodes",
    "differ": "differs",
    "fit": "fits",
    "have": "has",
    "leave": "leaves",
    "need": "needs",
    "suffice": "suffices",
    "take": "takes",
    "were": "was",
}

_COUNTED = re.compile(
    r"(?P<before>(?:\b[Aa]ll|\bthe|\bThere are|\bthere are|(?P<of>\{\w+\}|\w+) of(?: the)?) )?"
    r"(?P<field>\{(?P<name>\w+)(?P<spec>:[^{}]*)?\})"
    rf"(?P<between>(?: (?:{'|'.join(BETWEEN.split())}))*) (?P<noun>{'|'.join(NOUNS)})\b"
    r"(?:(?P<over> over (?:one hyperparameter|\{\w+\} hyperparameters)| that)?"
    rf" (?P<verb>{'|'.join(VERBS)})\b)?"
)


def of_one(template: str, values: Mapping[str, Any]) -> str:
    """The template as it reads with these values."""
    return _COUNTED.sub(lambda found: _of_one(found, values), template)


def _of_one(found: re.Match[str], values: Mapping[str, Any]) -> str:
    parts = found.groupdict(default="")
    one = _is_one(parts["field"], values)
    before, number, noun, verb = parts["before"], parts["field"], parts["noun"], parts["verb"]
    if one:
        noun = NOUNS[noun]
        before = before.replace("here are ", "here is ")
        if before in ("All ", "all "):
            before, number = ("The " if before == "All " else "the "), "one"
    # "0 of 1 trial has ended", but "The checkpoints of 1 trial take", and "4 trials over 1 study leave".
    subject = not parts["of"] or parts["of"].startswith("{") or parts["over"] == " that"
    if verb and one and subject and not found.string[: found.start()].endswith(" over "):
        verb = VERBS[verb]
    return f"{before}{number}{parts['between']} {noun}{of_one(parts['over'], values)}{verb and ' ' + verb}"


def _is_one(field: str, values: Mapping[str, Any]) -> bool:
    name = field[1:-1].partition(":")[0]
    value = values.get(name)
    return not isinstance(value, bool) and value is not None and field.format(**{name: value}) == "1"
