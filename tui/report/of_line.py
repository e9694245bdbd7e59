"""A report's chapters on what came of the launches: the line of the best configurations, and the looks at the test
split (G16, P14)."""

from __future__ import annotations

from collections.abc import Iterator

from presets.language import _, sentences
from rounds import lineage, looking
from rounds.reached import reached
from state import launches, looks
from state.database import Store
from tui.charts.series import Series
from tui.report import of_rounds
from tui.report.parts import Grid, Part, Picture, Words
from tui.say import figure, measured, result


def line(store: Store) -> Iterator[Part]:
    """What became the best configuration when, what that changed, and why."""
    metric = measured(store.project.settings.metric)
    links = lineage.line(store)
    came_to = {entry.number: reached(store, entry) for entry in launches.launches(store)}
    rows = [
        (
            link.configuration + (" " + _("(the best now)") if link.current else ""),
            result(came_to[link.number]),
            sentences(*(message.text() for message in link.changes.changes)) or "-",
            link.reason.text() + ("" if link.repeated or place == 1 else " " + _("(not repeated)")),
            _("{who}, {when}").format(who=link.by, when=link.at[:10]),
        )
        for place, link in enumerate(links, 1)
    ]
    if rows:
        columns = (_("configuration"), metric, _("what changed"), _("why"), _("by"))
        yield Grid(columns, rows, right=(1,))
    if len(links) > 1:
        places = [float(place) for place in range(1, len(links) + 1)]
        # A result by another metric has no place on this axis.
        reached_by_now = [came_to[link.number].value if not came_to[link.number].other else None for link in links]
        values = [float("nan") if value is None else value for value in reached_by_now]
        series = [
            Series("line", _("best configuration"), places, values),
            Series("adopted", "", places, values, "points", ids=[link.configuration for link in links]),
        ]
        caption = _("Each best configuration: the mean of its fresh runs; of one that has none, its only run")
        yield Picture(caption, series, of_rounds.axes(_("number"), metric))


def tests(store: Store) -> Iterator[Part]:
    """Every look at the test split, with its exact interval, and by which metric else the run was judged."""
    found = [looking.seen(entry) for entry in looks.looks(store)]
    tuned_by = any(seen.metric for seen in found)
    rows = [
        (
            str(seen.look.number),
            seen.look.trial,
            _("{wrong} of {examples}").format(
                wrong=seen.look.result["examples"] - seen.look.result["correct"], examples=seen.look.result["examples"]
            ),
            f"{seen.error_rate:.2%}",
            _("{low:.2%} to {high:.2%}").format(low=seen.low, high=seen.high),
            *([_tuned(seen)] if tuned_by else []),
            seen.look.reason or "-",
            _("{who}, {when}").format(who=seen.look.by, when=seen.look.at[:10]),
        )
        for seen in found
    ]
    if rows:
        yield Words(found[-1].message.text(), strong=True)
        yield Grid(
            (
                _("look"),
                _("trial"),
                _("wrong answers"),
                _("error rate"),
                _("95% interval"),
                *([_("tuned by")] if tuned_by else []),
                _("why again"),
                _("by"),
            ),
            rows,
            right=(0, 2, 3),
            caption=_("Each further look makes it less of a test: what was chosen after one has seen the test split."),
        )


def _tuned(seen: looking.Seen) -> str:
    """What a look came to by the metric that the run was judged by, where that is another than the error rate."""
    return f"{seen.metric} {figure(seen.look.result[seen.metric])}" if seen.metric else "-"
