"""``opencoder corpus build`` as a process, and what it leaves."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def build(*words: str | Path, timeout: float = 100) -> subprocess.CompletedProcess[str]:
    """Run ``opencoder corpus build``."""
    command = [sys.executable, "-P", "-m", "opencoder", "corpus", "build", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def rows(out: Path, kind: str, *columns: str) -> list[dict[str, Any]]:
    """Return the rows of the documents or the rejects of a build."""
    found: list[dict[str, Any]] = []
    for path in sorted((out / kind).glob("*.parquet")):
        found += pq.read_table(path, columns=list(columns) or None).to_pylist()
    return found


def result_bytes(out: Path) -> dict[str, bytes]:
    """Return the files that make up the result."""
    names = ["report.json", "report.html", "README.md"]
    paths = [*(out / "documents").iterdir(), *(out / "rejects").iterdir(), *(out / name for name in names)]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def start(*words: str | Path) -> subprocess.Popen[str]:
    """Start a build and return at once."""
    command = [sys.executable, "-P", "-m", "opencoder", "corpus", "build", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def children(pid: int) -> list[int]:
    """Return all processes below one, by the kernel's own list."""
    found = []
    # Processes may end at any moment.
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    return found


def ledger(out: Path) -> list[str]:
    """Return the keys of the finished tasks, in the order of finishing."""
    path = out / "ledger.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["key"] for line in lines if line.endswith("}")]
