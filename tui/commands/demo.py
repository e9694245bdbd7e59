"""`tunebook demo`: the whole way on handwritten digits."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from presets.language import _, say
from tui.place import Place
from tui.session import Session, answering, goes_on


@click.command(
    help=_(
        "The whole way on handwritten digits, in DIR (otherwise ./demo): in the screens on a terminal, unattended "
        "without one. An interrupted demonstration is continued."
    )
)
@click.argument("folder", metavar="[DIR]", type=Place(), default=Path("demo"))
@click.option("--auto", is_flag=True, help=_("unattended on a terminal too"))
@answering
@click.pass_obj
def demo(session: Session, folder: Path, auto: bool) -> None:
    from tui import demo as demonstration

    if not (auto or session.json) and sys.stdin.isatty() and sys.stdout.isatty():
        root = demonstration.prepare(session, folder).root
        from tui.opening import screens

        screens(session, root)
        return
    quoted = shlex.quote(str(folder))
    again = say("Interrupted. What runs goes on in the background; continue with: tunebook demo {path}", path=quoted)
    with goes_on(again):
        done = demonstration.walk(session, folder)
    session.answer(done)
    if "export" not in done:
        raise click.exceptions.Exit(1)
