"""Mutants and stubs: what is made of a program, run for real."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from synth.verify.mutants import MAX_MUTANTS, make_mutants
from synth.verify.stubs import make_stubs

CLAMP = (
    "def clamp(x: int, low: int = 0, high: int = 9) -> int:\n"
    "    if x < low:\n"
    "        return low\n"
    "    return min(x, high)\n"
)


def behaviour(source: str, name: str, arguments: list[tuple[Any, ...]]) -> list[object]:
    space: dict[str, Any] = {}
    exec(compile(source, "<mutant>", "exec"), space)
    return [space[name](*row) for row in arguments]


def test_mutants_differ_in_what_they_do() -> None:
    calls: list[tuple[Any, ...]] = [(x,) for x in range(-2, 13)]
    right = behaviour(CLAMP, "clamp", calls)
    mutants = make_mutants(CLAMP)
    assert {mutant.operator for mutant in mutants} == {
        "comparison", "constant", "condition", "condition fixed", "result",
    }  # fmt: skip
    same = [mutant for mutant in mutants if behaviour(mutant.source, "clamp", calls) == right]
    # At the boundary itself both branches give the same: an equivalent mutant.
    assert [(mutant.operator, mutant.line) for mutant in same] == [("comparison", 2)]


@pytest.mark.parametrize(
    ("expression", "operator", "mutated"),
    [
        ("a + b", "operator", "a - b"),
        ("a ** b", "operator", "a * b"),
        ("a <= b", "comparison", "a < b"),
        ("a not in b", "comparison", "a in b"),
        ("a < b < c", "comparison", "a <= b < c"),
        ("a and b", "and/or", "a or b"),
        ("a if b else c", "condition", "a if not b else c"),
        ("a if b else c", "condition fixed", "a if True else c"),
        ("f(3)", "constant", "f(4)"),
        ("f(True)", "constant", "f(False)"),
    ],
)
def test_each_operator(expression: str, operator: str, mutated: str) -> None:
    mutants = {mutant.operator: mutant.source for mutant in make_mutants(f"x = {expression}")}
    assert mutants[operator] == f"x = {mutated}"


def test_what_no_test_can_notice_is_left_alone() -> None:
    source = "def f(x: L[1] = a) -> L[2]:\n    'Adds 1.'\n    y: L[3] = x\n    return None\n"
    assert make_mutants(source) == []


def test_the_choice_is_bounded_spread_and_stable() -> None:
    source = "def f(x):\n" + "".join(f"    x = x + {n}\n" for n in range(100)) + "    return x\n"
    mutants = make_mutants(source)
    assert len(mutants) == len({mutant.source for mutant in mutants}) == MAX_MUTANTS
    assert mutants == make_mutants(source)
    lines = sorted(mutant.line for mutant in mutants if mutant.operator == "operator")
    assert lines[0] < 40
    assert lines[-1] > 60
    for mutant in mutants:
        ast.parse(mutant.source)
    with pytest.raises(SyntaxError):
        make_mutants("def f(:")


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        (["assert f(1) == [2, 3]", "assert f(2) == 5"], [2, 3]),
        (["assert sorted(f(1)) == (1, 2)"], (1, 2)),
        (["def test_f():\n    assert 'x' == f(1)"], "x"),
        (["assert g(1) == 3", "assert f(1) == y", "assert f(1) == -4"], -4),
    ],
)
def test_the_first_expected_constant_is_a_stub(tests: list[str], expected: object) -> None:
    stubs = {stub.kind: stub.source for stub in make_stubs("f", tests)}
    assert behaviour(stubs["first expected"], "f", [(1,)]) == [expected]
    assert behaviour(stubs["first argument"], "f", [(7, 8), ()]) == [7, None]
    assert [behaviour(stubs[kind], "f", [(7,)])[0] for kind in ("none", "true", "zero", "empty list")] == [
        None, True, 0, [],
    ]  # fmt: skip


@pytest.mark.parametrize("tests", [[], ["assert f(1)"], ["assert f(1) == 0"], ["assert f(:"]])
def test_no_constant_of_its_own_no_stub(tests: list[str]) -> None:
    assert "first expected" not in {stub.kind for stub in make_stubs("f", tests)}
