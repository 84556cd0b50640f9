"""Verdicts that do not depend on what else runs, and many hostile programs in a row."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox.api import Limits, Program, Result, Verdict, run, run_many
from sandbox.namespace import NamespaceSandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

CPUS = len(os.sched_getaffinity(0))
CLOSE_ALL = "import os\nfor fd in range(64):\n    try: os.close(fd)\n    except OSError: pass"
# Deep recursion ends by whatever gives way first.
GIVES_WAY = {Verdict.SIGNAL, Verdict.MEMORY, Verdict.ERROR, Verdict.TIMEOUT}
SMALL: dict[str, Any] = {"memory_mb": 64, "disk_mb": 4, "pids": 16, "output_bytes": 10_000, "inodes": 200}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[NamespaceSandbox]:
    async with NamespaceSandbox() as opened:
        yield opened


def hostile(wall_s: float) -> list[tuple[Program, set[Verdict]]]:
    """Programs and the verdicts that they may get."""
    limits = Limits(wall_s=wall_s, cpu_s=wall_s / 2, **SMALL)

    def python(source: str) -> Program:
        return Program(language="python", source=source, limits=limits)

    sources: list[tuple[str, set[Verdict]]] = [
        ("print('fine')", {Verdict.OK}),
        ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", {Verdict.TIMEOUT}),
        ("while True: pass", {Verdict.TIMEOUT}),
        ("x = []\nwhile True: x.append(b'x' * (1 << 20))", {Verdict.MEMORY}),
        ("while True: print('x' * 1000)", {Verdict.OUTPUT}),
        ("open('a', 'wb').write(b'x' * (16 << 20))", {Verdict.DISK}),
        ("n = 0\nwhile True:\n    open(f'f{n}', 'w').close()\n    n += 1", {Verdict.DISK}),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", {Verdict.SIGNAL}),
        (CLOSE_ALL, {Verdict.OK, Verdict.ERROR}),
        ("import os\nif os.fork(): os._exit(0)\nos.setsid()\nimport time\ntime.sleep(60)", {Verdict.OK}),
        ("import ctypes\nctypes.string_at(0)", {Verdict.SIGNAL}),
        ("import sys\nsys.setrecursionlimit(10 ** 9)\nf = lambda: f()\nf()", GIVES_WAY),
    ]
    kill_all = Program(language="bash", source="kill -9 -1; exit 4", limits=limits)
    programs = [(python(source), verdicts) for source, verdicts in sources]
    return [*programs, (kill_all, {Verdict.ERROR, Verdict.SIGNAL})]


async def test_verdicts_are_the_same_at_any_concurrency(sandbox: NamespaceSandbox) -> None:
    programs = [(str(number), program) for number, (program, _) in enumerate(hostile(4))]
    seen = []
    for concurrency in (1, CPUS, 4 * CPUS):
        got = {name: result async for name, result in run_many(sandbox, programs, concurrency=concurrency)}
        seen.append({name: got[name].verdict for name, _ in programs})
    for verdicts in seen:
        assert verdicts.pop("11") in GIVES_WAY
    assert seen[0] == seen[1] == seen[2]


async def mix(sandbox: NamespaceSandbox, number: int) -> None:
    kinds = hostile(1)
    programs = ((str(n), kinds[n % len(kinds)][0]) for n in range(number))
    seen: dict[str, Result] = {}
    async for name, result in run_many(sandbox, programs, concurrency=2 * CPUS):
        seen[name] = result
        assert result.verdict in kinds[int(name) % len(kinds)][1], (name, result)
    assert len(seen) == number
    assert sandbox.running == 0
    after = await run(sandbox, Program(language="python", source="print('healthy')"))
    assert after.stdout == b"healthy\n"
    walked = (folder for folder, _, _ in os.walk("/sys/fs/cgroup"))
    assert not [folder for folder in walked if f"{sandbox._launcher._group}/job-" in folder]


async def test_hostile_programs_in_a_row(sandbox: NamespaceSandbox) -> None:
    await mix(sandbox, 78)


@pytest.mark.slow
@pytest.mark.skipif("OPENCODER_SLOW" not in os.environ, reason="minutes; set OPENCODER_SLOW=1 to run it")
async def test_a_thousand_hostile_programs_in_a_row(sandbox: NamespaceSandbox) -> None:
    await mix(sandbox, 1000)
