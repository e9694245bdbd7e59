"""`tunebook report`: the story of the project in one file to share."""

from __future__ import annotations

from pathlib import Path

import click

from presets.language import _
from tui.place import Place
from tui.report import writing
from tui.session import Session, answering
from wizard.quantity import memory


@click.command(
    help=_(
        "Write the story of the project into FILE: decisions, measurements, rounds with their plots and findings, "
        "launches, and the best configuration. FILE.html is one page that needs no network; .md is the same as "
        "Markdown, .csv the table of studies, .json everything as data."
    )
)
@click.argument("file", type=Place())
@click.option("--format", "kind", type=click.Choice(writing.FORMATS), help=_("otherwise as the file's name says"))
@click.option("--force", is_flag=True, help=_("replace a file that exists"))
@answering
@click.pass_obj
def report(session: Session, file: Path, kind: str | None, force: bool) -> None:
    with session.store() as store:
        written = writing.write(store, file, kind or "", force=force)
    size = written.stat().st_size
    session.text(_("Written: {file} ({size})").format(file=written, size=memory(size).text()))
    session.answer({"file": str(written), "bytes": size})
