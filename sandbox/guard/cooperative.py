"""The cooperative role: a solution and its tests in one interpreter, for tests that cannot be kept apart.

Test classes and assertions over objects of the solution's own kinds need the solution beside them, so the
solution could in principle rewrite its judge. What stands against that: the tests and a random token come
over the channel when the solution has been loaded; what it has changed of the builtins and of ``unittest``
by then is undone, and named; tests and assertions that really ran are counted, and the token goes back
behind the last of them. Frames: ``l`` a failure to load, ``o`` loaded, ``c`` the tests (from the
supervisor), ``v`` the verdict with the token.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import sys
import types
import unittest
import unittest.async_case
import unittest.case
import unittest.loader
import unittest.result
import unittest.suite
import unittest.util
from collections.abc import Callable, Iterable
from typing import Any

from . import solution, wire

LOADED = b"o"
TESTS = b"c"
VERDICT = b"v"
# No identifier, so that no program holds it by chance.
_COUNTER = "@executed"
_CHUNK = 1 << 16
_MODULES = (
    builtins,
    unittest,
    unittest.async_case,
    unittest.case,
    unittest.loader,
    unittest.result,
    unittest.suite,
    unittest.util,
)


class Saved:
    """The builtins and ``unittest`` as they were before the solution was loaded.

    Args:
        classes: Whether tests use ``unittest``; a look at all of it costs more than a fork.
    """

    def __init__(self, *, classes: bool = True) -> None:
        self._holders: list[tuple[str, Any, dict[str, Any]]] = []
        for module in _MODULES if classes else (builtins,):
            self._holders.append((module.__name__, module, dict(vars(module))))
            if module is builtins:
                continue
            for name, value in vars(module).items():
                if isinstance(value, type) and value.__module__ == module.__name__:
                    self._holders.append((f"{module.__name__}.{name}", value, dict(vars(value))))
        self._set, self._delete = setattr, delattr

    def restore(self) -> list[str]:
        """Undo all changes; returns the dotted names of what had been changed."""
        found: list[str] = []
        for name, holder, before in self._holders:
            now = dict(vars(holder))
            for key in now.keys() | before.keys():
                if key in ("_", "__dict__", "__weakref__") or now.get(key, self) is before.get(key, self):
                    continue
                found.append(f"{name}.{key}")
                if key in before:
                    self._set(holder, key, before[key])
                else:
                    self._delete(holder, key)
        return sorted(found)


class _Result(unittest.TestResult):
    """Counts what really ran; a test counts when its success was told."""

    def __init__(self) -> None:
        super().__init__()
        self.num_passed = 0
        self.troubles: list[tuple[str, str, bool]] = []

    def addSuccess(self, test: unittest.TestCase) -> None:
        """Count a test that passed."""
        self.num_passed += 1

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        """Count a test that failed as its author said."""
        self.num_passed += 1

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        """Take note of a test that should have failed."""
        self._note(test, "unexpected success", wrong=True)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        """Take note of a failed assertion."""
        self._note(test, told(err[1]), wrong=True)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        """Take note of any other exception."""
        self._note(test, told(err[1]), wrong=False)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        """Take note of a part of a test that did not pass."""
        if err is not None:
            self._note(subtest, told(err[1]), wrong=isinstance(err[1], AssertionError))

    def _note(self, test: unittest.TestCase, text: str, *, wrong: bool) -> None:
        self.troubles.append((str(test.id())[-200:], text, wrong))


class _Count(ast.NodeTransformer):
    """Has each assertion counted when it has held."""

    def visit_Assert(self, node: ast.Assert) -> Any:
        call = ast.Expr(ast.Call(ast.Name(_COUNTER, ast.Load()), [], []))
        return [node, ast.copy_location(ast.fix_missing_locations(call), node)]


def run(job: dict[str, Any], channel: int) -> None:
    """Load the solution, then fetch and run the tests."""
    saved = Saved()
    read, write, loads, dumps, build = os.read, os.write, json.loads, json.dumps, compile
    frame, frames, execute = wire.frame, wire.Frames(), exec
    report = _Tests()

    def send(kind: bytes, payload: bytes) -> None:
        view = memoryview(frame(kind, payload))
        while view:
            view = view[write(channel, view) :]

    try:
        namespace = solution.load(job)
    except BaseException as error:  # noqa: BLE001  (SystemExit and the like included)
        send(solution.LOAD_FAILURE, told(error).encode("utf-8", "replace"))
        return
    report.tampered = saved.restore()
    send(LOADED, b"")
    ready: list[tuple[bytes, bytes]] = []
    while not ready:
        data = read(channel, _CHUNK)
        if not data:
            return
        ready = frames.feed(data)
    asked = loads(ready[0][1])
    report.tampered += saved.restore()  # what a thread of the solution has done since
    executed = 0

    def count() -> None:
        nonlocal executed
        executed += 1

    # In the solution's own namespace, as benchmarks put code and tests into one file.
    namespace[_COUNTER] = count
    namespace["__builtins__"] = builtins
    try:
        tree = _Count().visit(ast.parse(asked["code"]))
        execute(build(ast.fix_missing_locations(tree), "<tests>", "exec", dont_inherit=True), namespace)
        report.run(asked, namespace)
    except BaseException as error:  # noqa: BLE001  (whatever the tests or the solution raise is a failure)
        report.trouble("", error)
    send(VERDICT, dumps({**report.told(), "token": asked["token"], "asserts": executed}).encode())


class Runs:
    """Several pieces of test code in one namespace, each for itself, with its assertions counted.

    Args:
        tests: Objects with ``code``, ``classes``, ``functions``, ``check`` and ``entry_point``.

    Attributes:
        num_tests: How many.
    """

    def __init__(self, tests: list[dict[str, Any]]) -> None:
        self._tests = tests
        self.num_tests = len(tests)
        self._codes = [_counting(test["code"]) for test in tests]
        self._executed = 0
        # The solution may replace what it finds; these are ours.
        self._execute, self._make = exec, _Tests

    def run(
        self, namespace: dict[str, Any], order: Iterable[int], *, stop: bool
    ) -> list[tuple[int, int, int, str, bool]]:
        """Run tests in an order.

        Returns:
            For each: its index, assertions that held, tests that passed, and the first trouble with whether
            that was an assertion.
        """
        namespace[_COUNTER] = self._count
        namespace["__builtins__"] = builtins
        records = []
        for index in order:
            report, before = self._make(), self._executed
            try:
                self._execute(self._codes[index], namespace)
                report.run(self._tests[index], namespace)
            except BaseException as error:  # noqa: BLE001  (whatever is raised is a failure)
                report.trouble("", error)
            said = report.told()
            trouble = (said["troubles"] or [("", "", False)])[0]
            records.append((index, self._executed - before, said["passed"], trouble[1], trouble[2]))
            if stop and trouble[1]:
                break
        return records

    def _count(self) -> None:
        self._executed += 1


def _counting(code: str) -> types.CodeType:
    tree = ast.fix_missing_locations(_Count().visit(ast.parse(code)))
    return compile(tree, "<tests>", "exec", dont_inherit=True)


class _Tests:
    """Runs tests of the kinds that there are, and keeps what became of them."""

    def __init__(self) -> None:
        self.tampered: list[str] = []
        self._num_passed = 0
        self._num_skipped = 0
        self._troubles: list[tuple[str, str, bool]] = []
        self._load = unittest.TestLoader().loadTestsFromTestCase
        self._result = _Result

    def run(self, asked: dict[str, Any], namespace: dict[str, Any]) -> None:
        """Run test classes, test functions and ``check``, as far as the test code has them."""
        for name in asked["classes"]:
            result = self._result()
            stdout = sys.stdout
            try:
                self._load(namespace[name]).run(result)
            finally:
                sys.stdout = stdout
            self._num_passed += result.num_passed
            self._num_skipped += len(result.skipped)
            self._troubles += result.troubles
        for name in asked["functions"]:
            self._call(name, namespace[name], ())
        if asked["check"]:
            self._call("check", namespace["check"], (namespace[asked["entry_point"]],))

    def _call(self, name: str, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
        try:
            function(*arguments)
        except BaseException as error:  # noqa: BLE001
            self.trouble(name, error)
        else:
            self._num_passed += 1

    def trouble(self, name: str, error: BaseException) -> None:
        """Take note of an exception."""
        self._troubles.append((name, told(error), isinstance(error, AssertionError)))

    def told(self) -> dict[str, Any]:
        """Return all as plain data."""
        return {
            "passed": self._num_passed,
            "skipped": self._num_skipped,
            "troubles": [list(trouble) for trouble in self._troubles[:50]],
            "tampered": self.tampered[:50],
        }


def told(error: BaseException) -> str:
    """Return kind and message of an exception, cut to 2,000 characters."""
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  (a hostile __str__)
        text = "exception"
    return text[:2000]
