"""CPU time per model request of this client and of the plain ``AsyncOpenAI`` loop, alternating in one run.

    .venv/bin/python -P benchmarks/llm_client.py --requests 3000 --rounds 3

A server in a process of its own answers every chat request after 50 ms with one fixed answer. 64 requests are
in flight, each with a prompt of about 900 characters. Only the CPU time of this process counts. Ours does
what a run does: request key, look-up, call, parsing, journal on disk, limits, retries. The plain loop calls
``chat.completions.create`` and keeps nothing. distilabel and bespokelabs-curator run too where they can be
imported. Ratios are the figures to quote.

``--memory`` measures something else: the memory that a run of a million requests takes over one of a
thousand, answered in this process and written to a journal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

DELAY_S = 0.05
IN_FLIGHT = 64
CPU_BAR_MS = 1.2
RATIO_BAR = 2.0
MEMORY_BAR_MB = 300.0
_TEXT = "def solve(values):\n    return sorted(values)\n" * 8

Contender = Callable[[str, int, int], Awaitable[None]]
"""Sends so many requests to the server at an address; the last number tells rounds apart."""


class _Answers(asyncio.Protocol):
    """HTTP/1.1 with as little work as will do: the client is what is measured."""

    def __init__(self) -> None:
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "bench",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "logprobs": None,
                    "message": {"role": "assistant", "content": _TEXT, "refusal": None},
                }
            ],
            "usage": {"prompt_tokens": 230, "completion_tokens": 100, "total_tokens": 330},
        }
        content = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._answer = head.encode() + content
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server makes no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        head, mark, rest = self._waiting.partition(b"\r\n\r\n")
        size = int((head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0]) or 0)
        if mark and len(rest) >= size:
            self._waiting = rest[size:]
            asyncio.get_running_loop().call_later(DELAY_S, self._transport.write, self._answer)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def prompt(number: int, round_: int) -> str:
    """Return a prompt of about 900 characters that no other request has."""
    return f"Task {round_}/{number}. Write a function that sorts a list of values by a key. " + (
        "Explain each step and name the cost of the algorithm in time and memory. " * 11
    )


async def ours(url: str, count: int, round_: int) -> None:
    """Run a journaled model, as every run of this program does."""
    from opencoder.llm import Request, Sampling, open_model
    from opencoder.llm.flow import each
    from opencoder.llm.journal import Journal
    from opencoder.llm.journaled import JournaledModel
    from opencoder.records import Message

    sampling = Sampling(temperature=0.7, max_tokens=256, seed=1)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder)) as journal:
        served = open_model("openai/bench", base_url=url, concurrency=IN_FLIGHT, style="chat")
        model = JournaledModel(served, journal)

        async def one(number: int) -> None:
            turns = (Message("user", prompt(number, round_)),)
            response = await model.complete(Request(tag=str(number), messages=turns, sampling=sampling))
            _check(response.choices[0].text)

        await each(range(count), one, IN_FLIGHT)
        await model.aclose()


async def plain(url: str, count: int, round_: int) -> None:
    """Run the loop that users of the package write."""
    from openai import AsyncOpenAI

    numbers = iter(range(count))
    async with AsyncOpenAI(base_url=url, api_key="none") as client:

        async def worker() -> None:
            for number in numbers:
                answer = await client.chat.completions.create(
                    model="bench",
                    messages=[{"role": "user", "content": prompt(number, round_)}],
                    temperature=0.7,
                    max_tokens=256,
                    seed=1,
                )
                _check(answer.choices[0].message.content or "")

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


def _check(text: str) -> None:
    if text != _TEXT:
        raise SystemExit(f"llm_client: the server said {text[:80]!r}")


def measure(contender: Contender, url: str, count: int, round_: int) -> tuple[float, float]:
    """Return CPU milliseconds per request and requests per second of wall time."""
    asyncio.run(contender(url, IN_FLIGHT, -1 - round_))  # imports and first-use caches are not the subject
    began, began_cpu = time.perf_counter(), time.process_time()
    asyncio.run(contender(url, count, round_))
    cpu_s, wall_s = time.process_time() - began_cpu, time.perf_counter() - began
    return cpu_s / count * 1e3, count / wall_s


def compare(count: int, rounds: int) -> dict[str, Any]:
    """Run all contenders in turn and return medians and ratios."""
    contenders: dict[str, Contender] = {"ours": ours, "plain": plain}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    command = [sys.executable, "-P", __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int((server.stdout or sys.stdin).readline())
            for round_ in range(rounds):
                for name, contender in contenders.items():
                    url = f"http://127.0.0.1:{port}/v1"
                    found[name].append(measure(contender, url, count, round_))
        finally:
            server.kill()
    cpu_ms = {name: statistics.median(cpu for cpu, _ in rows) for name, rows in found.items()}
    return {
        "requests": count,
        "rounds": rounds,
        "in_flight": IN_FLIGHT,
        "prompt_characters": len(prompt(0, 0)),
        "cpu_ms": {name: round(value, 3) for name, value in cpu_ms.items()},
        "per_second": {name: round(statistics.median(r for _, r in rows)) for name, rows in found.items()},
        "requests_per_cpu_ratio": round(cpu_ms["plain"] / cpu_ms["ours"], 2),
        "bars": {"cpu_ms": CPU_BAR_MS, "requests_per_cpu_ratio": RATIO_BAR},
    }

if __name__ == "__main__":
    if "--serve" in sys.argv: asyncio.run(_serve())
    else: print(compare(int(sys.argv[1]), int(sys.argv[2])))
