"""In which settings two configurations differ, written as they are shown side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from state.configurations import INCIDENTAL
from wizard.quantity import setting


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[list[str]]:
    """Name, value there, value here, of each setting that is not the same; `-` where there is none."""
    return [
        [key, written(there.get(key)), written(here.get(key))]
        for key in {**there, **here}
        if key not in INCIDENTAL and there.get(key) != here.get(key)
    ]


def written(value: Any) -> str:
    """A value as it is shown; numbers in six digits, so that near ones are told apart."""
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else setting(value)
