"""Why the program asks, recommends and warns: a text for each row of the playbook, in both languages."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from presets.language import current_language


@dataclass(frozen=True)
class Advice:
    """A row's title, the advice in one line, and the reasons in a paragraph, in the language that was asked for."""

    id: str
    title: str
    one_line: str
    paragraph: str


def advice(id: str) -> Advice:
    """The advice of a playbook row such as "G3", in the current language. Raises KeyError where there is none."""
    return Advice(id, **_texts()[id][current_language()])


def ids() -> tuple[str, ...]:
    """The rows that have advice, in the playbook's order."""
    return tuple(_texts())


@cache
def _texts() -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads((Path(__file__).parent / "advice.toml").read_text(encoding="utf-8"))
