"""One solution under assertion code that runs in a sandbox of its own and reaches it by calls."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from dataclasses import replace

from sandbox.api import Limits, Program, Result, Running, Sandbox, Verdict
from sandbox.assertions import free_names
from sandbox.guard import checker, solution, wire
from sandbox.judgement import WALL_EXTRA_S, Judgement, Solution, TestCode, ended_early, solution_program

_CHECKER_LIMITS = Limits(memory_mb=1024, wall_s=600.0)


async def run_tests(sandbox: Sandbox, item: Solution, tests: TestCode) -> Judgement:
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
    candidate = await sandbox.start(solution_program(item, {"entry_point": ""}))
    limits = replace(_CHECKER_LIMITS, wall_s=item.limits.wall_s + WALL_EXTRA_S)
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
    final, detail = ended_early(result)
    return Judgement(verdict=final, result=result, detail=detail)
