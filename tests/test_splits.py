"""The hold-out split: stratified, repeatable, and blind to copies."""

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.sentence import phrase
from training.splits import (
    DataError,
    Part,
    Skipped,
    assign,
    duplicates,
    hold_out,
    identity,
    independent,
    majority_readable,
    sorted_classes,
)


def content(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


examples = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=80)
fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 5)


@given(examples, fractions, seeds)
def test_equal_contents_fall_on_the_same_side(examples: list[tuple[int, int]], fraction: float, seed: int) -> None:
    labels = np.array([label for label, _ in examples])
    held_out = hold_out(labels, [content(number) for _, number in examples], fraction, seed)
    sides: dict[int, bool] = {}
    for (_, number), side in zip(examples, held_out.tolist(), strict=True):
        assert sides.setdefault(number, side) == side


@given(examples, fractions, seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_examples_plays_no_part(
    examples: list[tuple[int, int]], fraction: float, seed: int, chance: random.Random
) -> None:
    def split(rows: list[tuple[int, int]]) -> list[tuple[tuple[int, int], bool]]:
        labels = np.array([label for label, _ in rows])
        held_out = hold_out(labels, [content(number) for _, number in rows], fraction, seed)
        return sorted(zip(rows, held_out.tolist(), strict=True))

    shuffled = list(examples)
    chance.shuffle(shuffled)
    assert split(shuffled) == split(examples)


@given(examples, fractions, seeds)
def test_no_class_loses_all_its_examples(examples: list[tuple[int, int]], fraction: float, seed: int) -> None:
    labels = np.array([label for label, _ in examples])
    held_out = hold_out(labels, [content(number) for _, number in examples], fraction, seed)
    for label in set(labels.tolist()):
        assert not held_out[labels == label].all()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), fractions, seeds)
def test_each_class_gives_its_share_and_at_least_one_of_two(labels: list[int], fraction: float, seed: int) -> None:
    held_out = hold_out(np.array(labels), [content(place) for place in range(len(labels))], fraction, seed)
    for label in set(labels):
        total = labels.count(label)
        wanted = max(1, min(total - 1, int(fraction * total + 0.5))) if total > 1 else 0
        assert held_out[np.array(labels) == label].sum() == wanted


@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), fractions, seeds)
def test_a_class_of_two_contents_in_many_copies_is_on_both_sides(copies: list[int], fraction: float, seed: int) -> None:
    contents = [content(number) for number, count in enumerate(copies) for _ in range(count)]
    held_out = hold_out(np.zeros(len(contents), np.int64), contents, fraction, seed)
    assert 0 < held_out.sum() < len(contents)


def test_another_seed_holds_out_others_and_more_data_moves_few() -> None:
    labels = np.zeros(1000, np.int64)
    contents = [content(number) for number in range(1000)]
    one, other = hold_out(labels, contents, 0.2, 0), hold_out(labels, contents, 0.2, 1)
    assert 20 <= (one & other).sum() <= 60
    grown = hold_out(np.zeros(1010, np.int64), [*contents, *(content(number) for number in range(1000, 1010))], 0.2, 0)
    assert (grown[:1000] != one).sum() <= 10


def test_the_split_of_one_seed_never_changes_between_versions() -> None:
    labels = np.array([0, 1] * 6)
    held_out = hold_out(labels, [content(number) for number in range(12)], 0.34, 7)
    assert np.flatnonzero(held_out).tolist() == [1, 2, 5, 8]


def test_classes_sort_as_people_count() -> None:
    names = {"10", "9", "010", "b2", "b10", "a", "", "-1", "9" * 5000}
    assert sorted_classes(names) == ("", "9", "010", "10", "9" * 5000, "-1", "a", "b2", "b10")


def digests(*numbers: int) -> np.ndarray:
    return np.frombuffer(b"".join(map(content, numbers)), np.uint8).reshape(-1, 32)


def test_copies_are_counted_within_train_and_across_splits() -> None:
    parts = np.array([Part.TRAIN] * 5 + [Part.VALIDATION] * 3 + [Part.TEST] * 3)
    assert duplicates(parts, digests(1, 1, 1, 2, 3, 1, 1, 9, 9, 3, 8)) == (2, 4)


def test_copies_tell_as_much_as_the_contents_there_are_and_less_where_one_outweighs_the_others() -> None:
    assert independent(digests(*range(20))) == 20
    assert independent(digests(*(list(range(20)) * 10))) == 20
    assert independent(digests(*([0] * 181), *range(1, 20))) == 1
    assert independent(digests(1, 1, 2, 3)) == 2
    assert independent(digests()) == 0


def test_ready_made_splits_stay_and_an_empty_one_is_refused() -> None:
    labels, parts = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 2])
    assert assign("ab", labels, parts, digests(1, 2, 3, 4), None, "here").tolist() == [0, 0, 1, 2]
    with pytest.raises(DataError, match="here: the validation split has no readable example"):
        assign("ab", labels, np.array([0, 0, 2, 2]), digests(1, 2, 3, 4), None, "here")


def test_half_unreadable_is_borne_and_more_is_not() -> None:
    left_out = [Skipped("a.png", phrase("empty file"))] * 2
    majority_readable(left_out, 4, phrase("here"))
    with pytest.raises(DataError, match=r"here: 2 of 3 .*a\.png \(empty file\)"):
        majority_readable(left_out, 3, phrase("here"))


def test_data_are_told_apart_by_all_that_is_trained_and_validated_on() -> None:
    classes, labels, roles = ("ham", "spam"), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1], np.int8)
    digests = np.stack([np.frombuffer(content(number), np.uint8) for number in range(4)])
    same = identity(classes, labels, roles, digests)
    assert same == identity(list(classes), labels.astype(np.int32), roles.astype(np.int64), digests.copy())
    others = [
        identity(("ham", "junk"), labels, roles, digests),
        identity(classes, np.array([0, 1, 0, 1]), roles, digests),
        identity(classes, labels, np.array([0, 1, 1, 0], np.int8), digests),
        identity(classes, labels, roles, np.concatenate((digests[:3], digests[:1]))),
        identity(classes, labels[:3], roles[:3], digests[:3]),
    ]
    assert len({same, *others}) == 6
    # What is kept for the test plays no part in any run.
    kept = np.array([0, 1, Part.TEST, 1], np.int8)
    assert identity(classes, labels, kept, digests) == identity(
        classes, *(a[[0, 1, 3]] for a in (labels, roles, digests))
    )
