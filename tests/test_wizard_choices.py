"""What is recommended, and the figures that are shown to choose by."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from presets import catalogue, sampling
from presets.language import restored
from state import configurations, decisions, measurements, project
from state.errors import Refusal
from state.project import change
from tests.set_up import DIGITS, SPAM, advance, changed, inspected, make, probed, set_up, size
from training.config import SECTIONS
from wizard import (
    architecture,
    baseline,
    batch_table,
    configuration,
    flow,
    initial,
    optimizer,
    pace,
    probe,
    quantity,
    speed,
    steps,
)
from wizard.machine import Device, at_hand
from wizard.question import Question

CPU = Device("cpu", "processor", 1, 8 * 2**30, 2)
GPU = Device("cuda", "accelerator", 1, 80 * 2**30, 16)
IMAGES = "image-classification"


def photographs(examples: int, side: int = 256) -> dict[str, Any]:
    found = changed(DIGITS, train={"examples": examples})
    found["images"] = {"widths": [side, side, side], "heights": [side, side, 2 * side], "modes": {"RGB": examples}}
    return found


def recommended(found: dict[str, Any], device: Device, hours: float = 2.0) -> str:
    entries = catalogue.architectures(found["task"])
    budget = architecture.Budget(speed.estimated(device), hours * 3600, device.trials_at_once)
    return architecture.recommend(entries, found, found["task"], budget)[0].id


def said(question: Question) -> str:
    return "\n".join(message.text() for message in question.evidence)


@pytest.mark.parametrize(
    ("found", "device", "hours", "expected"),
    [
        (DIGITS, CPU, 2, "test_resnet"),
        (photographs(1_000), CPU, 2, "mobilenetv3_small_050"),
        (photographs(1_000), CPU, 50, "resnet10t"),
        (photographs(1_000), GPU, 2, "resnet10t"),
        (photographs(120_000), GPU, 2, "resnet10t"),
        (photographs(120_000), GPU, 48, "resnet18"),
        (photographs(1_280_000), GPU, 500, "resnet50"),
        (photographs(60_000, side=32), GPU, 2, "resnet10t"),
        (SPAM, CPU, 2, "bert-tiny"),
        (SPAM, GPU, 2, "bert-tiny"),
        (changed(SPAM, train={"examples": 1_000_000}), GPU, 300, "bert-base"),
    ],
)
def test_the_recommended_architecture_is_small_and_grows_with_data_device_and_budget(
    found: dict[str, Any], device: Device, hours: float, expected: str
) -> None:
    assert recommended(found, device, hours) == expected


def test_the_recommendation_names_the_figures_that_it_rests_on(tmp_path: Path) -> None:
    """Parameters, the time of a round, and the speed with its source; after a probe the measured speed."""
    with set_up(tmp_path / "p", "architecture") as store:
        store.project = project.change(store.project, budget_hours=8.0)
        question = flow.ask(store, "architecture")
        reason = question.reason.text()
    for part in ("374 k parameters", "1437 examples", "a round of 20 trials", "of the 2 h 0 min", "CPU cores"):
        assert part in reason or part in said(question)
    with set_up(tmp_path / "q", "batch_size") as store:
        rate = speed.of(store, at_hand("auto"))
        reason = flow.ask(store, "architecture").reason.text()
    entry = catalogue.architecture("test_resnet")
    # The probe of set_up: 64 examples in 24.5 ms.
    assert rate.dense == pytest.approx(64 / 0.0245 * 3 * entry.macs)
    assert "as probe-1 measured it with test_resnet" in reason


def test_of_models_that_differ_in_size_alone_the_probed_one_is_meant(tmp_path: Path) -> None:
    """Of all BERTs the smallest was taken for it, and the speed of this machine told wrong by two orders."""
    large = catalogue.architecture("bert-base")
    with set_up(tmp_path / "p", "batch_size", SPAM, architecture="bert-base") as store:
        rate = speed.of(store, at_hand("auto"))
        tokens = configuration.current(store)["data.max_length"]
    assert rate.source.text() == "as probe-1 measured it with bert-base"
    assert rate.dense == pytest.approx(64 / 0.0245 * 3 * large.macs * tokens / large.input_size)
    with set_up(tmp_path / "q", "batch_size", SPAM, architecture="minilm-l6", weights="hub") as store:
        assert speed.of(store, at_hand("auto")).source.text() == "as probe-1 measured it with minilm-l6"


@pytest.mark.parametrize(
    ("side", "modes", "name", "expected"),
    [
        (8, {"L": 10}, "test_resnet", (32, 1)),
        (28, {"L": 10, "1": 2}, "resnet10t", (32, 1)),
        (48, {"RGB": 10, "L": 1}, "resnet10t", (64, 3)),
        (256, {"RGB": 10}, "resnet18", (224, 3)),
        (96, {"RGBA": 10}, "resnet18", (96, 3)),
        (96, {"P": 10}, "vit_tiny_patch16_224", (224, 3)),
        (32, {"RGB": 10}, "hgnet_tiny", (32, 3)),
    ],
)
def test_the_network_gets_images_about_as_large_as_they_are_in_their_own_colours(
    tmp_path: Path, side: int, modes: dict[str, int], name: str, expected: tuple[int, int]
) -> None:
    found = copy.deepcopy(DIGITS)
    found["images"] = {"widths": [side] * 3, "heights": [side] * 3, "modes": modes}
    with set_up(tmp_path / "p", "weights", found, architecture=name) as store:
        values = configuration.current(store)
    assert (values["data.image_size"], values["data.channels"]) == expected


@pytest.mark.parametrize(
    ("words", "characters", "expected"),
    [(30, 161, 64), (1, 12, 32), (900, 5000, 512), (2, 100, 128)],
    ids=["short messages", "single words", "long mails are cut", "no spaces between words"],
)
def test_texts_are_cut_where_nearly_all_are_whole(tmp_path: Path, words: int, characters: int, expected: int) -> None:
    found = copy.deepcopy(SPAM)
    found["texts"] = {"characters": [1, 10, characters, 9999], "words": [1, 2, words, 9999]}
    with set_up(tmp_path / "p", "weights", found) as store:
        assert configuration.current(store)["data.max_length"] == expected


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([1, 12, 30, 171], "cut at 64 tokens, so that about 95% of them stay whole"),
        ([1, 200, 900, 5000], "cut at 512 tokens, .* more than 5% of them are longer"),
        ([1, 600, 900, 5000], "cut at 512 tokens, .* more than half of them are longer"),
    ],
)
def test_how_many_texts_are_cut_is_told_of_long_ones_too(tmp_path: Path, words: list[int], told: str) -> None:
    """That 95 % of them stay whole was said whatever their length."""
    found = copy.deepcopy(SPAM)
    found["texts"] = {"characters": [5 * n for n in words], "words": words}
    with set_up(tmp_path / "p", "architecture", found) as store:
        assert re.search(told, said(flow.ask(store, "architecture")))


def test_data_that_the_network_would_get_otherwise_by_now_ask_for_the_architecture_again(tmp_path: Path) -> None:
    """Photographs put in the place of grey pictures went on to be seen without colour."""
    with set_up(tmp_path / "p", "baseline") as store:
        (store.project.data / "more").touch()
        advance(store, "architecture", changed(DIGITS, train={"examples": 1600}))
        assert flow.standing(store).step == "baseline"
        (store.project.data / "colours").touch()
        inspected(store, photographs(1600))
        flow.answer(store, "data", "use")
        assert flow.standing(store).step == "architecture"
        flow.answer(store, "architecture", "test_resnet")
        values = configuration.current(store)
        assert (values["data.image_size"], values["data.channels"]) == (64, 3)
        assert flow.standing(store).step == "batch_size"


def test_the_table_of_architectures_names_cost_norm_weights_and_paper_of_each(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "architecture") as store:
        question = flow.ask(store, "architecture")
    assert question.table is not None
    assert {row[0] for row in question.table.rows} == {option.value for option in question.options}
    row = next(row for row in question.table.rows if row[0] == "resnet18")
    assert (*row[2:4], *row[5:9]) == ("11 M", "1.8 G", "224", "batch", "timm/resnet18.a1_in1k", "apache-2.0")
    assert "arXiv:1512.03385" in row[9]
    assert "Batch norm makes" in said(question)
    assert "better kept for later" in said(question)


def test_a_typed_model_outside_the_catalogue_is_taken_with_the_task_s_library(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "batch_size", SPAM, architecture="electra") as store:
        values = configuration.current(store)
        assert flow.ask(store, "batch_size").recommended == 64
    assert (values["model.library"], values["model.name"], values["optimizer.name"]) == (
        "transformers",
        "electra",
        "adamw",
    )


@pytest.mark.parametrize(
    ("found", "least", "refused"),
    [
        ({"normalisation": "batch"}, 2, ""),
        ({"normalisation": "layer"}, 1, "resnet14t has none"),
        ({}, 2, "whether resnet14t has it, the probe did not note yet"),
    ],
)
def test_what_the_probe_saw_of_a_typed_network_decides_what_goes_with_batch_norm(
    tmp_path: Path, found: dict[str, str], least: int, refused: str
) -> None:
    """A typed resnet14t was taken at a batch of 1, and said to have no batch norm."""
    with set_up(tmp_path / "p", "probe", architecture="resnet14t") as store:
        probed(store, size(128, 0.04), size(256, 0.05), recommended=256, largest_feasible=256, **found)
        question = flow.ask(store, "batch_size")
        assert f"Another number from {least} to " in question.text.text()
        assert ("resnet14t uses batch norm" in said(question)) == (found.get("normalisation") == "batch")
        if least == 2:
            with pytest.raises(Refusal, match="at least 2" if found else "from 2 to"):
                flow.answer(store, "batch_size", 1)
        flow.answer(store, "batch_size", 256)
        if refused:
            with pytest.raises(Refusal, match=refused):
                initial.with_ghost(store)
        else:
            assert initial.with_ghost(store) == "ghost"


def test_weights_from_the_network_are_offered_and_never_recommended(tmp_path: Path) -> None:
    for task, found in (("images", DIGITS), ("texts", SPAM)):
        with set_up(tmp_path / task, "weights", found) as store:
            question = flow.ask(store, "weights")
        assert question.recommended == "scratch"
        assert "hub" in {option.value for option in question.options}
        assert "few to learn from scratch" in said(question)


def test_weights_that_never_saw_the_language_of_the_texts_say_so(tmp_path: Path) -> None:
    """Chinese reviews were offered weights of an English BERT, and of the one family that reads Chinese no word."""
    found = copy.deepcopy(SPAM)
    for unspaced, told in ((0.97, True), (0.02, False)):
        found["texts"] = {**SPAM["texts"], "unspaced": unspaced}
        with set_up(tmp_path / str(unspaced), "weights", found) as store:
            assert ("In the catalogue xlm-roberta" in said(flow.ask(store, "weights"))) == told
    found["texts"]["unspaced"] = 0.97
    with set_up(tmp_path / "many", "weights", found, architecture="xlm-roberta-base") as store:
        assert "In the catalogue" not in said(flow.ask(store, "weights"))


def checkpoint(folder: Path, kind: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "num_hidden_layers": 6, "hidden_size": 384}))
    return folder


def test_local_weights_bring_their_own_sizes_and_a_fine_tuning_learning_rate(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "权重 [b]", "bert")
    with set_up(tmp_path / "p", "baseline", SPAM, weights=str(path)) as store:
        values = configuration.checked(store)
        made = decisions.decision(store, "weights")
    assert made is not None
    assert "they define the size: 6 layers of 384" in restored(made.reason).text()
    assert values["model.pretrained"] == str(path)
    assert (values["model.name"], values["model.layers"], values["model.heads"]) == ("bert", 0, 0)
    assert values["optimizer.learning_rate"] == 5e-5
    assert values["training.steps"] == 210  # three passes, in two digits


def test_going_from_scratch_to_weights_asks_for_the_learning_rate_again(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "weights", "bert")
    with set_up(tmp_path / "p", "baseline", SPAM) as store:
        flow.answer(store, "weights", str(path))
        advance(store, "initial", SPAM)
        assert flow.standing(store).step == "initial"
        flow.answer(store, "weights", "scratch")
        advance(store, "baseline", SPAM)
        assert configuration.current(store)["model.layers"] == 2


def test_weights_of_another_kind_of_model_are_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "weights", "distilbert")
    with set_up(tmp_path / "p", "weights", SPAM) as store:
        with pytest.raises(Refusal, match="weights are of a distilbert model, the chosen architecture is bert"):
            flow.answer(store, "weights", str(path))
        with pytest.raises(Refusal, match=r"no config\.json"):
            flow.answer(store, "weights", str(tmp_path))


def test_every_hyperparameter_of_an_optimizer_is_shown_with_when_it_is_opened(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "optimizer") as store:
        question = flow.ask(store, "optimizer")
    assert question.recommended == "sgd"  # the network is a ResNet
    assert question.table is not None
    for entry in catalogue.optimizers():
        shown = {row[1]: row for row in question.table.rows if row[0] == entry.title}
        assert shown.keys() == {part.key.removeprefix("optimizer.") for part in entry.hyperparameters}
        assert shown["learning_rate"][3] == "searched"
    momentum = next(row for row in question.table.rows if row[1] == "momentum")
    assert momentum[2:6] == ("0.9", "fixed", "10 trials", "0.7 - 0.995")


def test_the_first_configuration_shows_every_setting_and_adds_nothing(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "initial") as store:
        question = flow.ask(store, "initial")
        flow.answer(store, "initial", "use")
        made = decisions.decision(store, "initial")
    assert question.table is not None
    shown = {row[0].partition(".")[0] for row in question.table.rows}
    assert shown == set(SECTIONS)
    assert made is not None
    assert made.settings["schedule.name"] == "constant"
    assert not any(value for key, value in made.settings.items() if key.startswith(("regularization", "augmentation")))
    # The source of the learning rate was told twice, one above the other, and on a small terminal left no room for what
    # is decided.
    assert question.reason is not None
    told = [question.reason.text(), *(message.text() for message in question.evidence)]
    assert sum("He et al. 2016" in words for words in told) == 1


def test_ghost_batch_norm_is_offered_at_large_batches_of_networks_with_batch_norm_and_off_at_first(
    tmp_path: Path,
) -> None:
    """It stays when another rate is typed, and ends with the batch size that it was for."""
    sizes = (size(64, 0.03), size(128, 0.04), size(256, 0.05))
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, *sizes, recommended=256, largest_feasible=256)
        flow.answer(store, "batch_size", 256)
        question = flow.ask(store, "initial")
        assert [option.value for option in question.options] == ["use", "ghost"]
        assert question.recommended == "use"
        assert "from 256 examples at a time, which hardly vary" in said(question)
        assert {row["setting"]: row["value"] for row in table(question)}["training.ghost_batch_size"] == "0"
        for answer, ghost in (("use", 0), ("0.3", 0), ("ghost", 64), ("0.3", 64)):
            flow.answer(store, "initial", answer)
            assert configuration.current(store)["training.ghost_batch_size"] == ghost
        assert flow.standing(store).step == "steps"
        flow.answer(store, "batch_size", 64)
        assert flow.standing(store).step == "initial"
        assert [option.value for option in flow.ask(store, "initial").options] == ["use"]
        with pytest.raises(Refusal, match="at a batch size of 128 or more; here test_resnet gets 64"):
            initial.with_ghost(store)
    with set_up(tmp_path / "q", "probe", architecture="test_convnext") as store:
        probed(store, *sizes, recommended=256, largest_feasible=256)
        flow.answer(store, "batch_size", 256)
        assert [option.value for option in flow.ask(store, "initial").options] == ["use"]


@pytest.mark.parametrize(
    ("found", "absent", "present"),
    [(DIGITS, ("texts:", "transformers from scratch:"), "images:"), (SPAM, ("images:",), "texts:")],
)
def test_the_first_configuration_leaves_out_what_is_for_the_other_task(
    tmp_path: Path, found: dict[str, Any], absent: tuple[str, ...], present: str
) -> None:
    with set_up(tmp_path / "p", "initial", found) as store:
        meanings = [row["meaning"] for row in table(flow.ask(store, "initial"))]
    assert not [meaning for meaning in meanings if meaning.startswith(absent)]
    assert [meaning for meaning in meanings if meaning.startswith(present)]


def table(question: Question) -> list[dict[str, str]]:
    assert question.table is not None
    names = [column.text() for column in question.table.columns]
    return [dict(zip(names, row, strict=True)) for row in question.table.rows]


def test_what_a_round_of_each_length_costs_is_shown_where_a_price_is_known(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "steps") as store:
        assert not any(name.endswith(" of a round") for name in table(flow.ask(store, "steps"))[0])
        store.project = project.change(store.project, price_per_hour=200.0, power_watts=3000.0)
        question, now = flow.ask(store, "steps"), pace.known(store)
        assert len(table(question)) == 3
        for row in table(question):
            hours = 20 * pace.trial_seconds(now, int(row["steps"])) / 3600
            assert float(row["price of a round"].replace(",", "")) == pytest.approx(200 * hours, rel=0.05)
            assert float(row["energy of a round"].removesuffix(" kWh")) == pytest.approx(3 * hours, rel=0.05)


def test_batch_sizes_are_shown_with_speed_gain_bottleneck_memory_time_and_cost(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        store.project = project.change(store.project, price_per_hour=2.0, power_watts=300.0)
        probed(
            store,
            size(8, 0.010),
            size(16, 0.0104),
            size(32, 0.016),
            size(64, 0.030, whole=0.045, input_seconds=0.04),
            size(128, 0.1, outcome="out_of_memory", message="CUDA out of memory"),
        )
        question = flow.ask(store, "batch_size")
    rows = table(question)
    assert [row["batch size"] for row in rows] == ["8", "16", "32", "64"]
    assert [row["gain"] for row in rows] == ["-", "1.92 x", "1.30 x", "0.71 x"]
    assert [row["limited by"] for row in rows] == ["-", "-", "device", "input pipeline"]
    planned = 30 * 1437
    seconds = planned / (8 / 0.010)
    assert rows[0]["examples/s"] == "800"
    assert rows[0]["per step"] == "10 ms"
    assert rows[0]["memory"] == "308 MiB"
    assert rows[0]["an epoch"] == quantity.duration(1437 / 800).text()
    assert rows[0]["43 k examples"] == quantity.duration(seconds).text()
    assert rows[0]["device seconds"] == "54"
    assert rows[0]["price"] == "0.030"
    assert rows[0]["energy"] == "0.0045 kWh"
    text = said(question)
    for part in (
        "At 64 the input pipeline is the bottleneck: a step takes 30 ms on the device alone and 45 ms with",
        "Smaller images or shorter texts, or more processor cores, would.",
        "From 16 to 32 throughput no longer nearly doubles",
        "A batch of 128 does not fit: CUDA out of memory",
        "gradient accumulation",
        "never searched",
        "perfect scaling",
        "ResNet uses batch norm: its statistics come from 64 examples",
    ):
        assert part in text


def test_where_steps_wait_for_images_decoding_them_once_is_offered_and_its_effect_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million photographs; the answer has the sizes measured again, and what that changed is said."""
    started: list[bool] = []
    monkeypatch.setattr(probe, "start", lambda store: started.append(True))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**50))
    with set_up(tmp_path / "p", "probe", photographs(1_000_000)) as store:
        probed(store, size(32, 0.016), size(64, 0.030, whole=0.045, input_seconds=0.04))
        question = flow.ask(store, "batch_size")
        assert [option.value for option in question.options] == [32, 64, "decode-once"]
        # 1,000,360 images of 224 x 224 in colour, at 40 ms for 64 of them.
        assert "140 GiB of it, and about 10 min" in question.options[2].note.text()
        assert "`tunebook probe --decode-once`" in said(question)
        flow.answer(store, "batch_size", "decode-once")
        assert started == [True]
        assert flow.standing(store).needs == "probe"
        assert configuration.current(store)["runtime.decode_once"] is True
        probed(store, size(32, 0.016), size(64, 0.030))
        question = flow.ask(store, "batch_size")
        assert [option.value for option in question.options] == [32, 64]
        assert "runtime.decode_once = true: at 64 a step with its data takes 30 ms instead of 45 ms" in said(question)
        flow.answer(store, "batch_size", 64)
        assert flow.standing(store).step == "initial"
        assert configuration.current(store)["runtime.decode_once"] is True


def test_of_few_examples_a_size_beyond_the_measured_ones_can_be_chosen(tmp_path: Path) -> None:
    """330 examples have 16 measured at most; 32 is taken with a warning, and stays when it is measured again."""
    few = changed(DIGITS, train={"examples": 330, "per_class": [33] * 10})
    measured = {"recommended": 16, "largest_feasible": 16, "limited_by": "data", "memory_budget": 16 * 2**30}
    with set_up(tmp_path / "p", "probe", few) as store:
        probed(store, size(8, 0.010), size(16, 0.0104), **measured)
        assert "Another number from 2 to 330 can be typed" in flow.ask(store, "batch_size").text.text()
        for refused, words in ((331, "choose from 2 to 330"), (0, "choose from 2 to 330"), (1, "Choose at least 2")):
            with pytest.raises(Refusal, match=words):
                flow.answer(store, "batch_size", refused)
        assert flow.answer(store, "batch_size", 16) is None
        warning = flow.answer(store, "batch_size", 32)
        assert warning is not None
        for part in ("32 was not measured", "at most about 632 MiB of 16 GiB", "an epoch has 10 steps"):
            assert part in warning.text()
        assert flow.standing(store).step == "initial"
        assert configuration.current(store)["training.batch_size"] == 32
        probed(store, size(8, 0.010), size(16, 0.0104), **measured)
        assert flow.standing(store).step == "initial"


def memory(*peaks: int) -> tuple[dict[str, Any], ...]:
    """Sizes of 8, 16 … examples with these peaks, in MiB."""
    return tuple(size(8 * 2**place, 0.01, peak_memory=peak * 2**20) for place, peak in enumerate(peaks))


@pytest.mark.parametrize(
    ("sizes", "changes", "most"),
    [
        (memory(308, 316), {"memory_budget": 700 * 2**20}, 17),
        (memory(308, 316), {"memory_budget": 400 * 2**20}, 16),
        (memory(980, 980), {"memory_budget": 1024 * 2**20}, 16),
        (memory(500, 490), {"memory_budget": 1024 * 2**20}, 16),
        (memory(320, 320), {"memory_budget": 1280 * 2**20}, 32),
        (memory(200, 800), {"memory_budget": 2000 * 2**20}, 18),
        ((*memory(308, 316), size(32, 0.1, outcome="failed", message="no")), {}, 16),
        ((size(16, 0.0104),), {"memory_budget": 2 * 632 * 2**20}, 32),
    ],
    ids=[
        "half the memory",
        "no room",
        "flat without room",
        "falling",
        "flat",
        "steep",
        "a larger one failed",
        "one size alone",
    ],
)
def test_a_size_that_was_not_measured_must_leave_room_in_memory(
    tmp_path: Path, sizes: tuple[dict[str, Any], ...], changes: dict[str, Any], most: int
) -> None:
    """By the line through the two largest or through 0, the steeper; none above one that was seen not to work."""
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, *sizes, recommended=16, largest_feasible=16, **changes)
        with pytest.raises(Refusal, match=f"choose from 2 to {most}\\."):
            flow.answer(store, "batch_size", most + 1)
        flow.answer(store, "batch_size", most)


def test_one_size_that_a_neighbour_slowed_down_is_not_taken_for_the_end_of_the_rise(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, size(8, 0.01), size(16, 0.04, spread=0.3), size(32, 0.012), size(64, 0.023))
        text = said(flow.ask(store, "batch_size"))
    assert "From 32 to 64 throughput no longer nearly doubles" in text
    assert "Step times vary by up to 30%" in text


def test_what_is_said_about_doubling_is_what_the_table_shows(tmp_path: Path) -> None:
    """It said that every doubling nearly doubles throughput, above gains of 1.56 and 1.37."""
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, size(8, 0.01), size(16, 0.0128), size(32, 0.0187), size(64, 0.0190))
        question = flow.ask(store, "batch_size")
        gains = [row["gain"] for row in table(question)]
        assert gains == ["-", "1.56 x", "1.37 x", "1.97 x"]
        assert "with every doubling" not in said(question)
        assert "though not at every size (16: 1.56 x, 32: 1.37 x, 64: 1.97 x)" in said(question)


def test_without_price_and_power_no_cost_is_made_up(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "batch_size") as store:
        names = table(flow.ask(store, "batch_size"))[0].keys()
    assert not {"price", "energy"} & set(names)


def test_a_busy_machine_is_named_beside_its_figures(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, load_average=40.0)
        assert "busy with other work (load 40.0" in said(flow.ask(store, "batch_size"))
        # Also where it is recommended: what is said of it further down is beyond the edge of a small screen.
        doubt = "The machine was busy with other work meanwhile: that may be chance."
        assert doubt in flow.ask(store, "batch_size").reason.text()
        probed(store, busy_cores=0.1, load_average=0.2)
        assert doubt not in flow.ask(store, "batch_size").reason.text()


def test_what_others_did_meanwhile_and_what_cut_the_measurement_short_is_said(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, busy_cores=0.1, load_average=0.2)
        assert "others kept 0.1 of" in said(flow.ask(store, "batch_size"))
        assert "Measure again" not in said(flow.ask(store, "batch_size"))
        probed(store, busy_cores=40.0, reason="oom_killer")
        assert "Measure again when the machine is quiet" in said(flow.ask(store, "batch_size"))
        assert "The kernel ended the measurement because memory ran out" in said(flow.ask(store, "batch_size"))


def test_a_memory_cap_above_what_the_device_has_is_said_to_limit_nothing(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        for gibibytes, nothing in ((1000.0, True), (0.5, False), (0.0, False)):
            store.project = change(store.project, memory_gib=gibibytes)
            probed(store)
            assert ("The memory cap of 1,000 GiB limits nothing" in said(flow.ask(store, "batch_size"))) == nothing


def test_measuring_again_keeps_the_decision_where_it_says_the_same(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "steps") as store:
        probed(store)
        assert flow.standing(store).step == "steps"
        probed(store, recommended=32)
        assert flow.standing(store) == flow.Standing("batch_size")


def test_a_size_that_was_recommended_before_is_said_to_be_that(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, limited_by="throughput", earlier=64)
        assert "It was recommended before" in flow.ask(store, "batch_size").reason.text()
        probed(store, limited_by="throughput", earlier=32)
        assert "It was recommended before" not in flow.ask(store, "batch_size").reason.text()


def test_the_table_is_counted_for_any_length(tmp_path: Path) -> None:
    """Ten steps at the recommended 64: as many examples at each size, or as many steps."""
    with set_up(tmp_path / "p", "batch_size") as store:
        found = batch_table.table(store, probe.known(store), 640)
    names = [column.text() for column in found.columns]
    rows = {row[0]: dict(zip(names, row, strict=True)) for row in found.rows}
    assert rows["8"]["640 examples"] == quantity.duration(80 * 0.010).text()
    assert rows["8"]["10 steps"] == quantity.duration(10 * 0.010).text()
    assert rows["64"]["640 examples"] == rows["64"]["10 steps"]


def test_a_gain_is_told_only_of_sizes_that_were_timed_at_the_same_moments(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        for compared, gains in (([], ["-", "1.92 x", "1.60 x", "1.06 x"]), ([32, 64], ["-", "1.92 x", "-", "1.06 x"])):
            probed(store, compared=compared)
            question = flow.ask(store, "batch_size")
            assert question.table is not None
            assert [row[4] for row in question.table.rows] == gains
            told = "\n".join(message.text() for message in question.evidence)
            assert ("timed once more, side by side; 8, 16 were not" in told) == bool(compared)


def test_a_memory_cap_is_part_of_what_a_probe_is_about(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "batch_size") as store:
        assert probe.fresh(store) is not None
        store.project = project.change(store.project, memory_gib=1.5)
        assert probe.subject(store)["memory_cap"] == 3 * 2**29
        assert flow.standing(store) == flow.Standing("batch_size", "probe")


@pytest.mark.parametrize(
    ("limited_by", "part"),
    [
        ("throughput", "as fast as it gets"),
        ("memory", "within the memory of the device (8.0 GiB)"),
        ("data", "leaves 20 steps in an epoch"),
        ("cap", "largest size that is allowed"),
        ("error", "before one that failed"),
    ],
)
def test_the_reason_says_what_limits_the_batch_size(tmp_path: Path, limited_by: str, part: str) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, limited_by=limited_by)
        assert part in flow.ask(store, "batch_size").reason.text()


@pytest.mark.parametrize("limited_by", ["memory", "data", "cap"])
def test_of_a_single_size_nothing_is_said_to_rise(tmp_path: Path, limited_by: str) -> None:
    """Of 188 examples size 8 alone is timed: an epoch keeps 20 steps."""
    with set_up(tmp_path / "p", "probe") as store:
        probed(store, size(8, 0.010), limited_by=limited_by, recommended=8, largest_feasible=8)
        told = flow.ask(store, "batch_size").reason.text()
        assert told.startswith("The only size that was measured, since ")
        assert "rises" not in told


@pytest.mark.parametrize(
    "change",
    [
        {"model.name": "resnet18"},
        {"optimizer.name": "adamw"},
        {"runtime.precision": "bfloat16"},
        {"data.image_size": 64},
        {"device": "another"},
        {"device_memory": 1},
        {"examples": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_probe_of_another_subject_does_not_count(tmp_path: Path, change: dict[str, Any]) -> None:
    with set_up(tmp_path / "p", "probe") as store:
        measurements.record(store, "probe-9", "probe", {**probe.subject(store), **change}, {"recommended": 64})
        assert probe.fresh(store) is None
        assert flow.standing(store) == flow.Standing("batch_size", "probe")


def test_the_number_of_steps_is_offered_by_passes_and_time_against_the_budget(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "steps") as store:
        question = flow.ask(store, "steps")
        rows = table(question)
        assert [option.value for option in question.options] == [230, 680, 2100, "measure", "batch-size"]
        assert question.recommended == 680
        assert rows[1]["passes"] == "30.3"
        step = probe.step_seconds(probe.known(store), 64)
        trial = pace.trial_seconds(pace.known(store), 680)
        assert 680 * step < trial < 680 * step * 1.3
        assert rows[1]["a round of 20"] == quantity.duration(pace.round_seconds(pace.known(store), 680)).text()


def test_where_evaluating_would_take_longer_than_training_it_takes_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short run on few examples, with samples allowed to be as small."""
    with set_up(tmp_path / "p", "steps") as store:
        whole = pace.trial_seconds(pace.known(store), 20)
        assert "training.evaluation_examples" not in steps.settle(store, flow.ask(store, "steps"), 20).settings
        monkeypatch.setattr(sampling, "FEWEST", 50)
        question = flow.ask(store, "steps")
        assert "Each evaluation on the way" not in " ".join(entry.text() for entry in question.evidence)
        # 20 evaluations of 360 come to 2,400 training examples, beside 1,280: 65 % of the time, to be 10 %.
        settled = steps.settle(store, question, 20)
        assert settled.settings["training.evaluation_examples"] == 56
        assert settled.reason.text().endswith("; an evaluation on the way takes 56 of 360 validation examples")
        now = pace.known(store)
        assert 20 * now.step < pace.trial_seconds(now, 20) < 0.7 * whole
        store.project = project.change(store.project, budget_hours=0.01)
        question = flow.ask(store, "steps")
        assert question.recommended is not None
        chosen = steps.settle(store, question, question.recommended).settings["training.evaluation_examples"]
        assert f"takes {chosen} of them" in " ".join(entry.text() for entry in question.evidence)
        flow.answer(store, "steps", question.recommended)
        plan = configurations.configuration(store, baseline.plan(store).configuration)
        assert plan.settings["training.evaluation_examples"] == chosen


def test_the_recommended_length_lets_a_round_fit_into_a_quarter_of_the_budget(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "steps") as store:
        for hours, expected in ((0.5, 680), (0.11, 680), (0.1, 230), (0.05, 230)):
            store.project = project.change(store.project, budget_hours=4 * hours)
            question = flow.ask(store, "steps")
            assert question.recommended == expected
            assert pace.round_seconds(pace.known(store), expected) <= hours * 3600
        store.project = project.change(store.project, budget_hours=0.1)
        question = flow.ask(store, "steps")
        fitting = question.recommended
        assert isinstance(fitting, int)
        assert 1437 / 64 < fitting < 230
        assert len(question.options) == 6
        now = pace.known(store)
        assert pace.round_seconds(now, fitting) <= 0.025 * 3600 < pace.round_seconds(now, fitting + 40)
        assert "passes over the data" in question.reason.text()


def test_when_not_even_one_pass_fits_it_is_one_and_the_reason_says_what_would_help_more(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "steps") as store:
        store.project = project.change(store.project, budget_hours=0.01)
        question = flow.ask(store, "steps")
    assert question.recommended == 23
    assert table(question)[0]["passes"] == "1.0"
    assert "even so a round takes" in question.reason.text()


def test_the_device_at_hand_is_found_without_torch() -> None:
    device = at_hand("cpu")
    assert device.kind == "cpu"
    assert device.cores >= 1
    assert device.memory > 2**28
    assert device.name


def test_learning_rate_of_fine_tuning_comes_from_the_catalogue(tmp_path: Path) -> None:
    with set_up(tmp_path / "p", "initial", SPAM, weights="hub") as store:
        assert optimizer.fine_tuning(store)
        assert "learning rate 5e-05" in flow.ask(store, "initial").options[0].note.text()


def test_the_probe_says_that_weights_are_being_fetched(tmp_path: Path) -> None:
    """It may take long, or fail for want of a network: that is no batch size being timed."""
    made = make(tmp_path / "p")
    folder = made.measurement_folder("probe-1")
    folder.mkdir(parents=True)
    assert "data and the model are being loaded" in probe.doing(made, "probe-1").text()
    (folder / probe.PROGRESS).write_text('{"phase": "fetch", "model": "resnet18"}\n')
    assert "weights of resnet18 are being fetched from the hub, unless" in probe.doing(made, "probe-1").text()
    (folder / probe.PROGRESS).write_text('{"phase": "fetch", "model": "resnet18", "bytes": 34603008}\n')
    assert "are being fetched from the hub: 33 MiB so far." in probe.doing(made, "probe-1").text()


def test_a_number_of_steps_with_digits_too_many_is_warned_of_or_refused(tmp_path: Path) -> None:
    """99999999999 was taken, and the next key began 26,000 years of training. A step takes 24.5 ms here."""
    with set_up(tmp_path / "p", "steps") as store:
        for steps in (99_999_999_999, 10**400):
            with pytest.raises(Refusal, match="a single trial would take more than 365 days"):
                flow.answer(store, "steps", str(steps))
            assert flow.standing(store).step == "steps"
        warned = flow.answer(store, "steps", 30_000_000)
        assert warned is not None
        assert warned.text().startswith("With 30000000 steps a single trial takes ")
        assert flow.answer(store, "steps", 200_000) is None
        store.project = project.change(store.project, budget_hours=1.0)
        warned = flow.answer(store, "steps", 200_000)
        assert warned is not None
        assert "more than the whole budget of 1 hour." in warned.text()
