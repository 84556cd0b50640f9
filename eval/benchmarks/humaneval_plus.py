"""HumanEval+ (https://github.com/evalplus/evalplus): HumanEval with about eighty times the inputs."""

from __future__ import annotations

from typing import Any

from eval.benchmarks import humaneval
from eval.benchmarks.base import Cases, PythonBenchmark
from eval.sources import DATA_VARIABLE, DataFile
from opencoder.records import Task


def make_suites(task: Task) -> Cases:
    """Return the inputs; only ``find_zero`` (32) has a rule of its own, a root within ``atol``."""
    data: dict[str, Any] = task.data
    return Cases(
        entry_point=task.entry_point,
        inputs={"base": data["base_input"], "plus": data["plus_input"]},
        atol=data["atol"],
        oracle_kind="find_zero" if task.entry_point == "find_zero" else "plain",
    )


BENCHMARK = PythonBenchmark(
    name="humaneval+",
    num_tasks=164,
    file=DataFile(
        name="HumanEvalPlus-v0.1.10",
        version="v0.1.10",
        md5="fe585eb4df8c88d844eeb463ea4d0302",
        evalplus_loader="get_human_eval_plus",
        repair=f"export {DATA_VARIABLE}=/folder/with/HumanEvalPlus-v0.1.10.jsonl.gz",
    ),
    make_task=humaneval.make_task,
    make_prompt=humaneval.make_prompt,
    make_suites=make_suites,
)
