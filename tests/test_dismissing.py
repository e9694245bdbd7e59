"""A finding that a person does not follow: the reason is kept, and it comes back when it says something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rounds import dismissing, planning, reviewing
from rounds.finding import Finding
from state import repair, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project

# The best learning rates lie at the upper end of the range.
RESULTS = [1.0 - 0.02 * place for place in range(14)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with a reviewed round whose best trials lie near an edge."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        batch = planning.save(opened, planning.propose(opened, trials=len(RESULTS)))
        entries = sorted(trials.trials(opened, batch.name), key=lambda entry: entry.u["sgd.learning_rate"])
        for entry, best in zip(entries, RESULTS, strict=True):
            small_project.end(opened, entry.id, best)
        reviewing.review_batch(opened, batch.name)
        yield opened


def edge(store: Store) -> Finding:
    """The finding about the edge of the range."""
    return dismissing.find(store, "round-1", "boundary")


def held(store: Store) -> set[str]:
    findings = [Finding.from_dict(entry) for entry in trials.findings(store, "round-1")]
    return set(dismissing.in_force(store, "round-1", findings))


def test_a_dismissed_finding_keeps_its_reason_and_survives_a_rebuild(store: Store) -> None:
    """The dismissal is in the journal: it is there again after the store was deleted."""
    finding = dismissing.dismiss(store, "round-1", "boundary", " the optimizer allows no more ")
    assert finding.key == "boundary/joint/sgd.learning_rate"
    assert held(store) == {finding.key}
    store.close()
    repair.rebuild(store.project)
    with open_store(store.project) as again:
        assert held(again) == {finding.key}
        found = dismissing.in_force(again, "round-1", [finding])[finding.key]
        assert found.reason == "the optimizer allows no more"


def test_a_dismissed_range_is_not_widened_in_the_next_round(store: Store) -> None:
    """What a person does not follow has no hand in what is proposed next."""
    action = edge(store).action
    assert action is not None
    high = action.payload["domain"]["high"]
    widened = planning.propose(store, trials=4).studies[0].dimensions[0].domain
    assert widened.high == high
    dismissing.dismiss(store, "round-1", "boundary", "wide enough")
    kept = planning.propose(store, trials=4).studies[0].dimensions[0].domain
    assert kept.high < high
    dismissing.restore(store, "round-1", "boundary")
    assert planning.propose(store, trials=4).studies[0].dimensions[0].domain.high == high


def test_a_finding_with_another_verdict_is_seen_again(store: Store) -> None:
    """Who dismissed a warning has not dismissed a failure."""
    finding = dismissing.dismiss(store, "round-1", "boundary", "wide enough")
    worse = Finding(finding.check, "fail", finding.message, finding.rule, finding.figures)
    assert dismissing.in_force(store, "round-1", [finding])
    assert not dismissing.in_force(store, "round-1", [worse])


def test_what_cannot_be_dismissed_is_refused_in_a_sentence(store: Store) -> None:
    """Without a reason, what passed, and what there is none of."""
    with pytest.raises(Refusal, match="the reason is kept"):
        dismissing.dismiss(store, "round-1", "boundary", "  ")
    with pytest.raises(Refusal, match="complete passed"):
        dismissing.dismiss(store, "round-1", "complete", "because")
    with pytest.raises(Refusal, match=r"no finding bounds. There are: .*complete"):
        dismissing.dismiss(store, "round-1", "bounds", "because")
    with pytest.raises(Refusal, match="is not dismissed"):
        dismissing.restore(store, "round-1", "boundary")
    planning.save(store, planning.propose(store, trials=4))
    with pytest.raises(Refusal, match="round-2 has not been reviewed"):
        dismissing.dismiss(store, "round-2", "boundary", "because")
