"""``benchmarks/gpu/check.py --quick`` runs every part on a machine without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_quick_check_holds(tmp_path: Path) -> None:
    words = [sys.executable, "-P", str(ROOT / "benchmarks/gpu/check.py"), "--quick", "--out", str(tmp_path)]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=390)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    numerics = {row["dtype"]: row for row in results["numerics"]}
    assert 0 <= numerics["float32"]["logits"] < 2e-5
    assert 1e-4 < numerics["bfloat16"]["logits"] < 0.1
    assert [row["status"] for row in results["speed"]] == ["ok", "ok"]
    assert {row["weights"] for row in results["speed"]} == {"master", "autocast"}
    for row in results["speed"]:
        assert row["last_loss"] < row["first_loss"]
        assert row["tokens_per_s"] > 0
    learned = results["learning"][0]
    assert learned["last_loss"] < learned["first_loss"] - 1.0
    assert (tmp_path / "results.md").read_text() == done.stdout[done.stdout.index("# GPU check") :]


def test_nothing_of_it_imports_torchtitan_or_the_command_line() -> None:
    """The GPU machine has torch, transformers and numpy, and not much else."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from benchmarks.gpu import learning, numerics, speed, table\n"
        "print([name for name in ('torchtitan', 'cyclopts', 'docker', 'pyarrow') if name in sys.modules])"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(ROOT)], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
