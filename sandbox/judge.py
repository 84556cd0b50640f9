"""Verdicts on solutions, made outside of the process that is tested.

Two ways. ``cases``: the solution is called with each input and the supervisor compares what it answers.
``tests``: assertion code runs in a sandbox of its own and reaches the solution by calls. In neither does the
solution share an interpreter with an expected value or with the code that decides.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from opencoder.errors import InfraError
from sandbox.api import Program, Result, Sandbox, Verdict, run
from sandbox.case_run import CaseRun, SharedRun
from sandbox.cases import CaseSet
from sandbox.check_run import free_names, run_tests
from sandbox.judgement import Judgement, Solution, TestCode

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


async def judge_cases(sandbox: Sandbox, item: Solution, cases: CaseSet) -> Judgement:
    """Judge by inputs and expected answers."""
    return await _retried(lambda: CaseRun(sandbox, item, cases).judge())


async def judge_suites(sandbox: Sandbox, item: Solution, suites: Sequence[CaseSet]) -> list[Judgement]:
    """Judge by several sets of cases, each in a process that knows nothing of the others.

    ``item.limits`` are those of one set.
    """
    done: list[Judgement] = []
    if len(suites) > 1:
        with contextlib.suppress(InfraError):  # then each set is tried, and retried, alone
            done = await SharedRun(sandbox, item, suites).judge()
    for cases in suites[len(done) :]:
        done.append(await judge_cases(sandbox, item, cases))
    return done


async def judge_tests(sandbox: Sandbox, item: Solution, tests: TestCode) -> Judgement:
    """Judge by assertion code."""
    return await _retried(lambda: run_tests(sandbox, item, tests))


async def judge_script(sandbox: Sandbox, program: Program) -> Judgement:
    """Run a program whose end is its verdict."""

    async def attempt() -> Judgement:
        result = await run(sandbox, program)
        return Judgement(verdict=result.verdict, result=result, detail=result.detail)

    return await _retried(attempt)


async def _retried(judge: Callable[[], Awaitable[Judgement]]) -> Judgement:
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
            return judgement
        await asyncio.sleep(_BACKOFF_S * attempt)
        attempt += 1
