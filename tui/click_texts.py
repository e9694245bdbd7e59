"""What click says by itself, in the language of the moment: it asks gettext, which knows that of the locale alone."""

from __future__ import annotations

import click.core
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.types

from presets.language import _
from tui.terminal import cut, width

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


def translate() -> None:
    """Have click ask our catalogue."""
    for module in MODULES:
        vars(module).update(_=_translated, ngettext=_of_number)


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
