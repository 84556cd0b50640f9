"""Speed of a whole build, step by step, and what a second worker adds; builds of both alternate in one run.

    .venv/bin/python benchmarks/corpus_build.py [FOLDER ...] [--rounds 2]

The default input is this Python's library and numpy. Every build of a run must give equal bytes. No other
tool does all of these steps, so there is no peer here; those of single steps have benchmarks of their own.
Speeds are in megabytes (10^6) read per CPU second of all processes, imports and the leader included.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORKERS = (1, 2)
Row = dict[str, Any]


def build(folders: Sequence[Path], out: Path, workers: int, more: Sequence[str]) -> Row:
    """Build once and return seconds, the breakdown and a digest of the result."""
    command = [sys.executable, "-P", "-m", "opencoder", "corpus", "build", *map(str, folders)]
    command += ["-o", str(out), "--workers", str(workers), "--json", "--quiet", *more]
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, os.times()
    if done.returncode:
        raise SystemExit(done.stderr)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    timing = json.loads((out / "timing.json").read_text())
    digest = hashlib.sha256()
    for entry in json.loads((out / "manifest.json").read_text())["files"]:
        digest.update(entry["sha256"].encode())
    digest.update((out / "report.json").read_bytes())
    return {"wall_s": wall, "cpu_s": cpu, "digest": digest.hexdigest(), "timing": timing} | json.loads(
        done.stdout
    )


def compare(folders: Sequence[Path], rounds: int, more: Sequence[str]) -> Row:
    """Build alternately with one worker and two."""
    runs: dict[int, list[Row]] = {workers: [] for workers in WORKERS}
    for _ in range(rounds):
        for workers in WORKERS:
            with tempfile.TemporaryDirectory() as scratch:
                runs[workers].append(build(folders, Path(scratch, "out"), workers, more))
    every = [run for done in runs.values() for run in done]
    if len({run["digest"] for run in every}) != 1:
        raise SystemExit("corpus_build: two builds of one input differ")
    mb = every[0]["bytes_read"] / 1e6
    wall = {workers: statistics.median(run["wall_s"] for run in done) for workers, done in runs.items()}
    cpu = statistics.median(run["cpu_s"] for run in every)
    return {
        "documents": every[0]["read"],
        "mb": round(mb, 1),
        "rounds": rounds,
        "mb_per_cpu_s": round(mb / cpu, 2),
        "speedup_of_2_workers": round(wall[1] / wall[2], 2),
        "cpu_of_2_workers": round(cpu_of(runs[2]) / cpu_of(runs[1]), 2),
        "steps": every[0]["timing"]["steps"],
    }


def cpu_of(runs: Sequence[Row]) -> float:
    """Return the median of CPU seconds."""
    return statistics.median(run["cpu_s"] for run in runs)


def main() -> None:
    """Compare and print one JSON object, and lines that a person reads."""
    library = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"), "numpy")]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="*", type=Path, default=library, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--shard-bytes", default="16MiB")
    given = parser.parse_args()
    row = compare(given.folders, given.rounds, ["--shard-bytes", given.shard_bytes])
    print(json.dumps(row))
    print(
        f"Build: {row['documents']} documents, {row['mb']} MB, {row['mb_per_cpu_s']} MB per CPU second; "
        f"two workers {row['speedup_of_2_workers']}x as fast as one for {row['cpu_of_2_workers']}x the CPU",
        file=sys.stderr,
    )
    for step in row["steps"]:
        print(f"  {step['step']}: {step['cpu_s']} CPU-s, {step['mb_per_cpu_s']} MB/CPU-s", file=sys.stderr)


if __name__ == "__main__":
    main()
