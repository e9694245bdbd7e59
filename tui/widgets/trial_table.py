"""The trials of a batch as a table: state, steps, best value so far, and the values that are tried."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from presets.language import _
from state import by_metric
from state.measure import Measure
from state.trials import Trial
from tui.charts.grid import Column, Line
from tui.charts.series import Identity
from tui.say import best_of, figure
from tui.terminal import width
from tui.theme import STATUSES

# Behind the best value, in the chart too.
BEST = "*"


def short(entry: Trial) -> str:
    """The number of a trial within its batch: `007` of `round-1-007`."""
    return entry.id.removeprefix(f"{entry.batch}-")


def ranked(entries: Sequence[Trial], direction: str) -> list[Trial]:
    """The trials that came to their end with a finite value, the best first."""
    ended = [e for e in entries if e.status == "complete" and e.best is not None and math.isfinite(e.best)]
    return sorted(ended, key=lambda entry: -(entry.best or 0.0) if direction == "max" else entry.best or 0.0)


def value_columns(entries: Sequence[Trial]) -> dict[str, tuple[str, ...]]:
    """Title to the names it stands for: hyperparameters by their last part, those of several optimizers together; by
    their whole name where one trial has two of the same last part."""
    names = list(dict.fromkeys(name for entry in entries for name in entry.settings))
    leaves: dict[str, list[str]] = {}
    for name in names:
        leaves.setdefault(name.rpartition(".")[2], []).append(name)
    found: dict[str, tuple[str, ...]] = {}
    for leaf, group in leaves.items():
        if any(sum(name in entry.settings for name in group) > 1 for entry in entries):
            found.update({name: (name,) for name in group})
        else:
            found[leaf] = tuple(group)
    return found


def trial_table(
    entries: Sequence[Trial],
    identities: Mapping[str, Identity],
    so_far: Mapping[str, float | None],
    *,
    by: Measure,
    ascii_only: bool = False,
) -> tuple[list[Column], list[Line]]:
    """Columns and lines; `identities` as in the chart, `so_far` the best value of trials that still run; `by`: what the
    batch is judged by: a result by another metric says so."""
    values = value_columns(entries)
    first = next(iter(ranked(by_metric.only(entries, by), by.direction)), None)
    studies = len({entry.study for entry in entries}) > 1
    steps = max((len(str(entry.steps_done)) for entry in entries), default=1)
    looks = {status: look.badge(ascii_only=ascii_only) for status, look in STATUSES.items()}
    columns = [
        Column(_("trial")),
        Column(_("status"), least=max(map(width, looks.values()))),
        Column(_("steps"), right=True, least=steps),
        Column(f"{_('best')} ", right=True, least=len("0.12345") + 1),
        *([Column(_("study"))] if studies else []),
        *(Column(title, right=True) for title in values),
    ]
    lines = []
    for entry in entries:
        name = identities[entry.id]
        best = best_of(entry, by.metric) if entry.best is not None else figure(so_far.get(entry.id))
        leads = entry.status == "complete" and entry.measure == by and first is not None and entry.best == first.best
        mark = BEST if leads else " "
        settings = [next((entry.settings[n] for n in names if n in entry.settings), None) for names in values.values()]
        lines.append(
            Line(
                entry.id,
                (
                    (f"{name.letter} {short(entry)}", name.style),
                    (looks.get(entry.status, entry.status), entry.status if entry.status in STATUSES else ""),
                    (str(entry.steps_done), ""),
                    (f"{best}{mark}", ""),
                    *([(entry.study, "")] if studies else []),
                    *((figure(value), "") for value in settings),
                ),
            )
        )
    return columns, lines
