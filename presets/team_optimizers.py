"""What a team's presets change of the optimizers' hyperparameters; every mistake with its file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from presets import ranges
from presets.language import say
from presets.team import Presets

FINE_TUNING = "fine_tuning"
# What a team may say of a hyperparameter; the rest belongs to the setting itself.
FIELDS = ("default", "low", "high", "opens_at", "scale", "source", "choices", FINE_TUNING)
NUMBERS = ("default", "low", "high")


def change(tables: dict[str, Any], name: str, own: Mapping[str, Any], presets: Presets) -> None:
    """Change the tables of the catalogue. Raises PresetError."""
    where = f"optimizers.{name}"
    if name not in tables:
        raise presets.wrong(where, name, ", ".join(tables))
    known = {table["key"].partition(".")[2]: table for table in tables[name]["hyperparameters"]}
    for key, value in own.items():
        if key == "popular_for" and isinstance(value, list):
            # A family has one optimizer that is used most for it.
            for table in tables.values():
                table["popular_for"] = [family for family in table["popular_for"] if family not in value]
            tables[name]["popular_for"] += value
        elif key in known and isinstance(value, dict):
            _check_fields(presets, f"{where}.{key}", value, known[key])
            known[key] |= {"source": str(presets.path), **value, **_fine_tuning(known[key], value, presets)}
            _check_ranges(presets, f"{where}.{key}", value, {**ranges.PLAIN, **known[key]})
        else:
            raise presets.wrong(f"{where}.{key}", value, ", ".join(("popular_for = [...]", *known)))


def _fine_tuning(known: Mapping[str, Any], value: Mapping[str, Any], presets: Presets) -> dict[str, Any]:
    """The table of fine-tuning, where the team changes some of it: the rest is as in the catalogue."""
    if FINE_TUNING not in value:
        return {}
    return {FINE_TUNING: {**known.get(FINE_TUNING, {}), "source": str(presets.path), **value[FINE_TUNING]}}


def _check_fields(presets: Presets, where: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name, value in given.items():
        place = f"{where}.{name}"
        if name not in FIELDS:
            raise presets.wrong(place, value, ", ".join(FIELDS))
        if name in NUMBERS and type(value) not in (int, float, type(known.get(name, 0.0))):
            raise presets.wrong(place, value, say("a number"))
        if name == "opens_at" and not (type(value) is int and value >= 0):
            raise presets.wrong(place, value, say("a whole number, at least 0"))
        if name == "scale" and value not in get_args(ranges.Scale):
            raise presets.wrong(place, value, ", ".join(get_args(ranges.Scale)))
        if name == "source" and not isinstance(value, str):
            raise presets.wrong(place, value, say("text"))
        if name == "choices" and not isinstance(value, list):
            raise presets.wrong(place, value, say("a list"))
        if name == FINE_TUNING:
            if not isinstance(value, dict) or FINE_TUNING in value:
                table = "{ default = 5e-5, low = 1e-6, high = 1e-3 }"
                raise presets.wrong(place, value, say("a table such as {table}", table=table))
            _check_fields(presets, place, value, known)


def _check_ranges(presets: Presets, where: str, given: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
    """The range from scratch, and that of fine-tuning where the team's file says something of it."""
    _check_range(presets, where, given, whole)
    if FINE_TUNING in given:
        tuned = given[FINE_TUNING]
        _check_range(presets, f"{where}.{FINE_TUNING}", tuned, {**whole, **whole[FINE_TUNING]})


def _check_range(presets: Presets, where: str, given: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
    """Said at the line of the field that is wrong, or of another that the file has, on which it depends."""
    if (found := ranges.mistake(whole)) is not None:
        wrong, words = found
        place = next((name for name in (wrong, *NUMBERS, "scale") if name in given), "")
        raise presets.wrong_entry(f"{where}.{place}" if place else where, words)
    if ranges.outside(whole):
        default, low, high = whole["default"], whole["low"], whole["high"]
        place = next((name for name in NUMBERS if name in given), "default")
        if place == "default":
            allowed = say("from {low:g} to {high:g}, its search range", low=low, high=high)
        else:
            allowed = say("a range with the default in it, {default:g}", default=default)
        raise presets.wrong(f"{where}.{place}", whole[place], allowed)
