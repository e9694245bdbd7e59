"""Search spaces: the map from a coordinate to a value and back, its storage, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds.space import Dimension, Domain, SpaceError

COORDINATES = st.floats(0, 1, exclude_max=True)
RATE = Domain("float", 1e-4, 1e-2, "log")


@st.composite
def float_domains(draw: Any) -> Domain:
    scale, numbers = draw(
        st.sampled_from(
            [
                ("log", st.floats(1e-12, 1e6)),
                ("one-minus-log", st.floats(0, 1 - 1e-9)),
                ("linear", st.floats(-1e6, 1e6)),
            ]
        )
    )
    low, high = draw(pair(numbers))
    return Domain("float", low, high, scale)


def pair(numbers: Any) -> Any:
    """Two ends that are clearly apart."""
    return (
        st.tuples(numbers, numbers)
        .map(sorted)
        .filter(lambda ends: ends[1] - ends[0] > 1e-3 * max(abs(ends[0]), abs(ends[1])))
        .filter(lambda ends: (1 - ends[0]) - (1 - ends[1]) > 1e-3 * abs(1 - ends[0]) or ends[1] > 1)
    )


@st.composite
def int_domains(draw: Any) -> Domain:
    low, more, scale = draw(st.tuples(st.integers(1, 10**6), st.integers(0, 10**6), st.sampled_from(["linear", "log"])))
    return Domain("int", low, low + more, scale)


@pytest.mark.parametrize(
    ("domain", "u", "value"),
    [
        (RATE, 0.5, 1e-3),
        (Domain("float", 0.0, 0.4), 0.25, 0.1),
        (Domain("float", 0.9, 0.999, "one-minus-log"), 0.5, 0.99),
        (Domain("int", 1, 4), 0.74, 3),
        (Domain("int", 1, 4), 0.75, 4),
        # 1 … 7 on a log scale is [1, 8): three octaves.
        (Domain("int", 1, 7, "log"), 0.34, 2),
        (Domain("int", 1, 7, "log"), 0.67, 4),
        (Domain("categorical", choices=("a", "b", "c")), 0.4, "b"),
        (Domain("list", choices=(10, 100, 1000)), 0.99, 1000),
    ],
)
def test_values_at_known_coordinates(domain: Domain, u: float, value: Any) -> None:
    assert domain.value(u) == pytest.approx(value) if isinstance(value, float) else domain.value(u) == value


@given(float_domains(), COORDINATES)
def test_a_float_comes_back_to_its_coordinate(domain: Domain, u: float) -> None:
    value = domain.value(u)
    assert domain.contains(value)
    assert domain.position(value) == pytest.approx(u, abs=1e-5)


@given(int_domains(), COORDINATES)
def test_a_whole_number_comes_back_as_itself(domain: Domain, u: float) -> None:
    value = domain.value(u)
    assert isinstance(value, int)
    assert domain.contains(value)
    assert domain.value(domain.position(value)) == value


@given(st.lists(st.text() | st.booleans() | st.integers(), min_size=1, unique_by=repr), COORDINATES)
def test_a_choice_comes_back_as_itself(choices: list[Any], u: float) -> None:
    domain = Domain("categorical", choices=tuple(choices))
    value = domain.value(u)
    assert domain.value(domain.position(value)) is value


@given(float_domains() | int_domains(), COORDINATES, COORDINATES)
def test_values_rise_with_the_coordinate(domain: Domain, one: float, other: float) -> None:
    assert domain.value(min(one, other)) <= domain.value(max(one, other))


@given(float_domains() | int_domains())
def test_both_ends_can_be_reached(domain: Domain) -> None:
    assert domain.value(0.0) == pytest.approx(domain.low)
    assert domain.value(1.0) == pytest.approx(domain.high)


def test_whole_numbers_share_a_linear_range_evenly() -> None:
    values = [Domain("int", 1, 4).value(step / 400) for step in range(400)]
    assert [values.count(value) for value in (1, 2, 3, 4)] == [100] * 4


def test_true_is_not_one() -> None:
    domain = Domain("categorical", choices=(1, True))
    assert [domain.value(u) for u in (0.2, 0.7)] == [1, True]
    assert domain.position(True) == 0.75
    assert not Domain("int", 0, 1).contains(True)


@given(float_domains() | int_domains() | st.just(Domain("list", choices=(0, 0.1, "a", True))))
def test_a_domain_is_stored_as_json(domain: Domain) -> None:
    dimension = Dimension("adamw.beta1", "optimizer.beta1", domain, 3)
    assert Dimension.from_dict(json.loads(json.dumps(dimension.to_dict()))) == dimension


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"kind": "flaot", "low": 0, "high": 1}, "flaot"),
        ({"kind": "float", "low": 1, "high": 1}, "empty"),
        ({"kind": "int", "low": 2, "high": 1}, "empty"),
        ({"kind": "int", "low": 1.5, "high": 2}, "1.5"),
        ({"kind": "float", "low": 0, "high": 1, "scale": "log"}, "above 0"),
        ({"kind": "float", "low": 0.9, "high": 1.0, "scale": "one-minus-log"}, "below 1"),
        ({"kind": "float", "low": 0.9, "high": 1.0, "scale": "cubic"}, "cubic"),
        ({"kind": "float", "low": math.nan, "high": 1.0}, "nan"),
        ({"kind": "float", "low": "0", "high": 1.0}, "'0'"),
        ({"kind": "float", "low": True, "high": 2.0}, "True"),
        ({"kind": "float", "low": 0}, "'high' is missing"),
        ({"kind": "float", "low": 0, "high": 1, "step": 2}, "'step' is unknown"),
        ({"kind": "categorical", "choices": []}, "empty"),
        ({"kind": "categorical", "choices": ["a", "a"]}, "twice"),
        ({"kind": "categorical", "choices": [None]}, "None"),
        ({"kind": "categorical", "choices": "ab"}, "must be a list"),
        ({"kind": "list", "low": 0, "high": 1}, "'choices' is missing"),
        ([], "not a table"),
    ],
)
def test_a_bad_range_is_refused_in_words(mapping: Any, words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        Domain.from_dict(mapping)


def test_a_value_outside_has_no_position() -> None:
    with pytest.raises(SpaceError, match=r"0\.5 is not in the range 0\.0001 \.\. 0\.01 \(log\)"):
        RATE.position(0.5)
    with pytest.raises(SpaceError, match="'d' is not in"):
        Domain("categorical", choices=("a", "b")).position("d")
