"""A report's chapters on the launches: both sides run by run, what was decided, and what it changed (G16, P13)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from presets.language import _, bracketed, restored, sentences
from rounds import launching, shortlist
from state import configurations, launches, trials
from state.database import Store
from state.errors import Refusal
from state.launches import Launch
from state.trials import Batch
from tui import decided, sides
from tui.charts.plot import Axes
from tui.charts.series import Mark, Series
from tui.differing import differences
from tui.report.parts import Facts, Grid, Part, Picture, Section, Words
from tui.say import best_of, choice, figure, measured
from tui.theme import MARKS, STATUSES


def launch_section(store: Store, batch: Batch) -> Section:
    """A launch: its question, its runs, its decision."""
    return Section(batch.name, _("{name}: worth adopting?").format(name=batch.name), tuple(_launch(store, batch)))


def _launch(store: Store, batch: Batch) -> Iterator[Part]:
    taken = [e for e in launches.launches(store) if e.batch == batch.name and not e.evidence.get("back")]
    found = launching.survivor(store, batch)
    yield Facts(
        (
            (_("candidate"), bracketed(found.candidate, found.trial)),
            (_("in place of"), str(batch.plan["best"])),
            *((_("decided"), f"{decided.said(entry)}, {entry.by}, {entry.at[:10]}") for entry in taken),
        )
    )
    yield from (Words(restored(entry.reason).text(), strong=entry is taken[-1]) for entry in taken)
    if taken and (limits := taken[-1].evidence.get("limits")):
        yield Words(restored(limits).text())
    if not taken:
        yield Words(_("Nothing has been decided yet."))
    yield from _changes(store, batch)
    listed = trials.trials(store, batch.name)
    by = launching.judged_by(store, batch)
    metric = measured(by.metric)
    names = sides.names(batch.plan, _("best configuration"))
    runs = {side: [entry for entry in listed if entry.study == side] for side in names}
    runs["best"] = [*launching.reused(store, batch), *runs["best"]]
    if standings := shortlist.standings(store, batch):
        yield Words(_("The shortlist, by the first fresh runs of each:"))
        yield from (Words(sides.standing(standing)) for standing in standings)
    if others := [entry.id for entry in launching.of_other_metric(store, batch)]:
        yield Words(_("Judged by another metric, and not counted: {names}.").format(names=choice(others)))
    yield Grid(
        (_("side"), _("trial"), _("seed"), _("state"), metric),
        [
            (
                names[side],
                entry.id,
                str(trials.trial_settings(store, entry).get("training.seed", "-")),
                STATUSES[entry.status].word.text(),
                best_of(entry, by.metric),
            )
            for side, entries in runs.items()
            for entry in entries
        ],
        right=(2, 4),
    )
    yield from _judged(taken, names[launching.BEST])
    marks: dict[Mark, str] = {mark: word.text() for mark, word in MARKS.items()}
    series = [
        Series(
            side,
            names[side],
            [float(place)] * len(entries),
            [
                entry.best
                if entry.best is not None and entry.status == "complete" and entry.measure == by
                else math.nan
                for entry in entries
            ],
            "points",
            ["feasible" if entry.status == "complete" else "infeasible" for entry in entries],
            [entry.id for entry in entries],
        )
        for place, (side, entries) in enumerate(runs.items(), 1)
        if entries
    ]
    title = "   ".join(f"{place}: {names[side]}" for place, side in enumerate(runs, 1))
    if series:
        axes = Axes(title, metric, x_range=(0.5, len(runs) + 0.5), empty=_("nothing to draw"), words=marks)
        yield Picture(_("Each run with a seed of its own"), series, axes)


def _judged(taken: Sequence[Launch], best: str) -> Iterator[Part]:
    """What the last decision rested on: the mean of each side with its interval, and how likely a gain is."""
    found: Mapping[str, Any] = taken[-1].evidence if taken else {}
    sides = [(_("candidate"), found.get("candidate")), (best, found.get("best"))]
    rows = [(name, *map(figure, figures)) for name, figures in sides if isinstance(figures, list)]
    if not rows:
        return
    yield Grid((_("side"), _("mean"), _("from"), _("to")), rows, right=(1, 2, 3), caption=_("95% interval"))
    if rests := found.get("rests"):
        yield Words(restored(rests).text())
    if better := found.get("improvement"):
        words = _("Probability that a run of the candidate is better: {p:.0%} (95% interval {low:.0%} to {high:.0%})")
        yield Words(words.format(p=better["probability"], low=better["low"], high=better["high"]))
    if found.get("p_value") is not None:
        words = _("Chance of such a gain without any difference: p = {p:.2g}")
        yield Words(words.format(p=found["p_value"]))


def _changes(store: Store, batch: Batch) -> Iterator[Part]:
    """What the candidate changes in the best configuration, and what that adds in complexity."""
    found = launching.survivor(store, batch)
    try:
        candidate, best = (configurations.configuration(store, name) for name in (found.candidate, batch.plan["best"]))
    except Refusal:
        return
    rows = [tuple(row) for row in differences(best.settings, candidate.settings)]
    if rows:
        yield Grid((_("setting"), _("before"), _("candidate")), rows)
    added = [message.text() for message in found.added]
    yield Words(
        _("It adds complexity: {what}").format(what=sentences(*added)) if added else _("It adds no complexity.")
    )
