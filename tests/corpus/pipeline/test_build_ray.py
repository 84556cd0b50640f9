"""The same build on a Ray cluster of two nodes, of which one loses its worker in the middle."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.corpus_build import children, ledger, result_bytes, start

CLUSTER = Path(__file__).parents[2] / "support" / "ray_cluster.py"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Start a cluster, name it in the environment, and return the process above its nodes."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    process = subprocess.Popen(
        [sys.executable, "-P", str(CLUSTER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("address "):
                monkeypatch.setenv("RAY_ADDRESS", line.split()[1])
                yield process.pid
                break
        else:
            pytest.fail("no cluster")
    finally:
        process.communicate(timeout=60)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_writes_the_same_bytes(
    built: Path, corpus: Path, tmp_path: Path, cluster: int
) -> None:
    out = tmp_path / "out"
    run = start(corpus, "-o", out, "--executor", "ray", "--shard-bytes", "200kB")
    killed: list[int] = []
    while run.poll() is None and len(killed) < 2:
        if len(ledger(out)) > 5 * len(killed):
            busy = [pid for pid in children(cluster) if b"ray::run_task" in command(pid)]
            for pid in busy[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
        time.sleep(0.01)
    _, stderr = run.communicate(timeout=100)
    assert run.returncode == 0, stderr
    assert killed
    assert result_bytes(out) == result_bytes(built)


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
