"""Many programs under the same tests, in one sandboxed process (see ``sandbox.guard.trials``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from sandbox.api import Limits, Program, Result, Sandbox
from sandbox.assertions import outline
from sandbox.guard import plain, trials, wire


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One program to try.

    Attributes:
        source: The program.
        order: In which order the tests run, by index; empty for theirs.
        seed: Of Python's ``random``.
        clock: Unix seconds at which its clock stands still; None for a clock that goes.
        stop: End at the first test that fails.
        trace: Count the statements and branches that the tests reach.
        joined: Run in the process of the trial before it, in a namespace of its own.
        calls: Calls to make before there is any test, by :func:`as_call`.
    """

    source: str
    order: tuple[int, ...] = ()
    seed: int = 0
    clock: float | None = None
    stop: bool = False
    trace: bool = False
    joined: bool = False
    calls: tuple[str, ...] = ()


class TestRecord(msgspec.Struct, frozen=True, array_like=True):
    """What became of one test: its index, assertions that held, tests passed, the first trouble."""

    __test__ = False

    index: int
    num_asserts: int
    num_passed: int
    trouble: str
    wrong: bool


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """Statements and outcomes of conditions: how many were reached, and how many there are."""

    lines: int
    all_lines: int
    branches: int
    all_branches: int


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one trial.

    Attributes:
        how: ``verdict`` where the tests ran; else ``timeout``, ``ended`` (the program left), ``forged`` (it
            sent something of its own) or the signal that ended it.
        load: Why the program could not be loaded.
        tests: The tests that ran, in their order.
        tampered: What the program changed of the builtins and of ``unittest``.
        trace: What the tests reached, where that was asked for.
        answers: What the calls gave, for :func:`from_answer`.
        wall_s: Seconds.
        cpu_s: CPU seconds, of the program and what it waited for.
    """

    how: str
    wall_s: float
    cpu_s: float
    load: str = ""
    tests: list[TestRecord] = []
    tampered: list[str] = []
    trace: Reached | None = None
    answers: list[str] = []


class Tried(NamedTuple):
    """The records of the trials that were carried out, in their order, and how the process ended."""

    records: list[TrialRecord]
    result: Result


async def run_trials(
    sandbox: Sandbox,
    tries: Sequence[Trial],
    tests: Sequence[str],
    *,
    entry_point: str,
    prelude: str,
    limits: Limits,
) -> Tried:
    """Run each program under all tests, one after the other.

    Args:
        sandbox: Where.
        tries: The programs.
        tests: Pieces of test code, each for itself.
        entry_point: What ``check`` functions are called with.
        prelude: Code that runs before each program.
        limits: Of one trial; all together may take as long as all of them.

    Raises:
        SyntaxError: A test does not parse.
    """
    running = await sandbox.start(_program(tries, tests, entry_point, prelude, limits))
    records: list[TrialRecord] = []
    frames = wire.Frames(1 << 26)
    try:
        while data := await running.receive():
            records += [
                msgspec.json.decode(payload, type=TrialRecord)
                for kind, payload in frames.feed(data)
                if kind == trials.RECORD
            ]
    except (wire.FrameError, msgspec.DecodeError):
        running.kill()  # a program has written where it must not; what is missing counts as not carried out
    except BaseException:
        running.kill()
        await running.wait()
        raise
    return Tried(records, await running.wait())


def _program(
    tries: Sequence[Trial], tests: Sequence[str], entry_point: str, prelude: str, limits: Limits
) -> Program:
    """Return the one program that carries out all trials."""
    cpu_s = limits.cpu_s or limits.wall_s
    plan = {
        "tests": [_told(code, entry_point) for code in tests],
        "prelude": prelude,
        "trials": tries,
        "cpu_s": cpu_s,
        "wall_s": limits.wall_s,
        # The kernel counts what the interpreter itself has mapped; the program gets the rest.
        "memory_bytes": limits.memory_mb << 20,
    }
    whole = replace(
        limits,
        wall_s=limits.wall_s * len(tries) + 5,
        cpu_s=cpu_s * len(tries) + 5,
        memory_mb=2 * limits.memory_mb,
    )
    return Program(
        language="python",
        source="",
        role="trials",
        options={"forks": sum(not trial.joined for trial in tries)},
        payload=msgspec.json.encode(plan),
        limits=whole,
    )


def as_call(name: str, arguments: Sequence[object], keywords: Mapping[str, object]) -> str:
    """Return a call of a function of the program, for ``Trial.calls``.

    Args:
        name: Of the function.
        arguments: Plain data.
        keywords: The same.
    """
    return plain.encode([name, list(arguments), dict(keywords)]).hex()


def from_answer(answer: str) -> object:
    """Return what a call gave.

    Raises:
        ValueError: It raised, or gave something that is no plain data.
    """
    data = bytes.fromhex(answer)
    if not data:
        raise ValueError("the call raised")
    value = plain.decode(data)
    if _holds_handle(value):
        raise ValueError("it gave an object")
    return value


def _holds_handle(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_handle(part) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_holds_handle, value))
    return isinstance(value, plain.Handle)


def _told(code: str, entry_point: str) -> dict[str, object]:
    found = outline(code)
    return {
        "code": code,
        "classes": found.classes,
        "functions": found.functions,
        "check": found.check,
        "entry_point": entry_point,
    }
