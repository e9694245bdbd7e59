"""A launch as its page shows it: the runs, and what a verdict rests on."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from presets.language import _, say, told
from rounds import launching, shortlist, standing
from rounds.decision import CUT, RUNS, Verdict, bars
from state import trials
from state.database import Store
from tui import sides
from tui.say import best_of, figure
from tui.terminal import printable
from tui.text_table import lines
from tui.theme import STATUSES
from wizard.quantity import duration


def runs(store: Store, name: str, best_side: str, *, ascii_only: bool) -> Iterator[Content]:
    """The runs of both sides and what they came to, what holds of several said once, and what the candidate changes;
    `best_side`: what the other side is called now."""
    batch = trials.batch(store, name)
    listed = [*launching.reused(store, batch), *trials.trials(store, name)]
    metric = launching.judged_by(store, batch).metric
    remarks = sides.remarks(listed)
    rows = [
        [
            sides.side(batch.plan, entry, name, best_side),
            entry.id,
            STATUSES[entry.status].badge(ascii_only=ascii_only),
            str(entry.steps_done),
            best_of(entry, metric),
            "" if entry.id in remarks else told(entry.message, entry.said).text(),
        ]
        for entry in listed
    ]
    if left := standing.seconds_left(store, name):
        yield Content(_("about {time} left").format(time=duration(left).text()))
    header, *table = lines([_("side"), _("run"), _("status"), _("steps"), _("best"), ""], rows)
    yield Content.styled(header, "underline")
    yield from map(Content, table)
    yield from (Content(printable(words.text())) for words in sides.shared(listed, remarks))
    yield Content("")
    for entry in (standings := shortlist.standings(store, batch)):
        yield Content(f"- {sides.standing(entry)}")
    if standings:
        yield Content("")
    found, several = launching.survivor(store, batch), launching.entrants(batch.plan)
    named = sides.names(batch.plan, best_side)
    # Until their first runs have chosen one, all of them are candidates.
    for entrant in (found,) if standings else several:
        for message in entrant.changes:
            told_of = say("{name}: {why}", name=named[entrant.study], why=message) if len(several) > 1 else message
            yield Content(f"- {printable(told_of.text())}")
    if found.added:
        first = int(batch.plan.get("runs", RUNS[0]))
        yield Content(bars(len(launching.entrants(batch.plan)), adds_complexity=True, first=first).text())
    yield Content("")


def figures(store: Store, name: str, best_side: str, verdict: Verdict) -> Iterator[Content]:
    """What the verdict rests on."""
    batch = trials.batch(store, name)
    named = sides.names(batch.plan, best_side)
    candidate = named[launching.survivor(store, batch).study]
    rows = [
        [label, *(figure(value) for value in side)]
        for label, side in ((candidate, verdict.candidate), (named[launching.BEST], verdict.best))
        if side is not None
    ]
    if rows:
        header, *table = lines([_("side"), _("mean"), _("from"), _("to")], rows)
        yield Content.styled(header, "underline")
        yield from map(Content, table)
    if verdict.cut:
        yield Content(CUT.text())
    if verdict.rests is not None:
        yield Content(printable(verdict.rests.text()))
    if verdict.limits is not None:
        yield Content(printable(verdict.limits.text()))
    if (better := verdict.improvement) is not None:
        words = _("Probability that a run of the candidate is better: {p:.0%} (95% interval {low:.0%} to {high:.0%})")
        yield Content(words.format(p=better.probability, low=better.low, high=better.high))
    if verdict.p_value is not None:
        yield Content(_("Chance of such a gain without any difference: p = {p:.2g}").format(p=verdict.p_value))
