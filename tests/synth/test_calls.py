"""Assertions that are plain calls, and those that are more."""

from __future__ import annotations

import pytest

from sandbox.guard import plain
from synth.verify.calls import all_hold, expected_calls


def answer(value: object) -> str:
    return plain.encode(value).hex()


@pytest.mark.parametrize(
    ("test", "right", "wrong"),
    [
        ("assert f(1, 2) == 3", 3, 4),
        ("assert 3 == f(1, b=2)", 3.0, "3"),
        ("assert f([1, {'a': (2,)}]) == {(1, 2): {3}}", {(1, 2): {3}}, {(1, 2): [3]}),
        ("assert f(-1) != 0", 1, 0),
        ("assert f()", [0], []),
        ("assert not f()", "", "x"),
        ("assert f(x=1) is None", None, False),
        ("assert f(2) is True, 'message'", True, 1),
    ],
)
def test_a_plain_call_is_compared(test: str, right: object, wrong: object) -> None:
    calls = expected_calls("f", [test])
    assert calls is not None
    assert all_hold(calls, [answer(right)])
    assert not all_hold(calls, [answer(wrong)])
    assert not all_hold(calls, [""]), "the call raised"
    assert not all_hold(calls, [answer(object())]), "an object equals nothing"
    assert not all_hold(calls, [answer([object()])])
    assert not all_hold(calls, [])
    assert not all_hold(calls, ["00ff"])


@pytest.mark.parametrize(
    "test",
    [
        "assert f(x) == 3",
        "assert f(1) == y",
        "assert g(1) == 2",
        "assert f(f(1)) == 2",
        "assert f(1) == f(2)",
        "assert abs(f(1) - 2) < 1e-9",
        "assert f(*[1]) == 2",
        "assert f(**{'a': 1}) == 2",
        "assert f(1) < 2",
        "assert 1 < f(1) < 3",
        "x = 1\nassert f(1) == 2",
        "def test_a():\n    assert f(1) == 2",
        "",
    ],
)
def test_more_than_a_plain_call_is_left_to_the_judge(test: str) -> None:
    assert expected_calls("f", ["assert f(1) == 2", test] if test else [test]) is None


def test_all_pieces_count_in_their_order() -> None:
    calls = expected_calls("f", ["assert f(1) == 1\nassert f(2) == 4", "assert f(3) == 9"])
    assert calls is not None
    assert all_hold(calls, [answer(1), answer(4), answer(9)])
    assert not all_hold(calls, [answer(1), answer(9), answer(4)])
