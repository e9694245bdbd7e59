"""Where the project stands, at every moment of a round and of its launch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from presets import language
from rounds import dismissing, judging, launching, lineage, next_step, planning, reviewing, supervisor, wishes
from rounds.foremost import meant, planned
from rounds.next_step import Design
from rounds.reached import fresh
from rounds.standing import Standing, standing
from rounds.worth import launched
from state import launches, project, trial_progress, trials
from state.database import Store
from state.errors import Refusal
from state.store import open_store
from tests import small_project, watched_round
from tests.test_cli import tunebook
from tui.report import as_text, document


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project.change(made, budget_hours=2.0)) as opened, watched_round.supervised(made):
        yield opened


def told(store: Store) -> tuple[str, str | None, str, str]:
    now: Standing = standing(store)
    return now.step, now.batch, now.now.text(), now.next.text()


def test_the_four_steps_in_their_order(store: Store, tmp_path: Path) -> None:
    assert told(store)[:2] == ("set-up", None)
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    assert told(store) == ("goal", None, "The baseline stands.", "Choose the goal of the first round.")

    planning.save(store, planning.propose(store, trials=2))
    assert told(store) == ("run", "round-1", "round-1 is planned (trials: 2).", "Run it.")
    trials.ask(store, "round-1", "run")
    assert told(store)[2:] == ("round-1 is at work: 0 of 2 trials have ended.", "Review it when it has ended.")
    trials.ask(store, "round-1", "pause")
    assert told(store)[2:] == ("round-1 rests: 0 of 2 trials have ended.", "Run it on.")
    small_project.end(store, "round-1-001", 0.5)
    small_project.end(store, "round-1-002", 0.1)
    assert told(store) == ("learn", "round-1", "round-1 has ended.", "Review it, before any conclusion.")

    reviewing.review_batch(store, "round-1")
    assert told(store)[:3] == ("launch", "round-1", "round-1 has been reviewed.")
    launching.start(store, launching.propose(store, "round-1"), runs=2)
    assert told(store) == (
        "launch",
        "launch-1",
        "launch-1 is at work: 0 of 4 trials have ended.",
        "Decide when it has ended.",
    )
    for entry in trials.trials(store, "launch-1"):
        small_project.end(store, entry.id, 0.3)
    assert told(store)[2:] == ("The runs of launch-1 have ended.", "Decide: adopt, reject or repeat.")
    judging.decide(store, "launch-1", "reject")
    assert told(store) == ("goal", "launch-1", "launch-1 was rejected.", "Choose the goal of the next round.")
    assert launched(store, "round-1")
    # What a launch has decided about is not proposed for one again.
    (gained,) = [each for each in reviewing.review_batch(store, "round-1") if each.check == "gain"]
    assert gained.action is None
    assert "a candidate of launch-1, which has been decided" in gained.message.text()
    # A round that has grown since is to be reviewed anew.
    planning.extend(store, "round-1", 1)
    assert trials.batch(store, "round-1").reviewed is None


def test_after_the_final_study_comes_the_test_split_or_the_export_and_no_other_final_study(
    store: Store, tmp_path: Path
) -> None:
    """With a budget left for some trials more it was the final study again, and without one the next round."""
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    planning.save(store, planning.propose(store, "minimise", trials=2), about={"search": "bayesian"})
    for entry in trials.trials(store, "round-1"):
        small_project.end(store, entry.id, 0.1)
    reviewing.review_batch(store, "round-1")
    launching.start(store, launching.propose(store, "round-1"), runs=2)
    for entry in trials.trials(store, "launch-1"):
        small_project.end(store, entry.id, 0.3)
    judging.decide(store, "launch-1", "reject")
    for hours in (0.0, standing(store).hours_spent + 0.01, standing(store).hours_spent + 1e-6):
        store.project = project.change(store.project, budget_hours=hours)
        now = standing(store)
        assert (now.step, now.command) == ("goal", "tunebook test")
        assert now.next.text() == "The final study is over. What is left is the look at the test split, once."
    planning.save(store, planning.propose(store, trials=2))
    assert standing(store).command == ""


def test_a_round_that_was_stopped_on_its_way_goes_on_and_is_not_forgotten(store: Store, tmp_path: Path) -> None:
    """With checkpoints of hours the next step was the goal of the first round."""
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    planning.save(store, planning.propose(store, trials=2), wanted="stop")
    assert told(store)[:2] == ("goal", None)
    trial_progress.mark_running(store, "round-1-001", restart=False)
    watched_round.advance(store, "round-1-001", {"step": 10, "val/error_rate": 0.5})
    trial_progress.mark_ended(store, "round-1-001", {"status": "stopped", "reason": "stopped", "steps_done": 10})
    assert told(store) == (
        "run",
        "round-1",
        "round-1 was stopped: 0 of 2 trials have ended.",
        "Run it on, or drop it.",
    )


def test_a_launch_that_was_rejected_as_it_was_is_not_to_be_run_on(store: Store, tmp_path: Path) -> None:
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    planning.save(store, planning.propose(store, trials=2))
    for number, result in enumerate((0.2, 0.3), 1):
        small_project.end(store, f"round-1-00{number}", result)
    launching.start(store, launching.propose(store, "round-1"), runs=2)
    small_project.end(store, "launch-1-001", 0.3)
    trials.ask(store, "launch-1", "stop")
    words = "launch-1 was stopped: 1 of 4 trials have ended."
    assert told(store) == ("launch", "launch-1", words, "Run it on, or reject it as it is.")
    judging.decide(store, "launch-1", "reject", "a week each")
    assert told(store) == ("goal", "launch-1", "launch-1 was rejected.", "Choose the goal of the next round.")
    with pytest.raises(Refusal, match="tunebook launch --reopen launch-1"):
        wishes.run(store, "launch-1")
    judging.reopen(store, "launch-1", "there is time")
    assert told(store)[2] == "launch-1 is at work: 1 of 4 trials have ended."
    wishes.run(store, "launch-1")


def test_a_reopened_launch_is_what_the_project_is_about(store: Store, tmp_path: Path) -> None:
    """It went by creation: once its runs had ended, nobody was told that it waits for its decision."""
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    planning.save(store, planning.propose(store, trials=3))
    for number, result in enumerate((0.2, 0.3, 0.4), 1):
        small_project.end(store, f"round-1-00{number}", result)

    def launch(trial: str) -> str:
        name = launching.start(store, launching.propose(store, "round-1", trial), runs=2).name
        end(name)
        return name

    def end(name: str) -> None:
        for entry in trials.trials(store, name):
            if entry.status not in trials.ENDED:
                small_project.end(store, entry.id, 0.3 + 0.01 * entry.position)

    launch("round-1-001")
    judging.decide(store, "launch-1", "reject", "no time")
    launch("round-1-002")
    planning.save(store, planning.propose(store, trials=2))
    assert told(store)[1] == "round-2"
    judging.decide(store, "launch-1", "repeat", "there is time")
    end("launch-1")
    assert told(store)[1:3] == ("launch-1", "The runs of launch-1 have ended.")
    going = launching.undecided(store)
    assert going is not None
    assert going.name == "launch-1"
    # Whatever is begun after that is newer.
    planning.save(store, planning.propose(store, trials=2))
    assert told(store)[1] == "round-3"
    judging.decide(store, "launch-1", "reject", "no gain")
    launching.start(store, launching.propose(store, "round-1", "round-1-003"), runs=2)
    assert told(store)[1] == "launch-3"
    # What can no longer be decided is nobody's concern, unless it runs.
    small_project.adopt(store, small_project.settings(tmp_path / "data", optimizer__momentum=0.5))
    assert told(store)[1:3] == ("launch-3", "launch-3 is at work: 0 of 2 trials have ended.")
    assert told(store)[3] == "Stop it: the best configuration has changed since it began, so it cannot be decided."
    end("launch-3")
    assert told(store)[1] == "round-3"
    assert launching.undecided(store) is None


def test_the_last_decision_is_told_and_what_waits_for_one(store: Store, tmp_path: Path) -> None:
    """It was the decision about the newest launch, whatever had been decided since, and an older one was forgotten."""
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    planning.save(store, planning.propose(store, trials=3))
    for number, result in enumerate((0.2, 0.3, 0.4), 1):
        small_project.end(store, f"round-1-00{number}", result)
    for number in (1, 2):
        launching.start(store, launching.propose(store, "round-1", f"round-1-00{number}"), runs=2)
        for entry in trials.trials(store, f"launch-{number}"):
            small_project.end(store, entry.id, 0.3 + 0.01 * entry.position)
    assert standing(store).undecided == ("launch-1",)
    judging.decide(store, "launch-2", "reject", "no gain")
    assert told(store)[1:3] == ("launch-1", "The runs of launch-1 have ended.")
    assert standing(store).undecided == ()
    planning.save(store, planning.propose(store, trials=1))
    assert (told(store)[1], standing(store).undecided) == ("round-2", ("launch-1",))
    trials.ask(store, "round-2", "drop")
    judging.decide(store, "launch-1", "adopt", "it is enough")
    assert told(store)[:3] == ("goal", "launch-1", "launch-1 was adopted.")
    lineage.back(store, lineage.line(store)[0].configuration, "it broke in use")
    assert told(store)[2] == "The best configuration is that of baseline-1 again."
    judging.decide(store, "launch-2", "reject", "looked at again")
    assert told(store)[1:3] == ("launch-2", "launch-2 was rejected.")


def test_the_time_left_follows_from_the_steps_that_are_left(store: Store, tmp_path: Path) -> None:
    small_project.adopt(store, small_project.settings(tmp_path / "data", training__steps=30))
    planning.save(store, planning.propose(store, trials=5))
    assert standing(store).seconds_left is None
    trials.ask(store, "round-1", "run")
    # 30 steps in 60 seconds.
    for number in (1, 2):
        trial_progress.mark_running(store, f"round-1-00{number}", restart=False)
    small_project.end(store, "round-1-001", 0.5)
    with store.transaction():
        store.database.execute(
            "UPDATE trials SET started_at = '2026-01-01T00:00:00+00:00', ended_at = '2026-01-01T00:01:00+00:00', "
            "spent = 60 WHERE id = 'round-1-001'"
        )
    now = standing(store)
    assert now.states == {"complete": 1, "running": 1, "queued": 3}
    # One at a time, four are left.
    assert now.seconds_left == pytest.approx(240)
    assert now.hours_spent == pytest.approx(1 / 60, abs=0.005)
    assert now.hours_budget == 2.0
    trial_progress.mark_running(store, "round-1-003", restart=False)
    assert standing(store).seconds_left == pytest.approx(120)
    trials.ask(store, "round-1", "pause")
    assert standing(store).seconds_left is None


def test_a_round_at_work_goes_before_a_newer_one_that_is_only_planned(store: Store, tmp_path: Path) -> None:
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    planning.save(store, planning.propose(store, trials=2), wanted="run")
    planning.save(store, planning.propose(store, trials=3))
    assert told(store)[2] == "round-1 is at work: 0 of 2 trials have ended."
    trials.ask(store, "round-1", "pause")
    assert told(store)[2:] == ("round-2 is planned (trials: 3).", "Run it.")


def test_a_stopped_round_is_nobodys_concern_unless_a_trial_of_it_has_ended(store: Store, tmp_path: Path) -> None:
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    planning.save(store, planning.propose(store, trials=2), wanted="run")
    trials.ask(store, "round-1", "stop")
    assert told(store) == ("goal", None, "The baseline stands.", "Choose the goal of the first round.")
    small_project.end(store, "round-1-001", 0.5)
    assert told(store) == (
        "learn",
        "round-1",
        "round-1 was stopped: 1 of 2 trials have ended.",
        "Review what has ended, or run it on.",
    )
    reviewing.review_batch(store, "round-1")
    assert told(store)[::3] == ("launch", "Launch what is worth it, or choose the goal of the next round.")
    assert told(store)[2] == "round-1 has been reviewed. It was stopped: 1 of 2 trials have ended."


def test_a_round_that_was_stopped_and_looked_at_may_still_run_on(store: Store, tmp_path: Path) -> None:
    """With two of its ten trials, which did worse than the baseline, its review was taken for its end."""
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    small_project.end(store, "baseline-1-001", 0.2)
    planning.save(store, planning.propose(store, trials=10), wanted="run")
    for number in (1, 2):
        small_project.end(store, f"round-1-00{number}", 0.5 + number / 100)
    trials.ask(store, "round-1", "stop")
    reviewing.review_batch(store, "round-1")
    now = "round-1 has been reviewed: no trial beats the best configuration."
    assert told(store) == (
        "goal",
        "round-1",
        f"{now} It was stopped: 2 of 10 trials have ended.",
        "Run it on, or choose the goal of the next round.",
    )


def test_a_round_that_is_to_pause_does_not_rest_while_a_trial_is_at_work(store: Store, tmp_path: Path) -> None:
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    planning.save(store, planning.propose(store, trials=2), wanted="run")
    trial_progress.mark_running(store, "round-1-001", restart=False)
    trials.ask(store, "round-1", "pause")
    now = "round-1 is to rest: 0 of 2 trials have ended, 1 still at work."
    assert told(store) == ("run", "round-1", now, "Run it on.")
    small_project.end(store, "round-1-001", 0.5)
    assert told(store)[2] == "round-1 rests: 1 of 2 trials have ended."


def test_a_round_that_beats_nothing_is_followed_by_another_and_not_by_a_launch(store: Store, tmp_path: Path) -> None:
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    small_project.end(store, "baseline-1-001", 0.2)
    planning.save(store, planning.propose(store, trials=2), wanted="run")
    for entry in trials.trials(store, "round-1"):
        small_project.end(store, entry.id, 0.3)
    found = {finding.check: finding for finding in reviewing.review_batch(store, "round-1")}["gain"]
    assert found.verdict == "warn"
    assert (found.figures["best"], found.figures["base"], found.figures["runs"]) == (0.3, 0.2, 1)
    assert told(store) == (
        "goal",
        "round-1",
        "round-1 has been reviewed: no trial beats the best configuration.",
        "Choose the goal of the next round.",
    )
    # What is done about it: the same question in narrower ranges around the best configuration.
    step = next_step.next_step(store, "round-1", found)
    assert isinstance(step, Design)
    before, after = planning.plan_of(store, "round-1"), step.plan(store)
    narrowed = {dimension.name: dimension for dimension in after.studies[0].dimensions}
    for old in before.studies[0].dimensions:
        new = narrowed[old.name]
        low, high = (old.domain.position(end) for end in (new.domain.low, new.domain.high))
        assert high - low == pytest.approx(1 / 3, abs=0.02)
        assert new.domain.contains(before.base[old.key])
    # Who plans a round in the old ranges is told of it, and how to have the others; who has them, or does not want
    # them, is not.
    words = "ranges a third as wide around the best configuration. They are not used here; to plan a round in them: "
    (note,) = planning.propose(store, trials=2).notes
    assert words + "tunebook round review round-1 --act gain" in note.text()
    assert not step.plan(store).notes
    dismissing.dismiss(store, "round-1", "gain", "the baseline was lucky")
    assert told(store)[0] == "launch"
    assert not planning.propose(store, trials=2).notes


def test_a_round_whose_supervisor_died_is_not_said_to_be_at_work(tmp_path: Path) -> None:
    made = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(made) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        planning.save(opened, planning.propose(opened, trials=2), wanted="run")
        trial_progress.mark_running(opened, "round-1-001", restart=False)
        small_project.end(opened, "round-1-002", 0.5)
        words = "round-1 is to run, but no supervisor is at work: 1 of 2 trials have ended."
        assert told(opened)[2:] == (words, "Run it on.")
        assert standing(opened).seconds_left is None


def test_a_review_that_was_made_while_the_round_ran_is_not_that_of_the_round(store: Store, tmp_path: Path) -> None:
    """Three of its trials beat nothing; the rest, which nobody had looked at, do."""
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    small_project.end(store, "baseline-1-001", 0.5)
    planning.save(store, planning.propose(store, trials=12), wanted="run")
    listed = trials.trials(store, "round-1")
    for entry in listed[:3]:
        small_project.end(store, entry.id, 0.6)
    reviewing.review_batch(store, "round-1")
    for entry in listed[3:]:
        small_project.end(store, entry.id, 0.1 + 0.01 * entry.position)
    assert told(store) == ("learn", "round-1", "round-1 has ended.", "Review it, before any conclusion.")
    assert "3 of 12" not in as_text.markdown(document.report(store))
    reviewing.review_batch(store, "round-1")
    assert told(store)[2] == "round-1 has been reviewed."
    # What is tried again was reviewed with what it came to before.
    trials.ask(store, "round-1-001", "retry")
    small_project.end(store, "round-1-001", 0.05)
    assert told(store)[3] == "Review it, before any conclusion."


def test_without_a_name_what_is_at_work_is_meant_else_what_was_touched_last(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="There is no round yet"):
        meant(store)
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    for name in ("round-1", "round-2", "round-3"):
        planning.save(store, planning.propose(store, trials=2))
        assert meant(store).name == name
    trials.ask(store, "round-2", "run")
    assert meant(store).name == "round-2"
    # What is at work goes before what was only planned, later or earlier.
    planning.save(store, planning.propose(store, trials=2))
    assert meant(store).name == "round-2"
    trials.ask(store, "round-2", "stop")
    assert meant(store).name == "round-2"
    planning.extend(store, "round-1", 1)
    assert meant(store).name == "round-1"
    trials.ask(store, "round-3-001", "stop")
    assert meant(store).name == "round-3"
    small_project.end(store, "round-2-001", 0.5)
    assert meant(store).name == "round-2"
    reviewing.review_batch(store, "round-4")
    assert meant(store).name == "round-4"
    assert [batch.name for batch in planned(store)] == ["round-1", "round-3", "round-4"]


def test_a_trial_that_waits_for_a_reason_is_named(store: Store, tmp_path: Path) -> None:
    """After a process was killed, the status said that it was lost, and not what."""
    small_project.batch(store, small_project.settings(tmp_path / "data"), [{}, {"training.seed": 1}])
    trial_progress.note(store, "round-1-002", "It was lost: The machine was restarted.")
    waits = standing(store).waits
    assert waits is not None
    assert waits.text() == "round-1-002: It was lost: The machine was restarted."


def test_the_status_has_every_goal_in_the_language_of_the_moment(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    small_project.batch(store, small_project.settings(tmp_path / "data"), [{"optimizer.learning_rate": 0.1}])
    small_project.end(store, "round-1-001", 0.1)
    launching.start(store, launching.propose(store, "round-1"))
    with store.transaction():
        store.database.conn.execute("UPDATE batches SET goal = kind WHERE kind = 'baseline'")
    try:
        assert tunebook("status", "--lang", "zh_CN", "--project", store.project.root) == 0
    finally:
        language.set_language("en")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    goals = {row[0]: row[1] for row in rows if row and row[0] in ("baseline-1", "launch-1")}
    assert goals == {"baseline-1": "基线", "launch-1": "上线"}


def test_the_list_of_configurations_says_which_runs_it_counts(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there are several, it is not of all runs of the same settings."""
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    small_project.end(store, "baseline-1-001", 0.5)
    assert tunebook("configurations", "--project", store.project.root) == 0
    assert "those of launches count" not in capsys.readouterr().out
    small_project.batch(store, small_project.settings(tmp_path / "data"), [{"optimizer.learning_rate": 0.1}])
    small_project.end(store, "round-1-001", 0.1)
    for entry in trials.trials(store, launching.start(store, launching.propose(store, "round-1")).name):
        small_project.end(store, entry.id, 0.3)
    best = launches.best(store)
    assert best is not None
    counted = fresh(store, best.settings)
    assert counted is not None
    assert (counted.runs, len(launches.repeated(store, best.settings))) == (3, 4)
    assert tunebook("configurations", "--project", store.project.root) == 0
    assert "those of launches count, and those of rounds" in capsys.readouterr().out


def test_what_is_left_of_a_longer_round_is_told_by_its_own_number_of_steps(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before one of its trials has ended: a baseline of 30 steps took a minute, and a trial has 300."""
    monkeypatch.setattr(supervisor, "alive", lambda _project: True)
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    small_project.end(store, "baseline-1-001", 0.5, seconds=60.0)
    for entry in trials.trials(store, planning.save(store, planning.propose(store, trials=2, steps=300)).name):
        trial_progress.mark_running(store, entry.id, restart=False)
    trials.ask(store, "round-1", "run")
    assert standing(store).seconds_left == pytest.approx(600)


def test_the_status_and_the_report_list_what_ran_in_the_order_in_which_it_began(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A round that was planned, and had to wait for a launch, stood before that launch."""
    small_project.adopt(store, small_project.settings(tmp_path / "data"))
    small_project.end(store, "baseline-1-001", 0.5)
    planning.save(store, planning.propose(store, trials=2))
    small_project.end(store, "round-1-001", 0.1)
    waited = planning.save(store, planning.propose(store, trials=4)).name
    launching.start(store, launching.propose(store, "round-1"))
    in_turn = ["baseline-1", "round-1", "launch-1", waited]

    def listed() -> list[str]:
        capsys.readouterr()
        assert tunebook("status", "--json", "--project", store.project.root) == 0
        return [entry["name"] for entry in json.loads(capsys.readouterr().out)["batches"]]

    # What waits comes last, also beside what is not at work yet.
    trial_progress.mark_running(store, trials.trials(store, "launch-1")[0].id, restart=False)
    assert listed() == in_turn
    trial_progress.mark_running(store, trials.trials(store, waited)[0].id, restart=False)
    assert listed() == in_turn
    told = [section.id for section in document.report(store).sections]
    assert told.index("launch-1") < told.index(waited)
