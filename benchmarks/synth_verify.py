"""Rows verified per second, with repetitions, stubs and mutants, beside a process for each of these runs.

    OPENCODER_DATA=/folder/with/mbpp .venv/bin/python benchmarks/synth_verify.py

The peer is what pipelines do that check generated code: it writes each program with its tests to a file and
starts ``python`` on it, without any boundary, one per CPU. Both get the same variants of the same rows of
MBPP and alternate; the ratio is the median over the rounds. The rate of the whole command, over all rows,
comes last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "benchmarks"
NAME = "mbpp.jsonl.gz"
WARM = 5


def find_mbpp() -> Path:
    """Return the data file."""
    for folder in (os.environ.get("OPENCODER_DATA", ""), SHARED):
        for path in sorted(Path(folder).rglob(NAME)) if folder else []:
            return path
    raise SystemExit(f"{NAME} is not there; set OPENCODER_DATA to a folder that holds it")


def variants(row: Any) -> list[str]:
    """Return what is run for a row: three times the code, stubs and mutants."""
    from synth.verify.mutants import make_mutants
    from synth.verify.stubs import make_stubs

    stubs = make_stubs(row.entry_point, row.testcase)
    return [row.code] * 3 + [stub.source for stub in stubs] + [one.source for one in make_mutants(row.code)]


def peer(rows: list[Any], folder: Path, workers: int) -> int:
    """Run every variant in a process of its own; returns how many rows have code that passes."""

    def passes(job: tuple[int, int, str]) -> tuple[int, int, bool]:
        number, place, source = job
        path = folder / f"{number}-{place}.py"
        path.write_text("\n".join([source, rows[number].test_setup, *rows[number].testcase]))
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(path)], capture_output=True, timeout=5, check=False
            )
        except subprocess.TimeoutExpired:
            return number, place, False
        return number, place, done.returncode == 0

    jobs = [(n, place, text) for n, row in enumerate(rows) for place, text in enumerate(variants(row))]
    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(passes, jobs))
    return sum(all(ok for n, place, ok in found if n == number and place < 3) for number in range(len(rows)))


async def ours(rows: list[Any], workers: int) -> int:
    """Verify the rows; returns how many are accepted."""
    from opencoder.llm.flow import each
    from sandbox.backends import open_backend
    from synth.verify.limits import limits_of
    from synth.verify.rows import verify_row
    from synth.verify.verify import Gate

    gate, limits = Gate(mutants=0.0, lines=0.0, one_answer=True), limits_of(5.0)
    accepted = 0
    async with open_backend("namespace", concurrency=workers) as sandbox:

        async def take(row: Any) -> None:
            nonlocal accepted
            found = await verify_row(sandbox, row, gate, limits)
            accepted += found.status == "pass"

        await each(rows[:WARM], take, workers)
        accepted = 0
        await each(rows, take, workers)
    return accepted


def measure(rows: list[Any], rounds: int, workers: int) -> dict[str, Any]:
    """Alternate and return rates."""
    took: dict[str, list[float]] = {"ours": [], "peer": []}
    passed: dict[str, int] = {}
    for _ in range(rounds):
        began = time.perf_counter()
        passed["ours"] = asyncio.run(ours(rows, 2 * workers))
        took["ours"].append(time.perf_counter() - began)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            passed["peer"] = peer(rows, Path(folder), workers)
            took["peer"].append(time.perf_counter() - began)
    ratios = [theirs / mine for mine, theirs in zip(took["ours"], took["peer"], strict=True)]
    return {
        "rows": len(rows),
        "programs": sum(len(variants(row)) for row in rows),
        "accepted": passed,
        "rows_per_s": {name: round(len(rows) / statistics.median(times), 1) for name, times in took.items()},
        "ratio": round(statistics.median(ratios), 2),
    }


def whole(path: Path) -> dict[str, Any]:
    """Run the command over all rows, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-P",
            "-m",
            "opencoder",
            "synth",
            "verify",
            str(path),
            "-o",
            f"{folder}/out",
        ]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--backend", "namespace", "--json", "--quiet"], capture_output=True, check=True
        )
        seconds = time.perf_counter() - began
    counts = json.loads(done.stdout)["counts"]
    return {**counts, "rows_per_s": round(counts["input"] / seconds, 1)}


def main() -> None:
    """Measure and print one JSON object, and lines that a person reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from synth.shapes import read_rows

    path = find_mbpp()
    rows = [row for _, row in read_rows(path)][: given.rows]
    row = {**measure(rows, given.rounds, len(os.sched_getaffinity(0))), "mbpp": whole(path)}
    print(json.dumps(row))
    rate, all_rows = row["rows_per_s"], row["mbpp"]
    print(
        f"verification: {rate['ours']} rows/s, {row['ratio']}x a process for each run ({rate['peer']})\n"
        f"all of MBPP: {all_rows['rows_per_s']} rows/s, {all_rows['rows']} of {all_rows['input']} accepted",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
