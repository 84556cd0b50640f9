"""Hashed n-grams and shapes, beside the same counted in plain Python."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.scorer.features import LENGTHS, MAX_CHARS, SHAPES, batches
from synth.scorer.tokens import tokens, with_pairs


def shapes_of(text: str) -> dict[str, float]:
    (batch,) = batches([text])
    return dict(zip(SHAPES, batch.shapes[0].tolist(), strict=True))


@given(st.lists(st.text(max_size=60), max_size=6), st.text(max_size=200))
def test_neighbours_change_nothing(others: list[str], text: str) -> None:
    (alone,) = batches([text])
    (beside,) = batches([*others, text, *others])
    begin, end = beside.starts[len(others)], beside.starts[len(others) + 1]
    assert np.array_equal(alone.buckets, beside.buckets[begin:end])
    assert np.array_equal(alone.counts, beside.counts[begin:end])
    assert np.array_equal(alone.shapes[0], beside.shapes[len(others)])


@given(st.text(alphabet="abc (\n", min_size=1, max_size=300))
def test_counts_are_those_of_the_grams(text: str) -> None:
    """A hash of 18 bits may join two grams, but never part one; few of so few grams meet."""
    (batch,) = batches([text])
    whole = "\0" * 4 + text + "\0" * 4
    grams: Counter[tuple[int, str]] = Counter()
    for length in LENGTHS:
        grams.update((length, whole[i : i + length]) for i in range(len(text) + 4))
    assert batch.counts.sum() == sum(grams.values())
    assert len(grams) - 4 <= len(batch.buckets) <= len(grams)


def test_grams_spread_over_the_buckets(stdlib_functions: list[str]) -> None:
    texts = stdlib_functions[:100]
    seen = np.concatenate([batch.buckets for batch in batches(texts)])
    grams = {
        (length, text[i : i + length].encode())
        for text in texts
        for length in LENGTHS
        for i in range(len(text) - length + 1)
    }
    share_hit = 1 - np.exp(-len(grams) / (1 << 18))
    assert len(np.unique(seen)) / (1 << 18) == pytest.approx(share_hit, rel=0.03)


def test_shapes_say_what_the_lines_look_like() -> None:
    code = 'def f(x):\n    """Doc."""\n\n    # why\n    return  x1\n'
    found = shapes_of(code)
    assert np.expm1(found["log bytes"]) == pytest.approx(len(code), rel=1e-5)
    assert np.expm1(found["log lines"]) == pytest.approx(5, rel=1e-5)
    assert np.expm1(found["longest line"]) == pytest.approx(14, rel=1e-5)
    assert found["share of blank lines"] == pytest.approx(1 / 5)
    assert found["share of comment lines"] == pytest.approx(1 / 5)
    assert found["mean indentation"] == pytest.approx(12 / 5)
    assert found["deepest indentation"] == 4
    assert found["has a triple quote"] == 1
    assert found["share of digit"] == pytest.approx(1 / len(code))
    assert found["share of newline"] == pytest.approx(5 / len(code))
    assert shapes_of("x = ''\ny = ''\n")["has a triple quote"] == 0
    assert shapes_of("\n" * 50)["share of distinct n-grams"] < shapes_of(code)["share of distinct n-grams"]


def test_only_the_beginning_counts() -> None:
    (long, cut) = (next(batches(["ab" * MAX_CHARS])), next(batches(["ab" * (MAX_CHARS // 2)])))
    assert np.array_equal(long.buckets, cut.buckets)
    assert np.array_equal(long.shapes, cut.shapes)


def test_words_are_the_same_in_all_notations() -> None:
    assert tokens("getHTTPName") == tokens("get_http_name") == ["get", "http", "name"]
    assert tokens("x=12\n    y") == ["x", "=", "0", "¶1", "y"]
    assert tokens("a\n\tb") == tokens("a\n    b")
    assert with_pairs(["a", "b", "c"]) == ["a", "b", "c", "a·b", "b·c"]


@given(st.text(max_size=200))
def test_no_word_can_be_taken_for_a_label_or_be_cut(text: str) -> None:
    for word in tokens("__label__3 </s> \0\x85 " + text):
        assert word
        assert len(word.split()) == 1
        assert "\0" not in word
        assert not word.startswith("__label__")
        word.encode()
