"""Numerics, speed, memory and learning of the plain model on one GPU; one command.

    python -P benchmarks/gpu/check.py --out DIR [--quick]

Needs torch, transformers and numpy; no torchtitan. Writes DIR/results.json after every part, so that a run
that is cut off keeps what it found, and DIR/results.md in the end.

* numerics: logits and gradients against ``transformers``' Llama, float32 and bfloat16, on a small shape and
  on that of OpenCoder-1.5B with fewer layers;
* attention: the kernels that torch offers for heads of 160, forward and backward;
* speed: tokens/s, MFU (full-attention count, 989 TFLOP/s) and peak memory of the whole 1.5B on sequences of
  4096, one line of JSON for each setting as it ends; beside it the memory that ``train.plan`` foresees;
* learning: a small model on Python's own library, whose loss has to fall.

``--quick`` runs every part on a tiny shape, also without a GPU: a test of this program, not of a machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
SETTING_S = 100.0
"""Longest time of one setting, its compilation included."""


def main() -> int:
    """Run all parts and return 1 if one of them failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("gpu-check"), help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="a tiny shape, on the CPU if there is no GPU")
    parser.add_argument("--budget-s", type=float, default=240.0, help="seconds for all parts together")
    parser.add_argument(
        "--worker", choices=["numerics", "attention", "speed", "learning"], help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.worker:
        return work(options.worker, quick=options.quick)
    options.out.mkdir(parents=True, exist_ok=True)
    return Check(options.out, quick=options.quick, budget_s=options.budget_s).run()


class Check:
    """All parts in turn, each in a process of its own: a crash or a hang costs that part or setting alone.

    Args:
        out: Folder of the results.
        quick: Tiny shapes.
        budget_s: Seconds for all parts together; settings that no longer fit are left out and named.
    """

    def __init__(self, out: Path, *, quick: bool, budget_s: float) -> None:
        self.out = out
        self.quick = quick
        self.end = time.monotonic() + budget_s
        self.results: dict[str, Any] = {"quick": quick, "budget_s": budget_s}

    def run(self) -> int:
        """Run the parts, write the results, return 1 if one failed."""
        from benchmarks.gpu.speed import best_kernels, settings

        for part in ("numerics", "attention"):
            self.part(part)
        kernels = best_kernels(self.results["attention"])
        self.speed(settings(kernels, quick=self.quick))
        self.part("learning", within_s=90.0)
        from benchmarks.gpu.table import markdown

        text = markdown(self.results)
        (self.out / "results.md").write_text(text)
        sys.stdout.write(text)
        parts = (self.results[name] for name in ("numerics", "learning"))
        speeds = any(row.get("status") == "ok" for row in self.results["speed"])
        return 0 if speeds and all(part and all(row.get("ok", True) for row in part) for part in parts) else 1

    def part(self, name: str, within_s: float = SETTING_S) -> None:
        """Run a part that is one process, and keep its rows."""
        rows = []
        with Worker(name, quick=self.quick) as worker:
            while (row := worker.row(time.monotonic() + within_s)) is not None:
                rows.append(row)
        self.keep(name, rows or [{"ok": False, "status": worker.why}])

    def speed(self, todo: list[dict[str, Any]]) -> None:
        """Run the settings; after a crash a new process goes on with the next."""
        rows: list[dict[str, Any]] = []
        plain = False
        while todo:
            with Worker("speed", quick=self.quick, plain=plain) as worker:
                while todo:
                    # The last part needs its time too.
                    if time.monotonic() > self.end - 45 and rows:
                        rows += [{**setting, "status": "left out: no time"} for setting in todo]
                        todo = []
                        break
                    worker.send(todo[0])
                    row = worker.row(time.monotonic() + SETTING_S)
                    setting, todo = todo[0], todo[1:]
                    rows.append({**setting, **(row or {"status": f"failed: {worker.why}"})})
                    if len(rows) == 1 and rows[0]["status"] != "ok":
                        # Should it be the compiler, one figure without it is better than none.
                        todo.insert(0, {**setting, "compile": False, "micro": 2})
                    self.keep("speed", rows)
                    sys.stdout.write(json.dumps(rows[-1]) + "\n")
                    sys.stdout.flush()
                    if row is None:
                        plain = True  # the allocator's options may be what this machine does not have
                        break
        self.keep("speed", rows)

    def keep(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Write what is known so far."""
        self.results[name] = rows
        (self.out / "results.json").write_text(json.dumps(self.results, indent=1) + "\n")


class Worker:
    """A process that does one part and writes a line of JSON for each result.

    Args:
        part: Its name.
        quick: Tiny shapes.
        plain: Leave torch's allocator as it is.
    """

    def __init__(self, part: str, *, quick: bool, plain: bool = False) -> None:
        env = {**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": str(min(16, os.cpu_count() or 1))}
        if not plain:
            env |= dict.fromkeys(
                ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"), "expandable_segments:True"
            )
        words = [sys.executable, "-P", __file__, "--worker", part, *(["--quick"] if quick else [])]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True, cwd=ROOT
        )
        self.lines: Queue[str] = Queue()
        self.why = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line)
        self.lines.put("")

    def send(self, setting: dict[str, Any]) -> None:
        """Hand over one setting."""
        try:
            if self.process.stdin is not None:
                self.process.stdin.write(json.dumps(setting) + "\n")
                self.process.stdin.flush()
        except BrokenPipeError:
            pass  # its end is seen when the answer does not come

    def row(self, until: float) -> dict[str, Any] | None:
        """Return the next result, or None when the process has ended or the time is up."""
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                self.why = "took too long"
                return None
            if not line:
                self.why = f"ended with code {self.process.wait()}"
                return None
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
            sys.stderr.write(line)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def work(part: str, *, quick: bool) -> int:
    """Do one part in this process, a line of JSON for each result."""
    import torch

    from benchmarks.gpu import learning, numerics, speed

    if quick:
        torch.set_num_threads(1)  # more would wait for one another on shapes this small

    parts: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "numerics": lambda: numerics.compare_all(quick=quick),
        "attention": lambda: speed.time_attention(quick=quick),
        "speed": lambda: speed.time_settings((json.loads(line) for line in sys.stdin), quick=quick),
        "learning": lambda: learning.learn(quick=quick),
    }
    for row in parts[part]():
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
