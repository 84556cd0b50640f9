import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import pytest_asyncio

from opencoder import log
from opencoder.errors import UserError
from sandbox import backends
from sandbox.api import Guarantee, Limits, Program, Verdict, run
from sandbox.backends import open_backend
from sandbox.guard import warden
from sandbox.guard.trees import remove_tree
from sandbox.process import ProcessSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox():
    async with ProcessSandbox() as opened:
        yield opened


def python(source, **options):
    return Program(language="python", source=source, **options)


def fresh_marker():
    return f"8{time.monotonic_ns()}.{os.getpid()}"


def num_running(marker):
    num = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            num += marker.encode() in path.read_bytes()
        except OSError:
            continue
    return num


def daemons(marker, num=3):
    """Source of a program that leaves ``num`` processes behind in sessions of their own."""
    return (
        f"import os, time\nfor _ in range({num}):\n    if os.fork() == 0:\n        os.setsid()\n"
        f"        if os.fork() == 0: os.execvp('sleep', ['sleep', '{marker}'])\n        os._exit(0)\n"
        "time.sleep(.3)\n"
    )


async def wait_for(marker, num):
    for _ in range(300):
        if num_running(marker) == num:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{num_running(marker)} processes with the marker, not {num}")


async def test_programs_run_without_a_guarantee(sandbox):
    result = await run(sandbox, python("print(input())", stdin=b"hello"))
    assert (result.verdict, result.stdout, result.backend) == (Verdict.OK, b"hello\n", "process")
    assert result.guarantee is Guarantee.NONE


async def test_everything_it_started_is_killed_and_nothing_else(sandbox):
    marker, other = fresh_marker(), fresh_marker() + "1"
    bystander = subprocess.Popen(["sleep", other], start_new_session=True)
    try:
        result = await run(sandbox, python(daemons(marker)))
        assert result.verdict is Verdict.OK
        assert num_running(marker) == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_a_neighbour_lives_on_when_a_program_ends(sandbox):
    neighbour = asyncio.create_task(
        run(sandbox, python("import time\ntime.sleep(1.5)\nprint('here')", limits=Limits(wall_s=10)))
    )
    await asyncio.sleep(0.2)
    for _ in range(3):
        marker = fresh_marker()
        await run(sandbox, python(daemons(marker)))
        assert num_running(marker) == 0
    assert (await neighbour).stdout == b"here\n"


async def test_processes_of_a_killed_warden_are_killed(sandbox):
    marker = fresh_marker()
    source = daemons(marker) + "os.kill(os.getppid(), 9)\ntime.sleep(60)\n"
    result = await run(sandbox, python(source))
    assert result.verdict is Verdict.SANDBOX_ERROR
    assert num_running(marker) == 0
    assert (await run(sandbox, python("print(1)"))).stdout == b"1\n"


async def test_a_fork_bomb_ends(sandbox):
    source = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    limits = Limits(wall_s=1, pids=32)
    began = time.monotonic()
    result = await run(sandbox, python(source, limits=limits))
    assert result.verdict in (Verdict.TIMEOUT, Verdict.PIDS)
    assert time.monotonic() - began < 10


async def test_limits_hold(sandbox):
    assert (await run(sandbox, python("while 1: pass", limits=Limits(wall_s=0.5)))).verdict is Verdict.TIMEOUT
    slow = await run(sandbox, python("while 1: pass", limits=Limits(wall_s=20, cpu_s=0.3)))
    assert slow.verdict is Verdict.TIMEOUT
    assert slow.wall_s < 10
    large = python("x = b'x' * (300 << 20)", limits=Limits(memory_mb=64))
    assert (await run(sandbox, large)).verdict is Verdict.MEMORY
    flood = python("print('x' * 100_000)", limits=Limits(output_bytes=1000))
    assert (await run(sandbox, flood)).verdict is Verdict.OUTPUT
    file = python("open('a','wb').write(b'x' * (3 << 20))", limits=Limits(disk_mb=1))
    assert (await run(sandbox, file)).verdict is Verdict.DISK


async def test_the_environment_is_scrubbed_and_the_folder_is_fresh(sandbox, monkeypatch):
    monkeypatch.setenv("OPENCODER_TEST_SECRET", "secret-value")
    source = "import os, tempfile\nprint(os.environ, os.listdir(), os.getcwd())\nprint(tempfile.mkdtemp())"
    first = await run(sandbox, python(source))
    assert b"secret-value" not in first.stdout
    assert b"['main.py']" in first.stdout
    again = await run(sandbox, python(source))
    assert b"['main.py']" in again.stdout
    assert first.stdout.splitlines()[0].split()[-1] != again.stdout.splitlines()[0].split()[-1]
    for line in first.stdout.splitlines() + again.stdout.splitlines():
        assert str(sandbox._server.staging) in line.decode()


async def test_files_come_back_and_links_do_not(sandbox):
    source = "import os\nopen('a','w').write('x')\nos.symlink('/etc/passwd','b')"
    result = await run(sandbox, python(source, fetch=("a", "b")))
    assert result.files == {"a": b"x"}


async def test_a_very_deep_folder_is_removed(sandbox):
    # Deeper than the recursion limit, the number of open files and the longest path allow.
    source = (
        "import os\nfor _ in range(6_000):\n    os.mkdir('d')\n    os.chdir('d')\n"
        "os.chmod('.', 0)\nprint('deep')"
    )
    result = await run(sandbox, python(source, limits=Limits(wall_s=60)))
    assert result.stdout == b"deep\n", result
    home = sandbox._home(sandbox._server._next)
    for _ in range(2000):
        if not home.exists():
            break
        await asyncio.sleep(0.02)
    assert not home.exists()


async def test_a_lost_launcher_takes_all_with_it():
    async with ProcessSandbox() as sandbox:
        marker = fresh_marker()
        source = daemons(marker) + "time.sleep(60)"
        lost = asyncio.create_task(run(sandbox, python(source, limits=Limits(wall_s=90))))
        await wait_for(marker, 3)
        assert sandbox.agent_pid
        os.kill(sandbox.agent_pid, signal.SIGKILL)
        assert (await lost).verdict is Verdict.SANDBOX_ERROR
        await wait_for(marker, 0)
        assert (await run(sandbox, python("print(1)"))).stdout == b"1\n"


async def test_leaving_ends_what_runs():
    marker = fresh_marker()
    async with ProcessSandbox() as sandbox:
        staging = sandbox._server.staging
        program = python(daemons(marker) + "time.sleep(60)", limits=Limits(wall_s=90))
        running = await sandbox.start(program)
        await wait_for(marker, 3)
    assert num_running(marker) == 0
    assert (await running.wait()).verdict is Verdict.SANDBOX_ERROR
    assert not staging.exists()


async def test_only_pid_1_may_signal_everything():
    with pytest.raises(RuntimeError, match="not PID 1"):
        warden.reap_namespace()


async def opened(name, **options):
    async with open_backend(name, concurrency=1, **options) as sandbox:
        return sandbox.name


async def test_it_is_refused_unless_asked_for_and_warns_once(monkeypatch, capsys):
    monkeypatch.setattr(backends, "_warned", set())
    log.configure()
    with pytest.raises(UserError, match="--allow-unsafe"):
        await opened("process")
    for _ in range(2):
        assert await opened("process", unsafe=True) == "process"
    assert capsys.readouterr().err.count("without any boundary") == 1


async def test_backends_that_are_not_there_are_refused():
    with pytest.raises(UserError, match="known: docker, namespace"):
        await opened("vm")


async def test_removal_follows_no_link_and_keeps_to_its_folder(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    inside = tmp_path / "inside"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "a" / "b" / "file").write_text("x")
    (inside / "a" / "link").symlink_to(outside)
    (inside / ".removed-0").write_text("in the way")
    (inside / ".removed-1").mkdir()
    assert remove_tree(inside)
    assert not inside.exists()
    assert (outside / "kept").exists()
    link = tmp_path / "link"
    link.symlink_to(outside)
    assert not remove_tree(link)
    assert (outside / "kept").exists()
    assert remove_tree(tmp_path / "missing")
