"""What a finding proposes is done on one key: every code leads somewhere, with its figures filled in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from presets.language import say
from rounds import next_step, own_script, planning
from rounds.finding import Action, Finding
from rounds.next_step import Check, Design, Extend, Look
from rounds.space import Dimension, Domain
from rounds.steps import changed, transfer
from state import pipeline, trials
from state.database import Store
from state.errors import Refusal
from state.hyperparameters import OwnHyperparameter
from state.pipeline import Pipeline
from state.project import Settings, create
from state.store import open_store
from state.usual_names import alike, leaf
from tests import small_project

HOME = Path(__file__).parent.parent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project whose first round has ended; one of its trials diverged, one met a bug."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data", training__steps=1000))
        batch = planning.save(opened, planning.propose(opened, trials=6))
        for place, entry in enumerate(trials.trials(opened, batch.name)):
            status = "infeasible" if place == 1 else "failed" if place == 3 else "complete"
            small_project.end(opened, entry.id, 0.1 * place if status == "complete" else None, status)
        yield opened


def step(store: Store, code: str, of: str = "round-1", /, **payload: Any) -> Any:
    action = Action(code, say("do"), payload)
    return next_step.next_step(store, of, Finding("some", "warn", say("so"), "P7", {}, action))


@pytest.mark.parametrize(
    ("code", "base", "proposed"),
    [
        ("more_steps", {}, False),
        ("fewer_steps", {}, False),
        ("more_steps", {"training.steps": 30}, True),
        ("steady", {"training.steps": 30}, False),
        ("more_trials", {}, True),
        ("widen", {}, True),
    ],
)
def test_a_script_of_ones_own_is_proposed_only_what_its_command_has(
    code: str, base: dict[str, Any], proposed: bool
) -> None:
    """What would help is said all the same."""
    finding = Finding("steps", "warn", say("Too long."), "P15", {}, Action(code, say("Train 30 steps."), {"steps": 30}))
    (found,) = own_script.possible((finding,), base)
    assert (found == finding) is proposed
    assert (found.action is not None) is proposed
    # Of the length of a run, a number of steps says nothing to a script that counts otherwise.
    first, last = (
        ("How long a run is, ", "") if code in own_script.OF_LENGTH else ("The command has", "Train 30 steps.")
    )
    assert proposed or found.message.text().startswith(f"Too long. {first}")
    assert proposed or found.message.text().endswith(last)
    assert Finding.from_dict(found.to_dict()) == found


def test_a_parameter_of_the_command_that_would_help_is_named() -> None:
    finding = Finding("overfitting", "warn", say("It overfits."), "P11", {}, Action("regularise", say("Regularise.")))
    (found,) = own_script.possible((finding,), {"model.dropout": 0.1, "lr": 0.1})
    assert found.message.text().startswith("It overfits. What may help: Regularise. Your command takes model.dropout:")
    assert found.action is None


@pytest.mark.parametrize(
    "name", ["batch_size", "bs", "data.train-batch-size", "Per_Device_Train_Batch_Size", "batchsize"]
)
def test_a_batch_size_is_known_by_the_same_names_at_the_start_and_in_a_review(name: str) -> None:
    assert pipeline.guess([name]) == {pipeline.BATCH_SIZE: name}
    finding = Finding("noisy", "warn", say("It is noisy."), "P17", {}, Action("steady", say("Take more examples.")))
    (found,) = own_script.possible((finding,), {name: 32, "lr": 0.1})
    assert f"Your command takes {name}: search it" in found.message.text()
    assert leaf(name) in alike("bs")


def test_how_long_a_command_runs_is_changed_where_it_says_so() -> None:
    action = Action("more_steps", say("Train 30 steps."), {"steps": 30})
    finding = Finding("steps", "warn", say("Too short."), "P15", {}, action)
    (found,) = own_script.possible((finding,), {"lr": 0.1, "epochs": 10})
    assert "tunebook new . --set epochs=VALUE gives another one" in found.message.text()
    # By a review that was asked for from elsewhere, with the folder of the project.
    (found,) = own_script.possible((finding,), {"lr": 0.1, "epochs": 10}, folder="'/a b'")
    assert "tunebook new '/a b' --set epochs=VALUE gives another one" in found.message.text()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("--epochs 6", "by --epochs 6: change that in tunebook.toml (pipeline.command), or write --epochs {epochs}"),
        ("--num-epochs=6", "by --num-epochs=6: change that in tunebook.toml (pipeline.command), or write"),
        (
            "trainer.max_epochs=6",
            "write trainer.max_epochs={max_epochs} there, and tunebook new . --set max_epochs=6",
        ),
        ("--lr 6", "your command does not say"),
    ],
)
def test_a_command_that_fixes_its_length_is_told_how_that_is_changed(written: str, said: str) -> None:
    """To follow `--set epochs=VALUE` was refused: the command gives it a fixed value."""
    own = Pipeline(pipeline.parse(f"python train.py {written} --out {{folder}}"), Path(), None, {})
    action = Action("more_steps", say("Train 30 steps."), {"steps": 30})
    finding = Finding("steps", "warn", say("Too short."), "P15", {}, action)
    (found,) = own_script.possible((finding,), {"lr": 0.1}, (), own)
    assert said in found.message.text()


def test_the_option_of_a_script_that_says_its_length_is_named(tmp_path: Path) -> None:
    """It was called epochs, whatever the script declares."""
    script = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--max-steps', type=int, default=9)\n"
    (tmp_path / "train.py").write_text(script)
    own = Pipeline(pipeline.parse("python train.py --out {folder}"), tmp_path, None, {})
    action = Action("more_steps", say("Train 30 steps."), {"steps": 30})
    finding = Finding("steps", "warn", say("Too short."), "P15", {}, action)
    (found,) = own_script.possible((finding,), {"lr": 0.1}, (), own)
    assert "has the option max_steps: tunebook new . --set max_steps=VALUE puts it in" in found.message.text()


def test_what_a_round_has_searched_is_not_proposed_to_be_searched_next() -> None:
    finding = Finding("unstable", "warn", say("Unstable."), "P10", {}, Action("stabilise", say("Warm up.")))
    (found,) = own_script.possible((finding,), {"optim.lr": 0.1, "clip": 1.0}, {"optim.lr"})
    assert "Your command takes clip: search it" in found.message.text()
    (found,) = own_script.possible((finding,), {"optim.lr": 0.1}, {"optim.lr"})
    assert "takes optim.lr alone, which this round has searched" in found.message.text()


def test_a_batch_size_is_not_proposed_to_be_searched() -> None:
    """`--about training.batch_size` was refused: it is decided."""
    finding = Finding("noisy", "warn", say("It is noisy."), "P17", {}, Action("steady", say("Take more examples.")))
    (found,) = own_script.possible((finding,), {pipeline.BATCH_SIZE: 32, "lr": 0.1})
    assert "tunebook new . --set training.batch_size=VALUE gives another one" in found.message.text()


def test_every_action_that_a_check_proposes_can_be_done() -> None:
    """The codes in the code of the checks are those that `next_step` knows."""
    used = {
        call.args[0].value
        for path in (HOME / "rounds").glob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "Action"
        and isinstance(call.args[0], ast.Constant)
    }
    assert used == set(next_step._STEPS)


def test_a_wider_range_is_that_of_the_next_design(store: Store) -> None:
    """Of what is asked as of what is only tuned; the question stays."""
    domain = Domain("float", 0.01, 1.0, "log")
    payload = {"name": "sgd.learning_rate", "key": "optimizer.learning_rate", "domain": domain.to_dict()}
    design = step(store, "widen", **payload)
    assert design == Design("understand", {"optimizer.learning_rate": domain})
    assert design.plan(store).studies[0].dimensions[0].domain == domain
    other = Domain("float", 1e-5, 1e-2, "log")
    payload = {"name": "sgd.weight_decay", "key": "optimizer.weight_decay", "domain": other.to_dict()}
    design = step(store, "shrink", **payload)
    assert design.ranges == {"sgd.weight_decay": other}
    assert {d.name for d in design.plan(store).studies[0].dimensions} >= {"sgd.weight_decay"}


@pytest.mark.parametrize(
    ("domain", "value", "key", "expected"),
    [
        (Domain("float", 1e-3, 1.0, "log"), 0.03, "lr", (0.0095, 0.095)),
        (Domain("float", 1e-3, 1.0, "log"), 0.9, "lr", (0.1, 1.0)),
        # Outside of what was searched, as far on either side of it.
        (Domain("float", 1e-3, 1e-2, "log"), 0.05, "lr", (0.034, 0.073)),
        (Domain("float", 0.2, 0.5), 0.01, "dropout", (0.01, 0.06)),
        (Domain("float", 0.2, 0.5), 0.0, "regularization.dropout", (0.0, 0.05)),
        (Domain("int", 10, 40), 64, "width", (59, 69)),
    ],
)
def test_a_narrower_range_is_around_the_best_value_wherever_that_lies(
    domain: Domain, value: float, key: str, expected: tuple[float, float]
) -> None:
    """The range that did not hold it stayed as it was: a second round where the first had found nothing."""
    found = next_step.around(Dimension(key, key, domain, 0), value)
    assert (found.low, found.high) == pytest.approx(expected, rel=0.02)
    assert found.contains(value)


def test_a_range_that_leaves_out_the_best_value_is_warned_of_and_the_next_one_holds_it(store: Store) -> None:
    best = planning.basis(store).settings["optimizer.learning_rate"]
    low = Domain("float", best / 100, best / 10, "log")
    planned = planning.propose(store, "minimise", ranges={"optimizer.learning_rate": low}, trials=12)
    assert any("leaves out" in warning.text() for warning in planned.warnings)
    assert not any("leaves out" in warning.text() for warning in planning.propose(store, trials=12).warnings)
    batch = planning.save(store, planned)
    for entry in trials.trials(store, batch.name):
        small_project.end(store, entry.id, 0.9)
    (study,) = step(store, "narrow", batch.name).plan(store).studies
    (rate,) = [d.domain for d in study.dimensions if d.key == "optimizer.learning_rate"]
    assert rate.contains(best)
    assert rate.high < best * 3


def test_a_list_whose_end_is_best_gets_one_value_more(store: Store) -> None:
    """In the proportion of its last two; text has no beyond."""
    ordered = {"regularization.label_smoothing": Domain("list", choices=(0.0, 0.1, 0.2))}
    rates = {"sgd.momentum": Domain("list", choices=(0.8, 0.9))}
    plan = planning.propose(store, "compare", scientific=ordered, ranges=rates, trials=12)
    batch = planning.save(store, plan)
    design = step(store, "widen", batch.name, name="sgd.momentum", key="optimizer.momentum", side="low", study="x")
    (domain,) = design.ranges.values()
    assert domain.choices[1:] == (0.8, 0.9)
    assert domain.choices[0] == pytest.approx(0.8 * 0.8 / 0.9)
    with pytest.raises(Refusal, match="yours to say"):
        # A momentum above 1 there is none of.
        step(store, "widen", batch.name, name="sgd.momentum", key="optimizer.momentum", side="high", study="x")


def test_a_list_of_a_script_does_not_go_on_where_no_value_can_be(tmp_path: Path) -> None:
    lists = {"dropout": (0.0, 0.1, 0.2), "layers": (1, 2, 3), "width": (16, 32, 64)}
    own = tuple(OwnHyperparameter(name, values[1], "categorical", choices=values) for name, values in lists.items())
    command = "true {dropout} {layers} {width} {folder}"
    with open_store(create(tmp_path / "own", Settings(command=command, hyperparameters=own))) as store:
        small_project.adopt(store, {name: values[1] for name, values in lists.items()})
        ranges = {name: Domain("list", choices=values) for name, values in lists.items()}
        name = planning.save(store, planning.propose(store, "minimise", ranges=ranges, trials=12)).name
        for key in ("dropout", "layers"):
            with pytest.raises(Refusal, match="yours to say"):
                step(store, "widen", name, name=key, key=key, side="low", study="search")
        design = step(store, "widen", name, name="width", key="width", side="low", study="search")
        assert design.ranges["width"].choices == (8, 16, 32, 64)


def test_more_trials_are_added_and_run(store: Store) -> None:
    """The round goes on with the next points of its sequence."""
    extend = step(store, "more_trials", trials=3)
    assert extend == Extend("round-1", 3)
    next_step.extend(store, extend)
    assert len(trials.trials(store, "round-1")) == 9
    assert trials.batch(store, "round-1").wanted == "run"


@pytest.mark.parametrize("steps", [500, 2000])
def test_what_a_round_of_another_length_proposes_goes_on_at_that_length_and_says_so(store: Store, steps: int) -> None:
    """It went back to the number of steps of the best configuration, without a word, though the finding is about
    trials of another length."""
    batch = planning.save(store, planning.propose(store, trials=6, steps=steps))
    wider = {"domain": Domain("float", 1e-6, 1.0, "log").to_dict(), "name": "sgd.learning_rate", "study": ""}
    payloads = {"widen": {**wider, "key": "optimizer.learning_rate"}, "evaluate": {"examples": 100}}
    for code in ("widen", "evaluate", "regularise", "stabilise", "steady"):
        design = step(store, code, batch.name, **payloads.get(code, {}))
        assert design.steps == steps
        note = f"Each trial takes {steps} steps, as in round-2; the best configuration has 1000."
        assert [words.text() for words in design.notes][-1] == note
        assert design.plan(store).base["training.steps"] == steps
    # Whatever asks for a length itself has that, and a round of the usual one says nothing.
    assert step(store, "more_steps", batch.name, steps=3000).steps == 3000
    assert (step(store, "regularise").steps, step(store, "regularise").notes) == (None, ())
    # Once another length was adopted, that counts.
    longer = {**planning.basis(store).settings, "training.steps": 3000, "training.evaluate_every": 30}
    small_project.adopt(store, longer)
    design = step(store, "regularise", batch.name)
    note = f"Each trial takes 3000 steps, as the best configuration has by now; those of round-2 took {steps}."
    assert (design.steps, [words.text() for words in design.notes]) == (None, [note])


def test_a_range_of_a_round_of_another_length_says_that_it_is(store: Store) -> None:
    """Planned without a word of the number of steps, a round took the range that was found with another."""
    batch = planning.save(store, planning.propose(store, trials=6, steps=2000))
    for entry in trials.trials(store, batch.name):
        small_project.end(store, entry.id, 0.1)
    told = [words.text() for words in planning.propose(store, trials=6).notes]
    words = "Range carried from round-2, whose trials took 2000 steps, not 1000: optimizer.learning_rate. "
    assert any(one.startswith(words) for one in told), told
    # Who asks for the number of steps is told more of it anyway.
    for steps in (500, 2000):
        asked = planning.propose(store, trials=6, steps=steps)
        assert not any("Range carried" in words.text() for words in asked.notes)


def test_another_number_of_steps_comes_with_what_it_means(store: Store) -> None:
    """The design has the steps, evaluations as many as before, and says what is to be tuned again."""
    design = step(store, "more_steps", steps=2000)
    assert design.steps == 2000
    assert "tuned again" in design.notes[0].text()
    base = design.plan(store).base
    assert (base["training.steps"], base["training.evaluate_every"]) == (2000, 20)


def test_a_warm_up_never_takes_more_than_a_tenth_of_fewer_steps() -> None:
    """And a decay is said to keep its tail."""
    base = {
        "training.steps": 1000,
        "training.evaluate_every": 100,
        "schedule.warmup_steps": 80,
        "schedule.name": "cosine",
    }
    assert changed(base, 500) == {"training.steps": 500, "training.evaluate_every": 50, "schedule.warmup_steps": 50}
    said = [note.text() for note in transfer(base, 500)]
    assert any("cosine decay is drawn out to 500 steps" in text for text in said)
    assert any("cut from 80 to 50" in text for text in said)
    assert "schedule.warmup_steps" not in changed(base, 5000)


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("regularise", "regularization.label_smoothing"),
        ("steady", "schedule.name"),
    ],
)
def test_a_remedy_is_a_round_about_it(store: Store, code: str, asked: str) -> None:
    """Something to regularise or to decay is tried against leaving it as it is."""
    design = step(store, code)
    assert list(design.scientific) == [asked]
    plan = design.plan(store)
    assert plan.goal in ("improve", "compare")
    assert len(plan.studies) >= 2


def test_instability_leads_to_the_goal_that_knows_the_remedies(store: Store) -> None:
    """The next remedy is chosen when the round is planned, not when the finding was made."""
    plan = step(store, "stabilise").plan(store)
    assert (plan.goal, list(plan.scientific)) == ("stabilise", ["schedule.warmup_steps"])


def test_what_is_looked_at_by_hand_is_named(store: Store) -> None:
    """The failed trial before the diverged one, the round to run on, the launch, the step of the set-up, the check."""
    assert step(store, "find_bug") == Look("trial", "round-1-004")
    assert step(store, "run") == Look("round", "round-1")
    assert step(store, "repeat") == step(store, "launch") == Look("propose", "round-1")
    assert step(store, "free_memory") == Look("setup", "batch_size")
    assert step(store, "validate_more") == Look("setup", "data")
    assert step(store, "finer_metric") == Look("setup", "metric")
    assert step(store, "stability_check", trial="round-1-001") == Check("round-1-001")


def test_a_finding_without_a_proposal_is_refused(store: Store) -> None:
    """There is nothing to do about what passed."""
    with pytest.raises(Refusal, match="proposes nothing"):
        next_step.next_step(store, "round-1", Finding("some", "pass", say("so"), "P7"))
