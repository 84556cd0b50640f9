"""Programs per second over HTTP, beside the same sandbox in process, in turn.

    .venv/bin/python benchmarks/service.py --rounds 3

The service, its client and the programs share the machine, so the client's work counts against the service.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import httpx2 as httpx  # noqa: E402

from sandbox.api import Program, Sandbox, run, run_many  # noqa: E402
from sandbox.backends import BACKENDS  # noqa: E402

NUM, WORKERS, BAR = 600, 2, 0.8


async def in_process(sandbox: Sandbox) -> float:
    """Return programs per second without HTTP."""
    programs = ((str(number), Program(language="python", source="print(1)")) for number in range(NUM))
    began = time.monotonic()
    async for _, result in run_many(sandbox, programs, concurrency=WORKERS):
        if result.stdout != b"1\n":
            sys.exit(f"{result}")
    return NUM / (time.monotonic() - began)


async def batched(client: httpx.AsyncClient) -> float:
    """Return programs per second of one streamed batch."""
    rows = [{"id": str(number), "language": "python", "program": "print(1)"} for number in range(NUM)]
    body = "\n".join(json.dumps(row) for row in rows)
    began, seen = time.monotonic(), 0
    async with client.stream("POST", "/run_batch", content=body) as answer:
        async for line in answer.aiter_lines():
            seen += '"stdout":"1\\n"' in line
    if seen != NUM:
        sys.exit(f"{seen} of {NUM} answers")
    return NUM / (time.monotonic() - began)


async def one_by_one(client: httpx.AsyncClient) -> float:
    """Return programs per second of requests for one program each."""
    waiting = iter(range(NUM))

    async def work() -> None:
        for _ in waiting:
            answer = await client.post("/run_code", json={"code": "print(1)", "language": "python"})
            if answer.json()["run_result"]["stdout"] != "1\n":
                sys.exit(answer.text)

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return NUM / (time.monotonic() - began)


async def compare(backend: str, rounds: int) -> dict[str, object]:
    """Run all in turn and return the ratios."""
    opencoder = str(Path(sys.executable).parent / "opencoder")
    command = [opencoder, "sandbox", "serve", "--port", "0", "--backend", backend, "--json"]
    command += ["--concurrency", str(WORKERS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    rates: dict[str, list[float]] = {"in process": [], "/run_batch": [], "/run_code": []}
    try:
        if process.stdout is None:
            sys.exit("no output of the service")
        url = json.loads(process.stdout.readline())["url"]
        async with (
            BACKENDS[backend](WORKERS) as sandbox,
            httpx.AsyncClient(base_url=url, timeout=60) as client,
        ):
            await run(sandbox, Program(language="python", source=""))
            for number in range(rounds):
                rates["in process"].append(await in_process(sandbox))
                rates["/run_batch"].append(await batched(client))
                rates["/run_code"].append(await one_by_one(client))
                last = {name: round(series[-1], 1) for name, series in rates.items()}
                print(f"  round {number + 1}: {last}", file=sys.stderr)
    finally:
        process.terminate()
        process.wait()
    pairs = {name: zip(series, rates["in process"], strict=True) for name, series in rates.items()}
    ratios = {name: round(statistics.median(a / b for a, b in pair), 2) for name, pair in pairs.items()}
    return {"backend": backend, "ratio_to_in_process": ratios, "bar": BAR}


def main() -> None:
    """Compare and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--backend", default="docker", choices=["docker", "namespace"])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(compare(given.backend, given.rounds))), flush=True)


if __name__ == "__main__":
    main()
