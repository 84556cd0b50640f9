"""``opencoder demo``: the first thing that a new user runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_ranks_the_reference_first(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("OPENCODER_")}
    env |= {"HF_HUB_OFFLINE": "1", "OPENCODER_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-P", "-m", "opencoder", "demo", "--limit", "30", "-o", "out", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    board = {row["name"]: row for row in json.loads(done.stdout)["leaderboard"]}
    assert len(board) == 3
    scores = [row["pass@1"] for row in board.values()]
    assert board["reference"]["pass@1"] == 1.0
    assert scores[0] > scores[1] > scores[2] > 0
    assert all("mutated" in name for name in board if name != "reference")
    assert all(row["ci95"][0] <= row["pass@1"] <= row["ci95"][1] for row in board.values())
    again = subprocess.run(command[:-1], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100)
    assert again.returncode == 0, again.stderr
    assert "30 tasks" in again.stdout
    assert again.stdout.index(" 1  reference") < again.stdout.index("1 in 5 mutated")
