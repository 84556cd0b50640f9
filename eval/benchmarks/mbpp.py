"""MBPP (https://github.com/google-research/google-research, folder mbpp): the 500 test tasks, 11 to 510."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from typing import Any

from eval import prompts
from eval.benchmarks.base import PythonBenchmark, TestCode
from eval.hub import HubRows
from eval.presets import Preset
from eval.prompts import PromptParts
from eval.sources import DATA_VARIABLE, DataFile
from opencoder.records import Task

TEST_SPLIT = range(11, 511)
PREFIX = "Mbpp/"


def make_task(benchmark: str, row: dict[str, Any], preset: Preset | None) -> Task | None:
    """Make a task of a row inside the window; the code's carriage returns are dropped."""
    if row["task_id"] not in (preset.mbpp_window if preset else TEST_SPLIT):
        return None
    return mbpp_task(benchmark, row, row["text"])


def mbpp_task(benchmark: str, row: dict[str, Any], text: str) -> Task:
    """Make a task of a row of MBPP or of its sanitized form."""
    reference = row["code"].replace("\r", "")
    return Task(
        task_id=f"{PREFIX}{row['task_id']}",
        benchmark=benchmark,
        prompt=text.strip(),
        entry_point=entry_point(reference, row["test_list"]),
        reference=reference,
        data=row,
    )


def entry_point(reference: str, tests: Sequence[str]) -> str:
    """Return the function that the tests are about: the outermost call of one that the reference defines.

    MBPP does not name it. Task 601 builds arguments with a class of the solution, so that functions come
    before classes.
    """
    body = _parse(reference).body
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    classes = [node.name for node in body if isinstance(node, ast.ClassDef)]
    called = [
        node.func.id
        for node in ast.walk(_parse("\n".join(tests)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    return next(name for kind in (functions, classes) for name in called if name in kind)


def _parse(code: str) -> ast.Module:
    """Parse code of the data, which has escapes in strings that Python warns about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)


def make_prompt(task: Task, preset: Preset, rows: Sequence[dict[str, Any]]) -> PromptParts:
    """Return the prompt: tasks 1 to 3 as worked examples, or a docstring and no example."""
    by_id = {row["task_id"]: row for row in rows}
    shots = [by_id[number] for number in (1, 2, 3)]
    return prompts.mbpp_prompt(task.prompt, task.data, preset, [(shot["text"], shot) for shot in shots])


def make_suites(task: Task) -> TestCode:
    """Return the three assertions. Set-up code (task 367) builds objects of the solution's classes."""
    data: dict[str, Any] = task.data
    after = data.get("test_setup_code", "").replace("\r", "")
    code = "\n".join(data["test_list"]).replace("\r", "")
    return TestCode(
        entry_point=task.entry_point,
        setup="\n".join(data.get("test_imports", ())),
        after=after,
        code=code,
        candidate_names=_own_names(task, f"{after}\n{code}"),
    )


def _own_names(task: Task, tests: str) -> tuple[str, ...]:
    """Return the names besides the entry point that the tests take from the solution."""
    defined = {
        node.name for node in _parse(task.reference).body if isinstance(node, ast.FunctionDef | ast.ClassDef)
    } - {task.entry_point}
    used = {node.id for node in ast.walk(_parse(tests)) if isinstance(node, ast.Name)}
    return tuple(sorted(defined & used))


BENCHMARK = PythonBenchmark(
    name="mbpp",
    num_tasks=500,
    file=DataFile(
        name="mbpp",
        version="1.0",
        md5="f50124cdd150eac633c8e26828e0b3c1",
        hub=HubRows(
            repo_id="google-research-datasets/mbpp",
            revision="4bb6404fdc6cacfda99d4ac4205087b89d32030c",
            files=tuple(
                f"full/{split}-00000-of-00001.parquet" for split in ("prompt", "test", "validation", "train")
            ),
            md5="4c45582456fa7172e4581d3c662ac57d",
        ),
        repair=f"export {DATA_VARIABLE}=/folder/with/mbpp.jsonl",
    ),
    make_task=make_task,
    make_prompt=make_prompt,
    make_suites=make_suites,
)
