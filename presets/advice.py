"""Why the program asks, recommends and warns: a text for each row of the playbook, in both languages."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from presets.language import _, bracketed, current_language


@dataclass(frozen=True)
class Advice:
    """A row's title, the advice in one line, the reasons in a paragraph, and what they rest on with its sources (empty
    where nothing more is to be said), in the language that was asked for."""

    id: str
    title: str
    one_line: str
    paragraph: str
    evidence: str = ""


@dataclass(frozen=True)
class Term:
    """A word of the glossary and what it means, in the language that was asked for; `id` is the same in all."""

    id: str
    term: str
    meaning: str


def advice(id: str) -> Advice:
    """The advice of a playbook row such as "G3", in the current language. Raises KeyError where there is none."""
    language = current_language()
    return Advice(id, **_texts()[id][language], evidence=_read("evidence.toml").get(id, {}).get(language, ""))


def evidence(text: Advice) -> str:
    """What an advice rests on, as the third depth of an explanation says it, or that nothing more is kept."""
    if not text.evidence:
        return _("No evidence beyond the paragraph is kept for this row.")
    return _("Evidence: {text}").format(text=text.evidence)


def glossary() -> tuple[Term, ...]:
    """The words that the program uses, in the current language, in the order of the English alphabet."""
    entries = (_term(id, texts) for id, texts in _read("glossary.toml").items())
    return tuple(sorted(entries, key=lambda term: term.id))


def _term(id: str, texts: Mapping[str, Mapping[str, str]]) -> Term:
    """A word with its English name behind it, which is what papers, commands and scripts have, where it is another."""
    own, english = texts[current_language()], texts["en"]["term"]
    return Term(id, own["term"] if own["term"] == english else bracketed(own["term"], english), own["meaning"])


def ids() -> tuple[str, ...]:
    """The rows that have advice, in the playbook's order."""
    return tuple(_texts())


def _texts() -> dict[str, dict[str, dict[str, str]]]:
    return _read("advice.toml")


@cache
def _read(file: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / file).read_text(encoding="utf-8"))
