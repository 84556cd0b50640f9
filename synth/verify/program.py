"""The verdict on a whole program of any language that the sandbox runs: what it writes for what it reads."""

from __future__ import annotations

from collections.abc import Sequence

from opencoder.errors import InfraError
from sandbox.api import Limits, Program, Result, Sandbox, Verdict, run
from sandbox.languages import LANGUAGES
from synth.record import IoTest, Verification
from synth.verify.stubs import FIRST_EXPECTED

RUNS = 2
"""Each test runs so often; outputs that differ are flaky."""


RUNNABLE = frozenset(name for key, row in LANGUAGES.items() for name in (key, *row.aliases))
"""Languages that the sandbox knows, by all their names."""


def can_run(language: str) -> bool:
    """Tell whether the sandbox knows the language."""
    return language in RUNNABLE


async def verify_program(
    sandbox: Sandbox, *, code: str, language: str, tests: Sequence[IoTest], limits: Limits
) -> Verification:
    """Run a program on the input of each test and compare what it writes.

    Outputs are compared outside of the sandbox, by lines without trailing space, so a program cannot judge
    itself. Tests that a program passes which writes one text, or back what it reads, are trivial.

    Raises:
        InfraError: The sandbox failed; that says nothing of the row.
        UserError: The language is not installed here.
    """
    if trivial := _trivial(tests):
        return trivial
    seconds = 0.0
    passes = 0
    for number in range(RUNS):
        for index, test in enumerate(tests):
            program = Program(language=language, source=code, stdin=test.input.encode(), limits=limits)
            result = await run(sandbox, program)
            if result.verdict is Verdict.SANDBOX_ERROR:
                raise InfraError(f"the sandbox failed: {result.detail}; run again to go on")
            seconds += result.cpu_s if number == 0 else 0.0
            if wrong := _wrong(result, test, index):
                flaky = number > 0
                return Verification(
                    status="flaky" if flaky else wrong.status,
                    reason="flaky" if flaky else wrong.reason,
                    detail=wrong.detail,
                    runs=number + 1,
                    passes=passes,
                    num_asserts=index,
                    seconds=seconds,
                )
        passes += 1
    return Verification(status="pass", runs=RUNS, passes=passes, num_asserts=len(tests), seconds=seconds)


def _trivial(tests: Sequence[IoTest]) -> Verification | None:
    if not tests:
        return Verification(status="trivial", reason="no_tests", detail="there are no tests")
    outputs = [_lines(test.output) for test in tests]
    stubs = []
    if all(output == outputs[0] for output in outputs):
        stubs.append(FIRST_EXPECTED)
    if all(output == _lines(test.input) for test, output in zip(tests, outputs, strict=True)):
        stubs.append("input")
    if not stubs:
        return None
    detail = f"the tests accept: {', '.join(stubs)}"
    return Verification(status="trivial", reason="stub_passes", detail=detail, stub_passes=stubs)


def _wrong(result: Result, test: IoTest, index: int) -> Verification | None:
    """Say what is wrong with one run; None if nothing is."""
    if result.verdict is Verdict.OK:
        got = result.stdout.decode(errors="replace")
        if _lines(got) == _lines(test.output):
            return None
        detail = f"test {index}: wrote {got[:80]!r}, expected {test.output[:80]!r}"
        return Verification(status="fail", reason="tests_fail", detail=detail)
    said = (result.compiled or result).stderr.decode(errors="replace").strip()
    detail = f"test {index}: {result.verdict} {result.detail} {said[-200:]}".strip()
    if result.verdict is Verdict.TIMEOUT:
        return Verification(status="timeout", reason="timeout", detail=detail)
    if result.verdict is Verdict.MEMORY:
        return Verification(status="oom", reason="oom", detail=detail)
    return Verification(status="fail", reason=f"ended_{result.verdict}", detail=detail)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
