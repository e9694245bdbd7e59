"""A finding that a person does not follow: kept with the reason, and shown as dismissed as long as it says the same."""

from __future__ import annotations

from collections.abc import Iterable

from rounds.finding import Finding
from state import dismissals, trials
from state.database import Store
from state.dismissals import Dismissal
from state.errors import Invalid, NotFound, NotYet, Refusal, Unanswered


def in_force(store: Store, name: str, findings: Iterable[Finding]) -> dict[str, Dismissal]:
    """The dismissals that still hold, by the finding's key; one whose verdict has changed since is to be seen again."""
    recorded = dismissals.dismissals(store, name)
    return {
        finding.key: recorded[finding.key]
        for finding in findings
        if finding.key in recorded and recorded[finding.key].verdict == finding.verdict
    }


def dismiss(store: Store, name: str, check: str, reason: str) -> Finding:
    """Dismiss a finding of the last review, named by its key or by its check alone where that says which; returns it.

    Refuses without a reason, for a check that passed, and where there is no such finding or more than one.
    """
    finding = find(store, name, check)
    if not reason.strip():
        raise Unanswered("Say why {check} does not matter here: the reason is kept.", check=finding.key)
    if finding.verdict == "pass":
        raise Refusal("{check} passed: there is nothing to dismiss.", check=finding.key)
    dismissals.dismiss(store, name, finding.key, finding.verdict, reason.strip())
    return finding


def restore(store: Store, name: str, check: str) -> Finding:
    """Take a dismissal back; returns the finding. Refuses where it is not dismissed."""
    finding = find(store, name, check)
    if finding.key not in in_force(store, name, [finding]):
        raise Refusal("{check} is not dismissed.", check=finding.key)
    dismissals.dismiss(store, name, finding.key, finding.verdict, "")
    return finding


def find(store: Store, name: str, check: str) -> Finding:
    """The finding of a round's last review that is meant; see `dismiss`."""
    findings = [Finding.from_dict(entry) for entry in trials.findings(store, trials.batch(store, name).name)]
    if not findings:
        raise NotYet("{name} has not been reviewed: tunebook round review {name}", name=name)
    found = [finding for finding in findings if finding.key == check]
    # Of several findings of one check, the one that asks for something is meant.
    found = found or [finding for finding in findings if finding.check == check and finding.verdict != "pass"]
    found = found or [finding for finding in findings if finding.check == check]
    if not found:
        known = [finding.key for finding in findings]
        raise NotFound("{name} has no finding {check}. There are: {known}", name=name, check=check, known=known)
    if len(found) > 1:
        known = [finding.key for finding in found]
        raise Invalid(
            "{check} is more than one finding of {name}: say which of {known}.", check=check, name=name, known=known
        )
    return found[0]
