"""Limits stretched to a slow machine: how the factor is found, what it changes, where it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from opencoder.errors import DependencyError, UserError
from sandbox import calibrate
from sandbox.api import Limits, Program, Sandbox, Verdict, run
from sandbox.backends import open_backend
from sandbox.calibrate import LARGEST, TimedSandbox, factor_of, measure, parse_factor, time_factor
from sandbox.cases import CaseSet
from sandbox.judge import Solution, TestCode, judge_cases, judge_script, judge_suites, judge_tests
from sandbox.namespace import NamespaceSandbox
from sandbox.rows import out_row

# More CPU time than a limit of 0.25 s gives, and less than ten times that.
SPIN = "import time\nwhile time.process_time() < 0.6: pass\n"
SOLUTION = f"def f(x):\n{''.join(f'    {line}' for line in SPIN.splitlines(keepends=True))}    return x\n"
SHORT = Limits(wall_s=20.0, cpu_s=0.25)
# A machine that is slower than any can be: the workload takes far less than that everywhere.
SLOW_S = 1e-7


@pytest_asyncio.fixture
async def bare() -> AsyncIterator[Sandbox]:
    """A sandbox of this host; without one, the test is skipped."""
    try:
        async with NamespaceSandbox() as opened:
            yield opened
    except DependencyError as error:
        pytest.skip(str(error))


def python(source: str, limits: Limits) -> Program:
    return Program(language="python", source=source, limits=limits)


@pytest.mark.parametrize(
    ("measured_s", "factor"),
    [(0.001, 1.0), (0.01, 1.0), (0.0102, 1.0), (0.0103, 1.05), (0.0174, 1.75), (0.02, 2.0), (9.0, LARGEST)],
)
def test_factor_is_at_least_1_in_steps_and_capped(measured_s: float, factor: float) -> None:
    assert factor_of(measured_s, 0.01) == factor


def test_only_times_are_stretched_and_by_1_nothing_is() -> None:
    limits = Limits(wall_s=3.3, cpu_s=1.1, compile_wall_s=7.0, memory_mb=77, pids=5)
    assert limits.scaled(1.0) is limits
    assert limits.scaled(2.0) == Limits(wall_s=6.6, cpu_s=2.2, compile_wall_s=14.0, memory_mb=77, pids=5)
    assert Limits().scaled(2.0).cpu_s is None


@pytest.mark.parametrize("text", ["0.9", "0", "-1", "nan", "inf", "fast", "", "1e999"])
def test_other_factors_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--time-factor is .*; use auto or a number of at least 1"):
        parse_factor(text)


def test_factors_are_read() -> None:
    assert [parse_factor(text) for text in ("auto", "1", "2.5")] == [None, 1.0, 2.5]


async def test_this_machine_is_ordinary_and_a_tighter_reference_makes_it_slow(bare: Sandbox) -> None:
    assert await measure(bare, reference_s=10.0) == 1.0
    assert await measure(bare, reference_s=SLOW_S) == LARGEST
    # What other work on the machine does to it stays far below this.
    assert 1.0 < await measure(bare, reference_s=calibrate.REFERENCE_S / 8) <= LARGEST


async def test_what_cannot_be_measured_changes_nothing(
    bare: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(calibrate, "WORKLOAD", "print('no number')")
    assert await measure(bare) == 1.0
    monkeypatch.setattr(calibrate, "WORKLOAD", "import time; time.sleep(60)")
    monkeypatch.setattr(calibrate, "_LIMITS", Limits(wall_s=0.2))
    assert await measure(bare) == LARGEST


async def test_a_slow_machine_does_not_turn_passes_into_timeouts(bare: Sandbox) -> None:
    pairs = CaseSet.of([[1], [2]], [1, 2])
    pairs = CaseSet(pairs.payload, pairs.expected, pairs.offsets, pairs.compare, call_limit_s=0.25)
    item = Solution(source=SOLUTION, entry_point="f", limits=SHORT)
    tests = TestCode(code="def check(candidate):\n    assert candidate(3) == 3")
    wanted = {1.0: (Verdict.TIMEOUT, Verdict.TIMEOUT), LARGEST: (Verdict.OK, Verdict.PASS)}
    for factor, (script, solution) in wanted.items():
        async with TimedSandbox(NamespaceSandbox(), factor) as sandbox:
            judged = await judge_script(sandbox, python(SPIN, SHORT))
            assert judged.verdict is script
            row = out_row("a", judged, sandbox)
            assert (row.time_factor, row.backend, row.guarantee) == (factor, "namespace", sandbox.guarantee)
            assert (await judge_cases(sandbox, item, pairs)).verdict is solution
            suites = await judge_suites(sandbox, item, [pairs, pairs])
            assert [each.verdict for each in suites] == [solution, solution]
            assert (await judge_tests(sandbox, item, tests)).verdict is solution


async def test_the_factor_is_measured_on_opening_unless_it_is_given(
    bare: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TimedSandbox(NamespaceSandbox(), None, reference_s=SLOW_S) as sandbox:
        assert (sandbox.time_factor, time_factor(sandbox)) == (LARGEST, LARGEST)
        assert (await run(sandbox, python(SPIN, SHORT))).verdict is Verdict.OK

    async def never(sandbox: Sandbox, **options: object) -> float:
        raise AssertionError

    monkeypatch.setattr(calibrate, "measure", never)
    async with open_backend("namespace", concurrency=1, time_factor=2.0) as given:
        assert time_factor(given) == 2.0
    async with open_backend("namespace", concurrency=1, time_factor=1.0) as plain:
        assert isinstance(plain, NamespaceSandbox)
        assert time_factor(plain) == 1.0


async def test_a_sandbox_that_cannot_be_measured_is_closed_again(
    bare: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(sandbox: Sandbox, **options: object) -> float:
        raise RuntimeError("broken")

    monkeypatch.setattr(calibrate, "measure", fail)
    inner = NamespaceSandbox()
    with pytest.raises(RuntimeError, match="broken"):
        async with TimedSandbox(inner, None):
            pass
    assert inner.agent_pid == 0
