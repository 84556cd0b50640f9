"""What forks programs behind an agent: it may die, and it may be asked for more than it has made ahead."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sandbox.api import Limits, Program, Verdict, run, run_many
from sandbox.guard import descendants
from sandbox.judge import judge_script
from sandbox.namespace import NamespaceSandbox


def python(source: str, **limits: float) -> Program:
    return Program(language="python", source=source, limits=Limits(**{"wall_s": 10, **limits}))


def nurseries(agent: int, kind: str) -> list[int]:
    """Return the processes that are forks of one kind of nursery, itself first."""
    found = []
    for process in descendants.children_of(agent):
        words = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        if any(f'"warm": {kind}' in word for word in words):
            found.append((process.started, process.pid))
    return [pid for _, pid in sorted(found)]


@pytest.mark.parametrize("kind", ["true", "false"])
async def test_one_that_dies_costs_no_verdict(kind: str) -> None:
    async with NamespaceSandbox() as own:
        running = asyncio.create_task(judge_script(own, python("import time; time.sleep(1); print('slept')")))
        await asyncio.sleep(0.4)
        os.kill(nurseries(own.agent_pid, kind)[0], signal.SIGKILL)
        slept = (await running).result
        assert (slept.verdict, slept.stdout, slept.attempts) == (Verdict.OK, b"slept\n", 2)
        assert (await run(own, python("print(1)"))).stdout == b"1\n"


async def test_a_holder_that_dies_is_made_anew() -> None:
    async with NamespaceSandbox() as own:
        assert (await run(own, python("print(1)"))).verdict is Verdict.OK
        for pid in nurseries(own.agent_pid, "false")[2:]:  # all but those that fork
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.5)  # until the agent has learnt of it
        for number in range(6):
            result = (await judge_script(own, python(f"print({number})"))).result
            assert (result.verdict, result.stdout) == (Verdict.OK, b"%d\n" % number)


async def test_more_programs_than_holders_wait_their_turn() -> None:
    async with NamespaceSandbox() as own:
        jobs = [(str(n), python(f"import time; time.sleep(0.05); print({n})")) for n in range(64)]
        got = [pair async for pair in run_many(own, iter(jobs), concurrency=32)]
        assert sorted((int(key), int(result.stdout)) for key, result in got) == [(n, n) for n in range(64)]
        agent = own.agent_pid
    assert not Path(f"/proc/{agent}").exists()


async def test_a_program_that_is_ended_before_it_begins() -> None:
    async with NamespaceSandbox() as own:
        for pause in (0.0, 0.0005, 0.001, 0.002, 0.004, 0.008):
            running = await own.start(python("import time; time.sleep(60)"))
            await asyncio.sleep(pause)
            running.kill()
            result = await running.wait()
            assert (result.verdict, result.exit_code) == (Verdict.ERROR, None), (pause, result)
        assert own.running == 0
