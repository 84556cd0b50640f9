"""Verdicts on solutions, made outside of the process that is tested.

Three ways. ``cases``: the solution is called with each input and the supervisor compares what it answers.
``calls``: assertion code runs in a sandbox of its own and reaches the solution by calls. In neither does the
solution share an interpreter with an expected value or with the code that decides. ``cooperative``: test
classes and test functions run beside the solution, for they work on objects of its kinds. Each judgement
names its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from opencoder.errors import InfraError
from sandbox.api import Program, Result, Sandbox, Verdict, run
from sandbox.assertions import free_names, outline, stub
from sandbox.case_run import CaseRun, SharedRun
from sandbox.cases import CaseSet
from sandbox.check_run import run_tests
from sandbox.cooperative_run import run_beside
from sandbox.judgement import JudgedBy, Judgement, Solution, TestCode

__all__ = [
    "Judgement",
    "Solution",
    "TestCode",
    "free_names",
    "judge_cases",
    "judge_script",
    "judge_suites",
    "judge_tests",
]

_RETRIES = 2
_BACKOFF_S = 0.5
# What is known of test code by its hash: whether it passes a stub that is always wrong.
_accepting: dict[bytes, bool] = {}
_MOST_KNOWN = 100_000


async def judge_cases(sandbox: Sandbox, item: Solution, cases: CaseSet) -> Judgement:
    """Judge by inputs and expected answers."""
    return await _retried(lambda: CaseRun(sandbox, item, cases).judge(), "cases")


async def judge_suites(sandbox: Sandbox, item: Solution, suites: Sequence[CaseSet]) -> list[Judgement]:
    """Judge by several sets of cases, each in a process that knows nothing of the others.

    ``item.limits`` are those of one set.
    """
    done: list[Judgement] = []
    if len(suites) > 1:
        with contextlib.suppress(InfraError):  # then each set is tried, and retried, alone
            done = [
                replace(judgement, judged_by="cases")
                for judgement in await SharedRun(sandbox, item, suites).judge()
            ]
    for cases in suites[len(done) :]:
        done.append(await judge_cases(sandbox, item, cases))
    return done


async def judge_tests(
    sandbox: Sandbox, item: Solution, tests: TestCode, *, recheck: bool = False
) -> Judgement:
    """Judge by assertion code.

    Args:
        sandbox: Where it runs.
        item: The solution.
        tests: Test classes or functions, which run beside the solution, or assertions, which reach it by
            calls.
        recheck: After a pass, try the tests on a stub that is always wrong; ``accepts_anything`` stands among
            the flags where it passes too.
    """
    judgement = await _judge_tests(sandbox, item, tests)
    if recheck and judgement.verdict is Verdict.PASS and await _accepts_anything(sandbox, item, tests):
        judgement.result.flags.append("accepts_anything")
    return judgement


async def _judge_tests(sandbox: Sandbox, item: Solution, tests: TestCode) -> Judgement:
    if outline(tests.code).needs_solution_beside:
        return await _retried(lambda: run_beside(sandbox, item, tests), "cooperative")
    return await _retried(lambda: run_tests(sandbox, item, tests), "calls")


async def _accepts_anything(sandbox: Sandbox, item: Solution, tests: TestCode) -> bool:
    """Tell whether the tests pass a stub; asked once for each piece of test code."""
    key = hashlib.sha256(repr((tests, item.entry_point)).encode("utf-8", "replace")).digest()
    if key not in _accepting:
        names = {item.entry_point, *tests.names, *free_names(tests.code)} - sys.stdlib_module_names
        wrong = replace(item, source=stub(sorted(names)))
        answer = (await _judge_tests(sandbox, wrong, tests)).verdict
        if answer is Verdict.SANDBOX_ERROR:
            return False
        if len(_accepting) >= _MOST_KNOWN:
            _accepting.clear()
        _accepting[key] = answer is Verdict.PASS
    return _accepting[key]


async def judge_script(sandbox: Sandbox, program: Program) -> Judgement:
    """Run a program whose end is its verdict."""

    async def attempt() -> Judgement:
        result = await run(sandbox, program)
        return Judgement(verdict=result.verdict, result=result, detail=result.detail)

    return await _retried(attempt, "exit")


async def _retried(judge: Callable[[], Awaitable[Judgement]], judged_by: JudgedBy) -> Judgement:
    """Repeat what the sandbox, not the solution, spoiled."""
    attempt = 1
    while True:
        try:
            judgement = await judge()
        except InfraError as error:
            result = Result(verdict=Verdict.SANDBOX_ERROR, detail=str(error))
            judgement = Judgement(verdict=result.verdict, result=result, detail=result.detail)
        judgement.result.attempts = attempt
        if judgement.verdict is not Verdict.SANDBOX_ERROR or attempt > _RETRIES:
            return replace(judgement, judged_by=judged_by)
        await asyncio.sleep(_BACKOFF_S * attempt)
        attempt += 1
