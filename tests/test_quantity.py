"""Quantities in words that fit where they are shown."""

from __future__ import annotations

import pytest

from wizard import quantity


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0.0, "0"), (0.0123, "0.012"), (1234.5, "1,234.50"), (9e11, "900,000,000,000.00"), (1e300, "1.00e+300")],
)
def test_a_price_has_as_many_digits_as_mean_something(amount: float, words: str) -> None:
    """One of 300 digits was written in full."""
    assert quantity.price(amount) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.42, "0.42"), (3.8, "3.8"), (1280.0, "1,280"), (-1280.0, "-1,280"), (2e15, "2.00e+15")]
)
def test_a_figure_has_two_digits_at_least(value: float, words: str) -> None:
    assert quantity.digits(value) == words
