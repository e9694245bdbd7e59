"""A configuration file of the user's in TOML, YAML or JSON: its values by dotted name, and a copy with other ones."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import Item

from state import document
from state.errors import Invalid, Refusal

_FOLDER = re.compile(r"\{([A-Za-z_][\w.-]*)\}")
# What YAML 1.2 and people take for a number, but PyYAML (YAML 1.1) for text.
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
LARGEST = 2**20
# A longer list is data: names of classes, weights of them.
LONGEST = 16


def values(path: Path) -> dict[str, Any]:
    """Dotted name to each number, text or switch in the file, and to each list of them, as text with blanks between
    its values; text with placeholders, and what is no finite number, which no record can keep, are left out.

    Refuses a file that cannot be read, and one in which two values have the same dotted name.
    """
    found: dict[str, Any] = {}
    for place, value in _leaves(_read(path)):
        name = _dotted(place)
        if name in found:
            raise Invalid("{path}: there are two values called {name}.", path=str(path), name=name)
        if not any(isinstance(one, float) and not math.isfinite(one) for one in _parts(value)) and not (
            isinstance(value, str) and _FOLDER.search(value)
        ):
            found[name] = _as_text(value) if isinstance(value, list) else value
    return found


def check(path: Path, name: str, value: Any) -> None:
    """Refuse a value that cannot be written in the place of the list of that name; any other name takes what comes."""
    before = next((one for place, one in _leaves(_read(path)) if _dotted(place) == name), None)
    if isinstance(before, list):
        _as_list(name, value, before)


def placeholders(path: Path) -> set[str]:
    """The names in braces in the texts of the file."""
    texts = [value for _place, value in _leaves(_read(path)) if isinstance(value, str)]
    return {name for text in texts for name in _FOLDER.findall(text)}


def filled(path: Path, changed: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """The file with other values under dotted names, and with its placeholders filled; TOML keeps its comments."""
    content = _read(path)
    for place, value in list(_leaves(content)):
        name = _dotted(place)
        new = changed.get(name, value)
        if isinstance(value, list) and not isinstance(new, list):
            new = value if new == _as_text(value) else _as_list(name, new, value)
        if isinstance(value, str) and _FOLDER.search(value):
            new = _FOLDER.sub(lambda match: texts.get(match[1], match[0]), value)
        table: Any = content
        for key in place[:-1]:
            table = table[key]
        table[place[-1]] = new
    if isinstance(content, tomlkit.TOMLDocument):
        return content.as_string()
    if path.suffix.lower() == ".json":
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    import yaml

    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _as_text(values: Sequence[Any]) -> str:
    return " ".join(map(str, values))


def _as_list(name: str, value: Any, before: Sequence[Any]) -> list[Any]:
    """The list that stands for a text with blanks between its values, each of the kind that those before have."""
    words = str(value).split()
    if all(isinstance(one, str) for one in before):
        return words
    if all(isinstance(one, bool) for one in before):
        read = {"true": True, "false": False}
        found = [read.get(word.lower()) for word in words]
    else:
        whole = any(isinstance(one, int) for one in before)
        found = [_number(word, whole=whole) for word in words]
    if None in found or not found:
        raise Invalid(
            "{name}: {value!r} does not fit; wanted: {wanted}", name=name, value=value, wanted=repr(_as_text(before))
        )
    return found


def _number(word: str, *, whole: bool) -> int | float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(word) if whole and re.fullmatch(r"[+-]?\d+", word) else number


def _read(path: Path) -> Any:
    try:
        data = path.read_bytes()
        # With the mark that some editors of Windows put before it.
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise Refusal("{path}: {reason}.", path=str(path), reason=error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        raise Invalid("{path}: byte {byte} is not UTF-8.", path=str(path), byte=error.start) from None
    if len(data) > LARGEST:
        raise Invalid("{path}: too large for a configuration file.", path=str(path))
    match path.suffix.lower():
        case ".toml":
            content: Any = document.parse(text, str(path))
        case ".json":
            content = _json(text, path)
        case ".yaml" | ".yml":
            content = _yaml(text, path)
        case _:
            raise Invalid("{path}: neither .toml, .yaml nor .json.", path=str(path))
    if not isinstance(content, Mapping):
        raise Invalid("{path}: no names with values in it.", path=str(path))
    return content


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid("{path}: not valid JSON: {reason}", path=str(path), reason=str(error)) from None


def _yaml(text: str, path: Path) -> Any:
    # Loaded only for such a file.
    import yaml

    try:
        return _numbers(yaml.safe_load(text))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise Invalid("{path}: not valid YAML: {reason}", path=str(path), reason=reason) from None


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_numbers(entry) for entry in value]
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _leaves(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The place of each plain value, or list of such, and the value itself; keys that are no text keep their type in
    the place."""
    for key, value in content.items():
        here = (*place, key)
        if isinstance(value, Mapping):
            yield from _leaves(value, here)
        elif isinstance(value, str | bool | int | float):
            # tomlkit's values carry their comments with them.
            yield here, value.unwrap() if isinstance(value, Item) else value
        elif isinstance(value, list):
            listed = list(value.unwrap() if isinstance(value, Item) else value)
            if 0 < len(listed) <= LONGEST and all(map(_in_a_list, listed)):
                yield here, listed


def _in_a_list(value: Any) -> bool:
    """Whether a value of a list can be told from its neighbours where blanks stand between them."""
    if isinstance(value, str):
        return len(value.split()) == 1 and value.strip() == value and not _FOLDER.search(value)
    return isinstance(value, bool | int | float)


def _parts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _dotted(place: tuple[Any, ...]) -> str:
    return ".".join(map(str, place))
