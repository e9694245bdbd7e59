"""On which line a key of a TOML file stands, however it is written there."""

from pathlib import Path

import pytest

from state import toml_lines

TEXT = '''# A comment with key = value
name = "x"
about = """
[tables]
name = "no key"
"""
[ data ]
  path = "here"  # "quoted = too"
"text column" = 1
list = [
  1,
]
[hyperparameters."optimizer.lr"]
default = 0.1
[hyperparameters]
momentum = { low = 0.5, high = 2.0 }
budget . hours = 3
[[rows]]
one = 1
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("name", 2),
        ("about", 3),
        ("data", 7),
        ("data.path", 8),
        ("data.text column", 9),
        ("data.list", 10),
        ('hyperparameters."optimizer.lr"', 13),
        ('hyperparameters."optimizer.lr".default', 14),
        ("hyperparameters.momentum.low", 16),
        ("hyperparameters.budget.hours", 17),
        ("rows.one", 19),
        ("data.no.such", 7),
    ],
)
def test_a_key_has_a_line(key: str, line: int) -> None:
    """That of the nearest table around it where it is on no line of its own."""
    assert toml_lines.places(Path("a.toml"), TEXT)(key) == f"a.toml:{line}"


def test_what_is_in_text_over_several_lines_is_no_key() -> None:
    place = toml_lines.places(Path("a.toml"), TEXT)
    assert place("tables") == "a.toml"
    assert place("") == "a.toml"
