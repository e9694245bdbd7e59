"""Every page at 80 by 24 in both languages as it was last agreed on, and the pictures of the README as they are drawn.

`make snapshots` and `make pictures` take what is shown now; look at the difference before you commit it.
"""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from presets.language import LANGUAGES
from tests.shots import DRAWN, HOME, PICTURES, SHOTS, SNAPSHOTS
from tests.translate import half_width
from tui.terminal import width


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages show now: the texts by language, and the pictures."""
    folder = tmp_path_factory.mktemp("shown")
    for code in LANGUAGES:
        drawn = [folder / "pictures"] if code == "en" else []
        command = [sys.executable, "-m", "tests.shots", code, str(folder / code), *map(str, drawn)]
        subprocess.run(command, cwd=HOME, check=True, timeout=300)
    return folder


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("name", [shot.name for shot in SHOTS])
def test_a_page_looks_as_it_did(shown: Path, name: str, code: str) -> None:
    now = (shown / code / f"{name}.txt").read_text(encoding="utf-8")
    before = (SNAPSHOTS / code / f"{name}.txt").read_text(encoding="utf-8")
    difference = difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", lineterm="")
    assert now == before, "\n".join(["it looks different; if that is right: make snapshots", *difference])
    assert all(width(line) <= 80 for line in now.splitlines())


@pytest.mark.parametrize("name", [shot.name for shot in SHOTS])
def test_what_is_put_together_in_chinese_has_its_signs_too(name: str) -> None:
    """`数据: 采用`, `绝不悄悄丢掉。 (P10)`: what the catalogue has no say in. The last line is of keys, and verdicts
    have glyphs before them."""
    *lines, _keys = (SNAPSHOTS / "zh_CN" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if half_width(re.sub("^ [!?] ", "", line))] == []


@pytest.mark.parametrize("name", [shot.name for shot in DRAWN])
def test_a_picture_of_the_readme_shows_what_the_application_draws(shown: Path, name: str) -> None:
    now = (shown / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert now == (PICTURES / f"{name}.svg").read_text(encoding="utf-8"), "make pictures"
    assert "http" not in now.replace("http://www.w3.org/2000/svg", "")
    assert f"pictures/{name}.svg" in (HOME / "README.md").read_text(encoding="utf-8")


def test_nothing_lies_about_that_is_not_compared() -> None:
    kept = {path.name for code in LANGUAGES for path in (SNAPSHOTS / code).iterdir()}
    assert kept == {f"{shot.name}.txt" for shot in SHOTS}
    assert {path.name for path in PICTURES.iterdir()} == {f"{shot.name}.svg" for shot in DRAWN}
