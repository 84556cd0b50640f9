import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
import pytest_asyncio

from opencoder.errors import DependencyError, UserError
from sandbox.api import Guarantee, Limits, Program, Verdict, run, run_many
from sandbox.guard import cgroups
from sandbox.namespace import NamespaceSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox():
    try:
        async with NamespaceSandbox() as opened:
            yield opened
    except DependencyError as error:
        pytest.skip(str(error))


def python(source, **options):
    return Program(language="python", source=source, **options)


def bash(source, **options):
    return Program(language="bash", source=source, **options)


def is_running(marker):
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def vanishes(marker, within_s=2.0):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if not is_running(marker):
            return True
        time.sleep(0.02)
    return False


def fresh_marker():
    return f"9{time.monotonic_ns()}.{os.getpid()}"


async def test_attack(sandbox, attack_id, attacks, check_row):
    await check_row(sandbox, attacks[attack_id])


@pytest.mark.parametrize(
    ("program", "verdict", "code"),
    [
        (python("print('x')"), Verdict.OK, 0),
        (python("import sys; sys.exit(3)"), Verdict.ERROR, 3),
        (python("1/0"), Verdict.ERROR, 1),
        (python("import os; os.abort()"), Verdict.SIGNAL, None),
        (python("while True: pass", limits=Limits(wall_s=0.5)), Verdict.TIMEOUT, None),
        (python("while True: pass", limits=Limits(wall_s=20, cpu_s=0.3)), Verdict.TIMEOUT, None),
        (python("x = b'x' * (200 << 20)", limits=Limits(memory_mb=64)), Verdict.MEMORY, None),
        (python("print('x' * 200_000)", limits=Limits(output_bytes=1000)), Verdict.OUTPUT, None),
        (
            python("open('a','wb').write(b'x' * (30 << 20))", limits=Limits(disk_mb=4)),
            Verdict.DISK,
            None,
        ),
        (
            python("import os, time\nwhile True: os.fork()", limits=Limits(pids=8, wall_s=5)),
            Verdict.PIDS,
            None,
        ),
        (Program(language="c", source="int main(void){ return 4; }"), Verdict.ERROR, 4),
        (Program(language="c", source="int main(void){ nonsense }"), Verdict.COMPILE_ERROR, 1),
        (bash("exit 7"), Verdict.ERROR, 7),
    ],
)
async def test_verdicts(sandbox, program, verdict, code):
    result = await run(sandbox, program)
    assert result.verdict is verdict, result
    if code is not None:
        assert result.exit_code == code
    assert result.backend == "namespace"


async def test_signal_and_usage_are_told(sandbox):
    result = await run(sandbox, python("import os\nx = sum(range(3_000_000))\nos.kill(os.getpid(), 11)"))
    assert result.signal == signal.SIGSEGV
    assert result.exit_code is None
    assert 0 < result.cpu_s < 10
    assert 0 < result.wall_s < 10
    if sandbox.guarantee is Guarantee.FULL:
        assert result.memory_bytes > 1 << 20


async def test_streams_carry_bytes_as_they_are(sandbox):
    source = "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])\n"
    source += "sys.stderr.buffer.write(b'\\xff')"
    result = await run(sandbox, python(source, stdin=b"\x00\xfe\xffabc"))
    assert result.stdout == b"cba\xff\xfe\x00"
    assert result.stderr == b"\xff"


async def test_a_long_stdin_that_nobody_reads_blocks_nobody(sandbox):
    result = await run(sandbox, python("print('done')", stdin=b"x" * (8 << 20)))
    assert (result.verdict, result.stdout) == (Verdict.OK, b"done\n")


async def test_a_flood_keeps_head_and_tail(sandbox):
    source = "import sys\nsys.stdout.write('head' + 'x' * 60_000 + 'tail')\nsys.stdout.flush()\n"
    result = await run(sandbox, python(source, limits=Limits(output_bytes=10_000)))
    assert result.verdict is Verdict.OUTPUT
    assert result.stdout_truncated
    assert len(result.stdout) == 10_000
    assert result.stdout.startswith(b"head")
    assert "output_limit_hit" in result.flags


async def test_arguments_environment_and_files_arrive(sandbox):
    source = "import os, sys\nprint(sys.argv[1:], os.environ['A'], open('d/in.txt').read())"
    result = await run(
        sandbox, python(source, args=("x", "y"), env={"A": "b"}, files={"d/in.txt": b"content"})
    )
    assert result.stdout == b"['x', 'y'] b content\n", result.stderr


async def test_nothing_of_our_environment_arrives(sandbox, monkeypatch):
    monkeypatch.setenv("OPENCODER_TEST_SECRET", "secret-value")
    result = await run(sandbox, python("import os\nprint(dict(os.environ))"))
    assert b"secret-value" not in result.stdout


async def test_files_come_back(sandbox):
    source = "import os\nos.mkdir('d')\nopen('d/a','wb').write(bytes(range(256)))\nopen('empty','w')"
    result = await run(sandbox, python(source, fetch=("d/a", "empty", "missing")))
    assert result.files == {"d/a": bytes(range(256)), "empty": b""}


async def test_a_large_or_sparse_file_is_cut_at_the_cap(sandbox):
    source = "open('sparse','wb').truncate(1 << 30)\n"
    limits = Limits(result_bytes=100_000, disk_mb=2048)
    result = await run(sandbox, python(source, fetch=("sparse",), limits=limits))
    assert result.files == {"sparse": bytes(100_000)}


async def test_nothing_but_regular_files_comes_back(sandbox):
    source = (
        "import os\nos.symlink('/etc/passwd','link')\nos.symlink('/etc','folder')\nos.mkfifo('pipe')\n"
        "os.mkdir('d')\nos.symlink('link','chain')\nos.symlink('/proc/self/environ', 'd/e')"
    )
    fetch = ("link", "folder/passwd", "pipe", "d", "chain", "d/e")
    result = await run(sandbox, python(source, fetch=fetch))
    assert result.verdict is Verdict.OK, result
    assert result.files == {}


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "a/./b", "", "a\0b", "x" * 256, "é" * 130])
async def test_file_names_that_cannot_be_are_refused(sandbox, name):
    with pytest.raises(UserError):
        await run(sandbox, python("", fetch=(name,)))
    with pytest.raises(UserError):
        await run(sandbox, python("", files={name: b""}))


async def test_unknown_and_missing_languages_are_refused(sandbox, monkeypatch):
    with pytest.raises(UserError, match="unknown language 'cobol'"):
        await run(sandbox, Program(language="cobol", source=""))
    monkeypatch.setitem(__import__("sandbox.languages").languages.ENVIRONMENT, "PATH", "/nowhere")
    with pytest.raises(UserError, match="gcc, which c needs, is not installed"):
        await run(sandbox, Program(language="c", source=""))


async def test_refused_programs_leave_no_descriptor_open(sandbox):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(UserError):
            await run(sandbox, python("", fetch=("..",)))
        await run(sandbox, python("print(1)"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_source_with_lone_surrogates_is_the_programs_own_fault(sandbox):
    assert (await run(sandbox, python("x = '\ud800'"))).verdict is Verdict.ERROR
    escaped = await run(sandbox, python("# \udcff\nprint(1)"))
    assert escaped.verdict in (Verdict.OK, Verdict.ERROR)


async def test_cancelling_ends_the_program(sandbox):
    marker = fresh_marker()
    task = asyncio.create_task(run(sandbox, bash(f"sleep {marker}", limits=Limits(wall_s=60))))
    for _ in range(200):
        await asyncio.sleep(0.02)
        if is_running(marker):
            break
    else:
        pytest.fail("the program did not start")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert vanishes(marker)
    assert (await run(sandbox, python("print(1)"))).verdict is Verdict.OK


async def test_who_talks_to_a_program_learns_that_it_is_given_up(sandbox):
    program = python(
        "import time; time.sleep(60)", role="solution", options={"entry_point": ""}, limits=Limits(wall_s=100)
    )
    running = await sandbox.start(program)
    listening = asyncio.create_task(running.receive())
    speaking = asyncio.create_task(running.send(b"x" * 10_000_000))
    waiting = asyncio.create_task(running.wait())
    await asyncio.sleep(0.3)
    assert not listening.done()
    assert not speaking.done()
    waiting.cancel()
    heard, said = await asyncio.wait_for(asyncio.gather(listening, speaking), 20)
    assert (heard, said) == (b"", None)
    assert await running.receive() == b""
    assert (await run(sandbox, python("print(1)"))).verdict is Verdict.OK


async def test_kill_is_not_the_programs_fault(sandbox):
    running = await sandbox.start(bash("sleep 60", limits=Limits(wall_s=100)))
    await asyncio.sleep(0.2)
    running.kill()
    result = await running.wait()
    assert result.verdict is Verdict.ERROR
    assert result.detail == "killed: killed"
    assert result.wall_s < 5


async def test_many_at_once_keep_apart(sandbox):
    source = (
        "import time, os\nopen('/tmp/x','w').write(input())\ntime.sleep(.05)\nprint(open('/tmp/x').read())"
    )
    programs = [(str(n), python(source, stdin=str(n).encode())) for n in range(24)]
    got = {name: result async for name, result in run_many(sandbox, programs, concurrency=6)}
    assert {name: result.stdout.decode().strip() for name, result in got.items()} == {
        str(n): str(n) for n in range(24)
    }


async def test_background_processes_end_with_the_program(sandbox):
    marker = fresh_marker()
    source = (
        "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n"
        f"        if os.fork() == 0: os.execvp('sleep', ['sleep', '{marker}'])\n        os._exit(0)\n"
        "time.sleep(.1)"
    )
    result = await run(sandbox, python(source))
    assert result.verdict is Verdict.OK
    assert not is_running(marker)


async def test_a_lost_launcher_is_an_error_of_the_sandbox_and_the_next_program_runs():
    async with NamespaceSandbox() as sandbox:
        marker = fresh_marker()
        program = bash(f"sleep {marker}", limits=Limits(wall_s=60))
        lost = [asyncio.create_task(run(sandbox, program)) for _ in range(2)]
        for _ in range(200):
            await asyncio.sleep(0.02)
            if is_running(marker):
                break
        group = sandbox._launcher._group
        assert sandbox.agent_pid
        os.kill(sandbox.agent_pid, signal.SIGKILL)
        for result in await asyncio.gather(*lost):
            assert result.verdict is Verdict.SANDBOX_ERROR
            assert result.detail == "the launcher ended"
        assert vanishes(marker)
        assert not any((Path(folder) / group).exists() for folder in cgroups.folders())
        again = await asyncio.gather(*(run(sandbox, python("print(2)")) for _ in range(3)))
        assert [result.stdout for result in again] == [b"2\n"] * 3


async def test_leaving_ends_what_runs_and_leaves_nothing():
    marker = fresh_marker()
    async with NamespaceSandbox() as sandbox:
        group, staging = sandbox._launcher._group, sandbox._server.staging
        running = await sandbox.start(bash(f"sleep {marker}", limits=Limits(wall_s=60)))
        await asyncio.sleep(0.3)
        assert is_running(marker)
    assert not is_running(marker)
    assert (await running.wait()).verdict is Verdict.SANDBOX_ERROR
    assert not staging.exists()
    assert not any((Path(folder) / group).exists() for folder in cgroups.folders())
