"""Verification of rows: what is accepted, what is not, and why; in a real sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from opencoder.errors import DependencyError
from sandbox.api import Limits
from sandbox.namespace import NamespaceSandbox
from synth.verify.verify import Gate, Verification, verify

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOUBLE = """
def f(xs):
    total = 0
    for x in xs:
        if x > 0:
            total += 2 * x
    return total
"""
TESTS = ["assert f([1, 2]) == 6", "assert f([]) == 0", "assert f([-3, 1]) == 2"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[NamespaceSandbox]:
    try:
        async with NamespaceSandbox() as opened:
            yield opened
    except DependencyError as error:
        pytest.skip(str(error))


async def check(sandbox: NamespaceSandbox, code: str, tests: list[str], **options: Any) -> Verification:
    limits = Limits(wall_s=3.0, cpu_s=0.5, memory_mb=512)
    return await verify(sandbox, code=code, entry_point="f", tests=tests, limits=limits, **options)


async def test_a_good_row_passes_and_is_measured(sandbox: NamespaceSandbox) -> None:
    found = await check(sandbox, DOUBLE, TESTS)
    assert (found.status, found.reason, found.detail) == ("pass", "", "")
    assert (found.runs, found.passes, found.num_asserts) == (3, 3, 3)
    assert (found.line_cov, found.branch_cov) == (1.0, 1.0)
    assert found.mutants >= 8
    assert found.killed / found.mutants >= 0.6
    assert found.stub_passes == []


@pytest.mark.parametrize(
    "tests",
    [
        ["def test_a():\n    assert f([1, 2]) == 6\ndef test_b():\n    assert f([]) == 0", TESTS[2]],
        [
            "import unittest\nclass T(unittest.TestCase):\n"
            "    def test_a(self):\n        self.assertEqual(f([1, 2]), 6)\n"
            "    def test_b(self):\n        self.assertEqual(f([-3, 1]), 2)"
        ],
        ["def check(candidate):\n    assert candidate([1, 2]) == 6\n    assert candidate([-3, 1]) == 2"],
    ],
)
async def test_tests_of_every_kind_count(sandbox: NamespaceSandbox, tests: list[str]) -> None:
    assert (await check(sandbox, DOUBLE, tests)).status == "pass"


EQUAL = """
class A:
    def __eq__(self, other): return True
def f(xs):
    if xs:
        return A()
    return A()
"""
READER = """
import sys
def f(xs):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            for test in getattr(value, "_tests", None) or []:
                head, _, tail = test["code"].partition(" == ")
                if head == f"assert f({xs!r})":
                    return eval(tail)
        frame = frame.f_back
    return None
"""
EARLY = "import time\nN = time.time()\n" + DOUBLE.replace("return total", "return total if N > 1.75e9 else 0")
DEAF = "import builtins\nbuiltins.AssertionError = OSError\ndef f(xs): return 1"


@pytest.mark.parametrize(
    ("code", "tests", "status", "reason"),
    [
        (DOUBLE, ["assert True"], "trivial", "stub_passes"),
        (DOUBLE, ["f([1])"], "trivial", "no_assertion"),
        (DOUBLE, [], "trivial", "no_tests"),
        (DOUBLE, ["assert f([1, 2]) == 6"], "trivial", "stub_passes"),
        (DOUBLE, ["assert f([1]) in (2, 3)", "assert f([]) is not None"], "trivial", "mutants_live"),
        (DOUBLE, ["assert f([1, 2]) == 7", "assert f([]) == 0"], "fail", "tests_fail"),
        ("import sys\nsys.exit(0)", TESTS, "fail", "load"),
        ("import os\nos._exit(0)", TESTS, "fail", "ended"),
        ("def f(xs):\n    import os\n    print('ok 3 passed')\n    os._exit(0)", TESTS, "fail", "ended"),
        (EQUAL, TESTS, "fail", "passes_only_beside"),
        (DEAF, TESTS, "fail", "tests_fail"),
        ("def f(xs):\n    while True: pass", TESTS, "timeout", "timeout"),
        ("import time\ndef f(xs): time.sleep(60)", TESTS, "timeout", "timeout"),
        ("def f(xs): return bytearray(4 << 30)", TESTS, "oom", "oom"),
        ("import os\ndef f(xs):\n    while True: os.fork()", TESTS, "fail", "tests_fail"),
        (
            f"import random, os\n{DOUBLE}\ng = f\ndef f(xs):\n    return g(xs) + (os.urandom(1)[0] > 127)",
            TESTS * 3, "fail", "tests_fail",
        ),
        ("def f(xs:", TESTS, "error", "code_unreadable"),
        (DOUBLE, ["assert f(["], "error", "tests_unreadable"),
        (EARLY, TESTS, "flaky", "flaky"),
        (READER, TESTS, "fail", "passes_only_beside"),
    ],
)  # fmt: skip
async def test_no_bad_row_is_accepted(
    sandbox: NamespaceSandbox, code: str, tests: list[str], status: str, reason: str
) -> None:
    found = await check(sandbox, code, tests)
    if "urandom" in code and found.status == "flaky":
        return  # by chance one of three runs passed
    if "fork" in code and found.reason == "ended":
        return  # one of its children spoke for it
    assert (found.status, found.reason) == (status, reason), found


async def test_the_gate_is_the_users(sandbox: NamespaceSandbox) -> None:
    tests = ["assert f([1, 2]) == 6", "assert f([4]) == 8"]
    code = DOUBLE.replace(
        "    return total", "    if total > 100:\n        total = 0\n        xs = 0\n    return total"
    )
    strict = await check(sandbox, code, tests, gate=Gate(mutants=0.0, lines=0.9))
    assert (strict.status, strict.reason) == ("trivial", "low_coverage")
    assert (await check(sandbox, code, tests, gate=Gate(mutants=0.0, lines=0.5))).status == "pass"
