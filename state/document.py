"""The configuration document: TOML with a comment for each value, addressed by dotted names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from state.errors import Invalid


def parse(text: str, source: str = "configuration") -> tomlkit.TOMLDocument:
    """A document that keeps its comments and order. Refuses text that is not TOML, with the line."""
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise Invalid("{source}: not valid TOML: {reason}", source=source, reason=str(error)) from None


def compose(
    values: Mapping[str, Any], reasons: Mapping[str, str] | None = None, heading: str = ""
) -> tomlkit.TOMLDocument:
    """A document of dotted names, a section for each first part, each value's reason as the comment above it."""
    document = tomlkit.document()
    for line in heading.splitlines():
        document.add(tomlkit.comment(line))
    # What is of a table itself comes before the tables below it: behind them, a comment would be one of theirs.
    for dotted, value in sorted(values.items(), key=lambda entry: entry[0].count(".")):
        put(document, dotted, value, (reasons or {}).get(dotted, ""))
    return document


def put(document: tomlkit.TOMLDocument, dotted: str, value: Any, reason: str = "") -> None:
    """Set one value; a new one gets its reason as a comment, an existing one keeps the comments around it. None takes
    it out."""
    *sections, key = dotted.split(".")
    table: Any = document
    for section in sections:
        if section not in table:
            table[section] = tomlkit.table()
        table = table[section]
    if value is None:
        table.pop(key, None)
        return
    if key not in table:
        for line in reason.splitlines():
            table.add(tomlkit.comment(line))
    table[key] = value


def values(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted name to plain value, in the order of the document."""
    flat: dict[str, Any] = {}
    plain = document.unwrap() if isinstance(document, tomlkit.TOMLDocument) else document
    for key, value in plain.items():
        if isinstance(value, Mapping):
            flat.update(values(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def content_hash(flat: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that name a configuration by its content, whatever the order of its keys."""
    canonical = json.dumps(dict(flat), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
