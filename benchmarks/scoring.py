"""Scoring speed against evalplus 0.3.1: the same reference solutions, alternating in one run.

    make bench
    .venv/bin/python benchmarks/scoring.py --peer .venv-peers/bin/python --bench humaneval+ --rounds 3

Both tools keep their expected answers warm, use the same number of workers and start as whole processes. A
third line is the floor: the reference code called on the same inputs in one bare interpreter. CPU seconds are
those the kernel counted for the process and everything below it; ratios are the figures to quote.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEER_NAMES = {"humaneval+": "humaneval", "mbpp+": "mbpp"}
OVERRIDES = {"humaneval+": "HUMANEVAL_OVERRIDE_PATH", "mbpp+": "MBPP_OVERRIDE_PATH"}
BARS = {"humaneval+": 1.7, "mbpp+": 2.2}
CPU_BAR = 1.3
MEMORY_BAR_MB = 300

FLOOR = """
import sys, time, resource
sys.path.insert(0, sys.argv[1])
from eval.registry import find_benchmark
benchmark = find_benchmark(sys.argv[2])
began = time.process_time()
calls = []
for task in benchmark.load().tasks:
    suites = benchmark.suites(task)
    for inputs in suites.inputs.values():
        calls.append((task, suites.entry_point, inputs))
loading = time.process_time() - began
for task, name, inputs in calls:
    namespace = {}
    exec(task.reference, namespace)
    function = namespace[name]
    for arguments in inputs:
        function(*arguments)
print(time.process_time() - began - loading)
"""


@dataclass
class Cost:
    """What one run of a command took: seconds and MB (10**6 bytes of resident memory)."""

    wall_s: float
    cpu_s: float
    supervisor_mb: float
    tree_mb: float


@dataclass
class Series:
    """The runs of one command."""

    name: str
    runs: list[Cost] = field(default_factory=list)

    def median(self, attribute: str) -> float:
        """Return the median of one figure."""
        return statistics.median(getattr(run, attribute) for run in self.runs)


def resident_mb(pid: int) -> float:
    """Return the resident set of one process."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return 0.0


def tree(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found = [pid]
    for parent in found:
        try:
            tasks = Path(f"/proc/{parent}/task").iterdir()
            for task in tasks:
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


class Sampler(threading.Thread):
    """Watches the memory of a process and of the tree below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.supervisor_mb, self.tree_mb = pid, 0.0, 0.0
        self.stopped = threading.Event()

    def run(self) -> None:
        """Sample until stopped."""
        while not self.stopped.wait(0.2):
            self.supervisor_mb = max(self.supervisor_mb, resident_mb(self.pid))
            self.tree_mb = max(self.tree_mb, sum(resident_mb(pid) for pid in tree(self.pid)))


def measure(command: list[str], env: dict[str, str]) -> Cost:
    """Run a command to its end."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        sampler = Sampler(process.pid)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - began
        sampler.stopped.set()
        sampler.join()
        if process.returncode:
            output.seek(0)
            sys.exit(
                f"{' '.join(command)} ended with {process.returncode}:\n{output.read().decode()[-2000:]}"
            )
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, sampler.supervisor_mb, sampler.tree_mb)


def prepare(bench: str, folder: Path) -> Path:
    """Write the reference solutions and, for the peer, the data file unpacked; returns the samples."""
    sys.path.insert(0, str(ROOT))
    from eval.registry import find_benchmark

    dataset = find_benchmark(bench).load()
    samples = folder / f"{PEER_NAMES[bench]}.jsonl"
    with samples.open("w") as file:
        for task in dataset.tasks:
            file.write(json.dumps({"task_id": task.task_id, "solution": task.reference}) + "\n")
    raw = dataset.path.read_bytes()
    data = gzip.decompress(raw) if dataset.path.suffix == ".gz" else raw
    (folder / f"{PEER_NAMES[bench]}-data.jsonl").write_bytes(data)
    return samples


def compare(bench: str, peer: Path | None, rounds: int, workers: int, backend: str) -> dict[str, Any]:
    """Run peer, ours and floor in turn and return the figures."""
    with tempfile.TemporaryDirectory(prefix="opencoder-bench-") as name:
        folder = Path(name)
        samples = prepare(bench, folder)
        opencoder = str(Path(sys.executable).parent / "opencoder")
        ours = [opencoder, "eval", "score", bench, "--samples", str(samples), "--backend", backend]
        ours += ["--concurrency", str(workers), "--quiet", "-o", str(folder / "out")]
        env = {**os.environ, "OPENCODER_CACHE": os.environ.get("OPENCODER_CACHE", str(folder / "cache"))}
        theirs = []
        if peer is not None:
            theirs = [str(peer), "-m", "evalplus.evaluate", "--dataset", PEER_NAMES[bench]]
            theirs += ["--samples", str(samples), "--parallel", str(workers), "--i-just-wanna-run"]
        data = folder / f"{PEER_NAMES[bench]}-data.jsonl"
        peer_env = {**os.environ, OVERRIDES[bench]: str(data), "XDG_CACHE_HOME": str(folder / "peer-cache")}
        floor = [sys.executable, "-c", FLOOR, str(ROOT), bench]
        series = {key: Series(key) for key in ("evalplus", "opencoder", "floor")}
        for number in range(rounds + 1):  # the first round warms both oracles and does not count
            costs = {}
            if theirs:
                costs["evalplus"] = measure(theirs, peer_env)
                samples.with_name(samples.stem + "_eval_results.json").unlink()
            costs["opencoder"] = measure(ours, env)
            shutil.rmtree(folder / "out")
            floor_s = float(subprocess.run(floor, env=env, check=True, capture_output=True, text=True).stdout)
            costs["floor"] = Cost(floor_s, floor_s, 0.0, 0.0)
            for key, cost in costs.items():
                if number:
                    series[key].runs.append(cost)
                    print(f"  {bench} round {number} {key}: {cost}", file=sys.stderr, flush=True)
    return summary(bench, series, backend)


def summary(bench: str, series: dict[str, Series], backend: str) -> dict[str, Any]:
    """Return medians and the ratios pair by pair."""
    ours, floor = series["opencoder"], series["floor"]
    pairs = list(zip(series["evalplus"].runs, ours.runs, strict=False))
    speed = statistics.median(peer.wall_s / own.wall_s for peer, own in pairs) if pairs else None
    cpu = statistics.median(own.cpu_s / low.cpu_s for own, low in zip(ours.runs, floor.runs, strict=True))
    return {
        "bench": bench,
        "backend": backend,
        "rounds": len(ours.runs),
        "wall_speed_vs_evalplus": speed,
        "wall_bar": BARS[bench],
        "cpu_vs_floor": cpu,
        "cpu_bar": CPU_BAR,
        "supervisor_mb": ours.median("supervisor_mb"),
        "supervisor_bar_mb": MEMORY_BAR_MB,
        "medians": {
            name: {key: round(one.median(key), 2) for key in ("wall_s", "cpu_s", "supervisor_mb", "tree_mb")}
            for name, one in series.items()
            if one.runs
        },
    }


def main() -> None:
    """Compare and print one JSON object per benchmark, and a line that a person reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peer", type=Path, help="Python of an environment with evalplus 0.3.1")
    parser.add_argument("--bench", action="append", choices=sorted(PEER_NAMES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--backend", default="namespace")
    given = parser.parse_args()
    for bench in given.bench or sorted(PEER_NAMES):
        row = compare(bench, given.peer, given.rounds, given.workers, given.backend)
        print(json.dumps(row))
        speed = row["wall_speed_vs_evalplus"]
        shown = "no peer" if speed is None else f"{speed:.2f}x evalplus"
        print(
            f"{bench}: wall speed {shown} (bar {row['wall_bar']}x), CPU {row['cpu_vs_floor']:.2f}x the floor "
            f"(bar {CPU_BAR}x), supervisor {row['supervisor_mb']:.0f} MB (bar {MEMORY_BAR_MB} MB)",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
