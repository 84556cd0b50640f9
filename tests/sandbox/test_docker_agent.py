"""What becomes of the fork server in a container when it is left, killed, refused or deserted."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opencoder.errors import InfraError
from sandbox import engine, reaper
from sandbox.api import Limits, Program, Verdict, run, run_many
from sandbox.docker import DockerSandbox
from sandbox.images import connect
from tests.support.daemon import Proxy
from tests.support.processes import fresh_mark, marked

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

Containers = Callable[[str], list[str]]
MARK = fresh_mark()
SLEEPER = f"exec -a {MARK} sleep 60"


def python(source: str, **options: Any) -> Program:
    return Program(language="python", source=source, **options)


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.05)


def groups(container: str) -> list[str]:
    """Groups of programs below that of a container."""
    walked = (folder for folder, _, _ in os.walk("/sys/fs/cgroup"))
    return [folder for folder in walked if container in folder and "/job-" in folder]


async def test_many_programs_need_one_container(python_image: str, containers: Containers) -> None:
    async with DockerSandbox() as own:
        programs = ((str(n), python(f"print({n})")) for n in range(60))
        seen = {name: result.stdout async for name, result in run_many(own, programs, concurrency=8)}
        assert seen == {str(n): f"{n}\n".encode() for n in range(60)}
        [container] = containers(own.owner)
        assert groups(container) == []
    assert containers(own.owner) == []


async def test_leaving_ends_what_runs(python_image: str, containers: Containers) -> None:
    async with DockerSandbox() as own:
        running = [await own.start(Program(language="bash", source=SLEEPER)) for _ in range(3)]
        await until(lambda: len(marked(MARK)) == 3)
        [container] = containers(own.owner)
        assert groups(container) != []
    assert [(await each.wait()).verdict for each in running] == [Verdict.SANDBOX_ERROR] * 3
    assert marked(MARK) == []
    assert containers(own.owner) == []
    assert groups(container) == []
    with pytest.raises(InfraError, match="not open"):
        await own.start(python(""))


async def test_a_cancelled_program_is_ended(python_image: str) -> None:
    async with DockerSandbox() as own:
        task = asyncio.ensure_future(run(own, Program(language="bash", source=SLEEPER)))
        await until(lambda: len(marked(MARK)) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not marked(MARK))


async def test_a_killed_container_is_our_fault_and_the_next_program_runs(
    python_image: str, containers: Containers
) -> None:
    async with DockerSandbox() as own:
        running = await own.start(Program(language="bash", source=SLEEPER))
        await until(lambda: len(marked(MARK)) == 1)
        client: Any = connect()
        client.api.kill(containers(own.owner)[0])
        client.close()
        result = await running.wait()
        assert (result.verdict, result.detail) == (Verdict.SANDBOX_ERROR, "the launcher ended")
        assert (await run(own, python("print(1)"))).stdout == b"1\n"
        await until(lambda: not marked(MARK))
        await until(lambda: len(containers(own.owner)) == 1)
    assert containers(own.owner) == []


async def test_an_agent_that_stops_answering_is_replaced(python_image: str, containers: Containers) -> None:
    async with DockerSandbox() as own:
        running = await own.start(python("import time; time.sleep(60)", limits=Limits(wall_s=1)))
        client: Any = connect()
        client.api.pause(containers(own.owner)[0])
        result = await running.wait()
        client.close()
        assert (result.verdict, result.detail) == (Verdict.SANDBOX_ERROR, "the launcher stopped answering")
        assert (await run(own, python("print(1)"))).stdout == b"1\n"
    assert containers(own.owner) == []


async def test_a_killed_supervisor_leaves_nothing(python_image: str, containers: Containers) -> None:
    code = (
        "import asyncio, os\n"
        "from sandbox.api import Program\n"
        "from sandbox.docker import DockerSandbox\n"
        "async def main():\n"
        "    sandbox = await DockerSandbox().__aenter__()\n"
        f"    await sandbox.start(Program(language='bash', source='{SLEEPER}'))\n"
        "    await asyncio.sleep(0.5)\n"
        "    print(sandbox.owner, sandbox._agent.container, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    dead = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", code, stdout=asyncio.subprocess.PIPE
    )
    owner, container = (await dead.communicate())[0].decode().split()
    assert len(container) == 64
    await until(lambda: not marked(MARK))
    await until(lambda: containers(owner) == [])
    assert groups(container) == []
    reaper.reap_folders()
    left = list(Path(tempfile.gettempdir()).glob(f"{reaper.FOLDER_PREFIX}{dead.pid}-*"))
    assert left == []


async def test_programs_do_not_notice_that_the_daemon_dies(
    python_image: str, containers: Containers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(tmp_path / "d.sock") as proxy:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{proxy.path}")
        async with DockerSandbox() as own:
            running = await own.start(python("import time; time.sleep(1); print('done')"))
            proxy.set_alive(False)
            assert (await run(own, python("print(1)"))).stdout == b"1\n"
            assert (await running.wait()).stdout == b"done\n"
            proxy.set_alive(True)
    monkeypatch.undo()
    await until(lambda: containers(own.owner) == [])


async def test_where_rights_are_refused_each_program_gets_a_container(
    python_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_AGENT_CAPABILITIES", ["SETUID", "SETGID", "KILL"])
    async with DockerSandbox(concurrency=1) as own:
        assert own.launcher == "one-use"
        assert "Operation not permitted" in own.note
        result = await run(own, python("print(1)"))
        assert (result.stdout, result.launcher) == (b"1\n", "one-use")


async def test_the_agent_has_no_more_rights_than_it_needs(python_image: str, containers: Containers) -> None:
    async with DockerSandbox() as own:
        client: Any = connect()
        facts = client.api.inspect_container(containers(own.owner)[0])
        client.close()
    config = facts["HostConfig"]
    assert not config["Privileged"]
    assert config["ReadonlyRootfs"]
    assert config["NetworkMode"] == "none"
    assert config["CapDrop"] == ["ALL"]
    assert sorted(config["CapAdd"]) == sorted(engine._AGENT_CAPABILITIES)
    assert any("no-new-privileges" in option for option in config["SecurityOpt"])
