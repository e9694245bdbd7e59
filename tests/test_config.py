"""The configuration: what is valid is typed and complete, and every mistake is named with its line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import OPTIMIZERS, SECTIONS, ConfigError, about, check, document, flat, load, parse, unflat

TEXT = """
[model]
library = "timm"
name = "resnet18"

[data]
task = "image-classification"
path = "图/[red]"

[optimizer]
name = "adam"
learning_rate = 1

[training]
steps = 100
batch_size = 32
evaluate_every = 10
"""


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.toml")
    return str(caught.value)


def test_a_short_document_becomes_complete_and_typed():
    config = parse(TEXT)
    assert config.data.path == "图/[red]"
    assert (config.optimizer.learning_rate, config.optimizer.beta1, config.optimizer.momentum) == (1.0, 0.9, None)
    assert isinstance(config.optimizer.learning_rate, float)
    assert config.training.keep_checkpoints == 3
    assert config.runtime.deterministic


def test_document_flat_and_unflat_are_inverse():
    config = parse(TEXT)
    assert check(document(config)) == config
    assert unflat(flat(config)) == document(config)
    assert "optimizer.momentum" not in flat(config)


def test_every_setting_can_be_asked_about():
    for section, kind in SECTIONS.items():
        for entry in dataclasses.fields(kind):
            text, limits = about(f"{section}.{entry.name}")
            assert text
            assert str(limits)
    with pytest.raises(KeyError):
        about("optimizer.speed")


MISTAKES = [
    ("steps = 100", "steps = 0", "line 15: training.steps: 0; allowed: at least 1"),
    ("steps = 100", "steps = true", "line 15: training.steps: True; allowed: a whole number"),
    ("steps = 100", "steps = 100.0", "training.steps: 100.0; allowed: a whole number"),
    ("steps = 100", "stepz = 100", "line 15: training.stepz: unknown key; allowed: one of steps, "),
    ("steps = 100", "", "training.steps: missing; allowed: at least 1"),
    ("learning_rate = 1", "learning_rate = -1", "line 12: optimizer.learning_rate: -1.0; allowed: more than 0"),
    ("learning_rate = 1", "learning_rate = nan", "optimizer.learning_rate: nan; allowed: more than 0"),
    ("learning_rate = 1", "learning_rate = '1'", "optimizer.learning_rate: '1'; allowed: a number"),
    ("learning_rate = 1", f"learning_rate = {10**400}", "; allowed: a number"),
    ("learning_rate = 1", "momentum = 0.9", "optimizer.momentum: 0.9; allowed: nothing: adam has no momentum"),
    ('name = "adam"', 'name = "sgd"\nnesterov = true\nmomentum = 0', "optimizer.nesterov: True; allowed: false where"),
    ('name = "adam"', 'name = "adagrad"', "optimizer.name: 'adagrad'; allowed: one of sgd, adam"),
    ("evaluate_every = 10", "evaluate_every = 101", "training.evaluate_every: 101; allowed: at most training.steps"),
    ("[training]", "[schedule]\nwarmup_steps = 100\n[training]", "schedule.warmup_steps: 100; allowed: less than"),
    ('library = "timm"', 'library = "transformers"', "line 3: model.library: 'transformers'; allowed: timm for"),
    ("[model]", "[modell]", "modell: unknown section; allowed: one of model, data"),
    ("[model]", "[model", "TOML: "),
    ("[model]", "data = 1\n[model]", "TOML: "),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[new or "missing" for _, new, _ in MISTAKES])
def test_a_mistake_is_named_with_what_is_allowed(old: str, new: str, message: str):
    assert message in problem(TEXT.replace(old, new, 1))


def test_all_mistakes_are_told_at_once():
    text = TEXT.replace("steps = 100", "steps = 0").replace("batch_size = 32", "batch_size = 'x'")
    lines = problem(text).splitlines()
    assert len(lines) == 2
    assert all(line.startswith("c.toml: line 1") for line in lines)


def test_files_that_cannot_be_read_are_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.toml: file: 'No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(TEXT.replace("图", "é").encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml: file: byte \d+ is not UTF-8;"):
        load(tmp_path / "latin.toml")


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.lists(st.integers()))
KEYS = st.sampled_from([entry.name for kind in SECTIONS.values() for entry in dataclasses.fields(kind)])


@given(st.dictionaries(st.sampled_from([*SECTIONS, "other"]), st.one_of(VALUES, st.dictionaries(KEYS, VALUES))))
def test_whatever_is_in_a_document_the_answer_is_a_config_error(content: dict[str, Any]):
    with pytest.raises(ConfigError):
        check(content)


@given(st.sampled_from(list(flat(parse(TEXT)))), VALUES)
def test_a_single_change_is_either_valid_or_named(key: str, value: Any):
    changed = unflat(flat(parse(TEXT)) | {key: value})
    try:
        config = check(changed)
    except ConfigError as caught:
        problems = [problem.key for problem in caught.problems]
        named = key in problems or key.partition(".")[0] in {name.partition(".")[0] for name in problems}
    else:
        named = check(document(config)) == config
    assert named


def test_the_optimizers_name_only_settings_there_are():
    settings = {entry.name for entry in dataclasses.fields(SECTIONS["optimizer"])}
    assert all(own.keys() <= settings for own in OPTIMIZERS.values())
