"""`tunebook configurations`: which there are, what they came to, and in which settings they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from presets.language import _
from tui import say
from tui.session import Session, answering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.contenders import Contender


@click.command(
    help=_(
        "The best configuration and the others, with the number of settings in which each differs from it; with NAME, "
        "these settings."
    )
)
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--against", metavar="NAME", help=_("compare with this one instead of the best"))
@answering
@click.pass_obj
def configurations(session: Session, name: str | None, against: str | None) -> None:
    from tui.contenders import contenders
    from tui.differing import differences

    with session.store() as store:
        known = contenders(store)
        metric = say.measured(store.project.settings.metric)
    other = _named(known, against) if against else next(iter(known), None)
    shown = [_named(known, name)] if name else known
    apart = {one.name: differences(other.settings, one.settings) for one in shown} if other else {}
    if other is None:
        session.text(_("There is no configuration yet: the first is the baseline's."))
    elif name:
        (one,) = shown
        if one.selected:
            session.text(_("One run, the best of several: fresh seeds would not do as well on average."))
        if apart[one.name]:
            session.table([_("setting"), other.name, one.name], apart[one.name])
        else:
            session.text(_("The same as {name}, but for the seed.").format(name=other.name))
    else:
        rows = [
            [
                one.name,
                one.what.text(),
                say.by_other(say.figure(one.value), one.other),
                one.counted,
                _("reference") if one is other else str(len(apart[one.name])),
            ]
            for one in shown
        ]
        session.table([_("origin"), "", metric, _("runs"), _("differences")], rows, right=(2, 4))
        if any(one.runs > 1 for one in shown):
            session.text(
                _("Of several runs, those of launches count, and those of rounds that tried the settings again.")
            )
    session.answer(
        {
            "against": other and other.name,
            "configurations": [
                {
                    "name": one.name,
                    "what": one.what,
                    "value": one.value,
                    "metric": one.other or store.project.settings.metric,
                    "runs": one.runs,
                    "selected": one.selected,
                    "current": one.best,
                    "settings": one.settings,
                    "differences": [key for key, _there, _here in apart[one.name]],
                }
                for one in shown
            ],
        }
    )


def _named(known: Sequence[Contender], name: str) -> Contender:
    """The configuration of that name. Raises Refusal with those there are."""
    from state.errors import NotFound

    for one in known:
        if one.name == name:
            return one
    raise NotFound(
        "There is no configuration {name}; there are: {names}",
        name=name,
        names=_(", ").join(one.name for one in known) or "-",
    )
