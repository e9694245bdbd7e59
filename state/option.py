"""An option of a script as its text declares it, and what can be read of an expression there without running it."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass

from state.hyperparameters import Kind, Value

KINDS: dict[str, Kind] = {"int": "int", "float": "float"}


@dataclass(frozen=True)
class Argument:
    """An option with a value, or a switch: its `flag` ("--lr"), the name of its value, and what it says of it.

    `kind` None: not said. `default` None: none, or one that only running the script would tell; of a switch, False.
    `others`: further flags of the same option. `off`: what turns a switch off, where leaving it out does not.
    `several`: how many values it takes, with blanks between them here, 0 for any number; None: one.
    """

    flag: str
    name: str
    kind: Kind | None
    default: Value | None
    choices: tuple[Value, ...]
    about: str
    required: bool
    switch: bool = False
    others: tuple[str, ...] = ()
    off: str = ""
    several: int | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What makes a command give it: the flag with a placeholder for its value, or that of a switch."""
        if self.switch:
            return (f"{{{self.flag}|{self.off}}}" if self.off else f"{{{self.flag}}}",)
        return self.flag, f"{{{'' if self.several is None else '*'}{self.name}}}"


def called(node: ast.AST | None) -> str:
    """The last part of the name that stands there, or that is called there; empty where none does."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """The calls of what has one of these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in names:
            yield node


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    """What a call says by name."""
    return {entry.arg: entry.value for entry in call.keywords if entry.arg}


def constant(node: ast.expr | None) -> Value | None:
    """The plain value that an expression spells out; None where it would have to be run, and where it is endless."""
    try:
        value = ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return finite(value) if isinstance(value, str | bool | int | float) else None


def items(node: ast.expr | None) -> list[ast.expr]:
    """The expressions in a list or the like."""
    return node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else []


def constants(node: ast.expr | None) -> tuple[Value, ...]:
    """The plain values in a list or the like."""
    return tuple(value for value in map(constant, items(node)) if value is not None)


def in_one_line(node: ast.expr | None) -> str:
    """The text that an expression spells out, without its line breaks; empty where it spells out none."""
    text = constant(node)
    return " ".join(text.split()) if isinstance(text, str) else ""


def as_typed(kind: Kind | None, default: Value | None) -> Value | None:
    """A default as the script gets it: one that is text is read as if it had been typed."""
    if not isinstance(default, str) or kind is None:
        return default
    try:
        return int(default) if kind == "int" else finite(float(default))
    except ValueError:
        return None


def finite(value: Value) -> Value | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
