"""The docker backend against the daemon of this machine."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from opencoder.errors import UserError
from sandbox.api import Guarantee, Limits, Program, Result, Sandbox, Verdict, run, run_many
from sandbox.cases import CaseSet
from sandbox.docker import DockerSandbox
from sandbox.images import connect
from sandbox.judge import Solution, TestCode, judge_cases, judge_tests

pytestmark = [pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LIMITS = Limits(wall_s=20)
CPUS = 2


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fork-server", "one-use"])
async def sandbox(
    request: pytest.FixtureRequest, python_image: str, containers: Callable[[str], list[str]]
) -> AsyncIterator[DockerSandbox]:
    async with DockerSandbox(concurrency=CPUS, one_use=request.param == "one-use") as opened:
        assert opened.image_digest == python_image
        assert opened.launcher == request.param, opened.note
        yield opened
    assert containers(opened.owner) == []


def python(source: str, **options: Any) -> Program:
    return Program(language="python", source=source, **options)


async def test_attack(
    sandbox: DockerSandbox,
    attack_id: str,
    attacks: dict[str, dict[str, Any]],
    check_row: Callable[[Sandbox, dict[str, Any]], Awaitable[None]],
) -> None:
    await check_row(sandbox, attacks[attack_id])


async def test_streams_arguments_environment_and_files_go_both_ways(sandbox: DockerSandbox) -> None:
    program = python(
        "import os, sys\n"
        "data = sys.stdin.buffer.read()\n"
        "print(len(data), sys.argv[1:], os.environ['GIVEN'], open('in/a.txt').read())\n"
        "print('to stderr', file=sys.stderr)\n"
        "open('big', 'wb').write(os.urandom(1) * 3_000_000)\n"
        "open('empty', 'w').close(); os.mkdir('folder'); os.symlink('/etc/passwd', 'link')\n"
        "sys.exit(3)",
        stdin=b"x" * 5_000_000,
        args=("one", "two words"),
        env={"GIVEN": "yes"},
        files={"in/a.txt": b"content"},
        fetch=("big", "empty", "folder", "link", "missing"),
    )
    result = await run(sandbox, program)
    assert result.stdout == b"5000000 ['one', 'two words'] yes content\n"
    assert result.stderr == b"to stderr\n"
    assert (result.verdict, result.exit_code) == (Verdict.ERROR, 3)
    assert {name: len(data) for name, data in result.files.items()} == {"big": 3_000_000, "empty": 0}
    assert (result.backend, result.guarantee) == ("docker", Guarantee.FULL)
    assert result.launcher == sandbox.launcher
    assert result.image_digest == sandbox.image_digest
    assert 0 < result.cpu_s < 5
    assert 0 < result.memory_bytes <= 1 << 30


@pytest.mark.parametrize(
    ("program", "verdict", "flags"),
    [
        (python("import os; os.abort()"), Verdict.SIGNAL, []),
        (python("while True: pass", limits=Limits(wall_s=1)), Verdict.TIMEOUT, []),
        (python("while True: pass", limits=Limits(wall_s=20, cpu_s=1)), Verdict.TIMEOUT, []),
        (python("b = bytearray(1 << 30)", limits=Limits(memory_mb=64)), Verdict.MEMORY, ["memory_limit_hit"]),
        (python("b = bytearray(1 << 30)", limits=Limits(memory_mb=1)), Verdict.MEMORY, ["memory_limit_hit"]),
        (
            python("open('f', 'wb').write(b'x' * (9 << 20))", limits=Limits(disk_mb=8)),
            Verdict.DISK,
            ["disk_limit_hit"],
        ),
        (
            python("open('/tmp/f', 'wb').write(b'x' * (9 << 20))", limits=Limits(disk_mb=8)),
            Verdict.DISK,
            ["disk_limit_hit"],
        ),
        (
            python(
                "import os\nfor _ in range(40): os.fork() or __import__('time').sleep(9)",
                limits=Limits(pids=8),
            ),
            Verdict.PIDS,
            ["pids_limit_hit"],
        ),
        (python("while True: print('x' * 999)"), Verdict.OUTPUT, ["output_limit_hit"]),
        (Program(language="c", source="int main(void) { return x; }"), Verdict.COMPILE_ERROR, []),
        (Program(language="bash", source="read a; echo $a; exit 0", stdin=b"in\n"), Verdict.OK, []),
    ],
)
async def test_verdict(sandbox: DockerSandbox, program: Program, verdict: Verdict, flags: list[str]) -> None:
    result = await run(sandbox, program)
    assert (result.verdict, result.flags) == (verdict, flags), result


async def test_a_child_killed_for_memory_is_a_flag_not_a_verdict(sandbox: DockerSandbox) -> None:
    source = "import os\nif os.fork() == 0:\n    b = bytearray(1 << 30)\nprint(os.WTERMSIG(os.wait()[1]))"
    result = await run(sandbox, python(source, limits=Limits(memory_mb=128)))
    assert (result.verdict, result.stdout, result.flags) == (Verdict.OK, b"9\n", ["memory_limit_hit"])


async def test_files_that_fill_the_memory_are_a_memory_verdict(sandbox: DockerSandbox) -> None:
    source = "f = open('f', 'wb')\nwhile True: f.write(b'x' * (1 << 20))"
    result = await run(sandbox, python(source, limits=Limits(memory_mb=64, disk_mb=512)))
    assert (result.verdict, "memory_limit_hit" in result.flags) == (Verdict.MEMORY, True), result


async def test_a_flood_is_stopped_before_it_reaches_the_supervisor(sandbox: DockerSandbox) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limits = Limits(output_bytes=100_000, wall_s=20)
    result = await run(sandbox, Program(language="bash", source="yes | tee /dev/stderr", limits=limits))
    assert result.verdict is Verdict.OUTPUT
    assert result.wall_s < 5
    assert result.stdout.startswith(b"y\ny\n")
    assert len(result.stdout) <= 100_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


async def test_the_warden_cannot_be_touched(sandbox: DockerSandbox) -> None:
    source = (
        "import os, resource\n"
        "for name in ('mem', 'environ', 'maps', 'fd/0'):\n"
        "    try: open(f'/proc/1/{name}', 'rb'); print('ESCAPED', name)\n"
        "    except PermissionError: pass\n"
        "try: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0)); print('ESCAPED prlimit')\n"
        "except PermissionError: pass\n"
        "for number in range(1, 65): os.kill(1, number) if number not in (32, 33) else None\n"
        "print('still there')"
    )
    result = await run(sandbox, python(source))
    assert (result.verdict, result.stdout) == (Verdict.OK, b"still there\n")


async def test_one_use_containers_are_hardened(
    python_image: str, containers: Callable[[str], list[str]]
) -> None:
    client: Any = connect()
    try:
        async with DockerSandbox(concurrency=1, one_use=True) as own:
            await own.start(python("import time; time.sleep(60)"))
            found = [client.api.inspect_container(name) for name in containers(own.owner)]
    finally:
        client.close()
    assert found
    for state in found:
        host, config = state["HostConfig"], state["Config"]
        assert host["NetworkMode"] == "none"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["Memory"] == host["MemorySwap"] > 0
        assert host["PidsLimit"] > 0
        assert host["Privileged"] is False
        assert host["Binds"] is None
        assert host["LogConfig"]["Type"] == "none"
        assert "no-new-privileges" in host["SecurityOpt"]
        assert any(option.startswith("seccomp={") for option in host["SecurityOpt"])
        assert config["User"] == "1000:1000"
        assert {name.partition("=")[0] for name in config["Env"]} <= {"PATH", "LANG"}


async def test_the_supervisor_can_end_a_program(sandbox: DockerSandbox) -> None:
    running = await sandbox.start(
        python("import time\nprint('up', flush=True)\ntime.sleep(60)", limits=LIMITS)
    )
    assert await running.cpu_s() < 5
    began = time.monotonic()
    running.kill()
    result = await running.wait()
    assert result.verdict is Verdict.ERROR
    assert result.detail == "killed: killed"
    assert await running.receive() == b""
    assert await running.cpu_s() == result.cpu_s
    assert time.monotonic() - began < 3


CHANNEL = """
import os, socket, stat
for fd in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode): channel = socket.socket(fileno=fd)
    except OSError: pass
"""
ECHO = """
left = 6_000_000
while left:
    data = channel.recv(1 << 16)
    channel.sendall(data)
    left -= len(data)
"""


async def test_a_channel_that_nobody_reads_blocks_nothing_but_its_program(sandbox: DockerSandbox) -> None:
    source = CHANNEL + "print('up', flush=True)\nwhile True: channel.send(b'x' * 65536)"
    running = await sandbox.start(python(source, limits=Limits(wall_s=2)))
    result = await running.wait()
    assert (result.verdict, result.stdout) == (Verdict.TIMEOUT, b"up\n")
    received = 0
    while data := await running.receive():
        received += len(data)
    assert received <= 2 << 20
    if sandbox.launcher == "one-use":
        assert received >= 1 << 20


async def test_a_channel_that_the_program_does_not_read_can_be_killed(sandbox: DockerSandbox) -> None:
    running = await sandbox.start(python("import time; time.sleep(60)", limits=LIMITS))
    sending = asyncio.ensure_future(running.send(b"x" * 10_000_000))
    await asyncio.sleep(0.5)
    assert not sending.done()
    running.kill()
    assert (await running.wait()).detail == "killed: killed"
    await sending


async def test_the_channel_carries_everything_in_order(sandbox: DockerSandbox) -> None:
    data = os.urandom(6_000_000)
    running = await sandbox.start(python(CHANNEL + ECHO, limits=LIMITS))
    sending = asyncio.ensure_future(running.send(data))
    back = bytearray()
    while part := await running.receive():
        back += part
    await sending
    assert (await running.wait()).verdict is Verdict.OK
    assert bytes(back) == data


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("def f(x): return x * 2", Verdict.PASS),
        ("def f(x): return x * 3", Verdict.WRONG),
        ("def f(x): raise KeyError", Verdict.ERROR),
        ("def f(x):\n    while True: pass", Verdict.TIMEOUT),
    ],
)
async def test_judging_by_cases_and_by_tests(sandbox: DockerSandbox, source: str, verdict: Verdict) -> None:
    item = Solution(source=source, entry_point="f", limits=Limits(wall_s=3))
    # Inputs and answers far beyond what the channel holds at once.
    values: list[Any] = [1, "ab", [1, 2], "x" * 2_000_000]
    cases = CaseSet.of([[value] for value in values], [value * 2 for value in values])
    assert (await judge_cases(sandbox, item, cases)).verdict is verdict
    code = "def check(candidate):\n    for v in (1, 'ab', 'x' * 2_000_000): assert candidate(v) == v * 2"
    assert (await judge_tests(sandbox, item, TestCode(code=code))).verdict is verdict


async def test_many_programs_side_by_side(sandbox: DockerSandbox) -> None:
    programs = ((str(n), python(f"print({n})")) for n in range(8))
    seen = {name: result.stdout async for name, result in run_many(sandbox, programs, concurrency=2)}
    assert seen == {str(n): f"{n}\n".encode() for n in range(8)}


async def test_wrong_programs_are_refused_before_a_container_is_used(sandbox: DockerSandbox) -> None:
    with pytest.raises(UserError, match=r"has no javascript; it has: .*python"):
        await sandbox.start(Program(language="javascript", source=""))
    with pytest.raises(UserError, match="unknown language"):
        await sandbox.start(Program(language="klingon", source=""))
    with pytest.raises(UserError, match="leaves the working folder"):
        await sandbox.start(python("", fetch=("../x",)))


async def test_a_run_tells_the_result_to_all_who_wait(sandbox: DockerSandbox) -> None:
    running = await sandbox.start(python("print(1)"))
    first, second = await asyncio.gather(running.wait(), running.wait())
    assert isinstance(first, Result)
    assert first is second
