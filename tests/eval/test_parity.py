"""Whole benchmarks in the sandbox: references pass, and verdicts agree with those of the original scorers."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.pipeline import Unit, key_of, score_all
from eval.presets import find_preset
from eval.registry import find_benchmark
from eval.score import Scorer
from opencoder.log import progress
from opencoder.records import Completion, Outcome
from opencoder.runs import Run
from sandbox.api import Sandbox
from sandbox.docker import DockerSandbox
from sandbox.namespace import NamespaceSandbox

WORKERS = 2
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def shared_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Oracles are made once for all tests of this file, unless the machine has some already."""
    if "OPENCODER_CACHE" not in os.environ:
        monkeypatch.setenv("OPENCODER_CACHE", str(tmp_path_factory.getbasetemp().parent / "oracles"))


def score(
    sandbox: Sandbox, bench: str, solutions: list[tuple[str, str]], folder: Path, preset: str = "default"
) -> list[Outcome]:
    """Score solutions, one sample after the other for a task that comes more than once."""
    rules = find_preset(preset, bench)
    benchmark = find_benchmark(bench)
    dataset = benchmark.load(rules)
    seen: Counter[str] = Counter()
    units = []
    for task_id, solution in solutions:
        row = Completion(task_id=task_id, sample_id=seen[task_id], text=solution, solution=solution)
        seen[task_id] += 1
        units.append(Unit(dataset.task(task_id), row))

    async def work() -> list[Outcome]:
        with Run.open(folder, command="test", config={}) as run:
            table = run.table("outcomes", Outcome, key=key_of)
            async with sandbox as opened:
                with progress("test", len(units), quiet=True) as shown:
                    scorer = Scorer(opened, benchmark, dataset, rules)
                    await score_all(scorer, units, table, shown, concurrency=WORKERS)
            return [table[f"{unit.completion.task_id}#{unit.completion.sample_id}"] for unit in units]

    return asyncio.run(work())


def references(bench: str, every: int = 1) -> list[tuple[str, str]]:
    tasks = find_benchmark(bench).load().tasks
    return [(task.task_id, task.reference) for task in tasks[::every]]


@pytest.mark.parametrize(("bench", "num_tasks"), [("mbpp-sanitized", 427), ("mbpp", 500)])
def test_all_references_pass(real_data: Path, tmp_path: Path, bench: str, num_tasks: int) -> None:
    outcomes = score(NamespaceSandbox(), bench, references(bench), tmp_path)
    assert [outcome for outcome in outcomes if outcome.status != "passed"] == []
    assert len(outcomes) == num_tasks


def test_all_references_of_humaneval_pass(tmp_path: Path) -> None:
    outcomes = score(NamespaceSandbox(), "humaneval", references("humaneval"), tmp_path)
    assert [outcome for outcome in outcomes if outcome.status != "passed"] == []
    assert len(outcomes) == 164


@pytest.mark.docker
@pytest.mark.parametrize(
    ("bench", "every"), [("humaneval+", 6), ("mbpp+", 12), ("humaneval", 16), ("mbpp-sanitized", 36)]
)
def test_references_pass_in_docker(
    real_data: Path, tmp_path: Path, python_image: str, bench: str, every: int
) -> None:
    """A part of the tasks: one container a program takes its time."""
    outcomes = score(DockerSandbox(concurrency=WORKERS), bench, references(bench, every), tmp_path)
    assert [outcome for outcome in outcomes if outcome.status != "passed"] == []


@pytest.mark.parametrize(
    ("bench", "name", "num_tasks"),
    [("humaneval+", "humanevalplus-verdicts.jsonl.gz", 164), ("mbpp+", "mbppplus-verdicts.jsonl.gz", 378)],
)
def test_all_references_pass_and_verdicts_agree_with_evalplus(
    verdict_rows: Callable[[str], list[dict[str, Any]]], tmp_path: Path, bench: str, name: str, num_tasks: int
) -> None:
    known: dict[str, Any] = {"kind": "reference", "base": "pass", "plus": "pass"}
    rows: list[dict[str, Any]] = [
        known | {"task_id": task_id, "solution": text} for task_id, text in references(bench)
    ]
    assert len(rows) == num_tasks
    rows += verdict_rows(name)
    solutions = [(row["task_id"], row["solution"]) for row in rows]
    outcomes = score(NamespaceSandbox(), bench, solutions, tmp_path, "evalplus-main")
    differing = []
    for row, outcome in zip(rows, outcomes, strict=True):
        forged = row["kind"] == "eq_always_true"
        right = row.get("recheck_30s", row)
        for suite, status in (("base", outcome.base_status), ("plus", outcome.plus_status)):
            wanted = right[suite] == "pass" and not forged
            if (status == "passed") != wanted:
                differing.append((row["task_id"], row["kind"], suite, right[suite], status, outcome.detail))
    assert differing == []
