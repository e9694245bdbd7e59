"""The way through the set-up: what comes next, what is refused, and what is asked again when something changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from presets import catalogue
from presets.language import Message
from state import configurations, decisions, trial_progress, trials
from state.errors import Refusal
from state.project import open_project
from state.store import open_store
from tests import small_project
from tests.set_up import DIGITS, SPAM, advance, inspected, make, probed, set_up
from wizard import baseline, configuration, flow, inspection


def settings(store: Any) -> dict[str, Any]:
    return configuration.checked(store)


def test_the_steps_come_in_their_order_and_long_work_before_the_question_that_needs_it(tmp_path: Path) -> None:
    with open_store(make(tmp_path / "p")) as store:
        assert flow.standing(store) == flow.Standing("data", "inspection")
        inspected(store, DIGITS)
        assert flow.standing(store) == flow.Standing("data")
        seen = []
        while (now := flow.standing(store)).needs != "baseline":
            if now.needs == "probe":
                probed(store)
                continue
            assert now.step is not None
            seen.append(now.step)
            question = flow.ask(store, now.step)
            assert question.recommended is not None
            flow.answer(store, now.step, question.recommended)
        assert (*seen, now.step) == flow.STEPS


@pytest.mark.parametrize("found", [DIGITS, SPAM], ids=["images", "texts"])
def test_the_recommended_answers_make_a_configuration_that_training_accepts(
    tmp_path: Path, found: dict[str, Any]
) -> None:
    with set_up(tmp_path / "p", "baseline", found) as store:
        kept = configurations.configuration(store, configuration.whole(store))
    assert kept.settings["schedule.name"] == "constant"
    assert kept.settings["data.path"] == str((tmp_path / "p" / "data").resolve())
    assert 38 <= kept.settings["training.steps"] / kept.settings["training.evaluate_every"] <= 40
    assert kept.reasons.keys() == kept.settings.keys()
    for reason in kept.reasons.values():
        assert Message.from_json(json.dumps(reason)).text()


def test_every_decision_is_recorded_with_question_options_recommendation_reason_and_evidence(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        made = decisions.decisions(store)
    assert [entry.step for entry in made] == list(flow.STEPS[:-1])
    for entry in made:
        assert entry.recommended == entry.chosen
        assert entry.options
        for stored in (entry.question, entry.reason, *entry.evidence):
            assert Message.from_json(json.dumps(stored)).text()


def test_a_step_whose_turn_has_not_come_is_refused_by_name_of_what_comes_first(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "architecture") as store:
        with pytest.raises(Refusal, match="First comes: architecture"):
            flow.ask(store, "steps")
        with pytest.raises(Refusal, match="no step 'lunch'"):
            flow.ask(store, "lunch")


def test_a_question_that_needs_a_measurement_says_so(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        assert flow.standing(store) == flow.Standing("batch_size", "probe")
        with pytest.raises(Refusal, match="needs a result first: probe"):
            flow.ask(store, "batch_size")


@pytest.mark.parametrize(
    ("step", "chosen"),
    [
        ("metric", "accuracy"),
        ("metric", True),
        ("optimizer", "adagrad"),
        ("architecture", "  "),
        ("architecture", "rm -rf /"),
        ("weights", "no/such/file"),
        ("batch_size", "many"),
        ("batch_size", 1438),
        ("batch_size", 0),
        ("batch_size", 1),
        ("initial", "nan"),
        ("initial", -0.1),
        ("initial", True),
        ("steps", 0),
        ("steps", "1e3"),
    ],
)
def test_an_impossible_answer_is_refused_and_nothing_is_recorded(tmp_path: Path, step: str, chosen: Any) -> None:
    with set_up(tmp_path / "p", step) as store:
        before = len(decisions.decisions(store, all=True))
        with pytest.raises(Refusal):
            flow.answer(store, step, chosen)
        assert len(decisions.decisions(store, all=True)) == before


def test_options_and_numbers_are_accepted_as_they_are_typed(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "batch_size") as store:
        flow.answer(store, "batch_size", " 32 ")
        flow.answer(store, "initial", "3e-2")
        flow.answer(store, "steps", "123")
        values = settings(store)
    assert (values["training.batch_size"], values["optimizer.learning_rate"], values["training.steps"]) == (
        32,
        0.03,
        123,
    )


def test_what_the_person_adds_to_an_answer_is_kept_with_the_decision(tmp_path: Path) -> None:
    words = "我们要上线 [/red] {braces}\n"
    with set_up(tmp_path / "p", "metric") as store:
        flow.answer(store, "metric", "loss", words)
        made = decisions.decision(store, "metric")
    assert made is not None
    assert words.strip() in Message.from_json(json.dumps(made.reason)).text()


def test_another_architecture_later_asks_again_for_the_probe_and_what_follows_and_for_nothing_else(
    tmp_path: Path,
) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        optimizer = decisions.decision(store, "optimizer")
        flow.answer(store, "architecture", "resnet10t")
        assert flow.standing(store) == flow.Standing("weights")
        flow.answer(store, "weights", "scratch")
        assert flow.standing(store) == flow.Standing("batch_size", "probe")
        probed(store)
        assert flow.standing(store) == flow.Standing("batch_size")
        advance(store, "baseline")
        assert settings(store)["model.name"] == "resnet10t"
        assert decisions.decision(store, "optimizer") == optimizer
        architectures = [entry for entry in decisions.decisions(store, all=True) if entry.step == "architecture"]
        assert [entry.superseded_by for entry in architectures] == [architectures[1].id, None]


@pytest.mark.parametrize("on_the_way", [(), ("bert-mini",), ("bert-mini", "bert-base")])
def test_published_weights_stay_whole_where_their_architecture_is_chosen_again(
    tmp_path: Path, on_the_way: tuple[str, ...]
) -> None:
    with set_up(tmp_path / "p", "batch_size", SPAM, architecture="bert-tiny", weights="hub") as store:
        before = configuration.current(store)
        assert before["model.name"] == "google/bert_uncased_L-2_H-128_A-2"
        for name in on_the_way:
            flow.answer(store, "architecture", name)
            assert flow.standing(store).step == "weights"
            assert configuration.current(store)["model.name"] == "bert"
        flow.answer(store, "architecture", "bert-tiny")
        assert flow.standing(store).step == "batch_size"
        assert configuration.current(store) == before


def test_another_size_of_the_same_model_asks_for_the_number_of_steps_again(tmp_path: Path) -> None:
    """A BERT that is two hundred times as large kept the steps of the small one, and what a round of them takes."""
    with set_up(tmp_path / "p", "baseline", SPAM) as store:
        flow.answer(store, "architecture", "bert-base")
        asked = []
        while (now := flow.standing(store)).needs != "baseline":
            if now.needs == "probe":
                probed(store)
                continue
            assert now.step is not None
            asked.append(now.step)
            recommended = flow.ask(store, now.step).recommended
            assert recommended is not None
            flow.answer(store, now.step, recommended)
    assert asked == ["weights", "batch_size", "steps"]


def test_another_optimizer_brings_its_own_hyperparameters_and_leaves_none_behind(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline", optimizer="sgd") as store:
        flow.answer(store, "optimizer", "adamw")
        assert flow.standing(store) == flow.Standing("batch_size", "probe")
        advance(store, "initial")
        assert flow.standing(store).step == "initial"
        advance(store, "baseline")
        values = settings(store)
    assert values["optimizer.learning_rate"] == catalogue.hyperparameter("optimizer.learning_rate", "adamw").default
    assert "optimizer.momentum" not in values


def test_the_same_answers_again_ask_for_nothing(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        before = configuration.whole(store)
        for step in ("metric", "architecture", "weights", "optimizer", "initial"):
            made = decisions.decision(store, step)
            assert made is not None
            flow.answer(store, step, made.chosen)
        assert flow.standing(store).step == "baseline"
        assert configuration.whole(store) == before


def test_other_data_in_tunebook_toml_have_to_be_inspected_and_what_was_decided_stays_recorded(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        project = store.project
    file = project.root / "tunebook.toml"
    file.write_text(file.read_text().replace('path = "data"', 'path = "other"'))
    with open_store(open_project(project.root)) as store:
        assert flow.standing(store) == flow.Standing("data", "inspection")
        assert decisions.decision(store, "data") is not None


def test_another_share_for_validation_is_inspected_before_the_data_are_accepted(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "data") as store:
        flow.answer(store, "data", 0.3)
        assert flow.standing(store) == flow.Standing("data", "inspection")
        inspected(store, DIGITS)
        flow.answer(store, "data", "use")
        assert flow.standing(store).step == "metric"
        assert configuration.current(store)["data.validation_fraction"] == 0.3


def test_the_metric_is_written_into_the_project_with_how_close_it_is_to_deployment(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "metric") as store:
        flow.answer(store, "metric", "loss/stand-in")
        assert store.project.settings.metric == "loss"
        assert not store.project.settings.close_to_deployment
        advance(store, "baseline")
        assert settings(store)["training.metric"] == "loss"
    assert open_project(tmp_path / "p").settings.metric == "loss"


def test_the_set_up_goes_on_where_it_was_after_the_store_was_deleted(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "initial") as store:
        project, before = store.project, configuration.current(store)
    project.store_path.unlink()
    with open_store(project) as store:
        assert flow.standing(store) == flow.Standing("initial")
        assert configuration.current(store) == before


def test_changing_the_batch_size_later_names_what_to_tune_again_and_the_rounds_that_cannot_be_compared(
    tmp_path: Path,
) -> None:
    with set_up(tmp_path / "p", "baseline", optimizer="adamw") as store:
        values = configuration.checked(store)
        # One that has begun, and one that is planned and can still be left.
        begun, _planned = (small_project.batch(store, values, wanted=wanted) for wanted in ("run", ""))
        trial_progress.mark_running(store, trials.trials(store, begun.name)[0].id, restart=False)
        flow.answer(store, "batch_size", 32)
        made = decisions.decision(store, "batch_size")
        assert made is not None
        said = Message.from_json(json.dumps(made.reason)).text()
        assert flow.standing(store) == flow.Standing("steps")
        # At this one none ran.
        (now,) = (m.text() for m in flow.ask(store, "batch_size").evidence if "Before, it was" in m.text())
        assert "Before, it was 32" in now
        assert "Rounds run" not in now
    for part in (
        "Before, it was 64",
        "optimizer.learning_rate",
        "optimizer.beta1",
        "regularization",
        "Rounds run at 64: 1;",
    ):
        assert part in said


def test_a_baseline_is_planned_once_for_a_configuration_and_anew_for_another(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "baseline") as store:
        first = baseline.plan(store)
        assert first.wanted == "run"
        assert baseline.plan(store).name == first.name
        assert flow.standing(store) == flow.Standing("baseline", "baseline", first.name)
        flow.answer(store, "steps", 50)
        assert flow.standing(store) == flow.Standing("baseline", "baseline")
        assert baseline.plan(store).name != first.name


@pytest.mark.parametrize("step", ["data", "architecture", "batch_size", "steps"])
def test_a_question_looks_at_the_data_once_and_the_next_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Of many thousand files a look takes a moment, and what makes up a question asks again and again."""
    with set_up(tmp_path / "p", step) as store:
        looks: list[Path] = []
        really = inspection._digest

        def look(path: Path) -> str:
            looks.append(path)
            return really(path)

        monkeypatch.setattr(inspection, "_digest", look)
        question = flow.ask(store, step)
        assert looks == [store.project.data]
        assert question.recommended is not None
        flow.answer(store, step, question.recommended)
        assert looks == [store.project.data] * 2
