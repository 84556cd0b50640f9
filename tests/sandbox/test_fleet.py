"""Rows on many services, one of which is killed, hangs or lies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opencoder.errors import DependencyError, UserError
from sandbox.api import Verdict
from sandbox.rows import BatchRow, OutRow
from sandbox.service.client import service_fleet
from tests.support.processes import fresh_mark, marked

OPENCODER = str(Path(sys.executable).parent / "opencoder")


@contextlib.contextmanager
def services(number: int) -> Iterator[list[tuple[str, subprocess.Popen[str]]]]:
    command = [
        OPENCODER,
        "sandbox",
        "serve",
        "--port",
        "0",
        "--backend",
        "namespace",
        "--json",
        "--concurrency",
        "2",
    ]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(number)]
    try:
        found = []
        for process in started:
            assert process.stdout is not None
            found.append((json.loads(process.stdout.readline())["url"], process))
        yield found
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=60)


def row(number: int) -> tuple[BatchRow, Verdict]:
    """A program and what must become of it."""
    kinds: list[tuple[str, Verdict]] = [
        (f"print({number})", Verdict.OK),
        ("raise SystemExit(3)", Verdict.ERROR),
        ("import os; os.abort()", Verdict.SIGNAL),
        ("import time\ntime.sleep(0.05)\nprint('slept')", Verdict.OK),
        ("while True: print('x' * 1000)", Verdict.OUTPUT),
        ("x = b'x' * (200 << 20)", Verdict.MEMORY),
    ]
    source, verdict = kinds[number % len(kinds)]
    limits = {"memory_mb": 64, "output_bytes": 100_000}
    fields = {"id": str(number), "language": "python", "program": source, "limits": limits}
    return msgspec.convert(fields, BatchRow), verdict


async def test_one_of_three_is_killed_and_nothing_is_lost_or_wrong() -> None:
    rows = [row(number) for number in range(300)]
    done: dict[str, OutRow] = {}
    with services(3) as running:
        async with service_fleet([url for url, _ in running]) as fleet:
            assert fleet.slots == 6
            waiting = iter(rows)

            async def work() -> None:
                for one, _ in waiting:
                    out = await fleet.run_row(one)
                    assert out.id not in done
                    done[out.id] = out
                    if len(done) == 100:
                        running[1][1].kill()

            await asyncio.gather(*(work() for _ in range(8)))
            killed = fleet.members[1]
            assert killed.failures >= 1
            assert all(member.served > 50 for member in fleet.members if member is not killed)
    assert [done[one.id].verdict for one, _ in rows] == [verdict for _, verdict in rows]
    assert any(out.attempts > 1 for out in done.values())


async def test_a_service_that_comes_back_is_used_again(tmp_path: Path) -> None:
    with services(2) as running:
        urls = [url for url, _ in running]
        async with service_fleet(urls) as fleet:
            running[0][1].kill()
            running[0][1].wait()
            for number in range(12):
                assert (await fleet.run_row(row(number)[0])).verdict is row(number)[1]
            assert not fleet.members[0].slots
            again = [
                OPENCODER,
                "sandbox",
                "serve",
                "--port",
                urls[0].rpartition(":")[2],
                "--backend",
                "namespace",
            ]
            process = subprocess.Popen(again, stdout=subprocess.DEVNULL)
            try:
                for _ in range(600):
                    if fleet.members[0].slots:
                        break
                    await asyncio.sleep(0.05)
                before = fleet.members[0].served
                await asyncio.gather(*(fleet.run_row(row(number)[0]) for number in range(12)))
                assert fleet.members[0].served > before
            finally:
                process.terminate()
                process.wait()


Handler = Callable[[str, bytes], Awaitable[tuple[int, bytes, dict[str, str]]]]


@contextlib.asynccontextmanager
async def peer(handle: Handler) -> AsyncIterator[str]:
    """A service that answers as ``handle`` says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lengths = [line[15:] for line in head.lower().splitlines() if line.startswith("content-length:")]
            body = await reader.readexactly(int(lengths[0]) if lengths else 0)
            code, answer, fields = await handle(head.split()[1], body)
            lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(answer)}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in fields.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("fault", ["500", "garbage", "another", "sandbox_error", "hangs up"])
async def test_what_a_sick_service_says_is_no_verdict(fault: str) -> None:
    asked = 0

    async def handle(path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        nonlocal asked
        if path == "/health":
            return 200, b'{"slots": 100}', {}
        asked += 1
        if fault == "hangs up":
            raise OSError
        row_id = "other" if fault == "another" else json.loads(body)["id"]
        verdict = Verdict.SANDBOX_ERROR if fault == "sandbox_error" else Verdict.OK
        good = msgspec.json.encode(OutRow(id=row_id, verdict=verdict))
        return (500 if fault == "500" else 200), (good[:20] if fault == "garbage" else good), {}

    async with peer(handle) as sick:
        with services(1) as running:
            async with service_fleet([sick, running[0][0]]) as fleet:
                out = await fleet.run_row(row(1)[0])
        assert asked >= 1
        assert out.verdict in (Verdict.ERROR, Verdict.SANDBOX_ERROR)
        if fault != "sandbox_error":
            assert out.verdict is Verdict.ERROR
            assert out.attempts == 2
        if out.verdict is Verdict.SANDBOX_ERROR:
            assert out.attempts == 5


async def test_a_full_service_is_asked_again() -> None:
    asked: list[float] = []

    async def handle(path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if path == "/health":
            return 200, b'{"slots": 1}', {}
        asked.append(asyncio.get_running_loop().time())
        if len(asked) < 3:
            return 429, b"{}", {"Retry-After": "1"}
        return 200, msgspec.json.encode(OutRow(id="0", verdict=Verdict.OK)), {}

    async with peer(handle) as url, service_fleet([url]) as fleet:
        assert (await fleet.run_row(row(0)[0])).verdict is Verdict.OK
    assert asked[2] - asked[0] >= 1.9


async def test_a_wrong_token_and_a_wrong_url_are_the_users() -> None:
    with pytest.raises(UserError, match="no URL"):
        service_fleet(["localhost:1"])
    with pytest.raises(DependencyError, match="no endpoint answers"):
        async with service_fleet(["http://127.0.0.1:1"]):
            pass


def test_batch_on_services(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"".join(msgspec.json.encode(row(number)[0]) + b"\n" for number in range(30)))
    with services(2) as running:
        command = [OPENCODER, "sandbox", "batch", str(source), "-o", str(tmp_path / "out.jsonl"), "--json"]
        for url, _ in running:
            command += ["--endpoint", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    out = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(one["id"], one["verdict"]) for one in out] == [(str(n), row(n)[1].value) for n in range(30)]
    gone = subprocess.run([*command, "--no-resume"], capture_output=True, text=True, timeout=120)
    assert gone.returncode == 4
    assert "no endpoint answers" in gone.stderr


async def test_a_service_killed_by_force_leaves_no_program() -> None:
    marker = fresh_mark()
    with services(1) as running:
        async with service_fleet([running[0][0]]) as fleet:
            program: dict[str, Any] = {"id": "a", "language": "bash", "program": f"exec -a {marker} sleep 60"}
            task = asyncio.create_task(
                fleet.run_row(msgspec.convert({**program, "limits": {"wall_s": 60}}, BatchRow))
            )
            for _ in range(500):
                if marked(marker):
                    break
                await asyncio.sleep(0.02)
            os.kill(running[0][1].pid, signal.SIGKILL)
            for _ in range(500):
                if not marked(marker):
                    break
                await asyncio.sleep(0.02)
            assert marked(marker) == []
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
