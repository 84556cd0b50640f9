"""What is judged and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandbox.api import Limits, Program, Result, Role, Verdict

# A solution may take this much wall time for each CPU second it is allowed, and some more: load is no
# verdict.
WALL_FACTOR = 3.0
WALL_EXTRA_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    """A program to be judged: its source and how it is loaded (options of ``sandbox.guard.solution``)."""

    source: str
    entry_point: str
    limits: Limits
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TestCode:
    """Assertion code.

    Args:
        code: Defines ``check(candidate)``, or is a list of assertions when ``call_check`` is False.
        setup: Trusted code to run before it, such as the helper functions of a prompt.
        names: What the code takes from the solution, besides the names that it uses and nothing defines.
    """

    code: str
    setup: str = ""
    call_check: bool = True
    names: tuple[str, ...] = ()
    __test__ = False


JudgedBy = Literal["cases", "calls", "cooperative", "exit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What was decided, why, and how the solution's process ended.

    ``index`` is the case that decided, ``answered`` how many were right before it. ``judged_by`` tells how
    far the solution was from its judge: ``cases`` and ``calls`` share no interpreter with it, ``cooperative``
    does; ``exit`` is a script judged by its end.
    """

    verdict: Verdict
    result: Result
    detail: str = ""
    index: int | None = None
    answered: int = 0
    judged_by: JudgedBy = "exit"


def solution_program(
    item: Solution, options: Mapping[str, object], payload: bytes = b"", *, role: Role = "solution"
) -> Program:
    """Return what runs a solution."""
    return Program(
        language="python",
        source=item.source,
        role=role,
        options={**item.options, **options},
        payload=payload,
        limits=item.limits,
    )


def ended_early(result: Result) -> tuple[Verdict, str]:
    """Judge a solution whose process was gone before it had answered everything."""
    if result.verdict in (Verdict.OK, Verdict.ERROR, Verdict.SIGNAL):
        how = f"signal {result.signal}" if result.signal else f"exit code {result.exit_code}"
        return Verdict.ERROR, f"the solution ended before its last answer ({how})"
    return result.verdict, result.detail
