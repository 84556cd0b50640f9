"""The comparison rules of the EvalPlus sets, against NumPy and against cases worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.tolerance import RTOL, Rule, allclose, is_floats

NUMBERS = st.floats(allow_nan=True) | st.integers(-(10**12), 10**12)


def rule(kind: str = "plain", atol: float = 0.0, first_float: int | None = None, *arguments: Any) -> Rule:
    return Rule(kind, atol, first_float, lambda _: arguments)


@given(NUMBERS, NUMBERS, st.sampled_from([1e-6, 1e-4, 1e-9]))
def test_one_number_is_as_close_as_numpy_says(answer: float, expected: float, atol: float) -> None:
    with np.errstate(all="ignore"):
        assert allclose(answer, expected, atol) == bool(np.allclose(answer, expected, rtol=RTOL, atol=atol))


@given(st.lists(st.tuples(NUMBERS, st.sampled_from([0.0, 1e-9, 1e-7, 1e-5])), min_size=1, max_size=5))
def test_lists_are_as_close_as_numpy_says(pairs: list[tuple[float, float]]) -> None:
    expected = [number for number, _ in pairs]
    answer = [number + noise for number, noise in pairs]
    with np.errstate(all="ignore"):
        assert allclose(answer, expected, 1e-6) == bool(np.allclose(answer, expected, rtol=RTOL, atol=1e-6))


@pytest.mark.parametrize(
    ("value", "floats"),
    [
        (1.0, True),
        ([1.0, 2.0], True),
        ((1.0,), True),
        ([], False),
        ([1.0, 2], False),
        (1, False),
        ("1.0", False),
    ],
)
def test_is_floats(value: object, floats: bool) -> None:
    assert is_floats(value) is floats


def test_equality_is_pythons_own() -> None:
    assert rule()(0, True, 1)
    assert rule()(0, 1, 1.0)
    assert rule()(0, {1, 2}, {2, 1})
    assert not rule()(0, (1, 2), [1, 2])
    assert not rule()(0, 1.0 + 1e-9, 1.0)


def test_a_float_turns_the_tolerance_on_from_there_on() -> None:
    sticky = rule(first_float=3)
    assert not sticky(2, 1.0 + 1e-9, 1.0)
    assert sticky(3, 1.0 + 1e-9, 1.0)
    assert sticky(7, [0.1 + 0.2], [0.3])
    assert not sticky(7, 1.0 + 1e-5, 1.0)


def test_with_a_tolerance_the_types_must_agree() -> None:
    assert not rule(atol=1e-4)(0, (1.00001,), [1.0])
    assert not rule(atol=1e-4)(0, 2, 1.99999)
    assert rule(atol=1e-4)(0, 1.99999, 2.0)
    assert rule(atol=1e-4)(0, 10**9 + 1, 10**9), "the relative part allows 100 here"


def test_a_shape_that_differs_is_wrong() -> None:
    assert not rule(atol=1e-4)(0, [1.0], [1.0, 2.0])
    assert not rule(atol=1e-4)(0, [[1.0]], [1.0])
    assert not rule(atol=1e-4)(0, "1", "2")
    assert not rule(atol=1e-4)(0, None, 1.0)
    assert not rule(atol=1e-4)(0, math.nan, 1.0)


def test_find_zero_takes_any_root() -> None:
    root = rule("find_zero", 1e-4, None, [-2.0, 0.0, 1.0])
    assert root(0, -math.sqrt(2), math.sqrt(2))
    assert not root(0, 1.0, math.sqrt(2))
    assert not root(0, None, math.sqrt(2))


@pytest.mark.parametrize(
    ("kind", "answer", "expected", "arguments", "right"),
    [
        ("always", 1, 2, (), True),
        ("sum_div", 0, 6, (12,), True),
        ("sum_div", 5, 6, (12,), False),
        ("set_equal", [3, 1, 1], (1, 3), (), True),
        ("set_equal", [3, 1, 2], (1, 3), (), False),
        ("set_equal", 3, (1, 3), (), False),
        ("not_none", "anything", object(), (), True),
        ("not_none", None, object(), (), False),
        ("not_none", None, None, (), True),
        ("not_none", True, object(), (), True),
        ("not_none", False, object(), (), False),
        ("digit_distance", 1, 999, (1, 2), True),
        ("digit_distance", 7, 999, (23, 56), False),
        ("surface_area", 33, 0, (3, 4), False),
        ("surface_area", round(9 + 6 * math.sqrt(2.25 + 16)), 0, (3, 4), True),
    ],
)
def test_oracles(kind: str, answer: Any, expected: Any, arguments: tuple[Any, ...], right: bool) -> None:
    assert rule(kind, 0.0, None, *arguments)(0, answer, expected) is right
