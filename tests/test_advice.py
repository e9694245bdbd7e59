"""The advice texts: every row that the screens show has its words in both languages, short enough to be read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from presets import advice, language

HOME = Path(__file__).parent.parent
# The weights of a network are no row of the playbook, but are asked for.
ROWS = ["G0", "G1", "W1", *(f"G{row}" for row in range(2, 20)), *(f"P{row}" for row in range(1, 25))]


@pytest.fixture(params=language.LANGUAGES)
def spoken(request: pytest.FixtureRequest) -> Iterator[str]:
    language.set_language(request.param)
    yield request.param
    language.set_language("en")


def test_every_row_of_the_playbook_has_advice() -> None:
    assert list(advice.ids()) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_a_text_is_in_the_language_and_has_its_length(row: str, spoken: str) -> None:
    found = advice.advice(row)
    for text in (found.title, found.one_line, found.paragraph):
        assert text == text.strip()
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text) == (spoken == "zh_CN")
    assert cell_len(found.title) <= 60
    assert cell_len(found.one_line) <= 100
    assert 150 <= cell_len(found.paragraph) <= 600
    assert "\n" not in found.paragraph


def test_no_text_is_used_for_two_rows(spoken: str) -> None:
    texts = [text for row in ROWS for text in (advice.advice(row).title, advice.advice(row).paragraph)]
    assert len(set(texts)) == len(texts)


def test_a_row_without_advice_is_an_error() -> None:
    with pytest.raises(KeyError, match="G99"):
        advice.advice("G99")


def test_what_the_program_names_has_advice() -> None:
    """The rules of a review's findings, and the rows that pages and questions explain, are written as their ids."""
    files = [path for room in ("rounds", "tui", "wizard") for path in (HOME / room).glob("**/*.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = {text for text in texts if re.fullmatch(r"[GPW]\d+", text)}
    assert {"P7", "P9", "P22", "G16", "W1"} <= named
    assert named <= set(advice.ids())
