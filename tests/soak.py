"""Faults by the dozen, in real processes; minutes to hours: `make soak`. `make test` has one of each (test_faults).

SOAK_ROUNDS: how many rounds are disturbed, 50 unless it is set.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests import chaos, small_project
from tests.test_faults import million_points

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "50"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> dict[int, Any]:
    """What the same round comes to when nobody disturbs it."""
    return chaos.results(small_project.project(tmp_path_factory.mktemp("calm"), digits), digits, 0, 0)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_disturbed_round_comes_to_the_same(
    seed: int, undisturbed: dict[int, Any], tmp_path: Path, digits: Path
) -> None:
    project = small_project.project(tmp_path / "项目 [red]", digits)
    assert chaos.results(project, digits, 1 + seed % 5, seed) == undisturbed


def test_a_million_points_are_indexed_in_little_memory(tmp_path: Path) -> None:
    million_points(tmp_path, 1_000_000)
