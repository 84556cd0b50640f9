"""Rank correlation and the rest, beside scipy-free definitions and cases known by hand."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.scorer.measures import (
    agreement,
    calibration,
    f1_at_threshold,
    quantiles,
    spearman,
    threshold_of,
)  # fmt: skip

VALUES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=2, max_size=40)


def ranks(values: list[int]) -> list[float]:
    return [sum(b < a for b in values) + (sum(b == a for b in values) + 1) / 2 for a in values]


@given(VALUES)
def test_spearman_is_pearson_of_mean_ranks(pairs: list[tuple[int, int]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    found = spearman(a, b)
    if len(set(b)) == 1:
        assert found is None
        return
    left, right = ranks(a), ranks(b)
    mean = (len(pairs) + 1) / 2
    cross = sum((x - mean) * (y - mean) for x, y in zip(left, right, strict=True))
    size = (sum((x - mean) ** 2 for x in left) * sum((y - mean) ** 2 for y in right)) ** 0.5
    assert found == pytest.approx(cross / size if size else 0, abs=1e-6)


def test_known_correlations() -> None:
    assert spearman([1, 2, 3, 4], [1, 8, 27, 64]) == 1
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    # 1 - 6 * (sum of squared differences 1 + 1 + 4 + 1 + 1) / (5 * 24)
    assert spearman([1, 2, 3, 4, 5], [2, 1, 5, 3, 4]) == pytest.approx(1 - 6 * 8 / 120)
    with pytest.raises(ValueError, match="2 scores for 3 labels"):
        spearman([1, 2], [1, 2, 3])


def test_the_interval_holds_the_figure_and_narrows() -> None:
    generator = random.Random(1)
    a = [generator.random() for _ in range(1600)]
    b = [x + generator.random() for x in a]
    few, many = agreement(a[:100], b[:100], seed=0), agreement(a, b, seed=0)
    for found in (few, many):
        assert found.ci95 is not None
        assert found.spearman is not None
        assert found.ci95.low < found.spearman < found.ci95.high
    assert few.ci95
    assert many.ci95
    assert many.ci95.high - many.ci95.low < 0.4 * (few.ci95.high - few.ci95.low)
    assert agreement(a, b, seed=0) == many


def test_f1_counts_what_rounds_to_three() -> None:
    # Right: 3.0 and 2.5; missed: 2.4 for 4; too much: 5 for 2.
    assert f1_at_threshold([3.0, 2.5, 2.4, 5.0, 1.0], [3, 2.5, 4, 2, 0]) == pytest.approx(4 / 6, abs=1e-6)
    assert f1_at_threshold([1.0], [2.0]) is None


def test_tenths_cover_all_texts_in_order() -> None:
    scores = [i / 10 for i in range(47)]
    tenths = calibration(scores, [round(score) for score in scores])
    assert len(tenths) == 10
    assert sum(tenth.num for tenth in tenths) == 47
    assert [tenth.label for tenth in tenths] == sorted(tenth.label for tenth in tenths)
    assert all(one.high < two.low for one, two in itertools.pairwise(tenths))
    assert len(calibration([1.0, 2.0], [1, 2])) == 2


@given(st.sets(st.integers(0, 500), min_size=20, max_size=60), st.integers(1, 100))
def test_a_threshold_keeps_its_share(hundredths: set[int], percent: int) -> None:
    scores, keep = [value / 100 for value in hundredths], percent / 100
    bar = threshold_of(quantiles(scores), keep)
    kept = sum(score >= bar - 1e-9 for score in scores) / len(scores)
    assert kept == pytest.approx(keep, abs=0.01 + 1.5 / len(scores))


@pytest.mark.parametrize("keep", [0, -0.1, 1.01])
def test_no_share_no_threshold(keep: float) -> None:
    with pytest.raises(ValueError, match="from above 0 to 1"):
        threshold_of([0.0, 1.0], keep)
