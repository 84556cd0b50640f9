"""Numbers of rows, and which rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencoder.errors import UserError
from synth.mix.config import Mixture, Source
from synth.mix.draw import amounts, drawn, row_key, shuffled


def mixture(*sources: Source, max_rows: int | None = None) -> Mixture:
    return Mixture(sources=list(sources), max_rows=max_rows)


@pytest.mark.parametrize(
    ("sources", "max_rows", "available", "expected"),
    [
        ([Source(path="a"), Source(path="b")], None, [5, 7], [5, 7]),
        ([Source(path="a", rows=3), Source(path="b", rows=9)], None, [5, 7], [3, 7]),
        ([Source(path="a", epochs=2.5), Source(path="b", epochs=0.5)], None, [5, 7], [13, 4]),
        ([Source(path="a", epochs=2.0), Source(path="b")], 9, [10, 7], [7, 2]),
        ([Source(path="a", weight=3), Source(path="b", weight=1)], None, [30, 30], [30, 10]),
        ([Source(path="a", weight=0.3), Source(path="b", weight=0.1)], 20, [30, 30], [15, 5]),
        ([Source(path="a", weight=1), Source(path="b", weight=1)], None, [2, 90], [2, 2]),
    ],
)
def test_amounts(
    sources: list[Source], max_rows: int | None, available: list[int], expected: list[int]
) -> None:
    assert amounts(mixture(*sources, max_rows=max_rows), available) == expected


def test_a_weight_without_rows() -> None:
    with pytest.raises(UserError, match="source `b` has a weight and no row left"):
        amounts(mixture(Source(path="a", weight=1), Source(path="b", weight=1)), [3, 0])


@given(
    weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=6),
    available=st.lists(st.integers(1, 10_000), min_size=6, max_size=6),
    most=st.none() | st.integers(1, 5000),
)
def test_weights_are_kept_and_nothing_repeats(
    weights: list[float], available: list[int], most: int | None
) -> None:
    available = available[: len(weights)]
    made = mixture(*(Source(path=str(i), weight=w) for i, w in enumerate(weights)), max_rows=most)
    found = amounts(made, available)
    assert all(0 <= num <= there for num, there in zip(found, available, strict=True))
    assert most is None or sum(found) <= most
    for num, weight in zip(found, weights, strict=True):
        assert abs(num - sum(found) * weight / sum(weights)) <= 2


@given(
    num=st.integers(1, 60),
    small=st.integers(0, 200),
    more=st.integers(0, 200),
)
def test_a_smaller_draw_is_part_of_a_larger(num: int, small: int, more: int) -> None:
    keys = np.array([row_key(1, str(i)) for i in range(num)], dtype=np.uint64)
    few, many = (
        dict(zip(*(part.tolist() for part in drawn(keys, amount)), strict=True))
        for amount in (small, small + more)
    )
    assert sum(few.values()) == small
    assert sum(many.values()) == small + more
    assert all(many[place] >= copies for place, copies in few.items())
    assert max(many.values(), default=0) - min(many.values(), default=0) <= 1


def test_seeds_draw_differently() -> None:
    choices = set()
    for seed in range(20):
        keys = np.array([row_key(seed, str(i)) for i in range(50)], dtype=np.uint64)
        choices.add(tuple(sorted(drawn(keys, 10)[0].tolist())))
    assert len(choices) == 20


def test_order_does_not_follow_the_draw() -> None:
    keys = np.sort(np.array([row_key(0, str(i)) for i in range(2000)], dtype=np.uint64))
    places = np.argsort(np.argsort(shuffled(keys, np.zeros(2000, dtype=np.int64))))
    assert abs(np.corrcoef(np.arange(2000), places)[0, 1]) < 0.1
    assert len(np.unique(shuffled(np.repeat(keys, 2), np.tile([0, 1], 2000)))) == 4000
