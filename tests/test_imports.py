"""What importing each room loads, seen by a process of its own: a static look at the imports misses late ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parent.parent
HEAVY = {"torch", "torchvision", "timm", "transformers", "tokenizers", "safetensors", "sklearn"}
# Not click: sqlite_utils brings it along.
TERMINAL = {"textual", "rich"}
STORE = {"sqlite_utils", "sqlite3", "tomlkit"}
OURS = {"presets", "rounds", "state", "training", "tui", "wizard"}
ROOMS = {
    room: sorted(".".join(path.relative_to(HOME).with_suffix("").parts) for path in (HOME / room).rglob("*.py"))
    for room in OURS
}


def loaded(code: str) -> set[str]:
    """The top-level names in sys.modules of a fresh interpreter that ran the code."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=HOME, timeout=120
    )
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stdout.splitlines()[-1]))


def whole(room: str) -> str:
    """Code that imports every module of a room."""
    return "\n".join(f"import {module}" for module in ROOMS[room])


@pytest.mark.parametrize("room", ["presets", "state", "wizard", "rounds", "tui"])
def test_no_room_but_training_loads_torch(room: str) -> None:
    """Every module of the other rooms together loads neither torch nor what comes with it."""
    assert not loaded(whole(room)) & HEAVY


@pytest.mark.parametrize(
    ("room", "others"),
    [
        ("presets", set()),
        ("state", set()),
        ("wizard", {"presets", "state", "training"}),
        ("rounds", {"presets", "state", "training"}),
    ],
)
def test_a_room_loads_only_the_rooms_below_it(room: str, others: set[str]) -> None:
    """presets and state load nothing of ours; wizard and rounds do not load each other, and none loads the screens."""
    names = loaded(whole(room))
    assert names & OURS <= {room} | others
    assert not names & TERMINAL


def test_presets_loads_no_store() -> None:
    """The catalogue is data with a small loader."""
    assert not loaded(whole("presets")) & (STORE | {"numpy", "scipy"})


def test_the_typed_configuration_needs_the_standard_library_alone() -> None:
    """Whoever plans or shows a configuration loads nothing of training but that."""
    names = loaded("import training.config")
    assert not names & (HEAVY | TERMINAL | STORE | {"numpy"})
    assert names & OURS == {"training"}


def test_training_loads_nothing_else_of_ours() -> None:
    """The exported copy of training works without Tunebook."""
    names = loaded(whole("training"))
    assert names & OURS == {"training"}
    assert not names & (STORE | {"textual", "click"})


def command(words: list[str]) -> str:
    """Code that carries out one command line and goes on."""
    return f"import contextlib, tui.main\nwith contextlib.suppress(SystemExit):\n    tui.main.main({words})"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["--lang", "zh_CN", "--help"]])
def test_help_answers_without_loading_anything_heavy(words: list[str]) -> None:
    """`tunebook --help` and `--version` load neither the screens nor the store nor numpy."""
    assert not loaded(command(words)) & (HEAVY | STORE | {"textual", "numpy", "scipy"})


def test_a_command_that_reads_the_project_loads_no_screens(tmp_path: Path) -> None:
    """`tunebook status` in a pipe does without Textual."""
    names = loaded(command(["status", "--project", str(tmp_path)]))
    assert "click" in names
    assert not names & (HEAVY | {"textual"})
