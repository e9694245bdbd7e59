"""Stopping by name what runs beside trials: a measurement (probe, inspection, check), or a look at the test split."""

from __future__ import annotations

from presets.language import _
from rounds import looking
from state import runs
from state.database import Store
from state.errors import NotFound
from tui.session import Session
from wizard import measuring

LOOK = "look"


def has(name: str) -> bool:
    """Whether a name is that of a measurement, as `probe-2` is, or of the look at the test split."""
    kind, _dash, number = name.rpartition("-")
    return name == LOOK or (kind in measuring.RESULTS and number.isdecimal())


def at_work(store: Store) -> str | None:
    """The name of what is at work; None where nothing is."""
    measured = measuring.at_work(store)
    if measured is not None:
        return str(measured.values["id"])
    return LOOK if looking.under_way(store) is not None else None


def stop(session: Session, store: Store, name: str) -> None:
    """Have it end, and say what becomes of it. Refuses what is not at work."""
    folder = store.project.measurement_folder(name)
    if not (looking.under_way(store) if name == LOOK else runs.alive(folder)):
        raise NotFound("{name} is not at work. What is: tunebook status", name=name)
    if name == LOOK:
        looking.stop(store)
        session.text(_("The look is stopped. Nobody has seen its result, so it does not count."))
    else:
        measuring.stop(store, name)
        words = _(
            "{name} is being stopped. What it has measured so far stays in {folder}; asked for again, it begins anew."
        )
        session.text(words.format(name=name, folder=folder))
    session.answer({"stopped": name})
