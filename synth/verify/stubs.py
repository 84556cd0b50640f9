"""Stubs of a function: bodies that know nothing of the task, which no good test accepts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

FIRST_EXPECTED = "first expected"
"""Kind of the stub that gives back what the first test expects."""

_CONSTANTS = {"none": "None", "true": "True", "zero": "0", "empty list": "[]"}


class Stub(NamedTuple):
    """A program that defines the entry point with a meaningless body."""

    kind: str
    source: str


def make_stubs(entry_point: str, tests: list[str]) -> list[Stub]:
    """Return programs that define ``entry_point`` to give back a constant, or its first argument.

    The last constant is what the first test expects, if a test compares a call of the entry point with a
    literal: a suite that it passes has one case only.
    """
    bodies = [Stub(kind, _program(entry_point, text)) for kind, text in _CONSTANTS.items()]
    bodies.append(Stub("first argument", _program(entry_point, "args[0] if args else None")))
    expected = next(_expected(entry_point, tests), None)
    if expected is not None and expected not in _CONSTANTS.values():
        bodies.append(Stub(FIRST_EXPECTED, _program(entry_point, expected)))
    return bodies


def _program(entry_point: str, expression: str) -> str:
    return f"def {entry_point}(*args, **kwargs):\n    return {expression}\n"


def _expected(entry_point: str, tests: list[str]) -> Iterator[str]:
    """Yield the literals with which calls of the entry point are compared, in the order of the tests."""
    for test in tests:
        try:
            tree = ast.parse(test)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
                sides = (node.left, node.comparators[0])
                for call, other in (sides, sides[::-1]):
                    if _calls(call, entry_point) and _is_literal(other):
                        yield ast.unparse(other)


def _calls(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == name
        for inner in ast.walk(node)
    )


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True
