"""Settings of which one means nothing at a value of the other, so that both cannot stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOMENTUM, NESTEROV = "optimizer.momentum", "optimizer.nesterov"


def idle(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What changes nothing in this configuration, with the value that training asks for then: without momentum,
    Nesterov's step is the plain one, so a range of the momentum may well reach down to 0."""
    return {NESTEROV: False} if settings.get(NESTEROV) is not None and settings.get(MOMENTUM) == 0 else {}
