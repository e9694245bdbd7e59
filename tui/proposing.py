"""What a launch would be, before anything runs: the candidates, what they change, what runs take, what they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual.content import Content

from presets.language import _, bracketed, labelled, say, sentences
from rounds import changed_metric, launching, own_code, slots, worth
from rounds.decision import RUNS
from rounds.launch_outlook import outlook
from rounds.launching import Proposal
from rounds.sequence import MOST
from rounds.shortlist import LONGEST, Shortlist
from rounds.slots import Machine
from state import trials
from state.database import Store
from state.errors import Invalid
from tui import deciding
from tui.amount import whole
from tui.say import LONGEST as LONGEST_WORDS
from tui.say import best_of
from tui.terminal import cut, printable

RUNS_WANTED = say("Fresh runs of each side, from {least} on:", least=deciding.FEWEST)
CANDIDATES_WANTED = say("Candidates, of which fresh runs choose one, at most {most}:", most=LONGEST)


@dataclass(frozen=True)
class Wanted:
    """What a person wishes of a launch before it starts: that of this `trial` ("": the round's best), of so many
    candidates (None: as the round suggests), with so many `runs` of each side, `at_once` (0: as the machine allows)."""

    trial: str = ""
    candidates: int | None = None
    runs: int = RUNS[0]
    at_once: int = 0


@dataclass(frozen=True)
class Found:
    """What a launch would be: of which candidates, and on what machine."""

    proposal: Proposal
    listed: Shortlist
    here: Machine


def find(store: Store, round_: str, wanted: Wanted) -> Found:
    """What is proposed. Refuses what cannot be launched; it takes a moment."""
    proposal, listed = deciding.propose(store, round_, wanted.trial or None, wanted.candidates)
    return Found(proposal, listed, slots.machine(store.project))


def runs_typed(answer: str) -> int:
    """The number of fresh runs of each side. Refuses what is none."""
    return _between(answer, deciding.FEWEST, MOST)


def candidates_typed(answer: str) -> int:
    """The number of candidates. Refuses what is none."""
    return _between(answer, 1, LONGEST)


def _between(answer: str, least: int, most: int) -> int:
    if (count := whole(answer.strip())) is None or not least <= count <= most:
        raise Invalid(
            "{answer}: type a whole number from {least} to {most}.",
            answer=repr(cut(answer, LONGEST_WORDS)),
            least=least,
            most=most,
        )
    return count


def lines(store: Store, found: Found, wanted: Wanted) -> Iterator[Content]:
    """The proposal, with what it takes as it is wanted, and what it needs to be adopted."""
    proposal, listed = found.proposal, found.listed
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
    ahead = outlook(store, (proposal, *listed.rivals), found.here, wanted.runs, wanted.at_once)
    yield from map(Content, deciding.prices(ahead))
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
    yield Content(_("f: how many fresh runs of each side, now {n}").format(n=wanted.runs))
    yield Content(_("o: how many candidates, now {n}").format(n=1 + len(listed.rivals)))
    yield Content(_("t: how many run at once"))
    yield Content(_("c: too costly to repeat: adopt it on this one run, on record as such"))
    yield Content("")
    yield from (Content(message.text()) for message in launching.bars((proposal, *listed.rivals), wanted.runs))


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
