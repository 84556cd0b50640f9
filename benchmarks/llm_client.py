"""CPU time per model request of this client and of the plain ``AsyncOpenAI`` loop, alternating in one run.

    .venv/bin/python -P benchmarks/llm_client.py --requests 2000 --rounds 3

A server in a process of its own answers every chat request after 50 ms with one fixed answer. 64 requests are
in flight, each with a prompt of about 900 characters. Each contender runs in a process of its own, whose CPU
time alone counts, after a first round of 64 requests that does not. Ours does what a run does: request key,
look-up, call, parsing, journal on disk, limits, retries. The plain loop calls ``chat.completions.create`` and
keeps nothing. distilabel (its class for OpenAI's protocol, without its pipeline) and bespokelabs-curator run
too where an interpreter can import them: this one, or one that is given with ``--peer``. Ratios are the
figures to quote.

``--memory`` measures something else: the memory that a run of a million requests takes over one of a
thousand, answered in this process and written to a journal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
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

Contender = Callable[[str, int, int], None]
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


def ours(url: str, count: int, round_: int) -> None:
    """Run a journaled model, as every run of this program does."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_ours(url, count, round_, Path(folder)))


async def _ours(url: str, count: int, round_: int, folder: Path) -> None:
    from opencoder.llm import Request, Sampling, open_model
    from opencoder.llm.flow import each
    from opencoder.llm.journal import Journal
    from opencoder.llm.journaled import JournaledModel
    from opencoder.records import Message

    sampling = Sampling(temperature=0.7, max_tokens=256, seed=1)
    with Journal(folder) as journal:
        served = open_model("openai/bench", base_url=url, concurrency=IN_FLIGHT, style="chat")
        model = JournaledModel(served, journal)

        async def one(number: int) -> None:
            turns = (Message("user", prompt(number, round_)),)
            response = await model.complete(Request(tag=str(number), messages=turns, sampling=sampling))
            _check(response.choices[0].text)

        await each(range(count), one, IN_FLIGHT)
        await model.aclose()


def plain(url: str, count: int, round_: int) -> None:
    """Run the loop that users of the package write."""
    asyncio.run(_plain(url, count, round_))


async def _plain(url: str, count: int, round_: int) -> None:
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


def distilabel(url: str, count: int, round_: int) -> None:
    """Run distilabel's class for OpenAI's protocol, a batch of 64 after the other."""
    from distilabel.models import OpenAILLM

    model = OpenAILLM(model="bench", base_url=url, api_key="none")
    model.load()
    for start in range(0, count, IN_FLIGHT):
        numbers = range(start, min(count, start + IN_FLIGHT))
        turns = [[{"role": "user", "content": prompt(number, round_)}] for number in numbers]
        for answer in model.generate_outputs(inputs=turns, temperature=0.7, max_new_tokens=256):
            _check(answer["generations"][0])


def curator(url: str, count: int, round_: int) -> None:
    """Run bespokelabs-curator, which keeps its answers on disk as well."""
    os.environ.setdefault("TELEMETRY_ENABLED", "false")
    from bespokelabs.curator import LLM

    limits = {"max_concurrent_requests": IN_FLIGHT, "max_requests_per_minute": 10**6}
    options = {"base_url": url, "api_key": "none", "max_tokens_per_minute": 10**9, **limits}
    model = LLM(
        model_name="bench",
        backend="openai",
        backend_params=options,
        generation_params={"temperature": 0.7, "max_tokens": 256},
    )
    with tempfile.TemporaryDirectory() as folder:
        prompts = [prompt(number, round_) for number in range(count)]
        found = model(prompts, working_dir=folder).dataset["response"]
        if len(found) != count:
            raise SystemExit(f"llm_client: curator gave {len(found)} of {count} answers")
        for text in found:
            _check(text)


CONTENDERS: dict[str, Contender] = {
    "ours": ours,
    "plain": plain,
    "distilabel": distilabel,
    "bespokelabs-curator": curator,
}
MODULES = {"distilabel": "distilabel", "bespokelabs-curator": "bespokelabs.curator"}


def _check(text: str) -> None:
    if text != _TEXT:
        raise SystemExit(f"llm_client: the server said {text[:80]!r}")


def measure(contender: Contender, url: str, count: int, round_: int) -> tuple[float, float]:
    """Return CPU milliseconds per request and requests per second of wall time of this process."""
    contender(url, IN_FLIGHT, -1 - round_)  # imports and first-use caches are not the subject
    began, began_cpu = time.perf_counter(), time.process_time()
    contender(url, count, round_)
    cpu_s, wall_s = time.process_time() - began_cpu, time.perf_counter() - began
    return cpu_s / count * 1e3, count / wall_s


def interpreters(peers: Sequence[str]) -> dict[str, str]:
    """Return who can run which contender; says on stderr which are not installed."""
    found = {"ours": sys.executable, "plain": sys.executable}
    for name, module in MODULES.items():
        for python in (sys.executable, *peers):
            code = (
                f"import importlib.util as u; import sys; sys.exit(not u.find_spec({module.split('.')[0]!r}))"
            )
            if subprocess.run([python, "-P", "-c", code], check=False).returncode == 0:
                found[name] = python
                break
        else:
            print(f"{name} is not installed; name an interpreter that has it with --peer", file=sys.stderr)
    return found


def compare(count: int, rounds: int, peers: Sequence[str]) -> dict[str, Any]:
    """Run all contenders in turn and return medians and ratios."""
    pythons = interpreters(peers)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in pythons}
    with subprocess.Popen(
        [sys.executable, "-P", __file__, "--role", "server"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            url = f"http://127.0.0.1:{int((server.stdout or sys.stdin).readline())}/v1"
            for round_ in range(rounds):
                for name, python in pythons.items():
                    command = [python, "-P", __file__, "--role", name, "--url", url]
                    command += ["--requests", str(count), "--rounds", str(round_)]
                    done = subprocess.run(command, check=False, capture_output=True, text=True)
                    if done.returncode:
                        said = done.stderr.strip().splitlines()[-1:]
                        print(f"{name} could not run: {' '.join(said)}", file=sys.stderr)
                        continue
                    cpu_ms, rate = json.loads(done.stdout.splitlines()[-1])
                    found[name].append((cpu_ms, rate))
        finally:
            server.kill()
    found = {name: rows for name, rows in found.items() if rows}
    cpu = {name: statistics.median(cpu for cpu, _ in rows) for name, rows in found.items()}
    return {
        "requests": count,
        "rounds": rounds,
        "in_flight": IN_FLIGHT,
        "prompt_characters": len(prompt(0, 0)),
        "cpu_ms": {name: round(value, 3) for name, value in cpu.items()},
        "per_second": {name: round(statistics.median(r for _, r in rows)) for name, rows in found.items()},
        "requests_per_cpu": {name: round(value / cpu["ours"], 2) for name, value in cpu.items()},
        "bars": {"cpu_ms": CPU_BAR_MS, "requests_per_cpu": RATIO_BAR},
    }


class _Echo:
    """A model in this process that answers at once."""

    name = "echo"
    revision = ""

    async def complete(self, request: Any) -> Any:
        from opencoder.llm import Choice, Response

        await asyncio.sleep(0)
        return Response(choices=[Choice(text=request.prompt)], model=self.name, tokens_out=1)

    async def style(self) -> Any:
        return "completion"

    async def aclose(self) -> None:
        pass


async def _fill(count: int, folder: Path) -> None:
    from opencoder.llm import Request
    from opencoder.llm.flow import each
    from opencoder.llm.journal import Journal
    from opencoder.llm.journaled import JournaledModel

    with Journal(folder) as journal:
        model = JournaledModel(_Echo(), journal)

        async def one(number: int) -> None:
            await model.complete(Request(tag="t", prompt=f"answer {number}"))

        await each(range(count), one, IN_FLIGHT)


def peak_mb(count: int) -> float:
    """Return the peak memory of a process that answers so many requests."""
    command = [sys.executable, "-P", __file__, "--role", "memory", "--requests", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout) / 1024


def memory(count: int) -> dict[str, Any]:
    """Compare the peak memory of a run of a thousand requests with that of a longer one."""
    small, large = peak_mb(1000), peak_mb(count)
    return {
        "requests": count,
        "peak_mb": {"1000": round(small, 1), str(count): round(large, 1)},
        "more_mb": round(large - small, 1),
        "bar_mb": MEMORY_BAR_MB,
    }


def play(role: str, url: str, count: int, round_: int) -> None:
    """Do the part of a child process."""
    if role == "server":
        asyncio.run(_serve())
    elif role == "memory":
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_fill(count, Path(folder)))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    else:
        print("\n" + json.dumps(measure(CONTENDERS[role], url, count, round_)))


def main() -> None:
    """Compare and print one JSON object, and a line that a person reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="append", default=[], help="an interpreter that has other clients")
    parser.add_argument("--memory", type=int, nargs="?", const=1_000_000, help="measure memory instead")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        play(given.role, given.url, given.requests, given.rounds)
    elif given.memory:
        row = memory(given.memory)
        print(json.dumps(row))
        shown = f"{row['more_mb']} MB more than a run of 1000 (bar {MEMORY_BAR_MB:.0f})"
        print(f"model client, {given.memory} requests: {shown}", file=sys.stderr)
    else:
        row = compare(given.requests, given.rounds, given.peer)
        print(json.dumps(row))
        others = [f"{r}x {name}" for name, r in row["requests_per_cpu"].items() if name != "ours"]
        shown = f"{row['cpu_ms']['ours']} ms of CPU per request (bar {CPU_BAR_MS})"
        print(f"model client: {shown}; per CPU {', '.join(others)} (bar {RATIO_BAR}x plain)", file=sys.stderr)


if __name__ == "__main__":
    main()
