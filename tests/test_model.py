"""Networks of timm and transformers: from scratch, from weights on the disk, and the settings they refuse."""

from __future__ import annotations

import csv
import dataclasses
import email.message
import json.decoder
import pickle
import statistics
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from presets import catalogue
from tests.training_runs import assert_same_run, configuration, run_here, write_toml
from training import image_model, loop, model
from training.config import Config, ConfigError, check, unflat
from training.data import open_dataset
from training.dataset import Dataset, Facts

TEN_GREY = Facts(classes=10, mean=(0.3,), std=(0.35,))
WORDS = Facts(classes=2, vocabulary_size=500, pad_id=0)


def texts(path: Path, **changes: Any) -> Config:
    """A tiny BERT from scratch."""
    dotted = {
        "model.library": "transformers",
        "model.name": "bert",
        "model.layers": 1,
        "model.hidden_size": 16,
        "model.heads": 2,
        "model.vocabulary_size": 400,
        "data.task": "text-classification",
        "data.path": str(path),
        "data.max_length": 32,
        "optimizer.name": "adamw",
        "optimizer.learning_rate": 0.003,
        "training.steps": 6,
        "training.batch_size": 8,
        "training.evaluate_every": 3,
        "runtime.device": "cpu",
        "runtime.threads": 1,
    }
    return check(unflat(dotted | {name.replace("__", "."): value for name, value in changes.items()}))


@pytest.fixture(scope="module")
def documentation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real texts that every machine has: what Python's own modules say of themselves, line by line."""
    path = tmp_path_factory.mktemp("texts") / "lines.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for name, module in (("[/mail]", email.message), ("统计", statistics), ('"json"', json.decoder)):
            lines = {line.strip() for line in Path(str(module.__file__)).read_text(encoding="utf-8").splitlines()}
            rows.writerows((line, name) for line in sorted(lines) if len(line.split()) > 6)
    return path


def refused(config: Config, facts: Facts) -> str:
    with pytest.raises(ConfigError) as caught:
        model.build(config, facts)
    return str(caught.value)


def seeded(config: Config, facts: Facts) -> nn.Module:
    torch.manual_seed(0)
    return model.build(config, facts)


@pytest.mark.parametrize("name", ["test_resnet", "vit_tiny_patch16_224", "mobilenetv3_small_050", "convnext_atto"])
def test_families_take_small_grey_images(name: str, digits: Path):
    network = seeded(configuration(digits, model__name=name, data__image_size=32), TEN_GREY)
    images = torch.randint(256, (3, 1, 32, 32), dtype=torch.uint8)
    assert network(images).shape == (3, 10)


def test_images_are_normalised_with_the_statistics_of_the_training_split(digits: Path):
    network = model.ImageClassifier(nn.Identity(), (0.25,), (0.5,), channels_last=False)
    assert network(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)).flatten().tolist() == [1.5] * 4


def test_dropout_and_stochastic_depth_reach_the_network(digits: Path):
    dropping = configuration(digits, regularization__dropout=0.3, regularization__drop_path=0.2)
    network = seeded(dropping, TEN_GREY).network
    assert isinstance(network, nn.Module)
    assert network.drop_rate == 0.3
    assert any(type(part).__name__ == "DropPath" for part in network.modules())


IMAGE_MODELS = sorted({entry.model for entry in catalogue.architectures("image-classification")})


def test_a_rate_of_0_is_0_in_every_architecture_of_the_catalogue(digits: Path):
    """Swin has a stochastic depth of its own unless it is told otherwise; what knows no such rate is not told."""
    wrong: dict[str, set[float]] = {}
    for name in IMAGE_MODELS:
        config = configuration(digits, model__name=name, data__image_size=224)
        with torch.device("meta"):
            network = image_model._create(config, TEN_GREY, hub=False)
        rates = {getattr(part, key, 0.0) or 0.0 for part in network.modules() for key in ("drop_prob", "p")}
        if rates - {0.0}:
            wrong[name] = rates
    assert wrong == {}


def weights_of(path: Path, tensors: dict[str, Tensor], kind: str) -> str:
    if kind == "safetensors":
        save_file(tensors, path.with_suffix(".safetensors"))
        return str(path.with_suffix(".safetensors"))
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}}, path)
    return str(path)


@pytest.mark.parametrize("kind", ["safetensors", "state dict"])
def test_local_weights_are_loaded_but_for_a_head_of_other_classes(
    kind: str, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    torch.manual_seed(1)
    colour = timm.create_model("test_resnet", num_classes=1000).state_dict()
    path = weights_of(tmp_path / "weights.pth", colour, kind)
    config = configuration(digits, model__pretrained=path, data__channels=3)
    loaded = seeded(config, dataclasses.replace(TEN_GREY, mean=(0.3,) * 3, std=(0.35,) * 3))
    own = {name.removeprefix("network."): tensor for name, tensor in loaded.state_dict().items()}
    assert all(torch.equal(own[name], tensor) for name, tensor in colour.items() if not name.startswith("fc."))
    assert own["fc.weight"].shape[0] == 10
    assert "The classifier starts afresh (fc.bias, fc.weight)" in capsys.readouterr().out
    # Weights go with their own normalisation, not with that of these data.
    assert own["mean"].flatten().tolist() == [0.5, 0.5, 0.5]


def test_weights_of_an_architecture_with_a_network_of_its_own_are_loaded(tmp_path: Path):
    """VOLO calls its blocks `network`, as this program calls what it wraps."""
    torch.manual_seed(1)
    theirs = timm.create_model("volo_d1_224", num_classes=10)
    path = weights_of(tmp_path / "weights", theirs.state_dict(), "safetensors")
    tensors = theirs.state_dict()
    assert any(name.startswith("network.") for name in tensors)
    assert image_model._read(Path(path)).keys() == tensors.keys()
    # Those that a run of this program kept, and the same without its normalisation.
    wrapped = {f"network.{name}": tensor for name, tensor in tensors.items()}
    statistics_of = {name: torch.zeros(1, 3, 1, 1) for name in ("mean", "std")}
    for kept in (wrapped, wrapped | statistics_of):
        read = image_model._read(Path(weights_of(tmp_path / "kept", kept, "safetensors")))
        assert read.keys() - statistics_of.keys() == tensors.keys()


def test_weights_for_colour_serve_grey_images(digits: Path, tmp_path: Path):
    colour = timm.create_model("test_resnet", num_classes=10).state_dict()
    grey = seeded(configuration(digits, model__pretrained=weights_of(tmp_path / "w", colour, "safetensors")), TEN_GREY)
    own = grey.state_dict()["network.conv1.0.weight"]
    assert torch.allclose(own, colour["conv1.0.weight"].sum(dim=1, keepdim=True), atol=1e-6)


def test_a_checkpoint_of_a_run_is_a_start_for_another(digits: Path, tmp_path: Path):
    config = configuration(digits)
    trained = seeded(config, TEN_GREY)
    path = weights_of(tmp_path / "w", dict(trained.state_dict()), "safetensors")
    again = model.build(configuration(digits, model__pretrained=path), TEN_GREY)
    assert all(torch.equal(tensor, trained.state_dict()[name]) for name, tensor in again.state_dict().items())


@pytest.mark.parametrize("channels", [1, 3])
def test_a_checkpoint_of_a_run_brings_the_normalisation_that_it_was_trained_under(
    channels: int, digits: Path, tmp_path: Path
):
    """Neither that of the data it meets, nor timm's of its architecture; of other channels it says nothing."""
    first, met = Facts(10, mean=(0.3,) * channels, std=(0.35,) * channels), Facts(10, mean=(0.6,), std=(0.2,))
    trained = seeded(configuration(digits, data__channels=channels), first)
    path = weights_of(tmp_path / "w", dict(trained.state_dict()), "safetensors")
    again = model.build(configuration(digits, data__channels=channels, model__pretrained=path), met)
    assert all(torch.equal(tensor, trained.state_dict()[name]) for name, tensor in again.state_dict().items())
    if channels == 3:
        grey = model.build(configuration(digits, model__pretrained=path), met).state_dict()
        assert (grey["mean"].item(), grey["std"].item()) == pytest.approx((0.6, 0.2))


def test_weights_of_another_architecture_are_refused_by_name(digits: Path, tmp_path: Path):
    other = timm.create_model("test_vit", num_classes=10).state_dict()
    path = weights_of(tmp_path / "w", other, "safetensors")
    message = refused(configuration(digits, model__pretrained=path), TEN_GREY)
    assert "allowed: weights of test_resnet (missing: conv1.0.weight" in message
    assert "unknown: blocks.0." in message
    assert "Take other weights, or none: `tunebook new DIR --weights scratch`" in message


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("This must not run.",)


def test_a_whole_model_is_refused_with_the_reason(digits: Path, tmp_path: Path):
    """What else than tensors the file needs is named."""
    torch.save({"model": nn.Linear(2, 2)}, tmp_path / "w.pth")
    message = refused(configuration(digits, model__pretrained=str(tmp_path / "w.pth")), TEN_GREY)
    assert "needs torch.nn.modules.linear.Linear, which only an unrestricted unpickler could read" in message


def test_a_pickle_is_not_run(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"state_dict": Harmful()}))
    message = refused(configuration(digits, model__pretrained=str(tmp_path / "w.pth")), TEN_GREY)
    assert "allowed: empty, hub, or a file of weights: safetensors or a state dict, not cut short." in message
    assert "`tunebook new DIR --weights scratch`" in message
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"not weights at all", pickle.dumps([1, 2]), b"\x08" + b"\0" * 7 + b"{}"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_file_that_holds_no_weights_is_refused(name: str, content: bytes, digits: Path, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    assert "model.pretrained" in refused(configuration(digits, model__pretrained=str(tmp_path / name)), TEN_GREY)


@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "electra", "albert", "modernbert"])
def test_text_families_are_built_to_size(name: str, tmp_path: Path):
    config = texts(tmp_path, model__name=name, regularization__dropout=0.25)
    network = seeded(config, dataclasses.replace(WORDS, pad_id=1))
    tokens = torch.randint(2, 500, (3, 32))
    assert network({"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}).shape == (3, 2)
    assert sum(parameter.numel() for parameter in network.parameters()) < 200_000
    assert {part.p for part in network.modules() if isinstance(part, nn.Dropout)} <= {0.25}


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("name", ["gpt2", "openai-gpt", "ctrl", "esm"])
def test_every_dropout_of_a_text_network_has_the_configured_rate(name: str, rate: float, tmp_path: Path):
    """Whatever its settings are called; a switch of that name is left alone."""
    network: Any = seeded(texts(tmp_path, model__name=name, regularization__dropout=rate), WORDS).network
    rates = {part.p for part in network.modules() if isinstance(part, nn.Dropout)}
    assert rates == {rate}
    assert getattr(network.config, "token_dropout", False) in (False, None)


@pytest.mark.parametrize("name", ["bart", "mbart", "t5", "mt5", "umt5", "xlnet", "canine"])
def test_a_text_network_that_cannot_be_trained_here_is_refused_before_the_run(name: str, tmp_path: Path):
    """They rest on tokens that a tokenizer of one's own does not have, or cannot do what is asked."""
    message = refused(texts(tmp_path, model__name=name), WORDS)
    assert f"model.name: '{name}'; allowed: a model type that classifies texts with these settings" in message


BAD_TEXTS = [
    ({"model__name": "bort"}, "model.name: 'bort'; allowed: a model type of transformers, such as "),
    ({"model__name": "clip"}, "model.name: 'clip'; allowed: a model type that transformers has a sequence classifier"),
    ({"model__heads": 0}, "model.heads: 12; allowed: a divisor of the hidden size, 16"),
    ({"regularization__drop_path": 0.1}, "regularization.drop_path: 0.1; allowed: 0: bert has no stochastic depth"),
    ({"model__pretrained": "no/such/folder"}, "allowed: empty, hub, or a folder with a checkpoint"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_TEXTS, ids=[message[:20] for _, message in BAD_TEXTS])
def test_settings_that_a_text_network_has_not_are_named(changes: dict[str, Any], message: str, tmp_path: Path):
    assert message in refused(texts(tmp_path, **changes), WORDS)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder as transformers writes it, of an encoder with two layers and another classifier."""
    folder = tmp_path_factory.mktemp("checkpoint")
    network = seeded(texts(folder, model__layers=2), dataclasses.replace(WORDS, classes=5))
    inner: Any = network.network
    inner.save_pretrained(folder)
    return folder


def test_a_local_checkpoint_starts_with_its_encoder_and_a_new_classifier(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = texts(tmp_path, model__pretrained=str(checkpoint), model__layers=0, model__hidden_size=0, model__heads=0)
    network = seeded(config, WORDS)
    original = seeded(texts(tmp_path, model__layers=2), dataclasses.replace(WORDS, classes=5)).state_dict()
    own = network.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in original.items() if ".classifier." not in name)
    assert own["network.classifier.weight"].shape == (2, 16)
    assert "Starts afresh: classifier.bias, classifier.weight" in capsys.readouterr().out


def test_a_checkpoint_can_be_cut_but_not_grown(checkpoint: Path, tmp_path: Path):
    base = {"model__pretrained": str(checkpoint), "model__hidden_size": 0, "model__heads": 0}
    cut = seeded(texts(tmp_path, model__layers=1, **base), WORDS)
    assert not any("layer.1." in name for name, _ in cut.named_parameters())
    assert "model.layers: 3; allowed: at most 2" in refused(texts(tmp_path, model__layers=3, **base), WORDS)
    wider = texts(tmp_path, **base | {"model__hidden_size": 32, "model__layers": 0})
    assert "model.hidden_size: 32; allowed: 0 or 16" in refused(wider, WORDS)
    longer = texts(tmp_path, data__max_length=64, model__layers=0, **base)
    assert "data.max_length: 64; allowed: at most 33" in refused(longer, WORDS)
    named = texts(tmp_path, model__name="roberta", model__layers=0, **base)
    assert "model.name: 'roberta'; allowed: bert" in refused(named, WORDS)
    larger = dataclasses.replace(WORDS, vocabulary_size=600)
    assert "600 tokens; it has 500" in refused(texts(tmp_path, model__layers=0, **base), larger)


@pytest.mark.parametrize("name", ["roberta", "mpnet"])
def test_positions_that_a_checkpoint_counts_past_its_padding_hold_no_text(name: str, tmp_path: Path):
    """Of the 34 that it has, the one of the padding token and those before it are never used."""
    padded = dataclasses.replace(WORDS, pad_id=1)
    made: Any = seeded(texts(tmp_path, model__name=name), padded).network
    made.save_pretrained(tmp_path)
    assert made.config.max_position_embeddings == 34
    base = {"model__name": name, "model__pretrained": str(tmp_path), "model__hidden_size": 0, "model__heads": 0}
    for length in (33, 34):
        message = refused(texts(tmp_path, data__max_length=length, **base), padded)
        assert f"data.max_length: {length}; allowed: at most 32, the positions of {name}" in message
    tokens = torch.randint(2, 500, (2, 32))
    network = seeded(texts(tmp_path, data__max_length=32, **base), padded)
    assert network({"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}).shape == (2, 2)


def test_an_encoder_that_lacks_weights_is_refused(checkpoint: Path, tmp_path: Path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((checkpoint / "config.json").read_text(encoding="utf-8"), encoding="utf-8")
    save_file(
        {"bert.embeddings.word_embeddings.weight": torch.zeros(500, 16)}, broken / "model.safetensors", {"format": "pt"}
    )
    config = texts(tmp_path, model__pretrained=str(broken), model__layers=0, model__hidden_size=0, model__heads=0)
    assert "missing or of another shape, such as bert." in refused(config, WORDS)


def test_a_text_run_goes_on_exactly(documentation: Path, tmp_path: Path):
    config = texts(documentation, regularization__dropout=0.1)
    dataset: Dataset = open_dataset(config)
    assert set(dataset.classes) == {"[/mail]", "统计", '"json"'}
    folder = tmp_path / "stopped"
    folder.mkdir()
    run = loop.Run(config, folder, torch.device("cpu"), lambda: run.progress.step >= 4, 0.0)
    with pytest.raises(loop.Stopped):
        loop.train(run, dataset)
    file = tmp_path / "config.toml"
    write_toml(file, config)
    for place in ("stopped", "whole"):
        assert run_here(file, tmp_path / place)[0] == 0
    assert_same_run(folder, tmp_path / "whole")
