"""Verdicts on solutions, made outside of the process that is tested.

Two ways. ``cases``: the solution is called with each input and the supervisor compares what it answers.
``tests``: assertion code runs in a sandbox of its own and reaches the solution by calls. In neither does the
solution share an interpreter with an expected value or with the code that decides.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from opencoder.errors import InfraError
from sandbox.api import Limits, Program, Result, Running, Sandbox, Verdict, run
from sandbox.cases import CaseSet
from sandbox.guard import checker, plain, solution, wire

_RETRIES = 2
_BACKOFF_S = 0.5
_STALL_S = 0.25
# A call may take this much wall time for each CPU second it is allowed, and some more: load is no verdict.
_WALL_FACTOR = 3.0
_WALL_EXTRA_S = 2.0
# A call that uses less than this part of a CPU sleeps or waits; it is not the machine that keeps it.
_IDLE_FRAC = 0.1
_CHECKER_LIMITS = Limits(memory_mb=1024, wall_s=600.0)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What was decided, why, and how the solution's process ended.

    ``index`` is the case that decided, ``answered`` how many were right before it.
    """

    verdict: Verdict
    result: Result
    detail: str = ""
    index: int | None = None
    answered: int = 0


async def judge_cases(sandbox: Sandbox, item: Solution, cases: CaseSet) -> Judgement:
    """Judge by inputs and expected answers."""
    return await _retried(lambda: _CaseRun(sandbox, item, cases).judge())


async def judge_tests(sandbox: Sandbox, item: Solution, tests: TestCode) -> Judgement:
    """Judge by assertion code."""
    return await _retried(lambda: _run_tests(sandbox, item, tests))


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


def _program(item: Solution, options: Mapping[str, object], payload: bytes = b"") -> Program:
    return Program(
        language="python",
        source=item.source,
        role="solution",
        options={**item.options, **options},
        payload=payload,
        limits=item.limits,
    )


class _Timeout(Exception):
    """A call took more than its share."""


class _Answers:
    """The frames of one running solution, with a watch on calls that do not return."""

    def __init__(self, running: Running, cases: CaseSet, limit: int) -> None:
        self._running = running
        self._cases = cases
        self._frames = wire.Frames(limit=limit)
        self.ready: list[tuple[bytes, bytes]] = []

    async def chunk(self, index: int) -> bytes:
        """Return the next bytes while call ``index`` is under way.

        Raises:
            _Timeout: The call had its CPU seconds, or far more wall time than they need.
        """
        limit = self._cases.limit_s(index)
        if limit is None:
            return await self._running.receive()
        loop = asyncio.get_running_loop()
        receiving = asyncio.ensure_future(self._running.receive())
        began, first_cpu = loop.time(), None
        try:
            while True:
                done, _ = await asyncio.wait((receiving,), timeout=_STALL_S)
                if done:
                    return receiving.result()
                used = await self._running.cpu_s()
                first_cpu = used if first_cpu is None else first_cpu
                if used - first_cpu > limit:
                    raise _Timeout(f"more than {limit:g} CPU seconds")
                wall = loop.time() - began
                if wall > limit and used - first_cpu < wall * _IDLE_FRAC:
                    raise _Timeout(f"waiting for more than {limit:g} s")
                if wall > limit * _WALL_FACTOR + _WALL_EXTRA_S:
                    raise _Timeout(f"no answer within {limit * _WALL_FACTOR + _WALL_EXTRA_S:g} s")
        finally:
            receiving.cancel()

    async def frame(self, index: int) -> tuple[bytes, bytes] | None:
        """Return the next frame, None at the end of the stream."""
        while not self.ready:
            data = await self.chunk(index)
            if not data:
                return None
            self.ready = self._frames.feed(data)
        return self.ready.pop(0)

    def push(self, data: bytes) -> None:
        """Take bytes that have been received but not yet judged."""
        self.ready += self._frames.feed(data)


class _CaseRun:
    """One solution against one set of cases."""

    def __init__(self, sandbox: Sandbox, item: Solution, cases: CaseSet) -> None:
        self._sandbox = sandbox
        self._item = item
        self._cases = cases
        self._index = 0

    async def judge(self) -> Judgement:
        judgement, closer = await self._attempt(full_from=None)
        if closer:  # a wrong answer that travelled as a digest: run again to see it whole
            judgement, _ = await self._attempt(full_from=self._index)
        return judgement

    async def _attempt(self, full_from: int | None) -> tuple[Judgement, bool]:
        """Judge once; also returns whether whole answers from ``self._index`` on could change the verdict."""
        options: dict[str, object] = {
            "entry_point": self._item.entry_point,
            "slow_calls": sorted(self._cases.slow_calls),
        }
        if full_from is not None:
            options["full_from"] = full_from
        running = await self._sandbox.start(_program(self._item, options, self._cases.payload))
        answers = _Answers(running, self._cases, self._item.limits.result_bytes + 64)
        self._index = 0
        verdict: Verdict | None = None
        detail = ""
        closer = False
        try:
            position = await self._match_bytes(answers)
            self._index = self._cases.index_at(position)
            verdict, detail, closer = await self._match_frames(answers)
        except _Timeout as error:
            verdict, detail = Verdict.TIMEOUT, f"call {self._index}: {error}"
        except (wire.FrameError, plain.NotPlain) as error:
            verdict, detail = Verdict.ERROR, f"broken answer: {error}"
        except BaseException:  # cancelled, or a fault of ours: nothing may go on running
            running.kill()
            await running.wait()
            raise
        if verdict is not Verdict.PASS:
            running.kill()
        result = await running.wait()
        if verdict is None:
            verdict, detail = _ended_early(result)
        elif result.verdict is Verdict.SANDBOX_ERROR:
            verdict, detail = Verdict.SANDBOX_ERROR, result.detail
        elif verdict is not Verdict.PASS and result.verdict is Verdict.OUTPUT:
            verdict, detail = Verdict.OUTPUT, result.detail
        wrong_at = None if verdict is Verdict.PASS else self._index
        judgement = Judgement(
            verdict=verdict, result=result, detail=detail, index=wrong_at, answered=self._index
        )
        return judgement, closer and verdict is Verdict.WRONG and full_from is None

    async def _match_bytes(self, answers: _Answers) -> int:
        """Compare whole chunks; returns where the first byte differs and leaves the rest in ``answers``."""
        expected, position = self._cases.expected, 0
        while True:
            data = await answers.chunk(self._index)
            if data and expected.startswith(data, position):
                position += len(data)
                self._index = self._cases.index_at(position)
                continue
            # Go on frame by frame from the start of the frame that the difference lies in.
            start = self._cases.offsets[self._cases.index_at(position)]
            answers.push(expected[start:position] + data)
            return start

    async def _match_frames(self, answers: _Answers) -> tuple[Verdict | None, str, bool]:
        """Judge frame by frame; returns (verdict, detail, whether whole answers are needed)."""
        while (frame := await answers.frame(self._index)) is not None:
            kind, payload = frame
            if kind == solution.DONE and self._index == len(self._cases):
                return Verdict.PASS, "", False
            if kind == solution.LOAD_FAILURE:
                text = payload.decode("utf-8", "replace")
                verdict = Verdict.MEMORY if text.startswith("MemoryError") else Verdict.ERROR
                return verdict, f"loading: {text}", False
            if kind == solution.EXCEPTION:
                text = payload.decode("utf-8", "replace")
                verdict = Verdict.MEMORY if text.startswith("MemoryError") else Verdict.ERROR
                return verdict, f"call {self._index}: {text}", False
            if kind != solution.ANSWER or self._index >= len(self._cases):
                return Verdict.ERROR, "broken answer: an unexpected frame", False
            expected = self._cases.expected_frame(self._index)
            if wire.frame(kind, payload) != expected:
                hidden = payload[:1] == plain.DIGEST_MARK
                if hidden or not await self._accepts(payload, expected[wire.HEADER.size :]):
                    return Verdict.WRONG, f"call {self._index}: wrong answer", hidden
            self._index += 1
        return None, "", False

    async def _accepts(self, payload: bytes, expected: bytes) -> bool:
        if expected[:1] == plain.DIGEST_MARK and plain.seal(plain.decode(payload)) == expected:
            return True
        whole = await self._cases.whole(self._index, expected)
        if whole[:1] == plain.DIGEST_MARK:
            return False  # too long to be looked at, and its digest differs
        return self._cases.compare(self._index, plain.decode(payload), plain.decode(whole))


def _ended_early(result: Result) -> tuple[Verdict, str]:
    """Judge a solution whose process was gone before it had answered everything."""
    if result.verdict in (Verdict.OK, Verdict.ERROR, Verdict.SIGNAL):
        how = f"signal {result.signal}" if result.signal else f"exit code {result.exit_code}"
        return Verdict.ERROR, f"the solution ended before its last answer ({how})"
    return result.verdict, result.detail


def free_names(code: str) -> list[str]:
    """Return the names that ``code`` uses but neither defines nor finds among the builtins.

    Raises:
        SyntaxError: The code does not parse.
    """
    tree = ast.parse(code)
    used: set[str] = set()
    bound = set(dir(builtins)) | {"candidate", "__name__"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return sorted(used - bound)


async def _run_tests(sandbox: Sandbox, item: Solution, tests: TestCode) -> Judgement:
    """Run solution and checker side by side and carry frames between them."""
    free = set(free_names(tests.code)) - _defined(tests.setup) - set(tests.names)
    # ``sys`` and the like: test code that leans on an import of the solution gets the module itself.
    modules = free & sys.stdlib_module_names
    options = {
        "setup": tests.setup,
        "entry_point": item.entry_point if tests.call_check else "",
        "names": sorted({*tests.names, *(free - modules)}),
        "modules": sorted(modules),
    }
    candidate = await sandbox.start(_program(item, {"entry_point": ""}))
    limits = replace(_CHECKER_LIMITS, wall_s=item.limits.wall_s + _WALL_EXTRA_S)
    try:
        tester = await sandbox.start(
            Program(language="python", source=tests.code, role="checker", options=options, limits=limits)
        )
    except BaseException:
        candidate.kill()
        await candidate.wait()
        raise
    forward = asyncio.ensure_future(_carry(candidate, tester))
    verdict: dict[str, object] | None = None
    frames = wire.Frames()
    try:
        while verdict is None and (data := await tester.receive()):
            for kind, payload in frames.feed(data):
                if kind == checker.VERDICT:
                    verdict = json.loads(payload)
                else:
                    await candidate.send(wire.frame(kind, payload))
    finally:
        candidate.kill()
        tester.kill()
        tested, result = await asyncio.gather(tester.wait(), candidate.wait())
        failure = await forward
    return _judge_tests(verdict, failure, tested, result)


def _defined(setup: str) -> set[str]:
    """Names that trusted setup code binds at its top level."""
    names: set[str] = set()
    for node in ast.parse(setup).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


async def _carry(candidate: Running, tester: Running) -> str:
    """Carry answers to the checker until the solution ends; returns why it could not be loaded, or ''."""
    frames = wire.Frames()
    failure = ""
    while data := await candidate.receive():
        try:
            ready = frames.feed(data)
        except wire.FrameError as error:
            failure = f"broken answer: {error}"
            break
        for kind, payload in ready:
            if kind == solution.LOAD_FAILURE:
                failure = f"loading: {payload.decode('utf-8', 'replace')}"
            elif kind in (solution.ANSWER, solution.EXCEPTION):
                await tester.send(wire.frame(kind, payload))
    tester.kill()
    return failure


def _judge_tests(
    verdict: dict[str, object] | None, failure: str, tested: Result, result: Result
) -> Judgement:
    if verdict is not None and verdict["passed"] is True:
        return Judgement(verdict=Verdict.PASS, result=result)
    if result.verdict is Verdict.SANDBOX_ERROR:
        return Judgement(verdict=Verdict.SANDBOX_ERROR, result=result, detail=result.detail)
    if failure:
        kind = Verdict.MEMORY if "MemoryError" in failure else Verdict.ERROR
        return Judgement(verdict=kind, result=result, detail=failure)
    if verdict is not None and verdict["kind"] != "closed":
        text = str(verdict["detail"])
        kind = Verdict.WRONG if verdict["kind"] == "failed" else Verdict.ERROR
        return Judgement(
            verdict=Verdict.MEMORY if text.startswith("MemoryError") else kind, result=result, detail=text
        )
    if result.verdict in (Verdict.TIMEOUT, Verdict.MEMORY, Verdict.OUTPUT, Verdict.DISK, Verdict.PIDS):
        return Judgement(verdict=result.verdict, result=result, detail=result.detail)
    if tested.verdict is Verdict.SANDBOX_ERROR:
        return Judgement(verdict=Verdict.SANDBOX_ERROR, result=result, detail=tested.detail)
    if tested.verdict is Verdict.TIMEOUT:
        return Judgement(verdict=Verdict.TIMEOUT, result=result, detail="the tests hit the wall limit")
    final, detail = _ended_early(result)
    return Judgement(verdict=final, result=result, detail=detail)
