"""The texts of benchmark tasks, for tools that must know what is not to be trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from eval.benchmarks.base import Benchmark, Cases, Suites
from eval.registry import MODULES, find_benchmark
from opencoder.errors import DependencyError
from opencoder.log import logger
from opencoder.records import Task
from opencoder.store import write_jsonl

_TESTS_CHARS = 20_000
"""Calls of a task are written up to here: larger inputs are numbers without end."""


class TaskText(msgspec.Struct, frozen=True, kw_only=True):
    """A task as text: a row of ``opencoder eval tasks``.

    Attributes:
        benchmark: Name in the registry.
        task_id: As in the benchmark.
        prompt: The task's own text.
        solution: The canonical solution, a whole program.
        tests: Assertions; for benchmarks that compare answers, the calls of the base suite, one a line.
        entry_point: The function that the tests call.
        language: Of the solution.
    """

    benchmark: str
    task_id: str
    prompt: str
    solution: str
    tests: str
    entry_point: str
    language: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was written.

    Attributes:
        out: The file.
        num_tasks: Its rows.
        benchmarks: Name and number of tasks.
        missing: Benchmarks whose data is not at hand.
    """

    out: str
    num_tasks: int
    benchmarks: dict[str, int]
    missing: list[str]


def write_tasks(names: Sequence[str], out: Path) -> Written:
    """Write the tasks of benchmarks to a JSON lines file.

    Args:
        names: Benchmarks; without any, all of the registry whose data can be had. What cannot is logged as
            a warning.
        out: The file.

    Raises:
        UserError: A name is not known, or the file cannot be written.
        DataError: A data file has other content than the pinned one.
        DependencyError: The data of a named benchmark, or of all benchmarks, cannot be had.
    """
    wanted = [find_benchmark(name) for name in dict.fromkeys(names or MODULES)]
    rows: list[TaskText] = []
    counts: dict[str, int] = {}
    missing: list[DependencyError] = []
    for benchmark in wanted:
        try:
            found = list(_texts(benchmark))
        except DependencyError as error:
            if names:
                raise
            logger.warning("left out %s: %s", benchmark.name, error)
            missing.append(error)
            continue
        rows += found
        counts[benchmark.name] = len(found)
    if not rows:
        raise DependencyError("no benchmark's data is at hand", repair=missing[0].repair)
    write_jsonl(out, rows)
    absent = [benchmark.name for benchmark in wanted if benchmark.name not in counts]
    return Written(out=str(out), num_tasks=len(rows), benchmarks=counts, missing=absent)


def _texts(benchmark: Benchmark) -> Iterator[TaskText]:
    for task in benchmark.load().tasks:
        yield TaskText(
            benchmark=benchmark.name,
            task_id=task.task_id,
            prompt=task.prompt,
            solution=task.reference,
            tests=_tests(task, benchmark.suites(task)),
            entry_point=task.entry_point,
            language=task.language,
        )


def _tests(task: Task, suites: Suites) -> str:
    if not isinstance(suites, Cases):
        return f"{suites.after}\n{suites.code}".strip()
    calls: list[str] = []
    room = _TESTS_CHARS
    for arguments in suites.inputs["base"]:
        call = f"{task.entry_point}({', '.join(map(repr, arguments))})"
        room -= len(call)
        if room < 0:
            break
        calls.append(call)
    return "\n".join(calls)
