"""`tunebook export`: a trial's configuration, training code and environment in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import click

from presets.language import _
from tui import exporting_starter, say
from tui.exporting import again
from tui.place import Place
from tui.session import Session, answering


@click.command(
    help=_(
        "Write a new folder DIR with the configuration (each value with its reason), the training code, a script to "
        "run it, and a record of the environment."
    )
)
@click.argument("folder", metavar="DIR", type=Place())
@click.option("--trial", metavar="ID", help=_("the trial to export; otherwise one of the best configuration"))
@click.option("--starter", is_flag=True, help=_("the configuration of the set-up, which needs no result yet"))
@answering
@click.pass_obj
def export(session: Session, folder: Path, trial: str | None, starter: bool) -> None:
    if starter and trial:
        raise click.UsageError(_("Give --trial or --starter, not both."))
    with session.store() as store:
        done = exporting_starter.export(store, folder, trial, starter=starter)
    if done.warning:
        say.note(done.warning)
    if done.trial is None:
        words = _("{folder}: the starter configuration; nothing has run with it yet.")
        # What it has run as is said above.
        words = _("{folder}: the starter configuration.") if done.warning else words
        session.text(words.format(folder=done.folder))
    else:
        session.text(_("{folder}: the export of {trial}.").format(folder=done.folder, trial=done.trial))
    if done.average:
        session.text(f"  {done.average}")
    for name, value in done.expected.items():
        session.text(f"  {name}: {value!r}")
    if done.code:
        session.text(done.code)
    session.text(again(done))
    session.answer(
        {
            "folder": str(done.folder),
            "trial": done.trial,
            "expected": done.expected,
            "average": done.repeated and {"value": done.repeated.value, "runs": done.repeated.runs},
            "warning": done.warning,
            "code": done.code,
            "command": list(done.command),
        }
    )
