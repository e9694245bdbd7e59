"""What a launch would be, before anything runs: the candidates, what they change, what runs take, what they need."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from presets.language import _, bracketed, labelled, sentences
from rounds import changed_metric, launching, own_code, worth
from rounds.launch_outlook import outlook
from rounds.launching import Proposal
from rounds.shortlist import Shortlist
from rounds.slots import Machine
from state import trials
from state.database import Store
from tui import deciding
from tui.say import best_of
from tui.terminal import printable


def lines(store: Store, proposal: Proposal, listed: Shortlist, here: Machine, slots: int = 0) -> Iterator[Content]:
    """The proposal, with what it takes, with so many runs at once, and what it needs to be adopted."""
    yield Content.styled(_("{trial} could become the best configuration.").format(trial=proposal.trial), "bold")
    entry, metric = trials.trial(store, proposal.trial), store.project.settings.metric
    if entry.best is not None:
        yield Content(
            _("It was chosen for its result, {value}; that result is no evidence. Only fresh runs count.").format(
                value=best_of(entry, metric)
            )
        )
    if early := worth.against(store, proposal.round):
        yield Content.styled(printable(early.text()), "bold")
    if why := launching.unused(store, proposal):
        yield Content(why.text())
    for changed in filter(None, (own_code.since(store, entry), changed_metric.since(store, entry))):
        yield Content(printable(changed.text()))
    yield from map(Content, deciding.prices(outlook(store, (proposal, *listed.rivals), here, wanted=slots)))
    yield Content("")
    yield Content(_("What it changes:"))
    yield from (Content(f"- {printable(message.text())}") for message in proposal.complexity.changes)
    if proposal.complexity.added:
        yield Content(_("What it adds, so that it must be worth it:"))
        yield from (Content(f"- {printable(message.text())}") for message in proposal.complexity.added)
    if proposal.reused:
        yield Content(
            _("Earlier runs of the best configuration that count again: {count}.").format(count=len(proposal.reused))
        )
    yield Content("")
    yield from _shortlist(store, listed)
    yield Content("")
    yield Content.styled(_("s: run all sides again with fresh seeds"), "bold")
    yield Content(_("t: how many run at once"))
    yield Content(_("c: too costly to repeat: adopt it on this one run, on record as such"))
    yield Content("")
    yield from (Content(message.text()) for message in launching.bars((proposal, *listed.rivals)))


def _shortlist(store: Store, listed: Shortlist) -> Iterator[Content]:
    """The other candidates, or why there are none."""
    if not listed.rivals:
        yield Content(_("It is the only candidate. {why}").format(why=listed.why.text()))
        return
    yield Content(_("On the shortlist beside it, for fresh runs to choose from:"))
    for rival in listed.rivals:
        rival_best = best_of(trials.trial(store, rival.trial), store.project.settings.metric)
        changes = sentences(*(message.text() for message in rival.complexity.changes))
        yield Content("- " + labelled(bracketed(rival.trial, rival_best), printable(changes)))
    yield Content(listed.why.text())
    yield Content(_("o: only the best one"))
