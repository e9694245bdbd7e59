"""What click says by itself, in the language of the moment: it asks gettext, which knows that of the locale alone."""

from __future__ import annotations

from collections.abc import Iterable

import click.core
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.types

from presets.language import _, labelled
from tui.terminal import cut, fit, width
from tui.wrapping import broken, has_wide

# Those of its modules that say something.
MODULES = (click.core, click.decorators, click.exceptions, click.formatting, click.parser, click.types)


def said(text: str) -> str:
    """Has the catalogue of translations take up a text."""
    return text


# Those that people meet, as click has them; what is not listed stays English.
TEXTS = (
    said("Usage:"),
    said("Options"),
    said("Commands"),
    said("Show this message and exit."),
    said("Missing argument"),
    said("Missing option"),
    said("Missing command."),
    said("Got unexpected extra argument ({args})"),
    said("Got unexpected extra arguments ({args})"),
    said("Option {name!r} requires an argument."),
    said("Option {name!r} does not take a value."),
    said("Invalid value: {message}"),
    said("Invalid value for {param_hint}: {message}"),
    said("No such option {name!r}."),
    said("No such command {name!r}."),
    said("Did you mean {possibility}?"),
    said("(Did you mean one of: {possibilities}?)"),
    said("{value!r} is not a valid {number_type}."),
    said("{value} is not in the range {range}."),
    said("{value!r} is not {choice}."),
    said("{value!r} is not one of {choices}."),
    said("{name} {filename!r} does not exist."),
    said("Choose from:\n\t{choices}"),
)


class Formatter(click.HelpFormatter):
    """Sets help in Chinese: click counts characters where a terminal has cells, and knows of no break but spaces."""

    def write_heading(self, heading: str) -> None:
        self.write(f"{'':>{self.current_indent}}{labelled(heading, '').rstrip()}\n")

    def write_text(self, text: str) -> None:
        if not has_wide(text):
            super().write_text(text)
            return
        for line in broken(text, self.width - self.current_indent):
            self.write(f"{'':>{self.current_indent}}{line}\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        listed = list(rows)
        if not any(has_wide(second) for _first, second in listed):
            super().write_dl(listed, col_max, col_spacing)
            return
        before = min(max(width(first) for first, _second in listed), col_max) + col_spacing
        for first, second in listed:
            lines = broken(second, max(self.width - before - self.current_indent, 10))
            if width(first) > before - col_spacing:
                self.write(f"{'':>{self.current_indent}}{first}\n")
                first = ""
            for line in lines:
                self.write(f"{'':>{self.current_indent}}{fit(first, before)}{line}\n")
                first = ""


def translate() -> None:
    """Have click ask our catalogue, and set what that says."""
    for module in MODULES:
        vars(module).update(_=_translated, ngettext=_of_number)
    click.Context.formatter_class = Formatter


def short_help(command: click.Command, cells: int) -> str:
    """What a list of commands says of one, in so many cells: click cuts at spaces, of which Chinese has hardly any."""
    whole = command.help or ""
    if whole.isascii() or width(whole) <= cells:
        return command.get_short_help_str(cells)
    first = whole[: whole.find("。") + 1] or whole
    shown = cut(first, cells)
    # Half of something that is to be typed is nothing to type.
    return shown if shown.count("`") % 2 == 0 else shown[: shown.rindex("`")] + shown[-1]


def _translated(text: str) -> str:
    return _(text) if text in TEXTS else text


def _of_number(one: str, several: str, number: int) -> str:
    return _translated(one if number == 1 else several)
