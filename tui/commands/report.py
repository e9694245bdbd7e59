"""`tunebook report`: the story of the project in one file to share."""

from __future__ import annotations

from pathlib import Path

import click

from presets.language import _
from state.errors import Unanswered, WrongUse
from tui.place import Place
from tui.report import writing
from tui.session import Session, answering
from wizard.quantity import memory

# What shells and scripts call it.
STDOUT = ("-", "/dev/stdout", "/dev/fd/1")


@click.command(
    help=_(
        "Write the story of the project into FILE: decisions, measurements, rounds with their plots and findings, "
        "launches, and the best configuration. FILE.html is one page that needs no network; .md is the same as "
        "Markdown, .csv the table of studies, .json everything as data. - is stdout, with --format."
    )
)
@click.argument("file", type=Place())
@click.option("--format", "kind", type=click.Choice(writing.FORMATS), help=_("otherwise as the file's name says"))
@click.option("--force", is_flag=True, help=_("replace a file that exists"))
@answering
@click.pass_obj
def report(session: Session, file: Path, kind: str | None, force: bool) -> None:
    if str(file) in STDOUT:
        _to_stdout(session, kind or ("json" if session.json else ""))
        return
    with session.store() as store:
        written = writing.write(store, file, kind or "", force=force)
    size = written.stat().st_size
    session.text(_("Written: {file} ({size})").format(file=written, size=memory(size).text()))
    session.answer({"file": str(written), "bytes": size})


def _to_stdout(session: Session, kind: str) -> None:
    """The report itself as the answer. Refuses what would be none of its format, or no JSON document."""
    if not kind:
        raise Unanswered(
            "The format of a report on stdout is not known by a name: give --format html, md, csv or json."
        )
    if session.json and kind != "json":
        raise WrongUse("--json: stdout has one JSON document then. Leave it out, or give --format json.")
    with session.store() as store:
        text = writing.content(store, kind)
    # As in a file, whatever the locale is.
    click.echo(text.encode(), nl=False)
    session.answered = True
