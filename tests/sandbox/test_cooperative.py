"""Test classes and test functions that run beside the solution, and stubs that no test should accept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from opencoder.errors import DependencyError, UserError
from sandbox.api import Limits, Verdict
from sandbox.assertions import outline, stub
from sandbox.judge import Solution, TestCode, judge_tests
from sandbox.judgement import Judgement
from sandbox.namespace import NamespaceSandbox
from sandbox.rows import BatchRow, check, run_row

pytestmark = pytest.mark.asyncio(loop_scope="module")

TESTS = """
import unittest
class Base(unittest.TestCase):
    def test_two(self):
        self.assertEqual(task(2), 4)
class TestCases(Base):
    def setUp(self):
        self.value = 3
    def test_three(self):
        self.assertEqual(task(self.value), 6)
    def test_parts(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertEqual(task(n), 2 * n)
"""
FUNCTIONS = "def test_two(): assert task(2) == 4\ndef test_three(): assert task(3) == 6"
HEAD = "import unittest\nclass A(unittest.TestCase):\n"
RIGHT = "def task(x): return 2 * x"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[NamespaceSandbox]:
    try:
        async with NamespaceSandbox() as opened:
            yield opened
    except DependencyError as error:
        pytest.skip(str(error))


async def judged(sandbox: NamespaceSandbox, source: str, code: str = TESTS, **options: Any) -> Judgement:
    limits = Limits(wall_s=options.pop("wall_s", 10.0))
    item = Solution(source=source, entry_point="task", limits=limits)
    return await judge_tests(sandbox, item, TestCode(code=code, **options), recheck=True)


@pytest.mark.parametrize("code", [TESTS, FUNCTIONS])
async def test_right_and_wrong_solutions(sandbox: NamespaceSandbox, code: str) -> None:
    got = await judged(sandbox, RIGHT, code)
    assert (got.verdict, got.judged_by, got.result.flags) == (Verdict.PASS, "cooperative", []), got
    wrong = await judged(sandbox, "def task(x): return 2 * x if x != 3 else 0", code)
    assert wrong.verdict is Verdict.WRONG
    assert "test_three" in wrong.detail
    raises = await judged(sandbox, "def task(x): raise KeyError(x)", code)
    assert (raises.verdict, "KeyError: 2" in raises.detail) == (Verdict.ERROR, True)
    assert (await judged(sandbox, "def task(x) return", code)).detail.startswith("loading: SyntaxError")
    assert (await judged(sandbox, "def other(x): return 1", code)).verdict is Verdict.ERROR
    assert (await judged(sandbox, "def task(x):\n    while True: pass", code, wall_s=1.0)).verdict is (
        Verdict.TIMEOUT
    )


WRONG = "\ndef task(x): return 0"
FORGERIES = {
    "leaves": "import os\ndef task(x): os._exit(0)",
    "leaves while loading": "import os; os._exit(0)",
    "raises SystemExit": "def task(x): raise SystemExit(0)",
    "patched assertion": f"import unittest\nunittest.TestCase.assertEqual = lambda *a, **k: None{WRONG}",
    "patched run": f"import unittest\nunittest.TestCase.run = lambda self, result=None: result{WRONG}",
    "patched loader": "import unittest\nempty = unittest.TestSuite()\n"
    f"unittest.TestLoader.loadTestsFromTestCase = lambda *a: empty{WRONG}",
    "patched result": "import unittest\nunittest.TestResult.addFailure = lambda *a: None\n"
    f"unittest.result.TestResult.addError = lambda *a: None{WRONG}",
    "skips": "import unittest\ndef task(x): raise unittest.SkipTest('not today')",
    "patched failure": f"import unittest\nunittest.TestCase.failureException = StopIteration{WRONG}",
    "patched builtins": "import builtins\nbuiltins.AssertionError = KeyboardInterrupt\n"
    f"builtins.len = lambda x: 0{WRONG}",
    "equal to nothing": "class A(int):\n    def __eq__(self, o): return False\n"
    "    def __hash__(self): return 1\ndef task(x): return A()",
    "early verdict": 'import os, struct\nmessage = b\'{"passed": 4, "asserts": 9}\'\n'
    f"for fd in range(3, 20):\n    try: os.write(fd, struct.pack('<cI', b'v', len(message)) + message)\n"
    f"    except OSError: pass{WRONG}",
    "defines its own tests": "import unittest\nclass TestCases(unittest.TestCase):\n"
    f"    def test_a(self): pass{WRONG}",
    "replaces the tests": "def task(x):\n    global TestCases\n    TestCases = None\n    return 0",
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_forged_passes_fail(sandbox: NamespaceSandbox, name: str) -> None:
    got = await judged(sandbox, FORGERIES[name])
    assert got.verdict is not Verdict.PASS, got
    assert got.verdict is not Verdict.SANDBOX_ERROR, got


async def test_what_was_changed_is_undone_and_named(sandbox: NamespaceSandbox) -> None:
    source = f"import unittest\nunittest.TestCase.assertEqual = None\nunittest.TestCase.more = 1\n{RIGHT}"
    got = await judged(sandbox, source)
    assert (got.verdict, got.result.flags) == (Verdict.PASS, ["tampered"])
    assert "unittest.case.TestCase.assertEqual" in got.detail


async def test_assertions_that_never_ran_are_no_pass(sandbox: NamespaceSandbox) -> None:
    got = await judged(sandbox, RIGHT, "def test_a():\n    for x in []:\n        assert task(x) == 1")
    assert (got.verdict, got.detail) == (Verdict.WRONG, "no assertion was executed")
    skipped = (
        "import unittest\nclass A(unittest.TestCase):\n    @unittest.skip('x')\n    def test_a(self): pass\n"
    )
    more = f"{skipped}    def test_b(self): self.assertEqual(task(1), 2)"
    assert (await judged(sandbox, RIGHT, more)).verdict is Verdict.PASS
    late = "import unittest\nclass A(unittest.TestCase):\n    def test_a(self): pass\nA.test_a = None"
    assert (await judged(sandbox, RIGHT, late)).verdict is not Verdict.PASS


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        ("def test_a(): task(1)", ["accepts_anything"]),
        ("def check(candidate):\n    candidate(1)", ["accepts_anything"]),
        ("def check(candidate):\n    assert candidate(1)", ["accepts_anything"]),
        ("def check(candidate):\n    assert candidate(1) == 2", []),
        (f"{HEAD}    def test_a(self): self.assertIsNotNone(task(1))", ["accepts_anything"]),
    ],
)  # fmt: skip
async def test_tests_that_a_wrong_stub_passes_are_flagged(
    sandbox: NamespaceSandbox, code: str, flags: list[str]
) -> None:
    got = await judged(sandbox, RIGHT, code)
    assert (got.verdict, got.result.flags) == (Verdict.PASS, flags)


async def test_rows_say_how_they_were_judged(sandbox: NamespaceSandbox) -> None:
    base: dict[str, Any] = {"language": "python", "program": RIGHT, "mode": "solution", "entry_point": "task"}
    check_code = "def check(candidate):\n    assert candidate(1) == 2"
    rows: list[tuple[dict[str, Any], str]] = [
        ({"cases": [[[1], 2]]}, "cases"),
        ({"test_code": check_code}, "calls"),
        ({"test_code": TESTS, "entry_point": ""}, "cooperative"),
        ({"mode": "script"}, "exit"),
    ]
    for more, judged_by in rows:
        row = BatchRow(**{"id": "a", **base, **more})
        check(row, None)
        out = await run_row(sandbox, row, None)
        assert (out.verdict, out.judged_by) == ("ok" if judged_by == "exit" else "pass", judged_by), out
        json.dumps(out.verdict)
    with pytest.raises(UserError, match="unless its `test_code` has test classes"):
        check(BatchRow(id="a", **{**base, "entry_point": "", "test_code": check_code}), None)


async def test_many_at_once(sandbox: NamespaceSandbox) -> None:
    many = await asyncio.gather(*(judged(sandbox, RIGHT) for _ in range(12)))
    assert {one.verdict for one in many} == {Verdict.PASS}


async def test_an_outline_counts_without_running() -> None:
    found = outline(TESTS)
    assert (found.classes, found.num_tests, found.check) == (("Base", "TestCases"), 4, False)
    assert found.needs_solution_beside
    assert not outline("def check(candidate): assert candidate(1)").needs_solution_beside
    assert not outline("assert f(1) == 2").needs_solution_beside
    namespace: dict[str, Any] = {}
    exec(stub(["f"]), namespace)
    assert namespace["f"](1) != namespace["f"](1)
