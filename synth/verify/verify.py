"""The verdict on one row: do its tests accept the code, and would they accept less?"""

from __future__ import annotations

import ast
import platform
import random
from collections.abc import Sequence
from typing import Literal

import msgspec

from opencoder.errors import InfraError
from sandbox.api import Limits, Sandbox, Verdict
from sandbox.assertions import outline
from sandbox.judge import judge_tests
from sandbox.judgement import Solution, TestCode
from sandbox.trial_run import Reached, Trial, TrialRecord, Tried, run_trials
from synth.record import Verification, VerifyStatus
from synth.verify.calls import Expected, all_hold, expected_calls
from synth.verify.limits import limits_of
from synth.verify.mutants import make_mutants
from synth.verify.stubs import FIRST_EXPECTED, Stub, make_stubs

RUNS = 3
"""The code runs so often: each time with another seed and order of tests, once with a clock that stands."""

_FROZEN_CLOCK = 1_700_000_000.0


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What tests must be worth.

    Attributes:
        mutants: The least share of mutants that they notice.
        lines: The least share of the code's statements that they reach.
        one_answer: Whether a function may pass that gives back what the first test expects. It passes where
            all tests expect the same, as 6 of the 974 rows of MBPP do.
    """

    mutants: float = 0.6
    lines: float = 0.8
    one_answer: bool = False


async def verify(
    sandbox: Sandbox,
    *,
    code: str,
    entry_point: str,
    tests: Sequence[str],
    setup: str = "",
    prelude: str = "",
    gate: Gate | None = None,
    limits: Limits | None = None,
) -> Verification:
    """Verify a Python row: run the code under its tests, then stubs and mutants of it.

    Args:
        sandbox: Where; no code runs outside of it.
        code: The solution.
        entry_point: The function that the tests call.
        tests: Assertions, test functions or test classes, each piece for itself.
        setup: Code that runs between the solution and each test, as MBPP's ``test_setup_code`` does.
        prelude: Code that runs before the solution.
        gate: What the tests must be worth.
        limits: Of one run; ``limits_of()`` if None.

    Raises:
        InfraError: The sandbox failed; that says nothing of the row.
    """
    if broken := _unreadable(code, [setup, *tests] if tests else tests):
        return broken
    limits = limits or limits_of()
    tests = [f"{setup}\n{test}" if setup.strip() else test for test in tests]
    stubs, mutants = make_stubs(entry_point, list(tests)), make_mutants(code)
    calls = expected_calls(entry_point, tests)
    repeats = _repeats(code, len(tests), calls or [])
    tries = [
        *repeats,
        # In a fork of their own, and stubs first: nothing that the code leaves behind may make them fail.
        *(Trial(source=stub.source, stop=True, joined=number > 0) for number, stub in enumerate(stubs)),
        *(Trial(source=mutant.source, stop=True, joined=True) for mutant in mutants),
    ]
    tried = await run_trials(sandbox, tries, tests, entry_point=entry_point, prelude=prelude, limits=limits)
    if tried.result.verdict is Verdict.SANDBOX_ERROR:
        raise InfraError(f"the sandbox failed: {tried.result.detail}; run again to go on")
    measured = _measured(tried, len(tests), stubs, len(mutants))
    if measured.status != "pass":
        return measured
    judged = _judged(measured, tried.records[:RUNS], len(tests), gate or Gate())
    if judged.status == "pass" and not (calls and all_hold(calls, tried.records[0].answers)):
        solution = Solution(source=code, entry_point=entry_point, limits=limits)
        return await _confirmed(sandbox, judged, solution, tests, prelude)
    return judged


def _measured(tried: Tried, num_tests: int, stubs: Sequence[Stub], num_mutants: int) -> Verification:
    """Put together what the trials showed. Where the code itself fails, stubs and mutants are not tried."""
    accepted = [passed(record, num_tests) for record in tried.records]
    repeats, rest = accepted[:RUNS], accepted[RUNS:]
    is_whole = len(accepted) == RUNS + len(stubs) + num_mutants or not all(repeats)
    if not repeats or not is_whole or tried.result.verdict is not Verdict.OK:
        return Verification(
            status="oom" if tried.result.verdict is Verdict.MEMORY else "fail",
            reason=f"ended_{tried.result.verdict}",
            detail=f"it ended all of its runs ({tried.result.detail or tried.result.verdict})",
        )
    first = tried.records[0]
    return Verification(
        status="pass",
        runs=len(repeats),
        passes=sum(repeats),
        num_asserts=sum(test.num_asserts for test in first.tests),
        seconds=first.cpu_s,
        line_cov=_share(first.trace, "lines"),
        branch_cov=_share(first.trace, "branches"),
        mutants=num_mutants if rest else 0,
        killed=rest[len(stubs) :].count(False),
        stub_passes=[stub.kind for stub, took in zip(stubs, rest, strict=False) if took],
        tampered=first.tampered,
        image=tried.result.image_digest,
        # In an image it is the image's, which the digest names.
        python="" if tried.result.image_digest else platform.python_version(),
    )


def passed(record: TrialRecord, num_tests: int) -> bool:
    """Tell whether a program passed all tests."""
    return len(record.tests) == num_tests and not any(test.trouble for test in record.tests)


def _unreadable(code: str, tests: Sequence[str]) -> Verification | None:
    for what, texts in (("code", [code]), ("tests", tests)):
        for text in texts:
            try:
                ast.parse(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                return Verification(
                    status="error", reason=f"{what}_unreadable", detail=f"{what}: {error}"[:300]
                )
    if not tests:
        return Verification(status="trivial", reason="no_tests", detail="there are no tests")
    return None


def _repeats(code: str, num_tests: int, calls: Sequence[Expected]) -> list[Trial]:
    """Return the repetitions; their orders follow from the number of tests alone.

    Before there are any tests in its process, the first makes their calls, whose answers go outside.
    """
    orders = [tuple(range(num_tests))]
    for seed in range(1, RUNS):
        order = list(range(num_tests))
        random.Random(seed).shuffle(order)  # noqa: S311 - no secret
        orders.append(tuple(order))
    clocks = (None, _FROZEN_CLOCK, None)
    return [
        Trial(
            source=code,
            order=order,
            seed=seed,
            clock=clock,
            trace=seed == 0,
            joined=seed > 0,
            calls=tuple(one.call for one in calls) if seed == 0 else (),
        )
        for seed, (order, clock) in enumerate(zip(orders, clocks, strict=True))
    ]


def _judged(found: Verification, runs: Sequence[TrialRecord], num_tests: int, gate: Gate) -> Verification:
    """Judge what was measured, worst first."""

    def but(status: VerifyStatus, reason: str, detail: str) -> Verification:
        return msgspec.structs.replace(found, status=status, reason=reason, detail=detail)

    if any(run.how == "timeout" for run in runs):
        return but("timeout", "timeout", "it ran out of time")
    if 0 < found.passes < RUNS:
        return but("flaky", "flaky", f"{found.passes} of {found.runs} runs passed")
    if not found.passes:
        return but(*_trouble(runs[0], num_tests))
    if not found.num_asserts and not any(test.num_passed for run in runs for test in run.tests):
        return but("trivial", "no_assertion", "no assertion was executed")
    accepted = [kind for kind in found.stub_passes if kind != FIRST_EXPECTED or not gate.one_answer]
    if accepted:
        return but("trivial", "stub_passes", f"the tests accept: {', '.join(accepted)}")
    if found.mutants and found.killed < gate.mutants * found.mutants:
        return but("trivial", "mutants_live", f"the tests notice {found.killed} of {found.mutants} mutants")
    if found.line_cov is not None and found.line_cov < gate.lines:
        return but("trivial", "low_coverage", f"the tests reach {found.line_cov:.0%} of the statements")
    return found


def _trouble(record: TrialRecord, num_tests: int) -> tuple[VerifyStatus, str, str]:
    """Say why a run did not pass."""
    if record.how == "timeout":
        return "timeout", "timeout", f"it ran out of time after {record.cpu_s:.1f} CPU seconds"
    if record.how != "verdict":
        return "fail", "ended", f"it ended its run ({record.how})"
    texts = [record.load, *(test.trouble for test in record.tests)]
    text = next(filter(None, texts), f"{len(record.tests)} of {num_tests} tests ran")
    if text.startswith("MemoryError"):
        return "oom", "oom", text[:300]
    return "fail", "load" if record.load else "tests_fail", text[:300]


def _share(trace: Reached | None, what: Literal["lines", "branches"]) -> float | None:
    if trace is None:
        return None
    reached, there_are = (
        (trace.lines, trace.all_lines) if what == "lines" else (trace.branches, trace.all_branches)
    )
    return round(reached / there_are, 4) if there_are else None


async def _confirmed(
    sandbox: Sandbox, found: Verification, solution: Solution, tests: Sequence[str], prelude: str
) -> Verification:
    """Have the tests judge once more from a process of their own, where they can be kept apart.

    What the code does to ``==`` or to ``assert`` does not reach them there. Rows whose tests are calls with
    plain results need it not: their answers were compared outside.
    """
    text = "\n".join(tests)
    code = TestCode(code=text, setup=prelude, call_check=outline(text).check, names=(solution.entry_point,))
    judgement = await judge_tests(sandbox, solution, code)
    if judgement.verdict is Verdict.PASS:
        return found
    if judgement.verdict is Verdict.SANDBOX_ERROR:
        raise InfraError(f"the sandbox failed: {judgement.detail}; run again to go on")
    detail = f"judged from outside: {judgement.detail or judgement.verdict}"
    return msgspec.structs.replace(found, status="fail", reason="passes_only_beside", detail=detail[:300])
