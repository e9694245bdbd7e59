"""A report's chapters on what was found before anything was tuned: in the data, and by short runs (G0, G7, P15)."""

from __future__ import annotations

from collections.abc import Iterator

from presets.language import restored
from state import decisions, measurements
from state.database import Store
from tui.report.parts import Grid, Part, Title, Words
from wizard import checks, measuring, scaling

KINDS = (checks.ONE_BATCH, checks.SHUFFLE, checks.LENGTH, checks.BATCH_SIZE)


def data(store: Store) -> Iterator[Part]:
    """What was known of the data when it was decided to go on with them."""
    found = decisions.decision(store, "data")
    yield from (Words(restored(message).text()) for message in (found.evidence if found else ()))


def checked(store: Store) -> Iterator[Part]:
    """The last check of each kind, and what it says."""
    for kind in KINDS:
        found = measurements.latest(store, kind)
        if found is None:
            continue
        yield Title(measuring.TITLES[kind].text())
        yield Words(checks.verdict(found).text())
        if kind == checks.BATCH_SIZE:
            table = scaling.table(scaling.report(found.result))
            columns = [column.text() for column in table.columns]
            yield Grid(columns, table.rows, right=range(len(columns)))
