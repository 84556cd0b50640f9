"""A real daemon, of this test's own, that is killed by force while programs run."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sandbox as package
from sandbox import reaper
from sandbox.api import Limits, Program, Verdict
from sandbox.docker import DockerSandbox
from sandbox.images import connect, image_reference
from sandbox.judge import judge_script
from sandbox.judgement import Judgement
from tests.support.processes import fresh_mark, marked

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # The SDK leaves sockets that could not connect to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SCRIPT = Path(package.__file__).resolve().parents[1] / "scripts" / "dockerd.sh"


def run(*words: str, **options: Any) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


@pytest.fixture
def daemon(python_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a private daemon that has the Python image."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("only root can start a daemon, and dockerd must be installed")
    image = image_reference("python")
    folder = Path(tempfile.mkdtemp(prefix="opencoder-d-", dir="/tmp"))
    socket = f"unix://{folder}/docker.sock"
    try:
        run(str(SCRIPT), "start", str(folder))
        run("sh", "-c", f"docker save {image} | docker --host {socket} load")
        monkeypatch.setenv("DOCKER_HOST", socket)
        yield folder
    finally:
        run(str(SCRIPT), "stop", str(folder))
        for pid in serving(folder):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def serving(folder: Path) -> list[int]:
    """Processes of a daemon of ``folder`` that outlived it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{folder}/exec/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def containers() -> list[str]:
    client: Any = connect()
    try:
        return [row["Id"] for row in client.api.containers(all=True)]
    finally:
        client.close()


@pytest.mark.parametrize("one_use", [False, True], ids=["fork-server", "one-use"])
async def test_programs_outlive_a_daemon_that_is_killed(daemon: Path, one_use: bool) -> None:
    mark = fresh_mark()
    sleeper = f"for n in 1 2 3 4 5 6; do (exec -a {mark} sleep 0.5); done; echo done"
    limits = Limits(wall_s=30)
    sources = {"done": sleeper, "three": f"{sleeper}; exit 3"}

    async def judge(own: DockerSandbox, source: str) -> Judgement:
        return await judge_script(own, Program(language="bash", source=source, limits=limits))

    async with DockerSandbox(one_use=one_use, concurrency=2) as own:
        assert own.launcher == ("one-use" if one_use else "fork-server")
        tasks = {name: asyncio.create_task(judge(own, source)) for name, source in sources.items()}
        while len(marked(mark)) < len(tasks):
            await asyncio.sleep(0.02)
        pid_files = [daemon / "docker.pid", daemon / "exec/containerd/containerd.pid"]
        os.kill(int(pid_files[0].read_text()), signal.SIGKILL)
        for file in pid_files:  # the dead may be zombies for long, which a new daemon takes for alive
            file.unlink()
        await asyncio.sleep(0.3)
        await asyncio.to_thread(run, str(SCRIPT), "start", str(daemon))
        verdicts = {name: (await task).verdict for name, task in tasks.items()}
        assert verdicts["done"] in (Verdict.OK, Verdict.SANDBOX_ERROR), verdicts
        assert verdicts["three"] in (Verdict.ERROR, Verdict.SANDBOX_ERROR), verdicts
        after = await judge(own, "echo after")
        assert (after.verdict, after.result.stdout) == (Verdict.OK, b"after\n"), after
    gc.collect()
    await asyncio.to_thread(reaper.clean_all)
    assert containers() == []
    assert marked(mark) == []
    mine = f"{reaper.FOLDER_PREFIX}{reaper.owner()}-*"
    assert not list(Path(tempfile.gettempdir()).glob(mine))
    left = [
        line for line in Path("/proc/mounts").read_text().splitlines() if f"{daemon}/data/overlay2" in line
    ]
    assert left == []
