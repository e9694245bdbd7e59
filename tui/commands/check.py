"""`tunebook check`: short runs that find out why a first result is no better than chance, or how long a run must be."""

from __future__ import annotations

import click

from presets.language import _
from state.errors import Refusal
from tui.session import Session, answering


@click.command(
    help=_(
        "Check the first configuration by short runs: one-batch (can the network learn 32 examples by heart?), shuffle "
        "(does it learn more from the labels than from shuffled ones?), length (in how many steps do constant rates "
        "fit the training split?)."
    )
)
@click.argument("kind", metavar="CHECK", type=click.Choice(("one-batch", "shuffle", "length")))
@answering
@click.pass_obj
def check(session: Session, kind: str) -> None:
    from tui import setup
    from wizard import checks, steps

    with session.store() as store:
        if store.project.settings.command:
            raise Refusal("The checks need the built-in training; a script of your own must check itself.")
        provisional = steps.provisional(store) if kind == checks.LENGTH else None
        found = checks.fresh(store, kind, provisional)
        if found is None:
            found = setup.check(session, store, kind, checks.start(store, kind, provisional))
        said = checks.verdict(found)
    session.text(said.text())
    session.answer(
        {"id": found.id, "check": kind, "passed": found.result["passed"], "said": said, "result": found.result}
    )
    if not found.result["passed"]:
        raise click.exceptions.Exit(1)
