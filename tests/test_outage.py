"""A cause outside of a round that fails its trials one after another costs some of them, not all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from presets.language import Message
from rounds import outage, standing, wishes
from rounds.attending import Supervisor
from rounds.slots import Machine
from rounds.warm import ForkServer
from state import trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import own_pipelines, small_project
from tests.small_project import wait_for
from tests.test_cli import tunebook
from wizard import own

SEEDS = [{"training.seed": seed} for seed in range(2 * outage.IN_A_ROW + 4)]


@pytest.fixture
def store(tmp_path: Path, digits: Path) -> Iterator[Store]:
    """A project whose data are reached by a link that leads nowhere, as a disk that is not mounted."""
    data = tmp_path / "data"
    with open_store(small_project.project(tmp_path / "p", digits)) as opened:
        small_project.adopt(opened, small_project.settings(digits))
        small_project.batch(opened, small_project.settings(data), SEEDS)
        yield opened


def test_a_round_whose_data_are_gone_is_paused_and_goes_on_once_they_are_back(
    store: Store, tmp_path: Path, digits: Path, fork_server: ForkServer, capsys: pytest.CaptureFixture[str]
) -> None:
    driven = Supervisor(store, Machine(2), fork_server)
    wait_for(lambda: not driven.tick(), "it never paused")
    batch, listed = trials.batch(store, "round-1"), trials.trials(store, "round-1")
    failed = [entry for entry in listed if entry.status == "failed"]
    # Another that was at work when the last of them ended may have failed, too.
    assert outage.IN_A_ROW <= len(failed) <= outage.IN_A_ROW + 1
    assert all(entry.status == "queued" for entry in listed if entry not in failed)
    assert batch.wanted == "pause"
    why = outage.why_paused(store, batch, listed)
    assert why is not None
    assert "The last 5 trials failed, so it was paused; " in why.text()
    assert str(tmp_path / "data") in why.text()
    assert standing.standing(store).now.text() == f"round-1: {why.text()}"
    assert tunebook("round", "status", "round-1", "--project", store.project.root) == 0
    assert "tunebook round retry --failed round-1" in capsys.readouterr().out
    assert tunebook("round", "status", "round-1", "--json", "--project", store.project.root) == 0
    assert json.loads(capsys.readouterr().out)["next"] == ["tunebook", "round", "retry", "--failed", "round-1"]
    # That alone: to have the round run on would leave out what failed.
    assert tunebook("status", "--project", store.project.root) == 0
    assert "Next: Mend the cause. tunebook round retry --failed round-1" in capsys.readouterr().out

    # Whoever has it go on without a mend loses so many more, and no more.
    trials.ask(store, "round-1", "run")
    wait_for(lambda: not driven.tick(), "it never paused again")
    assert trials.batch(store, "round-1").wanted == "pause"
    left = [entry for entry in trials.trials(store, "round-1") if entry.status == "queued"]
    assert 0 < len(left) < len(SEEDS) - len(failed)

    (tmp_path / "data").symlink_to(digits)
    # This starts a supervisor of its own.
    wishes.retry_failed(store, "round-1")
    wait_for(lambda: {each.status for each in trials.trials(store, "round-1")} == {"complete"}, "it never ended")
    with pytest.raises(Refusal, match="No trial of round-1 has failed"):
        wishes.retry_failed(store, "round-1")


def test_a_pause_by_hand_is_not_told_by_failures_before_it(store: Store) -> None:
    """It had gone on since they paused it, and a person then paused it for reasons of their own; or they ended after
    that."""
    batch, listed = trials.batch(store, "round-1"), trials.trials(store, "round-1")

    def why() -> Message | None:
        return outage.why_paused(store, trials.batch(store, "round-1"), trials.trials(store, "round-1"))

    for entry in listed[: outage.IN_A_ROW]:
        small_project.end(store, entry.id, None, "failed")
    assert outage.pause(store, batch)
    told = why()
    assert told is not None
    # To pause it once more says nothing new, nor does how many may run at once, or what was at work then.
    trials.ask(store, "round-1", "pause")
    trials.ask(store, "round-1", None, 3)
    small_project.end(store, listed[outage.IN_A_ROW].id, 0.1)
    assert why() == told
    trials.ask(store, "round-1", "run")
    trials.ask(store, "round-1", "pause")
    assert why() is None
    for entry in listed[outage.IN_A_ROW + 1 : 2 * outage.IN_A_ROW + 1]:
        small_project.end(store, entry.id, None, "failed")
    assert why() is None


def test_what_failed_of_a_round_is_tried_again_by_one_command(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(store.project.root)
    assert tunebook("round", "retry", "--project", root) == 2
    assert "Name the trials to try again, or with --failed a round" in capsys.readouterr().err
    assert tunebook("round", "retry", "--failed", "1", "--project", root) == 2
    assert "No trial of round-1 has failed" in capsys.readouterr().err


def test_failures_with_a_success_between_them_pause_nothing(store: Store) -> None:
    batch = trials.batch(store, "round-1")
    listed = trials.trials(store, "round-1")
    for place, entry in enumerate(listed[: 4 + outage.IN_A_ROW]):
        small_project.end(store, entry.id, 0.1 if place == 3 else None, "complete" if place == 3 else "failed")
        assert outage.pause(store, batch) is (place == 3 + outage.IN_A_ROW)


def test_whoever_waited_for_a_round_that_was_paused_so_is_told_by_the_exit_code_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_pipelines.write_script(tmp_path / "code", "raise SystemExit('no such disk')\n")
    made = own_pipelines.project(tmp_path / "p", tmp_path / "code")
    with open_store(made) as store:
        small_project.batch(store, own.values(made), [{"training.seed": seed} for seed in range(outage.IN_A_ROW + 3)])
    assert tunebook("round", "run", "round-1", "--wait", "--json", "--project", made.root) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["wanted"] == "pause"
    assert "The last 5 trials failed, so it was paused; " in told["why"]
    assert "no such disk" in told["why"]
