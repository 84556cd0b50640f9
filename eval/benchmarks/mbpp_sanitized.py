"""MBPP sanitized: the 427 tasks that the authors of MBPP looked through, from all four splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval import prompts
from eval.benchmarks import mbpp
from eval.benchmarks.base import PythonBenchmark
from eval.hub import HubRows
from eval.presets import Preset
from eval.prompts import PromptParts
from eval.sources import DATA_VARIABLE, DataFile
from opencoder.records import Task

SHOTS = (2, 3, 4)
"""Task 1 is not in the sanitized set."""


def make_task(benchmark: str, row: dict[str, Any], preset: Preset | None) -> Task:
    """Make a task of a row."""
    del preset
    return mbpp.mbpp_task(benchmark, row, row["prompt"])


def make_prompt(task: Task, preset: Preset, rows: Sequence[dict[str, Any]]) -> PromptParts:
    """Return the prompt, as for MBPP with the first three tasks of this set as examples."""
    by_id = {row["task_id"]: row for row in rows}
    shots = [by_id[number] for number in SHOTS if number != task.data["task_id"]]
    return prompts.mbpp_prompt(task.prompt, task.data, preset, [(shot["prompt"], shot) for shot in shots])


BENCHMARK = PythonBenchmark(
    name="mbpp-sanitized",
    num_tasks=427,
    file=DataFile(
        name="sanitized-mbpp",
        version="1.0",
        md5="c8be13a588d43999d81060e99fd6d285",
        hub=HubRows(
            repo_id="google-research-datasets/mbpp",
            revision="4bb6404fdc6cacfda99d4ac4205087b89d32030c",
            files=tuple(
                f"sanitized/{split}-00000-of-00001.parquet"
                for split in ("prompt", "test", "validation", "train")
            ),
            md5="032e29f16f0684ed1d77f24dbfbb0168",
        ),
        repair=f"export {DATA_VARIABLE}=/folder/with/sanitized-mbpp.jsonl",
    ),
    make_task=make_task,
    make_prompt=make_prompt,
    make_suites=mbpp.make_suites,
)
