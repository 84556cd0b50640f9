"""``opencoder eval run transformers/DIR``: a model folder is scored where it lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("transformers", reason="needs the extra `train`")

from tests.support.tiny_folder import make_folder


@pytest.mark.slow
def test_a_folder_is_scored(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "hf", positions=600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENCODER_")}
    env = {
        **kept,
        "OPENCODER_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    words = [
        "eval",
        "run",
        f"transformers/{folder}",
        "--bench",
        "humaneval",
        "--limit",
        "2",
        "--max-tokens",
        "16",
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "opencoder", *words, "-o", "out", "--backend", "namespace", "--json"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["num_tasks"], shown["num_samples"], shown["infra_errors"]) == (2, 2, 0)
    rows = [json.loads(line) for line in (tmp_path / "out" / "completions.jsonl").read_text().splitlines()]
    assert {row["model"] for row in rows} == {f"transformers/{folder}"}
    assert all(0 < row["tokens_out"] <= 16 for row in rows)
