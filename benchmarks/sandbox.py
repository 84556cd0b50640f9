"""Programs per second behind a boundary: ours beside ``docker run`` and evalplus-style forking, in turn.

    make bench
    .venv/bin/python benchmarks/sandbox.py --peer .venv-peers/bin/python --backend docker --rounds 3

Every figure is a rate with two programs at a time, divided by the rate of ``docker run --rm IMAGE`` in the
same round, and once by that of ``docker run --network none``; ratios are the figures to quote. evalplus's
``untrusted_check`` forks a process per solution with rlimits and without any isolation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sandbox.api import Limits, Program, Sandbox, Verdict, run, run_many  # noqa: E402
from sandbox.backends import open_backend  # noqa: E402
from sandbox.images import connect, image_digest  # noqa: E402

HEAVY = (
    "import argparse, asyncio, collections, datetime, decimal, json, logging, multiprocessing, random, re, "
    "subprocess, tempfile, unittest\nprint(1)"
)
PANDAS = "import pandas; print(pandas.DataFrame({'a': [1]}).sum()['a'])"
C_SOURCE = '#include <stdio.h>\nint main(void) { puts("1"); return 0; }\n'
EVALPLUS = """
import sys, time
from concurrent.futures import ProcessPoolExecutor
from evalplus.eval import untrusted_check

def check(_):
    return untrusted_check("humaneval", "def f(x):\\n    return x", [[1]], "f", [1], 0, [0.01])[0]

if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(check, range(4)))
        began = time.monotonic()
        answers = list(pool.map(check, range(int(sys.argv[1]))))
        print(time.monotonic() - began)
    assert set(answers) == {"pass"}, answers
"""
WORKERS = 2
FLOOD_BYTES = 10_000_000_000
FLOOD_BAR_MB = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One kind of program: ``command`` for ``docker run``, ``program`` for ours; ``bar`` is a ratio.

    Only the docker backend has images other than ``python``.
    """

    name: str
    command: list[str]
    program: Callable[[int], Program]
    bar: float | None
    num: int
    flags: tuple[str, ...] = ()
    image: str = "python"


def python(source: str) -> Program:
    """Return a program for the warm interpreter."""
    return Program(language="python", source=source)


CASES = [
    Case(
        name="python, warm interpreter",
        command=["python3", "-c", "print(1)"],
        program=lambda n: python("print(1)"),
        bar=45,
        num=400,
    ),
    Case(
        name="python, warm interpreter, beside docker run --network none",
        command=["python3", "-c", "print(1)"],
        program=lambda n: python("print(1)"),
        bar=None,
        num=400,
        flags=("--network", "none"),
    ),
    Case(
        name="python, fresh interpreter",
        command=["python3", "-c", "print(1)"],
        program=lambda n: Program(language="bash", source="exec python3 -I -c 'print(1)'"),
        bar=20,
        num=150,
    ),
    Case(
        name="python, a dozen heavy imports",
        command=["python3", "-c", HEAVY],
        program=lambda n: python(HEAVY),
        bar=50,
        num=400,
    ),
    Case(
        name="python with pandas, image data",
        command=["python3", "-c", PANDAS],
        program=lambda n: python(PANDAS),
        bar=20,
        num=200,
        image="data",
    ),
    Case(
        name="c, compiled and run",
        command=["sh", "-c", f"printf '%s' '{C_SOURCE}' > /tmp/a.c && gcc -O1 -o /tmp/a /tmp/a.c && /tmp/a"],
        program=lambda n: Program(language="c", source=f"// {time.monotonic_ns()} {n}\n{C_SOURCE}"),
        bar=6,
        num=40,
    ),
    Case(
        name="c, compiled before",
        command=["sh", "-c", f"printf '%s' '{C_SOURCE}' > /tmp/a.c && gcc -O1 -o /tmp/a /tmp/a.c && /tmp/a"],
        program=lambda n: Program(language="c", source=C_SOURCE),
        bar=20,
        num=400,
    ),
]


@dataclass
class Rates:
    """Programs per second of one case, round by round."""

    docker_run: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        """Return the median of the ratios of each round."""
        return statistics.median(own / peer for own, peer in zip(self.ours, self.docker_run, strict=True))


def docker_run_rate(image: str, case: Case, num: int) -> float:
    """Return how many containers per second ``docker run`` gets through."""
    full = ["docker", "run", "--rm", "--user", "root", "--tmpfs", "/sandbox:exec"]
    full += [*case.flags, image, "sh", "-c", 'mkdir -p /sandbox/tmp && exec "$@"', "sh", *case.command]

    def once(_: int) -> None:
        done = subprocess.run(full, check=False, capture_output=True, text=True)
        if done.stdout.strip() != "1":
            sys.exit(f"docker run ended with {done.returncode}: {done.stdout} {done.stderr}")

    with ThreadPoolExecutor(WORKERS) as pool:
        began = time.monotonic()
        list(pool.map(once, range(num)))
        return num / (time.monotonic() - began)


async def our_rate(sandbox: Sandbox, case: Case) -> float:
    """Return how many programs per second ours gets through."""
    await run(sandbox, case.program(-1))
    began = time.monotonic()
    programs = ((str(number), case.program(number)) for number in range(case.num))
    async for _, result in run_many(sandbox, programs, concurrency=WORKERS):
        if result.verdict is not Verdict.OK or result.stdout.strip() != b"1":
            sys.exit(f"{case.name}: {result}")
    return case.num / (time.monotonic() - began)


def evalplus_rate(peer: Path, num: int = 300) -> float:
    """Return how many solutions per second evalplus forks for."""
    done = subprocess.run([str(peer), "-c", EVALPLUS, str(num)], capture_output=True, text=True, check=True)
    return num / float(done.stdout.split()[-1])


def resident_mb() -> float:
    """Return the largest resident set so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


async def flood(sandbox: Sandbox) -> float:
    """Return by how much the supervisor grew while a program tried to print 10 GB, in MB."""
    before = resident_mb()
    source = f"import os\nfor _ in range({FLOOD_BYTES >> 20}): os.write(1, b'x' * (1 << 20))"
    kept = await run(sandbox, Program(language="python", source=source, limits=Limits(wall_s=60)))
    if kept.verdict is not Verdict.OUTPUT:
        sys.exit(f"flood: {kept}")
    return resident_mb() - before


@asynccontextmanager
async def opened(backend: str) -> AsyncIterator[dict[str, Sandbox]]:
    """Open a backend, once for each image that it has."""
    images = {case.image: None for case in CASES if case.image == "python" or backend == "docker"}
    async with AsyncExitStack() as stack:
        yield {
            image: await stack.enter_async_context(
                open_backend(backend, concurrency=WORKERS, image=None if image == "python" else image)
            )
            for image in images
        }


async def compare(backend: str, peer: Path | None, rounds: int) -> list[dict[str, object]]:
    """Run all in turn and return one row per case."""
    forks: list[float] = []
    async with opened(backend) as sandboxes:
        client = connect()
        images = {name: image_digest(name, client=client) for name in sandboxes}
        client.close()
        cases = [case for case in CASES if case.image in sandboxes]
        rates = {case.name: Rates() for case in cases}
        growth = await flood(sandboxes["python"])
        for number in range(rounds):
            for case in cases:
                own = rates[case.name]
                own.docker_run.append(docker_run_rate(images[case.image], case, 12))
                own.ours.append(await our_rate(sandboxes[case.image], case))
                last = f"docker run {own.docker_run[-1]:.2f}/s, ours {own.ours[-1]:.1f}/s"
                print(f"  round {number + 1} {case.name}: {last}", file=sys.stderr)
                if peer is not None and case is CASES[0]:
                    forks.append(evalplus_rate(peer))
    rows: list[dict[str, object]] = [
        {
            "backend": backend,
            "case": case.name,
            "ratio_to_docker_run": round(rates[case.name].ratio(), 1),
            "bar": case.bar,
            "ours_per_s": round(statistics.median(rates[case.name].ours), 1),
            "docker_run_per_s": round(statistics.median(rates[case.name].docker_run), 2),
        }
        for case in cases
    ]
    if forks:
        warm = rates[CASES[0].name].ours
        ratio = statistics.median(own / theirs for own, theirs in zip(warm, forks, strict=True))
        rows.append(
            {"backend": backend, "case": "python, warm", "ratio_to_evalplus": round(ratio, 2), "bar": 1.0}
        )
    name = "growth of the supervisor while a program prints 10 GB"
    rows.append({"backend": backend, "case": name, "mb": round(growth, 1), "bar": FLOOD_BAR_MB})
    return rows


def main() -> None:
    """Compare and print one JSON object per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peer", type=Path, help="Python of an environment with evalplus 0.3.1")
    parser.add_argument("--backend", action="append", choices=["docker", "namespace"])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for backend in given.backend or ["docker", "namespace"]:
        for row in asyncio.run(compare(backend, given.peer, given.rounds)):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
