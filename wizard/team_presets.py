"""A team's presets held against what the catalogue cannot know: the limits of settings, and the libraries' models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from presets import catalogue
from presets.language import say, told
from presets.team import Presets
from training import config
from wizard import model_names

LIBRARIES = ("timm", "transformers")
# What gives a model of transformers its size.
SIZES = ("model.layers", "model.hidden_size", "model.heads", "model.vocabulary_size")


def use(root: Path | None) -> None:
    """Take in the presets of the user, and of the project in `root`. Raises CatalogueError for a mistake in them."""
    catalogue.use(root, _check_names, _check)


def _check_names(presets: Presets) -> None:
    """Refuse a model that its library has not, of entries whose library can be told by the catalogue as it comes."""
    libraries = {entry.id: entry.library for entry in catalogue.architectures()}
    for id, own in presets.architectures.items():
        library = own.get("library") or libraries.get(own.get("like", id))
        if library in LIBRARIES and isinstance(own.get("model"), str):
            _check_model(presets, id, library, own["model"])


def _check(presets: Presets) -> None:
    families = dict.fromkeys(entry.family for entry in catalogue.architectures())
    for name, own in presets.optimizers.items():
        for key, given in own.items():
            if isinstance(given, Mapping):
                _check_values(presets, f"optimizers.{name}.{key}", key, given)
            elif any(family not in families for family in given):
                raise presets.wrong(f"optimizers.{name}.{key}", given, ", ".join(families))
    for id, own in presets.architectures.items():
        if "model" in own:
            _check_model(presets, id, catalogue.architecture(id).library, str(own["model"]))
        for key, value in own.get("settings", {}).items():
            _check_setting(presets, f"architectures.{id}.settings", key, value)


def _check_setting(presets: Presets, where: str, key: str, value: Any) -> None:
    """A setting that makes the size of a model: what else a run needs is decided in its own step."""
    if key not in SIZES:
        raise presets.wrong(f"{where}.{key}", value, ", ".join(SIZES))
    if (wrong := config.fault(key, value)) is not None:
        raise presets.wrong(f"{where}.{key}", value, told(str(wrong.allowed), wrong.allowed.packed()))


def _check_values(presets: Presets, where: str, key: str, given: Mapping[str, Any]) -> None:
    limits = config.about(f"optimizer.{key}")[1]
    for field in ("default", "low", "high"):
        if field in given and not limits.admits(given[field]):
            allowed = limits.sentence()
            raise presets.wrong(f"{where}.{field}", given[field], told(str(allowed), allowed.packed()))
    if "fine_tuning" in given:
        _check_values(presets, f"{where}.fine_tuning", key, given["fine_tuning"])


def _check_model(presets: Presets, id: str, library: str, model: str) -> None:
    if not model_names.is_known(library, model):
        names = model_names.similar(library, model)
        allowed = say("a model of {library}; near it: {names}", library=library, names=names or "-")
        raise presets.wrong(f"architectures.{id}.model", model, allowed)
