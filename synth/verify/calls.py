"""Assertions that are calls with a known result: their answers can be compared outside of the sandbox."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sandbox.trial_run import as_call, from_answer


class Expected(NamedTuple):
    """A call and what its answer must be."""

    call: str
    holds: Callable[[object], bool]


def expected_calls(entry_point: str, tests: Sequence[str]) -> list[Expected] | None:
    """Return the calls that the tests consist of, with plain arguments and plain results.

    Args:
        entry_point: The function that is called.
        tests: Pieces of test code.

    Returns:
        One for each assertion; None if any of them is more than ``assert f(...) == literal`` or the like.
    """
    found: list[Expected] = []
    for test in tests:
        for node in ast.parse(test).body:
            one = _expected(entry_point, node)
            if one is None:
                return None
            found.append(one)
    return found or None


def all_hold(calls: Sequence[Expected], answers: Sequence[str]) -> bool:
    """Tell whether every answer is what it must be."""
    try:
        return len(calls) == len(answers) and all(
            call.holds(from_answer(answer)) for call, answer in zip(calls, answers, strict=True)
        )
    except ValueError:
        return False


def _expected(entry_point: str, node: ast.stmt) -> Expected | None:
    if not isinstance(node, ast.Assert):
        return None
    test = node.test
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        sides = (test.left, test.comparators[0])
        for called, other in (sides, sides[::-1]):
            call = _call(entry_point, called)
            if call is not None:
                return _compared(call, test.ops[0], other)
        return None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        call = _call(entry_point, test.operand)
        return Expected(call, lambda answer: not answer) if call is not None else None
    call = _call(entry_point, test)
    return Expected(call, bool) if call is not None else None


def _compared(call: str, operator: ast.cmpop, other: ast.expr) -> Expected | None:
    try:
        value = ast.literal_eval(other)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return None
    if isinstance(operator, ast.Eq):
        return Expected(call, lambda answer: bool(answer == value))
    if isinstance(operator, ast.NotEq):
        return Expected(call, lambda answer: bool(answer != value))
    if isinstance(operator, ast.Is) and any(value is one for one in (True, False, None)):
        return Expected(call, lambda answer: answer is value)
    return None


def _call(entry_point: str, node: ast.expr) -> str | None:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry_point):
        return None
    try:
        arguments = [ast.literal_eval(argument) for argument in node.args]
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                return None
            keywords[keyword.arg] = ast.literal_eval(keyword.value)
        return as_call(entry_point, arguments, keywords)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return None
