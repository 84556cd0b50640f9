"""What the pool of one-use containers does when it is left, killed, or deserted by its daemon."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opencoder.errors import DependencyError, InfraError
from sandbox import oneuse
from sandbox.api import Limits, Program, Verdict, run
from sandbox.docker import DockerSandbox
from sandbox.images import connect, recipe
from tests.support.daemon import Proxy

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

LIMITS = Limits(wall_s=20)
Containers = Callable[[str], list[str]]


def python(source: str, **options: Any) -> Program:
    return Program(language="python", source=source, **options)


async def test_a_cancelled_program_leaves_no_container(python_image: str, containers: Containers) -> None:
    async with DockerSandbox(concurrency=1, one_use=True) as own:
        running = await own.start(python("import time; time.sleep(60)"))
        task = asyncio.ensure_future(running.wait())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        end = time.monotonic() + 20
        while containers(own.owner) and time.monotonic() < end:
            await asyncio.sleep(0.1)
        assert containers(own.owner) == []


async def test_a_container_made_for_a_cancelled_start_serves_the_next(
    python_image: str, containers: Containers
) -> None:
    async with DockerSandbox(concurrency=1, one_use=True) as own:
        task = asyncio.ensure_future(own.start(python("")))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not (made := containers(own.owner)):
            await asyncio.sleep(0.05)
        running = await own.start(python("import time; time.sleep(60)"))
        assert made[0] in containers(own.owner)
        running.kill()
        await running.wait()


async def test_leaving_removes_what_runs_and_what_waits(python_image: str, containers: Containers) -> None:
    async with DockerSandbox(concurrency=2, one_use=True) as own:
        running = [await own.start(python("import time; time.sleep(60)")) for _ in range(3)]
    assert containers(own.owner) == []
    assert [(await each.wait()).verdict for each in running] == [Verdict.SANDBOX_ERROR] * 3
    with pytest.raises(InfraError, match="not open"):
        await own.start(python(""))


async def test_a_container_that_vanishes_is_our_fault(python_image: str, containers: Containers) -> None:
    async with DockerSandbox(concurrency=1, one_use=True) as own:
        running = await own.start(python("import time; time.sleep(60)"))
        client: Any = connect()
        client.api.remove_container(containers(own.owner)[0], force=True)
        client.close()
        result = await running.wait()
        assert result.verdict is Verdict.SANDBOX_ERROR
        assert "stream of the container ended" in result.detail


async def test_a_daemon_that_dies_is_our_fault(
    python_image: str, containers: Containers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(tmp_path / "d.sock") as proxy:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{proxy.path}")
        async with DockerSandbox(concurrency=1, one_use=True) as own:
            running = await own.start(python("import time; time.sleep(60)", limits=LIMITS))
            proxy.set_alive(False)
            waiting = asyncio.ensure_future(running.wait())
            with pytest.raises(InfraError, match="container engine"):
                await own.start(python("print(1)"))
            proxy.set_alive(True)
            assert (await waiting).verdict is Verdict.SANDBOX_ERROR
            assert (await run(own, python("print(1)"))).verdict is Verdict.OK
    monkeypatch.undo()
    assert containers(own.owner) == []


async def test_an_overdue_warden_is_removed(python_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oneuse, "wall_deadline_s", lambda program: 0.5)
    async with DockerSandbox(concurrency=1, one_use=True) as own:
        result = await run(own, python("import time; time.sleep(60)"))
    assert (result.verdict, result.detail) == (Verdict.TIMEOUT, "wall limit")


async def test_leftovers_of_dead_owners_are_removed(python_image: str, containers: Containers) -> None:
    code = (
        "import asyncio, os\n"
        "from sandbox.api import Program\n"
        "from sandbox.docker import DockerSandbox\n"
        "async def main():\n"
        "    sandbox = await DockerSandbox(concurrency=1, one_use=True).__aenter__()\n"
        "    await sandbox.start(Program(language='bash', source='sleep 600'))\n"
        "    print(sandbox.owner, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    dead = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", code, stdout=asyncio.subprocess.PIPE
    )
    owner = (await dead.communicate())[0].decode().strip()
    assert len(owner) == 32
    async with DockerSandbox(concurrency=1, one_use=True) as own:
        assert containers(owner) == []
        running = await own.start(python("print(1)"))
        async with DockerSandbox(concurrency=1, one_use=True):
            assert (await running.wait()).verdict is Verdict.OK


async def test_an_image_that_is_not_built_ends_with_the_command(
    python_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = tmp_path / "python"
    stale.mkdir()
    (stale / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setattr(recipe, "FOLDER", tmp_path)
    with pytest.raises(DependencyError, match=r"opencoder sandbox build python$"):
        await DockerSandbox().__aenter__()


async def test_no_daemon_is_a_missing_dependency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(DependencyError, match="no Docker daemon answers"):
        await DockerSandbox().__aenter__()
