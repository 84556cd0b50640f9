"""Tests out of answers: one piece for each assertion or test function, so that each can run for itself."""

from __future__ import annotations

import ast
import json
from typing import Any

from synth.answers.code import NoCode, parse
from synth.record import IoTest

_OWN_MODULES = {"solution", "main", "module", "your_module", "my_module", "code", "answer", "__main__"}
"""Where models import the function under test from, though it is in the same program."""

MAX_TESTS = 64


def split_tests(code: str) -> list[str]:
    """Split Python test code into pieces; imports and helpers go in front of each.

    Raises:
        NoCode: It holds no test, or cannot be read.
    """
    try:
        tree = parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoCode("tests_unreadable", f"no Python: {error}"[:300]) from None
    shared: list[str] = []
    pieces: list[str] = []
    for node in tree.body:
        text = ast.unparse(node) if _is_guard(node) else _source(code, node)
        if _is_test(node):
            pieces.append(text)
        elif _is_shared(node):
            shared.append(text)
    if not pieces:
        raise NoCode("no_tests", "there is no assertion and no test function")
    preamble = "".join(f"{text}\n" for text in shared)
    return [preamble + piece for piece in pieces[:MAX_TESTS]]


def read_io_tests(text: str) -> list[IoTest]:
    """Read a JSON list of ``{"input": …, "output": …}``.

    Raises:
        NoCode: It is no such list.
    """
    try:
        rows: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoCode("json_broken", f"the tests are no JSON: {error}"[:300]) from None
    if isinstance(rows, dict):
        rows = next((value for value in rows.values() if isinstance(value, list)), None)
    if not isinstance(rows, list) or not rows:
        raise NoCode("no_tests", "the tests are no list with something in it")
    tests = []
    for row in rows[:MAX_TESTS]:
        if not isinstance(row, dict) or not {"input", "output"} <= row.keys():
            raise NoCode("json_broken", "a test lacks `input` or `output`")
        tests.append(IoTest(input=_as_text(row["input"]), output=_as_text(row["output"])))
    return tests


def _source(code: str, node: ast.stmt) -> str:
    """Return a statement as it was written, decorators and all."""
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
    return "\n".join(code.splitlines()[first - 1 : node.end_lineno])


def _is_test(node: ast.stmt) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.name.startswith("test") or node.name == "check"
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test") or any("TestCase" in ast.unparse(base) for base in node.bases)
    return any(isinstance(inner, ast.Assert) for inner in ast.walk(node)) and not _is_guard(node)


def _is_shared(node: ast.stmt) -> bool:
    """Tell what tests may need: not calls of tests, nor imports of the solution from a file of its own."""
    if isinstance(node, ast.ImportFrom):
        return node.module not in _OWN_MODULES
    if isinstance(node, ast.Import):
        return not any(name.name in _OWN_MODULES for name in node.names)
    return not isinstance(node, ast.Expr) and not _is_guard(node)


def _is_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
