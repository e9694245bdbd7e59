"""The whole set-up on real digits, nothing replaced: inspection, probe and baseline run as they do for a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from rounds import supervisor
from state import launches, trials
from state.database import Store
from state.errors import Refusal
from state.project import Settings, create
from state.store import open_store
from tests.set_up import probed
from tests.small_project import digits, wait_for
from wizard import baseline, flow, inspection, model_names, probe, verdict


def test_from_class_folders_to_an_accepted_baseline(tmp_path: Path) -> None:
    data = digits(tmp_path / "数字 [data]", examples=400)
    project = create(tmp_path / "project", Settings(name="digits", task="image-classification", data=str(data)))
    with open_store(project) as store:
        assert flow.standing(store) == flow.Standing("data", "inspection")
        id = inspection.start(store)
        assert inspection.start(store) == id  # two people who look at the same project start it once
        assert flow.standing(store).running == id
        wait_for(lambda: not inspection.progress(project, id).running, "the inspection ends")
        assert inspection.finish(store, id).result["splits"]["train"]["examples"] == 320
        for step in ("data", "metric", "architecture", "weights", "optimizer"):
            question = flow.ask(store, step)
            assert question.recommended is not None
            flow.answer(store, step, question.recommended)

        assert flow.standing(store) == flow.Standing("batch_size", "probe")
        id = probe.start(store)
        wait_for(lambda: not probe.running(project, id), "the probe ends")
        assert flow.standing(store) == flow.Standing("batch_size", "probe", id)
        found = probe.finish(store, id)
        assert found.result["sizes"] == probe.sizes(project, id)
        assert flow.standing(store) == flow.Standing("batch_size")
        flow.answer(store, "batch_size", found.result["recommended"])
        flow.answer(store, "initial", "use")
        flow.answer(store, "steps", 60)

        assert flow.standing(store) == flow.Standing("baseline", "baseline")
        batch = baseline.plan(store)
        assert flow.standing(store).running == batch.name
        assert supervisor.ensure(project)
        wait_for(lambda: verdict.ended(store, batch), "the baseline ends")
        assert flow.standing(store) == flow.Standing("baseline")
        question = flow.ask(store, "baseline")
        assert question.recommended == "accept", question.evidence[0].text()
        flow.answer(store, "baseline", "accept")
        assert flow.standing(store) == flow.Standing(None)
        best = launches.best(store)
    assert best is not None
    assert best.settings["data.path"] == str(data)


def test_a_learning_rate_far_too_high_is_found_out_and_mended_by_the_sweep(tmp_path: Path) -> None:
    data = digits(tmp_path / "data", examples=400)
    project = create(tmp_path / "project", Settings(task="image-classification", data=str(data)))
    with open_store(project) as store:
        advance_with_real_data(store)
        for step, chosen in (("architecture", "test_resnet"), ("weights", "scratch"), ("optimizer", "sgd")):
            flow.answer(store, step, chosen)
        probed(store)
        for step, chosen in (("batch_size", 16), ("initial", 30), ("steps", 60)):
            flow.answer(store, step, chosen)
        for name, chosen in ((baseline.plan(store).name, "sweep"), ("baseline-2", "accept")):
            assert supervisor.ensure(project)
            batch = trials.batch(store, name)
            wait_for(lambda batch=batch: verdict.ended(store, batch), f"{name} ends")
            question = flow.ask(store, "baseline")
            # One batch by heart comes first where the loss stayed finite; here it is the rate, which is known.
            assert question.recommended in (chosen, "one-batch"), question.evidence[0].text()
            flow.answer(store, "baseline", chosen)
        assert flow.standing(store) == flow.Standing(None)
        best = launches.best(store)
    assert best is not None
    assert best.settings["optimizer.learning_rate"] in (0.3, 3.0)


def test_an_inspection_of_what_is_no_data_ends_in_a_sentence_and_can_be_started_anew(tmp_path: Path) -> None:
    data = tmp_path / "empty"
    data.mkdir()
    project = create(tmp_path / "project", Settings(task="image-classification", data=str(data)))
    with open_store(project) as store:
        id = inspection.start(store)
        wait_for(lambda: not inspection.progress(project, id).running, "the inspection ends")
        with pytest.raises(Refusal, match="empty"):
            inspection.finish(store, id)
        assert flow.standing(store) == flow.Standing("data", "inspection")
        digits(data, 60)
        assert flow.standing(store) == flow.Standing("data", "inspection")
        again = inspection.start(store)
        assert again != id
        wait_for(lambda: not inspection.progress(project, again).running, "the inspection ends")
        inspection.finish(store, again)
        assert flow.standing(store) == flow.Standing("data")


def test_a_model_that_does_not_exist_is_refused_by_the_probe_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the library's names could not be read, so that the question took it."""
    monkeypatch.setattr(model_names, "known", lambda _library: frozenset[str]())
    data = digits(tmp_path / "data", examples=100)
    project = create(tmp_path / "project", Settings(task="image-classification", data=str(data)))
    with open_store(project) as store:
        advance_to_the_probe(store, "resnet_of_mine")
        id = probe.start(store)
        wait_for(lambda: not probe.running(project, id), "the probe ends")
        with pytest.raises(Refusal, match="resnet_of_mine"):
            probe.finish(store, id)
        assert flow.standing(store) == flow.Standing("batch_size", "probe")


def test_a_probe_of_the_same_is_told_what_was_recommended_before(tmp_path: Path) -> None:
    data = digits(tmp_path / "data", examples=100)
    project = create(tmp_path / "project", Settings(task="image-classification", data=str(data)))
    with open_store(project) as store:
        advance_to_the_probe(store, "test_resnet")
        found = []
        for _time in range(2):
            id = probe.start(store, again=True)
            wait_for(lambda id=id: not probe.running(project, id), "the probe ends")
            found.append(probe.finish(store, id).result)
    assert found[0]["earlier"] is None
    assert found[1]["earlier"] == found[0]["recommended"]


def advance_to_the_probe(store: Store, architecture: str) -> None:
    advance_with_real_data(store)
    flow.answer(store, "architecture", architecture)
    flow.answer(store, "weights", "scratch")
    flow.answer(store, "optimizer", "sgd")


def advance_with_real_data(store: Store) -> None:
    id = inspection.start(store)
    wait_for(lambda: not inspection.progress(store.project, id).running, "the inspection ends")
    inspection.finish(store, id)
    flow.answer(store, "data", "use")
    flow.answer(store, "metric", "error_rate")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (Settings(task="sculpture", data="x"), "sculpture"),
        (Settings(task="image-classification", data=""), "data.path is empty"),
        (Settings(task="image-classification", data="gone [/b]"), "no such file or folder"),
    ],
)
def test_a_project_without_task_or_data_is_refused_before_anything_starts(
    tmp_path: Path, settings: Settings, sentence: str
) -> None:
    with open_store(create(tmp_path / "p", settings)) as store:
        with pytest.raises(Refusal, match=sentence):
            inspection.start(store)
        assert not (store.project.folder / "measurements").exists()
