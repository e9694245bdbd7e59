"""`tunebook insights`: what the rounds seem to show, what a person makes of it, and how the hours were spent."""

from __future__ import annotations

from typing import Any

import click

from presets.language import _, labelled
from tui import say
from tui.session import Session, answering


@click.command(
    help=_(
        "What was learnt, and what the reviewed rounds seem to show: confirm it, in your own words if you like, or "
        "refuse it. What is confirmed shapes the next round."
    )
)
@click.option("--confirm", metavar="KEY", help=_("keep what is proposed; with --text in other words"))
@click.option("--refuse", metavar="KEY", help=_("it does not hold; needs --reason"))
@click.option("--text", default="", metavar="TEXT", help=_("the words to keep; alone, an insight of your own"))
@click.option("--reason", default="", metavar="TEXT", help=_("why it does not hold; it is kept"))
@answering
@click.pass_obj
def insights(session: Session, confirm: str | None, refuse: str | None, text: str, reason: str) -> None:
    from rounds import conditions, phases
    from rounds import insights as learnt
    from state.launches import insights as recorded

    if confirm and refuse:
        raise click.UsageError(_("Confirm or refuse: one at a time."))
    with session.store() as store:
        if confirm:
            learnt.confirm(store, confirm, text)
        elif refuse:
            learnt.refuse(store, refuse, reason)
        elif text:
            learnt.write(store, text)
        kept, proposed, spent = recorded(store), learnt.proposals(store), learnt.share(store)
        phase = phases.next_phase(store)
        changed = {entry.key: conditions.changed(store, learnt.caveats(entry), entry.batch) for entry in kept}
        waiting = () if proposed else conditions.waits_for(store)
    for entry in kept:
        session.text(f"{labelled(entry.batch or '-', say.stored(entry.text))}  [{entry.key}]")
        for caveat in changed[entry.key]:
            session.text("    " + caveat.text())
    if not kept:
        session.text(_("No insight has been recorded yet."))
        for condition in waiting:
            session.text(condition.text())
    if proposed:
        session.text()
        session.text(_("Proposed; keep with --confirm KEY, or --refuse KEY --reason TEXT:"))
    for entry in proposed:
        session.text(f"  {entry.text.text()}  [{entry.key}]")
    if spent.exploring is not None:
        session.text()
        words = _(
            "Device hours of the rounds: {exploration:.2f} exploring ({share:.0%}), {exploitation:.2f} exploiting"
        )
        session.text(
            words.format(exploration=spent.exploration, exploitation=spent.exploitation, share=spent.exploring)
        )
    if phase is not None:
        session.text(_("Next: {what}").format(what=phase.text()))
    session.answer(
        {
            "then": phase,
            "insights": [{**_document(entry), "changed": changed[entry.key]} for entry in kept],
            "proposed": [
                {
                    "key": entry.key,
                    "text": entry.text,
                    "round": entry.batch,
                    "about": entry.about,
                    "figures": entry.figures,
                    "caveats": entry.caveats,
                }
                for entry in proposed
            ],
            "waits_for": waiting,
            "share": {"exploration_hours": spent.exploration, "exploitation_hours": spent.exploitation},
        }
    )


def _document(entry: Any) -> dict[str, Any]:
    return {
        "key": entry.key,
        "at": entry.at,
        "by": entry.by,
        "round": entry.batch,
        "text": entry.text,
        "about": entry.evidence.get("about", []),
        "figures": entry.evidence.get("figures", {}),
        "caveats": entry.evidence.get("caveats", []),
        "proposed": entry.evidence.get("proposed"),
    }
