"""The line of the best configurations: each with its reason, also without fresh runs, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rounds import judging, launching, lineage, planning, standing
from state import launches, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project
from tests.screens import NARROW, wait_for, wait_for_text
from tests.watched_round import press, supervised, write
from tui.app import Tunebook
from tui.pages.decisions import DecisionsPage, entries
from tui.pages.launch import LaunchPage
from tui.report.of_rounds import baselines
from tui.report.parts import Words


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project whose first round has ended; its second trial is the best."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened, supervised(project):
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        batch = planning.save(opened, planning.propose(opened, trials=3))
        for entry, best in zip(trials.trials(opened, batch.name), [0.4, 0.2, 0.3], strict=True):
            small_project.end(opened, entry.id, best)
        yield opened


def test_too_costly_to_repeat_is_on_record_as_such(store: Store) -> None:
    """The launch has no runs, the reason says on what it rests, and the next round starts from the candidate."""
    proposal = launching.propose(store, "round-1")
    with pytest.raises(Refusal, match="too costly"):
        judging.decide_unrepeated(store, proposal, "adopt", " ")
    with pytest.raises(Refusal, match="only to adopt or to reject"):
        judging.decide_unrepeated(store, proposal, "repeat", "why not")
    batch = judging.decide_unrepeated(store, proposal, "adopt", "a week on eight GPUs")
    assert trials.trials(store, batch.name) == []
    (baseline, link) = lineage.line(store)
    assert link.current
    assert not link.repeated
    assert not baseline.current
    assert "a week on eight GPUs" in link.reason.text()
    assert "round-1-002" in link.reason.text()
    assert [change.text()[:23] for change in link.changes.changes] == ["optimizer.learning_rate"]
    best = launches.best(store)
    assert best is not None
    assert best.hash == link.configuration
    assert standing.standing(store).step == "goal"


def test_the_line_is_walked_back_with_a_reason(store: Store) -> None:
    """The earlier configuration is the best again, and the way back is a decision like any other."""
    judging.decide_unrepeated(store, launching.propose(store, "round-1"), "adopt", "too dear")
    first, second = (link.configuration for link in lineage.line(store))
    with pytest.raises(Refusal, match="is the best configuration"):
        lineage.back(store, second, "why")
    with pytest.raises(Refusal, match="Say why"):
        lineage.back(store, first, "")
    with pytest.raises(Refusal, match="never was the best"):
        lineage.back(store, "", "why")
    lineage.back(store, first[:6], "it broke in use")
    best = launches.best(store)
    assert best is not None
    assert best.hash == first
    assert [link.current for link in lineage.line(store)] == [False, False, True]
    assert lineage.line(store)[-1].changes.changes
    # In a report the way back is told with the line, and not as what was thought of the baseline.
    assert not any("it broke in use" in part.text for part in baselines(store) if isinstance(part, Words))


def test_the_way_back_to_what_a_launch_has_rejected_says_so(store: Store) -> None:
    name = launching.start(store, launching.propose(store, "round-1"), wanted="stop").name
    judging.decide_unrepeated(store, launching.propose(store, "round-1"), "adopt", "too dear")
    first, second = (link.configuration for link in lineage.line(store))
    lineage.back(store, first, "by fresh runs")
    assert lineage.rejected(store, second) is None
    for entry in trials.trials(store, name):
        small_project.end(store, entry.id, {"candidate": 0.6, "best": 0.3}[entry.study] + 0.01 * entry.position)
    judging.decide(store, name, "reject")
    assert lineage.rejected(store, second) == name
    lineage.back(store, second, "it is simpler")
    told = lineage.line(store)[-1].reason.text()
    assert told == "Back to an earlier best configuration, although launch-1 has rejected it: it is simpler"
    entry = next(entry for entry in entries(store) if entry.line == "launch-2: adopted")
    assert "launch-1 has rejected it." not in entry.details
    lineage.back(store, first, "not after all")
    entry = next(entry for entry in entries(store) if entry.line == "launch-2: adopted")
    assert "launch-1 has rejected it." in entry.details


@pytest.mark.usefixtures("quick_looks")
async def test_the_page_adopts_without_repeats_and_goes_back(store: Store) -> None:
    """Adopting without fresh runs asks why; the decisions list the line and lead back."""
    app = Tunebook(store.project.root)
    async with app.run_test(size=NARROW) as pilot:
        await wait_for_text(pilot, "Plan a round")
        await pilot.app.push_screen(LaunchPage("round-1"))
        await wait_for_text(pilot, "too costly to repeat")
        await press(pilot, "c")
        await wait_for_text(pilot, "Say why repeating costs too much")
        await write(pilot, "a week each [/red]")
        await wait_for_text(pilot, "Adopted.")
        await wait_for_text(pilot, "a week each [/red]")
        await pilot.app.push_screen(DecisionsPage())
        await wait_for_text(pilot, "It is the best configuration now.")
        await press(pilot, "home", "c")
        await wait_for_text(pilot, "becomes the best configuration again")
        await write(pilot, "worse in use")
        await wait_for(pilot, lambda: len(lineage.line(store)) == 3)
