"""What the command line prints: plain lines, tables by cell width, one JSON document, and errors in a few lines."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TextIO

import click

from presets.language import Message, _, error_text, restored, say
from state.errors import Refusal
from tui.terminal import cut, printable, width
from tui.wrapping import divide, has_wide

if TYPE_CHECKING:
    from rounds.reached import Reached
    from state.trials import Trial

# Of a path in a message: what the matter is with it comes after it, and must be seen.
LONGEST = 100

_GAP = "  "


def measured(metric: str) -> str:
    """The project's metric as it is labelled: on the validation split, which the names of many scripts say already."""
    return metric if metric.startswith("val") else f"val/{metric}"


def text(line: str = "") -> None:
    """One line on stdout, on a terminal broken between words; whatever a terminal would obey is spelled out."""
    _print(line, sys.stdout, err=False)


def note(line: str) -> None:
    """One line on stderr, likewise: progress and remarks, which are no part of the answer."""
    _print(line, sys.stderr, err=True)


def _print(line: str, stream: TextIO, *, err: bool) -> None:
    shown = printable(line)
    lines = broken(shown, shutil.get_terminal_size().columns) if stream.isatty() else [shown]
    for part in lines:
        click.echo(part, err=err)


def broken(line: str, cells: int) -> list[str]:
    """The line in pieces of at most so many cells, broken between words, in Chinese between characters; what follows
    is indented under the first. A word that is wider than that is left to the terminal."""
    indent = " " * min(len(line) - len(line.lstrip()) + 2, cells // 2)
    if has_wide(line):
        return _broken_wide(line, indent, cells)
    pieces, piece = [], ""
    for place, word in enumerate(line.split(" ")):
        longer = word if place == 0 else f"{piece} {word}"
        if place and piece.strip() and width(longer) > cells:
            pieces.append(piece)
            longer = indent + word
        piece = longer
    return [*pieces, piece]


def _broken_wide(line: str, indent: str, cells: int) -> list[str]:
    """The same of a line with Chinese in it. The first piece has what the indent takes of the others, too."""
    ends = divide(line, cells, fold=False)
    if not ends:
        return [line]
    first, rest = line[: ends[0]], line[ends[0] :]
    places = [0, *divide(rest, cells - len(indent), fold=False), len(rest)]
    return [first.rstrip(), *(indent + rest[start:end].rstrip() for start, end in pairwise(places))]


def error(sentence: str) -> None:
    """An error on stderr, a line for each of its lines."""
    first, *rest = sentence.splitlines() or [""]
    note(_("Error: {sentence}").format(sentence=first))
    for line in rest:
        note(line)


def document(value: Any) -> None:
    """The JSON document that answers a command; plain ASCII, so that no data can steer a terminal."""
    click.echo(json.dumps(plain(value), indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """The value as strict JSON has it: a message (also a stored one) as its text, NaN and infinity as null."""
    if isinstance(value, Message):
        return value.text()
    if isinstance(value, Mapping):
        if value.keys() == {"id", "values"}:
            return stored(value)
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)


def stored(message: Mapping[str, Any] | None) -> str:
    """The text of a message that the store keeps as JSON; empty where there is none."""
    return restored(message).text() if message else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: int = 0) -> None:
    """A table on stdout, its columns as wide in cells as their content; the columns in `right` end flush."""
    for line in table_lines(columns, rows, right=right):
        click.echo(" " * indent + line)


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """The lines of a table: heading, rule, rows. Cells are made printable; a line has no spaces at its end."""
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(width(row[place]) for row in cells) for place in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        padded = []
        for place, (cell, wide) in enumerate(zip(row, widths, strict=True)):
            space = " " * (wide - width(cell))
            padded.append(space + cell if place in right else cell + space)
        return _GAP.join(padded).rstrip()

    return [line(cells[0]), _GAP.join("-" * wide for wide in widths), *(line(row) for row in cells[1:])]


def figure(value: Any) -> str:
    """A measured number in four digits, anything else as it is; `-` where there is none."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.4g}"


def result(found: Reached) -> str:
    """What a configuration came to, and how many runs say so; by which metric, where it is not the project's."""
    if not found.runs:
        return "-"
    value = by_other(figure(found.value), found.other)
    return _("{value} (runs: {n})").format(value=value, n=found.runs)


def by_other(value: str, other: str) -> str:
    """A result with the metric that it is of, where that is another than is told."""
    return f"{value} [{measured(other)}]" if other else value


def best_of(entry: Trial, metric: str) -> str:
    """The best of a trial, with its metric where that is another than `metric`."""
    return by_other(figure(entry.best), entry.metric if entry.metric != metric and entry.best is not None else "")


def choice(value: Any) -> str:
    """An answer as it was given: text as it is, numbers and switches as TOML writes them, several joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return _(", ").join(choice(item) for item in value)
    return json.dumps(plain(value), ensure_ascii=False)


# Answers that are words, as they are typed by command.
_ANSWERS = (
    say("accept"),
    say("again"),
    say("batch-size"),
    say("built-in"),
    say("decode-once"),
    say("drop"),
    say("end"),
    say("ghost"),
    say("held-out"),
    say("hub"),
    say("image-classification"),
    say("keep"),
    say("measure"),
    say("override"),
    say("own"),
    say("probe"),
    say("scratch"),
    say("sweep"),
    say("text-classification"),
    say("use"),
    say("workers"),
)
_NAMED = {message.id: message for message in _ANSWERS}


def answer(value: Any) -> str:
    """An answer where it is only read: a word of ours in the language of the moment, all else as by `choice`."""
    named = _NAMED.get(value) if isinstance(value, str) else None
    return choice(value) if named is None else named.text()


def trouble(error: Refusal | OSError) -> str:
    """What to say about something that could not be done."""
    if isinstance(error, Refusal):
        return error_text(error)
    where = f"{cut(str(error.filename), LONGEST)}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def spent(hours: float, budget: float | None) -> str:
    """The device hours that were spent, of a budget where there is one."""
    of = _(" of {budget:g}").format(budget=budget) if budget else ""
    return _("Device hours: {spent:.2f}").format(spent=hours) + of
