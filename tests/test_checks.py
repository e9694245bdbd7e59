"""The checks for a first result that is no better than chance, and the sweep for the number of steps, by real runs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from presets.language import restored
from state import decisions, files, measurements, runs, trial_progress, trials
from state.database import Store
from state.measurements import Measurement
from state.project import open_project
from state.store import open_store
from tests import watched_round
from tests.set_up import advance, inspected, make, probed
from tests.small_project import wait_for
from tests.training_runs import write_config
from training import checks as training_checks
from tui.main import main
from wizard import baseline, checks, flow, inspection, steps


def found(check: str, config: Path, folder: Path) -> dict[str, Any]:
    """The result of a check, carried out in this process."""
    folder.mkdir()
    code = training_checks.run(check, config, folder, None)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert code == (0 if result["status"] == "complete" else 1)
    return result


def test_a_sound_network_learns_one_batch_by_heart(digits: Path, tmp_path: Path) -> None:
    """A rate that is far too high for it is followed by lower ones; regularisation plays no part."""
    config = write_config(
        tmp_path / "c.toml", digits, optimizer__learning_rate=0.5, regularization__label_smoothing=0.5
    )
    result = found("one-batch", config, tmp_path / "out")
    assert result["passed"]
    assert result["error_rate"] == 0
    assert result["examples"] == 32
    lines = [json.loads(line) for line in (tmp_path / "out" / "progress.jsonl").read_text().splitlines()]
    assert all(0 < line["done"] <= line["total"] for line in lines)


def test_a_rate_that_moves_nothing_learns_nothing(digits: Path, tmp_path: Path) -> None:
    """The result says at which rates, and how much is still wrong."""
    config = write_config(tmp_path / "c.toml", digits, optimizer__learning_rate=1e-9)
    result = found("one-batch", config, tmp_path / "out")
    assert not result["passed"]
    assert result["error_rate"] > 0.5
    assert len(result["tried"]) == 3


def test_labels_are_told_from_shuffled_ones(digits: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.toml", digits, training__steps=60, training__evaluate_every=60)
    result = found("shuffle", config, tmp_path / "out")
    assert result["passed"]
    assert result["labels"]["loss"] < result["shuffled"]["loss"]
    measured = Measurement("shuffle-1", "", "shuffle", {}, result)
    assert checks.verdict(measured).text().startswith("Passed: after 60 steps")


@pytest.mark.parametrize("correct", [0, 40, 80])
def test_right_answers_after_shuffled_labels_are_luck(correct: int) -> None:
    """Shuffled labels have nothing to do with the validation split, copies across splits included; but a network
    answers examples that look alike in the same way, so it may have whole classes right, or none."""
    shuffled = {"loss": 0.7, "correct": correct}
    result = {"check": "shuffle", "steps": 60, "diverged": False, "passed": True, "shuffled": shuffled}
    result |= {"labels": {"loss": 0.01, "correct": 80}, "per_class": [40, 40]}
    assert checks.verdict(Measurement("shuffle-1", "", "shuffle", {}, result)).text().startswith("Passed")


def test_images_that_say_nothing_about_their_class_do_not_pass(tmp_path: Path) -> None:
    """Noise in two classes: the labels are learnt no better than shuffled ones."""
    from PIL import Image

    generator = torch.Generator().manual_seed(0)
    for place in range(120):
        target = tmp_path / "noise" / "ab"[place % 2]
        target.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(256, (8, 8), generator=generator, dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(target / f"{place}.png")
    config = write_config(tmp_path / "c.toml", tmp_path / "noise", training__steps=30, training__evaluate_every=30)
    assert not found("shuffle", config, tmp_path / "out")["passed"]


def test_the_fastest_constant_rate_says_how_many_steps_a_run_needs(digits: Path, tmp_path: Path) -> None:
    """Five rates and more beyond the boundary; none fits where there are too few steps."""
    config = write_config(tmp_path / "c.toml", digits, training__steps=80, training__evaluate_every=80)
    result = found("length", config, tmp_path / "out")
    assert result["passed"]
    fastest = min(entry["steps"] for entry in result["tried"] if entry["steps"])
    assert result["steps"] == fastest <= 80
    assert 5 <= len(result["tried"]) <= 7
    short = write_config(tmp_path / "s.toml", digits, training__steps=2, training__evaluate_every=2)
    result = found("length", short, tmp_path / "short")
    assert (result["passed"], result["steps"]) == (False, None)


def test_data_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.toml", tmp_path / "nothing")
    assert "nothing" in found("one-batch", config, tmp_path / "out")["message"]


def test_the_examples_of_a_batch_are_taken_from_every_class_in_turn() -> None:
    labels = torch.tensor([0, 0, 0, 1, 2, 1])
    assert training_checks.evenly(labels, 4).tolist() == [0, 3, 4, 1]
    # A table of examples by classes would be larger than what a process can address.
    many = 2**22
    assert training_checks.evenly(torch.arange(many + 2) % many, many + 1)[-2:].tolist() == [many - 1, many]


@pytest.fixture
def real(tmp_path: Path, digits: Path) -> Path:
    """The folder of a project on real digits."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "data").symlink_to(digits)
    return tmp_path / "p"


def small(store: Any) -> None:
    """What an inspection of the digits and a probe would report."""
    counts = [16] * 10
    found = {
        "status": "complete",
        "task": "image-classification",
        "classes": [str(digit) for digit in range(10)],
        "splits": {
            "train": {"examples": 160, "per_class": counts},
            "validation": {"examples": 40, "per_class": [4] * 10, "held_out": True},
            "test": None,
        },
        "skipped": [],
        "skipped_total": 0,
        "images": {"widths": [8, 8, 8], "heights": [8, 8, 8], "modes": {"L": 200}},
        "duplicates": {"within_train": 0, "across_splits": 0},
    }
    while (standing := flow.standing(store)).step not in ("steps", None):
        if standing.needs == "inspection":
            inspected(store, found)
        elif standing.needs == "probe":
            probed(store)
        else:
            question = flow.ask(store, standing.step or "")
            flow.answer(store, question.step, 16 if question.step == "batch_size" else question.recommended or "")


def bad_baseline(store: Store) -> None:
    """A first result that is no better than chance."""
    small(store)
    flow.answer(store, "steps", 20)
    (trial,) = trials.trials(store, baseline.plan(store).name)
    wrong = {"examples": 40, "correct": 3, "per_class": [4] * 10}
    best = {"step": 20, "val/error_rate": 0.925}
    trial_progress.mark_ended(
        store, trial.id, {"status": "complete", "best": best, "steps_done": 20, "validation": wrong}
    )


def test_a_bad_baseline_leads_to_the_checks_in_their_order(real: Path) -> None:
    """One batch first; what it found stands in the evidence, and the sweep is recommended next."""
    with open_store(make(real)) as store:
        bad_baseline(store)
        question = flow.ask(store, "baseline")
        assert [option.value for option in question.options] == ["one-batch", "sweep", "shuffle", "override"]
        assert question.recommended == "one-batch"
        assert [message.text()[:2] for message in question.evidence[1:5]] == ["1.", "2.", "3.", "4."]
        flow.answer(store, "baseline", "one-batch")
        standing = flow.standing(store)
        assert (standing.step, standing.needs) == ("baseline", "check")
        folder = store.project.measurement_folder(str(standing.running))
        wait_for(lambda: not runs.alive(folder), "the check never ended")
        flow.finish_check(store, "baseline")
        question = flow.ask(store, "baseline")
        assert question.recommended == "sweep"
        assert "Passed: 32 examples were learnt by heart" in question.evidence[1].text()


def test_the_command_names_the_same_next_step_as_the_question(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five whole runs were advised before the check that takes a minute, and after that had failed."""

    def told() -> str:
        with pytest.raises(SystemExit) as ended:
            main(["baseline", "--project", str(real)])
        assert ended.value.code == 1
        printed = capsys.readouterr()
        return printed.out + printed.err

    with open_store(make(real)) as store:
        bad_baseline(store)
    words = told()
    assert "tunebook check one-batch" in words
    assert "the quickest to find out, so it comes first" in words
    assert "--sweep" not in words
    found = {"check": "one-batch", "examples": 32, "error_rate": 0.5, "steps": 300, "tried": [], "learning_rate": 0.1}
    for passed in (False, True):
        with open_store(open_project(real)) as store:
            subject = checks._subject(store, checks.ONE_BATCH, checks._values(store, None))
            id = f"one-batch-{1 + passed}"
            measurements.record(store, id, checks.ONE_BATCH, subject, {**found, "passed": passed})
        words = told()
        assert ("Next: tunebook baseline --sweep" in words) == passed
        assert ("nothing can be recommended before they are mended" in words) != passed


def test_a_check_is_made_once_more_where_that_is_asked_for(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the screens it could be; by command what one had found was shown for ever. Its answer says what comes next."""

    def answer(*words: str) -> tuple[Any, Any]:
        with pytest.raises(SystemExit) as ended:
            main(["check", "one-batch", *words, "--project", str(real), "--json"])
        return ended.value.code, json.loads(capsys.readouterr().out)

    with open_store(make(real)) as store:
        bad_baseline(store)
        subject = checks._subject(store, checks.ONE_BATCH, checks._values(store, None))
        files.make_folder(store.project.measurement_folder("one-batch-1"))
        found = {"check": "one-batch", "examples": 32, "error_rate": 0.5, "steps": 300, "tried": [], "passed": False}
        measurements.record(store, "one-batch-1", checks.ONE_BATCH, subject, found)
    code, known = answer()
    assert (code, known["id"], known["passed"]) == (1, "one-batch-1", False)
    assert known["next"] == ["tunebook", "baseline", "--override", "REASON"]
    code, once_more = answer("--again")
    assert (code, once_more["id"], once_more["passed"]) == (0, "one-batch-2", True)
    assert once_more["next"] == ["tunebook", "baseline", "--sweep"]


def test_how_many_rates_of_a_sweep_are_tried_at_once_is_said_by_command(
    real: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def carry_out() -> None:
        with open_store(open_project(real)) as own:
            wait_for(lambda: [batch.slots for batch in trials.batches(own)] == [0, 2], "it was not heard of")
            for entry in trials.trials(own, "baseline-2"):
                trial_progress.mark_ended(own, entry.id, {"status": "infeasible", "reason": "diverged", "best": {}})

    with open_store(make(real)) as store:
        bad_baseline(store)
        with watched_round.supervised(store.project), ThreadPoolExecutor(1) as pool:
            carried = pool.submit(carry_out)
            with pytest.raises(SystemExit):
                main(["baseline", "--sweep", "--slots", "2", "--project", str(real), "--json"])
            carried.result()
    assert json.loads(capsys.readouterr().out)["reasonable"] is False


def test_the_number_of_steps_is_measured_and_then_recommended(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command, and then in the question, with the time of a round at that length."""
    with open_store(make(real)) as store:
        small(store)
        assert "measure" in {option.value for option in flow.ask(store, "steps").options}
        guessed = flow.ask(store, "steps").recommended
    with pytest.raises(SystemExit) as ended:
        main(["check", "length", "--project", str(real), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert ended.value.code == (0 if answer["passed"] else 1)
    with open_store(open_project(real)) as store:
        question = flow.ask(store, "steps")
        assert answer["next"] == ["tunebook", "new", str(real), "--steps", str(question.recommended)]
        known = checks.fresh(store, checks.LENGTH, steps.provisional(store))
        assert known is not None
        assert known.id == answer["id"]
        assert question.recommended != guessed
        assert isinstance(question.recommended, int)
        assert question.recommended >= known.result["steps"]
        assert "fits the training split in" in question.evidence[-1].text()
        assert "A round of it takes" in question.reason.text()
        flow.answer(store, "steps", question.recommended)
        made = decisions.decision(store, "steps")
        assert made is not None
        assert made.settings["training.steps"] == question.recommended
        assert inspection.fresh(store) is not None
        advance(store, "baseline")


@pytest.mark.parametrize("fits", [True, False])
def test_a_length_that_nothing_fitted_in_is_not_said_to_be_measured(real: Path, fits: bool) -> None:
    """What is recorded as the reason is what the check found."""
    rate = {"learning_rate": 0.1, "steps": 150 if fits else None, "error_rate": 0.0 if fits else 0.4}
    result = {"status": "complete", "check": "length", "passed": fits, "limit": 400, "fitted": 0.01, "sample": 160}
    with open_store(make(real)) as store:
        small(store)
        subject = checks._subject(store, checks.LENGTH, checks._values(store, steps.provisional(store)))
        measurements.record(
            store, "length-1", "length", subject, {**result, **rate, "at_boundary": False, "tried": [rate]}
        )
        question = flow.ask(store, "steps")
        assert question.recommended == (150 if fits else 400)
        flow.answer(store, "steps", question.recommended or "")
        made = decisions.decision(store, "steps")
        assert made is not None
        reason = str(made.reason)
        assert ("the fastest constant rate fitted" in reason) == fits
        assert ("No constant rate fitted the training split" in reason) != fits
        assert not any("slip" in str(message) for message in made.evidence)
        # Whoever types fewer all the same is told so, and it is kept with the decision.
        warned = flow.answer(store, "steps", 100)
        assert warned is not None
        words = "the fastest constant rate has fitted" if fits else "no constant rate has fitted"
        assert f"100 steps are fewer than the {150 if fits else 400} in which {words}" in warned.text()
        made = decisions.decision(store, "steps")
        assert made is not None
        assert restored(made.evidence[-1]) == warned
        assert flow.answer(store, "steps", 500) is None
