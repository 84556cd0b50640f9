"""Verification of one row, whatever it is made of."""

from __future__ import annotations

from opencoder.errors import UserError
from sandbox.api import Limits, Sandbox
from synth.record import Row, Verification
from synth.verify.program import can_run, verify_program
from synth.verify.verify import Gate, verify


async def verify_row(
    sandbox: Sandbox, row: Row, gate: Gate, limits: Limits, *, prelude: str = ""
) -> Verification:
    """Verify a row: Python with its tests, or a program of any language with inputs and outputs.

    Args:
        sandbox: Where.
        row: The row; what cannot be run here is ``skipped``.
        gate: What tests must be worth.
        limits: Of one run of the code.
        prelude: Python code that runs before the solution.

    Raises:
        InfraError: The sandbox failed.
    """
    if row.language == "python" and (row.testcase or not row.stdin_tests):
        if not row.code.strip():
            return Verification(status="error", reason="no_code", detail="the row has no code")
        return await verify(
            sandbox,
            code=row.code,
            entry_point=row.entry_point,
            tests=row.testcase,
            setup=row.test_setup,
            prelude=prelude,
            gate=gate,
            limits=limits,
        )
    if not row.stdin_tests or not can_run(row.language):
        return _skipped(f"no tests of a kind that is run for {row.language or 'no language'}")
    try:
        return await verify_program(
            sandbox, code=row.code, language=row.language, tests=row.stdin_tests, limits=limits
        )
    except UserError as error:  # its compiler is not installed where programs run
        return _skipped(str(error))


def _skipped(detail: str) -> Verification:
    return Verification(status="skipped", reason="nothing_to_run", detail=detail)
