"""Random keys on the screens: the short form of `make fuzz`, from a few seeds that stay."""

from __future__ import annotations

import pytest

from tests.fuzz import fuzz


@pytest.mark.parametrize("seed", [1, 2])
def test_random_keys_on_hostile_names_end_no_session_and_send_nothing_raw(seed: int) -> None:
    """Markup, newlines, escape sequences, writing from the right and emoji in names, messages and reasons."""
    assert "all ended well" in fuzz(200, seed)
