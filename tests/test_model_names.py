"""A model is named by the catalogue or by its library; what neither knows is said where it is typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from presets.language import restored
from state import decisions
from state.errors import Refusal
from tests.set_up import SPAM, set_up
from wizard import flow, model_names


@pytest.mark.parametrize(
    ("library", "listed"), [("timm", "timm.list_models()"), ("transformers", "transformers.CONFIG_MAPPING")]
)
def test_the_names_of_models_are_those_that_the_library_itself_has(library: str, listed: str) -> None:
    """Read from its files, so that nothing of it is loaded for a question."""
    words = f"import {library}; print(*{listed})"
    own = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout.split()
    assert own
    assert {*own} <= model_names.known(library)
    assert not model_names.is_known(library, "resnet17")


def test_a_mistyped_model_is_refused_where_it_is_typed(tmp_path: Path) -> None:
    """It failed three questions later, after weights of a model that does not exist had been offered."""
    with set_up(tmp_path / "p", "architecture") as store:
        with pytest.raises(Refusal, match=r"timm has no model 'resnet17'.*resnet18"):
            flow.answer(store, "architecture", "resnet17")
        flow.answer(store, "architecture", "resnet18.a1_in1k")
    with set_up(tmp_path / "q", "architecture", SPAM) as store:
        with pytest.raises(Refusal, match=r"no model type 'robertta'.*roberta.*with its owner"):
            flow.answer(store, "architecture", "robertta")
        flow.answer(store, "architecture", "roberta")
    # What somebody has published may be called anything; from scratch it is no type.
    with set_up(tmp_path / "r", "weights", SPAM, architecture="ada/robertta") as store:
        with pytest.raises(Refusal, match=r"no model type 'ada/robertta'"):
            flow.answer(store, "weights", "scratch")
        flow.answer(store, "weights", "hub")


def test_the_optimizer_is_asked_again_for_an_architecture_of_another_family(tmp_path: Path) -> None:
    """It was recommended for a family, and kept for another one with the reason of the first."""
    with set_up(tmp_path / "p", "batch_size", architecture="hgnet_tiny") as store:
        kept = decisions.decision(store, "optimizer")
        assert kept is not None
        assert "does not know" in restored(kept.reason).text()
        flow.answer(store, "architecture", "resnet18")
        flow.answer(store, "weights", "scratch")
        assert flow.standing(store).step == "optimizer"
        assert flow.ask(store, "optimizer").recommended == "sgd"
        flow.answer(store, "optimizer", "sgd")
        flow.answer(store, "architecture", "resnet34")
        flow.answer(store, "weights", "scratch")
        assert flow.standing(store).step != "optimizer"
