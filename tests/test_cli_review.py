"""Review, insights, checks, the line of the best configurations and the final study, by command and as JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rounds import judging, launching, planning
from state import launches, trial_progress, trials
from state.database import Store
from state.store import open_store
from tests import small_project, watched_round
from tests.test_cli import tunebook

LR = "sgd.learning_rate"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with a round of 24 trials over the learning rate, which matters."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data", training__steps=100))
        roles: Any = {"optimizer.momentum": "fixed", "optimizer.weight_decay": "nuisance"}
        batch = planning.save(opened, planning.propose(opened, trials=24, roles=roles))
        for entry in trials.trials(opened, batch.name):
            small_project.end(opened, entry.id, 0.1 + (entry.u[LR] - 0.97) ** 2)
        yield opened


@pytest.fixture
def answer(store: Store, capsys: pytest.CaptureFixture[str]) -> Any:
    """Carries out a command in the project, which must end well; its JSON document."""

    def run(*words: str, code: int = 0) -> Any:
        assert tunebook(*words, "--project", store.project.root, "--json") == code
        return json.loads(capsys.readouterr().out)

    return run


def test_a_finding_is_dismissed_restored_and_acted_on_by_command(store: Store, answer: Any) -> None:
    """The key of each finding is in the answer; the design that a finding proposes is planned, not run."""
    keys = [finding["key"] for finding in answer("round", "review")["findings"]]
    assert f"boundary/joint/{LR}" in keys
    refused = answer("round", "review", "--dismiss", "boundary", code=2)
    assert "boundary" in refused["error"]
    held = answer("round", "review", "--dismiss", f"boundary/joint/{LR}", "--reason", "wide enough")
    (dismissed,) = [finding for finding in held["findings"] if finding["dismissed"]]
    assert dismissed["dismissed"]["reason"] == "wide enough"
    back = answer("round", "review", "--restore", f"boundary/joint/{LR}")
    assert not any(finding["dismissed"] for finding in back["findings"])
    done = answer("round", "review", "--act", f"boundary/joint/{LR}")["done"]
    assert done == {"does": "plan", "round": "round-2", "notes": []}
    assert trials.batch(store, "round-2").wanted == ""


def test_a_round_of_another_length_is_planned_by_command(store: Store, answer: Any) -> None:
    """As in the screens: evaluated as often on the way, and what transfers is said; listed trials have a length too."""
    every = planning.basis(store).settings["training.evaluate_every"]
    longer = answer("round", "plan", "--steps", "400")
    base = longer["plan"]["base"]
    assert (base["training.steps"], base["training.evaluate_every"]) == (400, 4 * every)
    assert any("With 400 steps instead of 100" in note for note in longer["plan"]["notes"])
    listed = answer("round", "plan", "--trial", "learning_rate=0.1", "--steps", "50")
    assert listed["plan"]["base"]["training.steps"] == 50
    saved = trials.batch(store, listed["round"])
    assert saved.plan["base"]["training.steps"] == 50
    as_before = answer("round", "plan", "--steps", "100")["plan"]
    assert not any("instead of" in note for note in as_before["notes"])
    assert "--warm-start" in answer("round", "plan", "--warm-start", "--steps", "50", code=2)["error"]


def test_insights_are_confirmed_and_refused_by_command(answer: Any) -> None:
    """What is confirmed comes with its caveats; an own sentence needs no key."""
    answer("round", "review")
    key = f"matters/round-1/joint/{LR}"
    assert key in [entry["key"] for entry in answer("insights")["proposed"]]
    kept = answer("insights", "--confirm", key, "--text", "The rate counts.")["insights"]
    assert [(entry["key"], entry["text"]) for entry in kept] == [(key, "The rate counts.")]
    assert any("momentum" in caveat for caveat in kept[0]["caveats"])
    assert answer("insights", "--refuse", key, "--reason", "luck")["insights"] == []
    assert len(answer("insights", "--text", "Water is wet.")["insights"]) == 1
    assert "no insight" in answer("insights", "--confirm", "nonsense", code=2)["error"]
    assert "is not UTF-8" in answer("insights", "--text", os.fsdecode(b"caf\xe9"), code=2)["error"]


def test_insights_name_conditions_only_where_they_are_not_met(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """What a study of 24 trials and its review have already met is not named, nor what is still as it was."""

    def said(*words: str) -> str:
        assert tunebook(*words, "--project", store.project.root) == 0
        return capsys.readouterr().out

    assert "round-1 shows something only when it has been reviewed." in said("insights")
    assert "at least 12 trials" not in said("insights")
    said("round", "review")
    assert "fixed" not in said("insights", "--confirm", f"matters/round-1/joint/{LR}")
    best = launches.best(store)
    assert best is not None
    small_project.adopt(store, {**best.settings, "optimizer.momentum": 0.5})
    assert "    sgd.momentum was fixed at 0.9. Now it is 0.5: look at this again." in said("insights")


def test_the_status_of_a_round_has_the_values_of_every_trial_and_what_it_says_below(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a stopped and of a diverged trial, too: which values it was is what one wants to know of them."""
    small_project.end(store, "round-1-002", 0.3, "stopped", message="It was stopped at step 20.")
    small_project.end(store, "round-1-003", None, "infeasible", message="The loss is not finite.")
    assert tunebook("round", "status", "--project", store.project.root) == 0
    printed = capsys.readouterr().out.splitlines()
    rows = [line for line in printed if line.startswith("round-1-") and f"{LR}=" in line]
    assert len(rows) == 24
    assert not any("step 20." in row or "finite." in row for row in rows)
    assert "round-1-002: It was stopped at step 20." in printed
    assert "round-1-003: The loss is not finite." in printed


def test_a_round_is_planned_by_the_short_names_of_hyperparameters(answer: Any) -> None:
    """Whichever option names them; what is meant by none alone is asked back."""
    short = ("--range", "wd=1e-5..1e-2:log", "--role", "momentum=fixed")
    roles = answer("round", "plan", "--about", "lr=0.001..0.1", *short)["plan"]["roles"]
    assert roles["optimizer.learning_rate"] == "scientific"
    assert (roles["sgd.weight_decay"], roles["sgd.momentum"]) == ("nuisance", "fixed")
    listed = answer("round", "plan", "--trial", "lr=0.1,momentum=0.5")["plan"]["trials"]
    assert listed[0]["values"] == {LR: 0.1, "sgd.momentum": 0.5}
    assert "is no setting of the best configuration" in answer("round", "plan", "--range", "name=1..2", code=2)["error"]


def test_a_plan_says_how_densely_its_trials_cover_what_they_search(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the page of design does; of trials that were listed, or of a single one, there is no density."""

    def said(*words: str) -> str:
        assert tunebook("round", "plan", *words, "--project", store.project.root) == 0
        return capsys.readouterr().out

    momentum = ("--role", "momentum=nuisance", "--role", "wd=fixed")
    dense = "trials over 2 hyperparameters, as dense as a grid of 4.0 each\n    "
    assert f"  Study joint: 16 {dense}" in said("--trials", "16", *momentum)
    alone = said("--trials", "3", "--goal", "compare", "--about", "lr=0.1,0.2", "--role", "momentum=fixed")
    assert "  Study learning_rate=0.1: 1 trial\n  Study learning_rate=0.2: 1 trial\n" in alone
    assert ": 1 trial\n" in said("--trial", "lr=0.1,momentum=0.5")


@pytest.mark.parametrize("name", ["learning_rate", "lr", "optimizer.learning_rate", LR])
def test_a_range_of_what_the_round_asks_about_is_what_it_asks(answer: Any, name: str) -> None:
    """Be it asked by default or with --about; values from both are refused."""
    for about in ((), ("--about", "lr"), ("--about", LR)):
        plan = answer("round", "plan", "--range", f"{name}=0.002..0.2", *about)["plan"]
        searched = {d["name"]: d["domain"] for study in plan["studies"] for d in study["dimensions"]}
        assert (searched[LR]["low"], searched[LR]["high"], searched[LR]["scale"]) == (0.002, 0.2, "log")
        assert plan["origins"][LR]["source"] is not None
    twice = answer("round", "plan", "--range", f"{name}=0.002..0.2", "--about", "lr=0.1..0.2", code=2)["error"]
    assert "has values in what the round asks, and a range besides" in twice


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (
            ("--range", "adamw.beta1=0.5..0.9"),
            "adamw.beta1 is a hyperparameter of adamw; this is about sgd, with ",
        ),
        (("--role", "optimizer.beta1=nuisance"), "optimizer.beta1 is a hyperparameter of "),
        (("--range", "beta1=0.5..0.9"), "beta1 is a hyperparameter of "),
        (("--about", "beta1=0.5..0.9"), "beta1 is a hyperparameter of "),
        (("--trial", "lr=0.1,beta1=0.9"), "beta1 is a hyperparameter of "),
        (("--trial", "lr=0.1,optimizer.beta1=0.9"), "optimizer.beta1 is a hyperparameter of "),
        (("--range", "data.max_length=1..9"), "data.max_length is no part of this round. It has "),
        (("--role", "sgd.learning_rate=fixed"), "The round asks about sgd.learning_rate, so that it cannot be fixed"),
        (("--role", "momentum=fixed", "--range", "momentum=0.5..0.9"), "has a range, but the role fixed"),
        (
            ("--optimizer", "sgd", "--optimizer", "adamw", "--range", "lamb.beta1=0.5..0.9"),
            "about adamw, sgd, with",
        ),
    ],
)
def test_a_range_or_a_role_that_the_round_has_no_use_for_is_refused(
    answer: Any, words: tuple[str, ...], refused: str
) -> None:
    """With its name and what the round has; nothing that is given is left out in silence."""
    assert refused in answer("round", "plan", *words, code=2)["error"]


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (("--range", "lr=abc"), "lr=abc: neither a range (0.001..0.1) nor values (0.9,0.95)."),
        (("--about", "lr=0.1,abc", "--goal", "compare"), "optimizer.learning_rate: 'abc'; allowed: "),
        (("--about", "lr=0.1,-1", "--goal", "compare"), "optimizer.learning_rate: -1"),
        (("--about", "schedule.name=constant,0.1", "--goal", "compare"), "schedule.name: 0.1; allowed: "),
        (("--about", "schedule.name=cosine,nonsense", "--goal", "compare"), "'nonsense'; allowed: "),
        (("--about", "schedule.name=0.1..0.2"), "schedule.name has values, not a range"),
        (("--range", "sgd.momentum=much"), "optimizer.momentum: 'much'; allowed: "),
        (("--trial", "lr=abc"), "optimizer.learning_rate: 'abc'; allowed: "),
    ],
)
def test_a_value_that_cannot_be_trained_with_is_refused_as_what_it_is(
    answer: Any, words: tuple[str, ...], refused: str
) -> None:
    """Not as the trial of some number."""
    assert refused in answer("round", "plan", *words, code=2)["error"]


def test_a_comparison_without_values_names_the_options_that_give_them(answer: Any) -> None:
    refused = answer("round", "plan", "--goal", "compare", code=2)["error"]
    assert "--about optimizer.learning_rate=VALUE,VALUE" in refused
    assert "--optimizer NAME --optimizer NAME" in refused


def test_a_range_of_one_of_the_optimizers_that_are_compared_counts(answer: Any) -> None:
    words = ("--optimizer", "sgd", "--optimizer", "adamw", "--range", "adamw.beta1=0.5..0.9")
    plan = answer("round", "plan", "--goal", "compare", *words)["plan"]
    searched = {d["name"]: d["domain"] for study in plan["studies"] for d in study["dimensions"]}
    assert (searched["adamw.beta1"]["low"], searched["adamw.beta1"]["high"]) == (0.5, 0.9)


@pytest.mark.parametrize("name", ["batch_size", "bs", "training.batch_size"])
def test_a_range_of_batch_sizes_is_refused_with_what_to_do_instead(answer: Any, name: str) -> None:
    refused = answer("round", "plan", "--range", f"{name}=16..64", code=2)["error"]
    assert refused.startswith("The batch size is not searched: it sets the speed")
    assert "Decide it in the set-up" in refused


@pytest.mark.parametrize("words", ["momentum=0.9..0.5", "momentum=0.5..1:one-minus-log", "momentum=0.5,0.5"])
def test_a_range_that_makes_no_sense_is_refused_with_its_name(answer: Any, words: str) -> None:
    assert answer("round", "plan", "--range", words, code=2)["error"].startswith("optimizer.momentum: ")


def test_a_text_in_place_of_a_range_is_refused_with_how_a_range_is_written(answer: Any) -> None:
    """Allowed was said to be a number, which is refused as well."""
    refused = answer("round", "plan", "--range", "learning_rate=abc", code=2)["error"]
    assert refused == "learning_rate=abc: neither a range (0.001..0.1) nor values (0.9,0.95)."


def test_where_the_log_of_a_trial_lies_is_said_by_command(
    store: Store, answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever was to look into it was sent to `round status`, which has its last lines at the most."""
    batch = planning.save(store, planning.propose(store, trials=4))
    for entry in trials.trials(store, batch.name):
        fails = entry.position % 4 == 0
        small_project.end(store, entry.id, None if fails else 0.3, "failed" if fails else "complete", reason="error")
    (failed,) = [entry for entry in trials.trials(store, batch.name) if entry.status == "failed"]
    folder = store.project.trial_folder(failed.id)
    listed = answer("round", "status", batch.name)["trials"]
    assert [entry["folder"] for entry in listed if entry["id"] == failed.id] == [str(folder)]
    assert answer("round", "review", batch.name, "--act", "infeasible")["done"]["log"] == str(folder / "log.txt")
    assert tunebook("round", "review", batch.name, "--act", "infeasible", "--project", store.project.root) == 0
    assert f"Look at the log of {failed.id}: {folder / 'log.txt'}" in capsys.readouterr().out


def test_a_check_is_planned_by_command(store: Store, answer: Any) -> None:
    """From the best trial of the last round, without running it."""
    planned = answer("round", "check")
    assert planned["round"] == "round-2"
    assert len(planned["trials"]) == 4
    assert trials.batch(store, "round-2").plan["check"] == "instability"


def test_a_launch_without_repeats_and_the_way_back_by_command(answer: Any) -> None:
    """On record as not repeated; the line names each configuration."""
    assert "goes with" in answer("launch", "--too-costly", code=2)["error"]
    done = answer("launch", "--too-costly", "--decide", "adopt", "--reason", "a week each")
    assert (done["decided"], done["repeated"]) == ("adopt", False)
    assert done["next"] == ["tunebook", "round", "plan"]
    line = answer("launch", "--history")
    assert [link["current"] for link in line] == [False, True]
    back = answer("launch", "--back", line[0]["configuration"], "--reason", "it broke")
    assert [entry["decision"] for entry in answer("decisions", "launch")] == ["adopt", "adopt", "back"]
    assert back[-1]["configuration"] == line[0]["configuration"]


def test_what_comes_after_a_plan_names_its_round_as_another_may_be_at_work(answer: Any) -> None:
    """A program that went by it had the one that was at work run once more, and the new one never."""
    planned = answer("round", "plan", "--trials", "3")
    assert planned["next"] == ["tunebook", "round", "run", "round-2"]


def test_an_answer_has_the_words_of_the_command_that_comes_next(store: Store, answer: Any) -> None:
    """Only the sentences for people had them: a program that went by what `status` says ran the same launch again and
    again, and did not know whether more of the metric is better."""
    looked = answer("round", "review")
    assert looked["next"][:3] in (["tunebook", "launch", "round-1"], ["tunebook", "round", "plan"])
    done = answer("round", "review", "--act", f"boundary/joint/{LR}")
    assert done["next"] == ["tunebook", "round", "run", "round-2"]
    planned = answer(*done["next"][1:2], "status", "round-2")
    assert planned["next"] == ["tunebook", "round", "run", "round-2"]
    assert answer("round", "status", "round-1")["next"] == ["tunebook", "round", "review", "round-1"]
    settings = store.project.settings
    for told in (planned, answer("status")):
        assert (told["metric"], told["direction"]) == (settings.metric, settings.direction)
    started = launching.start(store, launching.propose(store, "round-1"))
    for place, entry in enumerate(trials.trials(store, started.name)):
        small_project.end(store, entry.id, (0.1 if entry.study == launching.CANDIDATE else 0.3) + place / 1000)
    with watched_round.supervised(store.project):
        left = answer("launch")
        assert left["decided"] is None
        assert left["next"] == ["tunebook", "launch", started.name, "--decide", left["suggested"]]
        decided = answer(*left["next"][1:], "--reason", "the runs say so")
        assert decided["decided"] == left["suggested"]
        assert decided["next"] == ["tunebook", "round", "plan"]


def test_how_many_runs_of_a_launch_are_made_at_once_is_said_by_command(store: Store, answer: Any) -> None:
    """In the screens it could be typed, by command it could not be said."""

    def carry_out() -> None:
        with open_store(store.project) as own:
            small_project.wait_for(lambda: trials.batch(own, "launch-1").slots == 1, "it was not heard of")
            for entry in trials.trials(own, "launch-1"):
                small_project.end(own, entry.id, 0.2 + 0.001 * (entry.position % 3))

    launching.start(store, launching.propose(store, "round-1"))
    assert trials.batch(store, "launch-1").slots == 0
    with watched_round.supervised(store.project), ThreadPoolExecutor(1) as pool:
        carried = pool.submit(carry_out)
        assert answer("launch", "--slots", "1")["launch"] == "launch-1"
        carried.result()
        # Of one whose runs have all ended nothing is left to be run at all.
        assert answer("launch", "--slots", "4")["launch"] == "launch-1"
    for command in ("launch", "baseline"):
        assert "--slots" in answer(command, "--slots", "9" * 30, code=2)["error"]
    assert trials.batch(store, "launch-1").slots == 1


def test_nothing_is_adopted_without_runs_beside_a_launch_that_is_at_work(store: Store, answer: Any) -> None:
    """Of the next round: the runs of the launch could decide nothing any more."""
    launching.start(store, launching.propose(store, "round-1"))
    batch = planning.save(store, planning.propose(store, trials=1))
    small_project.end(store, f"{batch.name}-001", 0.01)
    asked = ("launch", "--too-costly", "--decide", "adopt", "--reason", "a week each")
    assert "launch-1 has not been decided" in answer(*asked, code=2)["error"]
    assert answer(*asked, "--trial", "round-2-001")["launch"] == "launch-2"


def test_where_the_runs_cannot_tell_nothing_is_decided_as_they_suggest(store: Store, answer: Any) -> None:
    """--yes chose to reject, and then asked why."""
    started = launching.start(store, launching.propose(store, "round-1"))
    for entry in trials.trials(store, started.name):
        fine = entry.study == launching.CANDIDATE
        small_project.end(store, entry.id, 0.2 if fine else None, "complete" if fine else "infeasible")
    with watched_round.supervised(store.project):
        left = answer("launch", "--yes")
        assert (left["suggested"], left["decided"]) == ("cannot tell", None)
        # A program that carries it out gives the reason that a person has.
        assert left["next"] == ["tunebook", "launch", started.name, "--decide", "reject", "--reason", "REASON"]
        assert answer("launch", "--yes", "--reason", "it was the data")["decided"] == "reject"


def test_what_a_launch_takes_is_asked_before_it_starts(store: Store, answer: Any) -> None:
    """The screens say it before anything begins; by command it was said while the runs had begun already."""
    asked = answer("launch", "--proposal", "--runs", "4", "--shortlist", "1")
    assert [batch.kind for batch in trials.batches(store)] == ["baseline", "round"]
    assert (asked["least_runs"], len(asked["candidates"])) == (8, 1)
    assert asked["most_runs"] >= asked["least_runs"]
    assert asked["least_cost"]["trial_seconds"] is None
    assert asked["next"] == ["tunebook", "launch", "round-1", "--shortlist", "1", "--runs", "4"]
    assert "starts and decides nothing" in answer("launch", "--proposal", "--yes", code=2)["error"]


def test_the_runs_of_a_launch_are_looked_at_without_going_on_with_it(store: Store, answer: Any) -> None:
    """`status` names launches and the baseline; their runs stood on a page of the screens, and by command only where
    the launch was run on."""
    for number in (1, 2):
        launching.start(store, launching.propose(store, "round-1", f"round-1-00{number}"), runs=2)
    trials.ask(store, "launch-1", "stop")
    seen = answer("round", "status", "launch-1")
    runs = trials.trials(store, "launch-1")
    assert ([run["id"] for run in seen["trials"]], seen["wanted"]) == ([run.id for run in runs], "stop")
    assert seen["next"] == ["tunebook", "launch", "launch-1"]
    with watched_round.supervised(store.project):
        trial_progress.mark_running(store, runs[0].id, restart=False)
        trials.ask(store, "launch-1", "run")
        assert answer("round", "status", "launch-1")["next"] == ["tunebook", "round", "status", "launch-1"]
    assert answer("round", "status", "baseline-1")["trials"]


def test_a_rejected_launch_is_told_of_and_not_started_again(
    store: Store, answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    started = launching.start(store, launching.propose(store, "round-1"), runs=8)
    for entry in trials.trials(store, started.name):
        small_project.end(store, entry.id, 0.2 + 0.001 * (entry.position % 3))
    judging.decide(store, started.name, "reject")
    assert "launch-1 is a launch and no round" in answer("round", "review", "launch-1", code=2)["error"]
    assert "launch-1 has compared" in answer("launch", "--yes", code=2)["error"]
    assert (
        "launch-1 has compared"
        in answer("launch", "--too-costly", "--decide", "adopt", "--reason", "x", code=2)["error"]
    )
    assert [(link["launch"], link["decision"]) for link in answer("launch", "--history")] == [
        ("baseline-1", "adopt"),
        ("launch-1", "reject"),
    ]
    listed = answer("decisions")
    assert [(entry["launch"], entry["decision"]) for entry in listed if entry["step"] == "launch"] == [
        ("baseline-1", "adopt"),
        ("launch-1", "reject"),
    ]
    assert [entry["at"] for entry in listed] == sorted(entry["at"] for entry in listed)
    assert answer("decisions", "launch") == [entry for entry in listed if entry["step"] == "launch"]
    assert tunebook("decisions", "launch", "--project", store.project.root) == 0
    printed = capsys.readouterr().out
    assert "launch-1: rejected" in printed
    assert "because: Reject: on average over 8 runs each it is no better." in printed
    assert "launch-1-001 0.2" in printed
    assert "Say why" in answer("launch", "--reopen", "launch-1", code=2)["error"]
    assert launching.undecided(store) is None


def test_the_launch_that_is_reopened_is_the_one_that_goes_on(store: Store, answer: Any) -> None:
    """It was whatever launch was undecided: the newest. Options that say what to launch have no place beside it."""

    def finish(store: Store, name: str) -> None:
        for entry in trials.trials(store, name):
            if entry.status not in trials.ENDED:
                small_project.end(store, entry.id, 0.2 + 0.001 * (entry.position % 3))

    for trial in ("round-1-001", "round-1-002"):
        finish(store, launching.start(store, launching.propose(store, "round-1", trial)).name)
        if trial == "round-1-001":
            judging.decide(store, "launch-1", "reject", "it takes too long")
    for options in (["round-1"], ["--trial", "round-1-003"], ["--shortlist", "2"], ["--runs", "4"], ["--too-costly"]):
        error = answer("launch", "--reopen", "launch-1", "--reason", "x", *options, code=2)["error"]
        assert f"leave {options[0] if options[0].startswith('-') else 'ROUND'} out" in error
    for strange in ("launch-9", "round-1"):
        error = answer("launch", "--reopen", strange, "--reason", "x", code=2)["error"]
        assert error == f"There is no launch {strange}. Launches that were decided: launch-1"

    def carry_out() -> None:
        with open_store(store.project) as own:
            while trials.batch(own, "launch-1").wanted != "run":
                time.sleep(0.02)
            finish(own, "launch-1")

    with watched_round.supervised(store.project), ThreadPoolExecutor(1) as pool:
        trials.ask(store, "launch-1", "stop")
        carried = pool.submit(carry_out)
        assert answer("launch", "--reopen", "launch-1", "--reason", "there is time")["launch"] == "launch-1"
        carried.result()
    assert len(trials.trials(store, "launch-1")) == 10


def test_of_several_launches_that_wait_the_one_that_is_named_goes_on(store: Store, answer: Any) -> None:
    """It was always the one that was begun last, whatever was named."""
    for trial in ("round-1-001", "round-1-002"):
        name = launching.start(store, launching.propose(store, "round-1", trial)).name
        for entry in trials.trials(store, name):
            small_project.end(store, entry.id, 0.2 + 0.001 * (entry.position % 3))
    assert "Go on with it: tunebook launch launch-1" in answer("launch", "--trial", "round-1-001", code=2)["error"]
    with watched_round.supervised(store.project):
        decided = answer("launch", "launch-1", "--decide", "reject", "--reason", "no gain")
    assert (decided["launch"], decided["decided"]) == ("launch-1", "reject")
    assert [batch.name for batch in launches.waiting(store)] == ["launch-2"]
    error = answer("launch", "launch-1", code=2)["error"]
    assert error.startswith("launch-1 is no launch to go on with. Not decided yet: launch-2.")
    error = answer("launch", "launch-2", "--trial", "round-1-001", code=2)["error"]
    assert error == "Give either launch-2, to go on with it, or --trial ID, to launch that one."


def test_what_was_stopped_is_rejected_without_being_run_on(store: Store, answer: Any) -> None:
    started = launching.start(store, launching.propose(store, "round-1"))
    small_project.end(store, trials.trials(store, started.name)[0].id, 0.2)
    trials.ask(store, started.name, "stop")
    assert "Say why" in answer("launch", "--decide", "reject", code=2)["error"]
    rejected = answer("launch", "--decide", "reject", "--reason", "a week each")
    assert rejected.pop("next") == ["tunebook", "round", "plan"]
    assert rejected == {"launch": "launch-1", "decided": "reject", "judged": False}
    assert trials.batch(store, "launch-1").wanted == "stop"


def test_the_look_at_the_test_split_refuses_in_a_sentence(answer: Any) -> None:
    """No run of the best configuration was trained; nothing is counted."""
    assert "No complete run" in answer("test", code=2)["error"]
    assert answer("test", "--list") == []
