"""Opening the store of a project: which table function applies which kind of journal event."""

from __future__ import annotations

from state import (
    by_metric,
    configurations,
    decisions,
    dismissals,
    launches,
    looks,
    measurements,
    reconciling,
    trial_events,
)
from state.database import Apply, Store
from state.project import Project

EVENTS: dict[str, Apply] = {
    "decision": decisions.apply_decision,
    "measurement": measurements.apply_measurement,
    "configuration": configurations.apply_configuration,
    "batch": trial_events.apply_batch,
    "trials": trial_events.apply_trials,
    "request": trial_events.apply_request,
    "order": trial_events.apply_order,
    "review": trial_events.apply_review,
    "dismissal": dismissals.apply_dismissal,
    "look": looks.apply_look,
    "launch": launches.apply_launch,
    "insight": launches.apply_insight,
}


def open_store(project: Project) -> Store:
    """The store of a project, made where it is missing and rebuilt from journal and trial folders where it was deleted.

    Refuses a store from a newer version, a locked one and a damaged one, and leaves it untouched.
    """
    store = Store(project, EVENTS)
    try:
        # Also where that was interrupted when the store was built.
        if not store.reconciled():
            reconciling.reconcile(store)
            store.note_reconciled()
        by_metric.note(store)
    except BaseException:
        store.close()
        raise
    return store
