"""The training process as its torchrun sees it: how it tells where it hangs, and that it ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RANK = """
import sys, time, train.titan.main as main
def never_ends(folder):
    print("ready", flush=True)
    time.sleep(600)
main._train = never_ends
main.main(sys.argv[1:])
"""
TORCHRUN = """
import subprocess, sys
command = [sys.executable, "-P", "-c", *sys.argv[1:]]
rank = subprocess.Popen(command, stdout=subprocess.PIPE)
rank.stdout.readline()
print(rank.pid, flush=True)
rank.wait()
"""


def test_a_rank_that_hangs_shows_where_and_ends_with_torchrun(tmp_path: Path) -> None:
    console = tmp_path / "console.txt"
    command = [sys.executable, "-P", "-c", TORCHRUN, RANK, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with console.open("wb") as errors:
        torchrun = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
    assert torchrun.stdout is not None
    rank = int(torchrun.stdout.readline())
    os.kill(rank, signal.SIGUSR2)
    wait_for_text(console, "in never_ends")
    assert is_running(rank)
    torchrun.kill()
    torchrun.communicate()
    ends = time.monotonic() + 30
    while is_running(rank):
        assert time.monotonic() < ends, "it has outlived its torchrun"
        time.sleep(0.02)


def wait_for_text(path: Path, text: str) -> None:
    ends = time.monotonic() + 30
    while text not in path.read_text():
        assert time.monotonic() < ends, path.read_text()
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
