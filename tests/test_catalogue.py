"""The catalogue of architectures, optimizers and search ranges, held against the libraries that must know them."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
from timm.optim.lamb import Lamb
from timm.optim.nadamw import NAdamW
from timm.optim.rmsprop_tf import RMSpropTF
from transformers import CONFIG_MAPPING

from presets import catalogue
from presets.catalogue import CatalogueError
from rounds.roles import default_role
from tests import figures
from training import config
from training.figures import main as print_figures
from tui.commands.presets import KINDS

ARCHITECTURES = catalogue.architectures()
REST = {
    "data.path": "data",
    "optimizer.name": "adamw",
    "training.steps": 10,
    "training.batch_size": 8,
    "training.evaluate_every": 5,
}


@pytest.fixture
def fresh_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the catalogue's files to spoil."""
    for file in ("architectures.toml", "optimizers.toml", "spaces.toml"):
        (tmp_path / file).write_bytes((catalogue.FOLDER / file).read_bytes())
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    cached = (catalogue._read, catalogue._architectures, catalogue.optimizers, catalogue.tunables)
    for function in cached:
        function.cache_clear()
    yield tmp_path
    for function in cached:
        function.cache_clear()


def test_each_task_has_several_families_with_several_sizes() -> None:
    for task in config.TASKS:
        entries = catalogue.architectures(task)
        families = {entry.family for entry in entries}
        assert len(families) >= 4
        assert len(entries) > len(families)
        assert any(entry.small_inputs for entry in entries)


def test_the_catalogue_is_broad_and_says_what_a_licence_is_known_of() -> None:
    """At least 40 architectures in 12 families, of every kind; timm states the licence of all its weights."""
    assert len(ARCHITECTURES) >= 40
    assert len({entry.family for entry in ARCHITECTURES}) >= 12
    assert {entry.kind for entry in ARCHITECTURES} == set(KINDS)
    assert {entry.normalisation for entry in ARCHITECTURES} == {"batch", "group", "layer", "none"}
    for entry in ARCHITECTURES:
        assert bool(entry.licence) == (entry.library == "timm")
        assert 1990 < entry.year < 2100
        assert "arXiv:" in entry.paper


@pytest.mark.parametrize("entry", ARCHITECTURES, ids=lambda entry: entry.id)
def test_each_architecture_is_known_to_its_library_and_makes_a_valid_configuration(
    entry: catalogue.Architecture,
) -> None:
    chosen = config.check(config.unflat({**REST, **entry.overrides()}))
    assert chosen.model.pretrained == ""
    fine_tuned = config.check(config.unflat({**REST, **entry.overrides("hub")}))
    if entry.library == "timm":
        assert timm.is_model(entry.model)
        assert fine_tuned.model.name == entry.model
        published = timm.get_pretrained_cfg(entry.model)
        assert published is not None
        assert entry.pretrained == f"timm/{entry.model}.{published.tag}"
    else:
        assert entry.model in CONFIG_MAPPING
        assert fine_tuned.model.name == entry.pretrained
        assert fine_tuned.model.layers == 0


def test_sizes_of_a_family_grow_in_compute() -> None:
    for family in {entry.family for entry in ARCHITECTURES}:
        costs = [entry.macs for entry in ARCHITECTURES if entry.family == family]
        assert costs == sorted(costs), family


@pytest.mark.parametrize("id", ["test_resnet", "mobilenetv3_small_050", "levit_128s", "bert-tiny", "deberta-v3-xsmall"])
def test_the_figures_in_the_file_are_the_measured_ones(id: str) -> None:
    families = tomllib.loads(figures.CATALOGUE.read_text(encoding="utf-8")).values()
    (found,) = [(family, size) for family in families for size in family["sizes"] if size["id"] == id]
    now = figures.measured(*found)
    assert now == {name: found[1][name] for name in now}


def test_figures_of_any_architecture_are_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    settings = '{"data.image_size": 32, "data.channels": 1}'
    assert print_figures(["--library", "timm", "--name", "test_convnext", "--settings", settings]) == 0
    assert json.loads(capsys.readouterr().out)["normalisation"] == "layer"
    assert print_figures(["--library", "timm", "--name", "resnet17"]) == 2
    assert "resnet17" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "kind"), [("nadamw", NAdamW), ("rmsprop", RMSpropTF), ("lamb", Lamb)])
def test_nadamw_rmsprop_and_lamb_are_timms_with_its_defaults(name: str, kind: type) -> None:
    """Where timm's own default differs, the source says from which recipe the value is."""
    defaults = {key: entry.default for key, entry in inspect.signature(kind.__init__).parameters.items()}
    own = config.OPTIMIZERS[name]
    assert own["learning_rate"] == defaults["lr"]
    assert own["epsilon"] == (1e-3 if name == "rmsprop" else defaults["eps"])
    assert own.get("alpha") == defaults.get("alpha")
    if name in ("nadamw", "lamb"):
        assert (own["beta1"], own["beta2"]) == defaults["betas"]
        assert own["weight_decay"] == defaults["weight_decay"]
    named = " ".join(part.source for part in catalogue.optimizer(name).hyperparameters)
    assert "timm" in named


@pytest.mark.parametrize("fine_tuning", [False, True])
@pytest.mark.parametrize("name", sorted(config.OPTIMIZERS))
def test_each_optimizer_has_every_hyperparameter_with_torchs_default(name: str, fine_tuning: bool) -> None:
    own = config.OPTIMIZERS[name]
    entries = {
        h.key.removeprefix("optimizer."): h for h in catalogue.optimizer(name, fine_tuning=fine_tuning).hyperparameters
    }
    assert entries.keys() == own.keys()
    for key, default in own.items():
        if default is not None and not (fine_tuning and key == "learning_rate"):
            assert entries[key].default == default


EVERY = [
    *catalogue.tunables(),
    *(h for tuned in (False, True) for entry in catalogue.optimizers(fine_tuning=tuned) for h in entry.hyperparameters),
]


@pytest.mark.parametrize("tunable", EVERY, ids=lambda tunable: tunable.key)
def test_a_range_holds_only_what_the_configuration_admits(tunable: catalogue.Hyperparameter) -> None:
    _, limits = config.about(tunable.key)
    assert limits.admits(tunable.default)
    assert tunable.source
    if tunable.kind == "categorical":
        assert all(limits.admits(choice) for choice in tunable.choices)
    elif not tunable.share_of:
        assert limits.admits(tunable.low)
        assert limits.admits(tunable.high)


def test_counts_and_shares_say_so() -> None:
    """What is neither a rate nor a plain number would stand bare as `1 .. 6`."""
    units = {tunable.key: tunable.unit for tunable in EVERY}
    assert (units["schedule.warmup_steps"], units["augmentation.crop_padding"]) == ("steps", "pixels")
    assert units["optimizer.learning_rate"] == ""
    assert all(tunable.unit for tunable in EVERY if tunable.kind == "int")


def test_what_is_set_up_and_not_searched_has_no_range() -> None:
    assert {"training.batch_size", "training.steps"}.isdisjoint(tunable.key for tunable in EVERY)


@pytest.mark.parametrize(
    ("trials", "opened"),
    [
        (1, ["learning_rate"]),
        (9, ["learning_rate"]),
        (10, ["learning_rate", "beta1"]),
        (26, ["learning_rate", "beta1", "weight_decay", "epsilon"]),
        (100, ["learning_rate", "beta1", "weight_decay", "epsilon", "beta2"]),
    ],
)
def test_adams_hyperparameters_open_with_the_trial_budget(trials: int, opened: list[str]) -> None:
    listed = catalogue.optimizer("adamw").hyperparameters
    assert [h.key.removeprefix("optimizer.") for h in listed if default_role(h, {}, trials) == "nuisance"] == opened


def test_only_the_learning_rate_is_open_at_first() -> None:
    for entry in catalogue.optimizers():
        assert [h.key for h in entry.hyperparameters if not h.fixed] == ["optimizer.learning_rate"]


def test_fine_tuning_searches_lower_learning_rates() -> None:
    for entry in catalogue.optimizers():
        scratch = catalogue.hyperparameter("optimizer.learning_rate", entry.name)
        tuned = catalogue.hyperparameter("optimizer.learning_rate", entry.name, fine_tuning=True)
        for lower, higher in [
            (tuned.low, scratch.low),
            (tuned.high, scratch.high),
            (tuned.low, tuned.default),
            (tuned.default, tuned.high),
        ]:
            assert isinstance(lower, float)
            assert isinstance(higher, float)
            assert lower < higher


def test_an_optimizer_is_recommended_for_every_family() -> None:
    assert catalogue.recommended_optimizer("resnet").name == "sgd"
    assert catalogue.recommended_optimizer("bert").name == "adamw"
    assert catalogue.recommended_optimizer("a family of my own").name == "adamw"
    named = [family for entry in catalogue.optimizers() for family in entry.popular_for]
    assert sorted(named) == sorted({entry.family for entry in ARCHITECTURES})


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(CatalogueError, match=r"resnet99.*resnet18"):
        catalogue.architecture("resnet99")
    with pytest.raises(CatalogueError, match=r"lion.*adamw"):
        catalogue.optimizer("lion")
    with pytest.raises(CatalogueError, match=r"optimizer\.beta1"):
        catalogue.hyperparameter("optimizer.beta1", "sgd")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("architectures.toml", 'id = "resnet18"', 'id = "resnet10t"', "more than one resnet10t"),
        ("architectures.toml", "small_inputs = true", "small = true", "resnet: test_resnet: unknown small"),
        ("architectures.toml", 'kind = "mobile"', 'kind = "fast"', "kind = 'fast'; allowed: convolutional, mobile"),
        ("architectures.toml", 'library = "timm"', 'library = "keras"', "library = 'keras'; allowed: timm"),
        ("architectures.toml", "parameters = ", "parameters = -", "parameters = -"),
        ("optimizers.toml", "low = 1e-5", "low = 0.0", "low = 0.0; wanted: more than 0"),
        ("optimizers.toml", "high = 0.98", "high = 1.0", "high = 1.0; wanted: less than 1"),
        ("optimizers.toml", "low = 1e-5", "low = 1.0", "low below high"),
        ("optimizers.toml", "[true, false]", "[false]", "the default among them"),
        ("optimizers.toml", 'title = "AdamW"\n', "", "adamw: missing title"),
        ("spaces.toml", 'scale = "log"', 'scale = "cubic"', "scale = 'cubic'; allowed: linear, log"),
        ("spaces.toml", "=", "==", "spaces.toml"),
    ],
)
def test_a_mistake_in_a_file_is_named(fresh_catalogue: Path, file: str, old: str, new: str, said: str) -> None:
    text = (fresh_catalogue / file).read_text(encoding="utf-8")
    assert old in text
    (fresh_catalogue / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    read = {
        "architectures.toml": catalogue.architectures,
        "optimizers.toml": catalogue.optimizers,
        "spaces.toml": catalogue.tunables,
    }
    with pytest.raises(CatalogueError) as caught:
        read[file]()
    assert said in str(caught.value)
