"""`tunebook doctor`: what this machine offers, what is wrong with the project, and what can be repaired."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from presets.language import _
from state.errors import NotFound
from state.project import find
from tui import doctor as looks
from tui.session import Session, answering
from tui.terminal import fit


@click.command(
    help=_("Say what this machine offers for training, and what is wrong with the project, if there is one.")
)
@click.option(
    "--repair",
    is_flag=True,
    help=_(
        "mend the store, set torn lines of the journal aside, remove what crashes left and superfluous checkpoints, "
        "start a supervisor that is missing"
    ),
)
@answering
@click.pass_obj
def doctor(session: Session, repair: bool) -> None:
    root = session.folder or find(Path.cwd())
    if repair and root is None:
        raise NotFound("There is no project here to repair. Name one with --project DIR.")
    mended = looks.mend(root) if repair and root else []
    machine = looks.machine(Path.cwd() if root is None or not root.is_dir() else root)
    checks = list(looks.checks(root)) if root else []
    session.text(_("Machine"))
    for name, value in looks.facts(machine):
        session.text(f"  {fit(name, 12)}{value}" if name else f"    {value}")
    if root:
        session.text()
        session.text(_("Project {path}").format(path=root))
        words = {"ok": _("ok"), "warn": _("warning"), "fail": _("wrong")}
        for check in checks:
            name = fit(looks.NAMES[check.name].text(), 12)
            session.text(f"  {name}{fit(words[check.verdict], 9)}{check.message.text()}")
    for name in mended:
        session.text(_("Repaired: {name}").format(name=looks.NAMES[name].text()))
    session.answer(
        {
            "machine": machine,
            "project": str(root) if root else None,
            "checks": [dataclasses.asdict(check) | {"message": check.message.text()} for check in checks],
            "repaired": mended,
        }
    )
    if any(check.verdict == "fail" for check in checks):
        raise click.exceptions.Exit(1)
