import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from opencoder.errors import DependencyError
from sandbox import reaper
from sandbox.guard import cgroups, descendants
from sandbox.namespace import NamespaceSandbox

ROOT = Path(__file__).resolve().parents[2]

SUPERVISOR = """
import asyncio, sys
from sandbox.api import Limits, Program
from sandbox.backends import open_backend

async def main():
    async with open_backend(sys.argv[1], concurrency=1, unsafe=True) as sandbox:
        source = (
            "import os\\nfor _ in range(2):\\n    if os.fork() == 0:\\n        os.setsid()\\n"
            "        if os.fork() == 0: os.execvp('sleep', ['sleep', '%s'])\\n        os._exit(0)\\n"
            "os.execvp('sleep', ['sleep', '%s'])" % (sys.argv[2], sys.argv[2])
        )
        running = await sandbox.start(
            Program(language="python", source=source, limits=Limits(wall_s=300))
        )
        print("ready", flush=True)
        await running.wait()

asyncio.run(main())
"""


def num_running(marker):
    num = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        num += words[:2] == [b"sleep", marker.encode()]
    return num


def wait_until(holds, within_s):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return holds()


def leftovers(pid):
    """Groups and folders that bear the process id."""
    name = f"{reaper.GROUP_PREFIX}{pid}-"
    groups = [
        str(path)
        for point in cgroups.points()
        for folder, _, _ in os.walk(point)
        if (path := Path(folder)).name.startswith(name)
    ]
    folder_name = f"{reaper.FOLDER_PREFIX}{pid}-"
    folders = [path for path in Path(tempfile.gettempdir()).iterdir() if path.name.startswith(folder_name)]
    return groups, folders


@pytest.mark.parametrize("backend", ["namespace", "process"])
def test_nothing_survives_a_killed_supervisor(backend):
    marker = f"7{time.monotonic_ns()}.{os.getpid()}"
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, backend, marker],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert supervisor.stdout is not None
    assert supervisor.stderr is not None
    try:
        line = supervisor.stdout.readline()
        if not line and "no namespaces here" in (said := supervisor.stderr.read()):
            pytest.skip(said.strip())
        assert line == "ready\n"
        assert wait_until(lambda: num_running(marker) == 3, 20)
        groups, folders = leftovers(supervisor.pid)
        assert folders
        alive = reaper.clean_all()
        assert num_running(marker) == 3, alive
        assert leftovers(supervisor.pid) == (groups, folders)
    finally:
        supervisor.send_signal(signal.SIGKILL)
        supervisor.communicate()
    assert wait_until(lambda: num_running(marker) == 0, 2)
    reaper.clean_all()
    assert leftovers(supervisor.pid) == ([], [])


def test_a_start_removes_what_a_dead_owner_left():
    dead = dead_owner()
    folder = Path(tempfile.gettempdir()) / f"{reaper.FOLDER_PREFIX}{dead}-abcdefgh"
    (folder / "job-1" / "work").mkdir(parents=True)

    async def go():
        async with NamespaceSandbox():
            pass

    try:
        asyncio.run(go())
    except DependencyError as error:
        pytest.skip(str(error))
    finally:
        left = folder.exists()
        shutil.rmtree(folder, ignore_errors=True)
    assert not left


def dead_owner():
    child = subprocess.Popen(["sleep", "60"])
    process = descendants.read(child.pid)
    assert process is not None
    child.kill()
    child.wait()
    return f"{child.pid}-{process.started}-{reaper.owner().split('-')[2]}"


def test_owners():
    mine = reaper.owner()
    pid, started, namespace = mine.split("-")
    assert not reaper.is_dead(mine)
    assert reaper.is_dead(dead_owner())
    assert reaper.is_dead(f"{pid}-{int(started) + 1}-{namespace}"), "the process id was used again"
    assert not reaper.is_dead(f"{pid}-{int(started) + 1}-1"), "of another PID namespace nothing is known"
    assert not reaper.is_dead("not an owner")


def test_a_group_of_a_dead_owner_goes_with_what_runs_in_it():
    name = f"{reaper.GROUP_PREFIX}{dead_owner()}-0123abcd"
    try:
        made = cgroups.Cgroups(name)
    except OSError as error:
        pytest.skip(f"no group can be made here: {error}")
    group = made.create("job-1", {"memory_mb": 64, "pids": 10})
    inside = subprocess.Popen(["sleep", "60"])
    try:
        for fd in group.procs:
            os.write(fd, str(inside.pid).encode())
        assert any(name in path for path in reaper.reap_groups(everywhere=True))
        assert inside.wait(timeout=5) == -signal.SIGKILL
        assert not any((Path(folder) / name).exists() for folder in cgroups.folders())
    finally:
        inside.kill()
        group.close()
        made.close()


def test_files_that_only_look_like_ours_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = (f"{reaper.FOLDER_PREFIX}x", f"{reaper.FOLDER_PREFIX}{reaper.owner()}-abc", "opencoder-1-2")
    for name in names:
        (tmp_path / name).mkdir()
    gone = tmp_path / f"{reaper.FOLDER_PREFIX}{dead_owner()}-abc"
    gone.mkdir()
    assert reaper.reap_folders() == [str(gone)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
