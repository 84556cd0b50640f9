"""One solution with its tests in one interpreter (see ``sandbox.guard.cooperative``)."""

from __future__ import annotations

import json
import secrets
from typing import Any

from sandbox.api import Result, Running, Sandbox, Verdict
from sandbox.assertions import Outline, outline
from sandbox.guard import cooperative, solution, wire
from sandbox.judgement import Judgement, Solution, TestCode, ended_early, solution_program


async def run_beside(sandbox: Sandbox, item: Solution, tests: TestCode) -> Judgement:
    """Run a solution and test code in one interpreter and judge by what comes back."""
    found = outline(tests.code)
    program = solution_program(item, {"prelude": tests.setup}, role="cooperative")
    running = await sandbox.start(program)
    token = secrets.token_hex(16)
    asked = {
        "token": token,
        "code": tests.code,
        "classes": found.classes,
        "functions": found.functions,
        "check": found.check,
        "entry_point": item.entry_point,
    }
    said, failure = None, ""
    try:
        said, failure = await _talk(running, json.dumps(asked).encode())
    finally:
        if said is None and not failure:
            result = await running.wait()
        else:
            running.kill()
            result = await running.wait()
    return _judge(said, failure, token, found, result)


async def _talk(running: Running, asked: bytes) -> tuple[dict[str, Any] | None, str]:
    """Hand over the tests once the solution is loaded; returns the verdict, or why it did not load."""
    frames = wire.Frames()
    asked_already = False
    while data := await running.receive():
        try:
            ready = frames.feed(data)
        except wire.FrameError as error:
            return None, f"broken answer: {error}"
        for kind, payload in ready:
            if kind == solution.LOAD_FAILURE:
                return None, f"loading: {payload.decode('utf-8', 'replace')}"
            if kind == cooperative.LOADED and not asked_already:
                asked_already = True
                await running.send(wire.frame(cooperative.TESTS, asked))
            elif kind == cooperative.VERDICT and asked_already:
                try:
                    return dict(json.loads(payload)), ""
                except ValueError:
                    return None, "broken answer: no verdict"
    return None, ""


def _judge(
    said: dict[str, Any] | None, failure: str, token: str, found: Outline, result: Result
) -> Judgement:
    def judged(verdict: Verdict, detail: str) -> Judgement:
        return Judgement(verdict=verdict, result=result, detail=detail)

    if failure:
        return judged(Verdict.MEMORY if "MemoryError" in failure else Verdict.ERROR, failure)
    if said is None:
        return judged(*ended_early(result))
    if said.get("token") != token:
        return judged(Verdict.ERROR, "a verdict without the token")
    if tampered := said.get("tampered"):
        result.flags.append("tampered")
        note = f"the solution changed {', '.join(tampered[:3])}"
    else:
        note = ""
    if troubles := said.get("troubles"):
        name, text, wrong = troubles[0]
        kind = Verdict.MEMORY if text.startswith("MemoryError") else Verdict.WRONG if wrong else Verdict.ERROR
        return judged(kind, f"{name}: {text}" if name else text)
    missing = _missing(said, found)
    return judged(Verdict.WRONG, missing) if missing else judged(Verdict.PASS, note)


def _missing(said: dict[str, Any], found: Outline) -> str:
    """Tell what did not run that should have, or ''."""
    ran = int(said.get("passed", 0)) + (int(said.get("skipped", 0)) if found.may_skip else 0)
    if ran != found.num_tests:
        return f"{ran} of {found.num_tests} tests ran"
    if not found.classes and found.num_asserts and not said.get("asserts"):
        return "no assertion was executed"
    return ""
