"""Names of models as the installed libraries list them, read from their files: neither is loaded for it."""

from __future__ import annotations

import difflib
import importlib.util
import re
from functools import cache
from pathlib import Path

_BUILT = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)
_FORMER = re.compile(r"register_model_deprecations\(__name__, \{(.*?)\}\)", re.DOTALL)
_KEY = re.compile(r"'(\w+)'\s*:")
_TYPE = re.compile(r"""["']([\w.-]+)["'](?:,|:)\s*["']\w+Config["']""")


@cache
def known(library: str) -> frozenset[str]:
    """The architectures of timm, or the model types of transformers; empty where they cannot be read."""
    found = importlib.util.find_spec(library)
    places = list(found.submodule_search_locations or []) if found else []
    if not places:
        return frozenset()
    models = Path(places[0]) / "models"
    return frozenset(_of_timm(models) if library == "timm" else _of_transformers(models / "auto"))


def is_known(library: str, name: str) -> bool:
    """Whether the library has a model of this name; also where that cannot be told. A name of timm may have a tag that
    names its weights (`resnet18.a1_in1k`)."""
    names = known(library)
    return not names or (name.partition(".")[0] if library == "timm" else name) in names


def similar(library: str, name: str) -> list[str]:
    """Names of the library that this one may be meant for."""
    return difflib.get_close_matches(name, sorted(known(library)), 3)


def _of_timm(models: Path) -> set[str]:
    names: set[str] = set()
    for text in map(_text, models.glob("*.py")):
        names |= {*_BUILT.findall(text)}
        names |= {key for listed in _FORMER.findall(text) for key in _KEY.findall(listed)}
    return names


def _of_transformers(auto: Path) -> set[str]:
    # Which of the two has the list depends on the release.
    files = (auto / "auto_mappings.py", auto / "configuration_auto.py")
    return {name for text in map(_text, files) for name in _TYPE.findall(text)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
