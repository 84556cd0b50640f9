"""The real trainer under the command, on a CPU: it stops, goes on, loses a rank, and starts another stage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from train import checkpoints
from train.run.processes import ranks_of, tree

pytest.importorskip("torchtitan")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "opencoder", "train", "run", *words]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def steps(run: Path) -> list[int]:
    path = run / "metrics.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(process: subprocess.Popen[str], what: Callable[[], Any]) -> None:
    ends = time.monotonic() + 240
    while not what():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < ends
        time.sleep(0.1)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "documents.jsonl"
    sources = sorted(Path(json.__file__).parent.parent.glob("*.py"))[:40]
    path.write_text("".join(json.dumps({"text": source.read_text()}) + "\n" for source in sources))
    return path


def test_a_run_is_stopped_goes_on_loses_a_rank_and_becomes_another_stage(tmp_path: Path, texts: Path):
    run = tmp_path / "run"
    words = ("tiny", "-o", str(run), "--data", str(texts), "--checkpoint-every", "3", "--nproc", "2")
    process = start(*words, "--steps", "400")
    wait_for(process, lambda: 2 in steps(run))
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    saved = checkpoints.steps(run / "checkpoint")[-1]
    assert code == 130
    assert f"stopped and saved at step {saved}" in err

    process = start(*words, "--steps", "400")
    wait_for(process, lambda: checkpoints.steps(run / "checkpoint")[-1] > saved)
    ranks = next(found for pid in tree(process.pid)[1:] if (found := ranks_of(pid)))
    os.kill(ranks[0], signal.SIGUSR2)
    console = run / "console" / "rank-0.txt"
    wait_for(process, lambda: "Current thread" in console.read_text() and "train_step" in console.read_text())
    os.kill(ranks[1], signal.SIGKILL)
    code, _, err = finish(process)
    last = checkpoints.steps(run / "checkpoint")[-1]
    assert code == 3
    assert "rank 1 was killed by SIGKILL" in err
    assert f"last whole checkpoint: {run}/checkpoint/step-{last}; to go on: opencoder train run tiny" in err

    code, out, _ = finish(start(*words[:-1], "1", "--steps", str(last + 2), "--json"))
    assert code == 0
    assert json.loads(out)["step"] == last + 2
    assert steps(run) == list(range(1, last + 3))

    annealed = tmp_path / "annealed"
    code, out, err = finish(
        start(
            "tiny-anneal",
            "-o",
            str(annealed),
            "--data",
            str(texts),
            "--start",
            str(run),
            "--steps",
            "2",
            "--json",
        )
    )
    assert code == 0, err
    spec = json.loads((annealed / "spec.json").read_text())
    assert spec["start"] == {
        "kind": "checkpoint",
        "path": f"{run}/checkpoint/step-{last + 2}",
        "optimizer": True,
    }
    assert json.loads(out)["loss"] < 8
