"""What a benchmark is: tasks from a pinned file, a prompt for each, and a way to judge.

A benchmark knows nothing of models and sandboxes. It says what is to be checked in a neutral form:
:class:`Cases` where answers to inputs are compared with those of a reference, :class:`TestCode` where
assertions are run.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from eval import sources
from eval.presets import Preset
from eval.prompts import PromptParts
from eval.sources import DataFile, Loaded, Origin
from opencoder.errors import UserError
from opencoder.records import Task

OracleKind = Literal[
    "plain", "find_zero", "sum_div", "surface_area", "digit_distance", "set_equal", "not_none", "always"
]
"""How an answer is compared with the expected one (see ``eval.tolerance``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cases:
    """Inputs whose right answers the task's reference gives.

    Args:
        entry_point: The function to call.
        inputs: Argument lists by suite, ``base`` and ``plus``; a task passes ``plus`` if it passes both.
        atol: Absolute tolerance of the task; 0 where it has none of its own.
        oracle_kind: The rule of comparison.
    """

    entry_point: str
    inputs: Mapping[str, Sequence[Sequence[Any]]]
    atol: float
    oracle_kind: OracleKind


@dataclass(frozen=True, kw_only=True, slots=True)
class TestCode:
    """Assertions about a solution.

    Args:
        entry_point: The function that the assertions are about.
        code: What to run.
        setup: Trusted code that ``code`` needs and that comes before the solution.
        after: Code that ``code`` needs and that itself needs the solution (it builds the solution's objects).
        calls_check: Whether ``code`` defines ``check(candidate)``; else it is a list of assertions that
            call the solution by name.
        candidate_names: Further names that ``after`` and ``code`` take from the solution. Such tests handle
            objects of the solution's own classes.
    """

    __test__ = False

    entry_point: str
    code: str
    setup: str = ""
    after: str = ""
    calls_check: bool = False
    candidate_names: tuple[str, ...] = ()


Suites = Cases | TestCode


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The tasks of a benchmark and the file that they came from.

    Args:
        benchmark: The benchmark's name.
        version: The data's version.
        tasks: In order of the file.
        path: The file.
        sha256: Of its bytes as found.
        md5: Of its content unpacked.
        origin: Which kind of place had it.
    """

    benchmark: str
    version: str
    tasks: tuple[Task, ...]
    path: Path
    sha256: str
    md5: str
    origin: Origin

    @cached_property
    def _by_id(self) -> dict[str, Task]:
        return {task.task_id: task for task in self.tasks}

    @cached_property
    def _by_number(self) -> dict[str, Task]:
        return {task.task_id.rpartition("/")[2]: task for task in self.tasks}

    def task(self, task_id: str | int) -> Task:
        """Return a task by its id, or by the number in it (``11`` for ``Mbpp/11``).

        Raises:
            UserError: There is none.
        """
        name = str(task_id)
        prefix, _, number = name.rpartition("/")
        own = self.tasks[0].task_id.rpartition("/")[0]
        if found := self._by_id.get(name):
            return found
        if prefix.lower() in ("", own.lower()) and (found := self._by_number.get(number)):
            return found
        near = difflib.get_close_matches(name, self._by_id, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"ids look like {self.tasks[0].task_id!r}"
        raise UserError(f"{self.benchmark} has no task {name!r}; {hint}")


class Benchmark(Protocol):
    """One benchmark. ``num_tasks`` and ``languages`` are known without reading the data."""

    @property
    def name(self) -> str:
        """The name on the command line."""
        ...

    @property
    def num_tasks(self) -> int:
        """Number of tasks in the default window."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that solutions are written in."""
        ...

    @property
    def file(self) -> DataFile:
        """The data file."""
        ...

    def load(self, preset: Preset | None = None) -> Dataset:
        """Read the tasks, those of the preset's window.

        Raises:
            DataError: The file has other content than the pinned one.
            DependencyError: No source has the file.
        """
        ...

    def prompt(self, task: Task, preset: Preset) -> PromptParts:
        """Return what a model is asked."""
        ...

    def suites(self, task: Task) -> Suites:
        """Return what a solution is checked by."""
        ...


@dataclass(frozen=True, kw_only=True)
class PythonBenchmark:
    """A benchmark of Python functions, described by its file and three functions.

    Args:
        make_task: Makes a task of a row; ``None`` for a row that is not one.
        make_prompt: As :meth:`Benchmark.prompt`, with the whole file's rows for examples.
        make_suites: As :meth:`Benchmark.suites`.
    """

    name: str
    num_tasks: int
    file: DataFile
    make_task: Callable[[str, dict[str, Any], Preset | None], Task | None]
    make_prompt: Callable[[Task, Preset, Sequence[dict[str, Any]]], PromptParts]
    make_suites: Callable[[Task], Suites]
    languages: tuple[str, ...] = ("python",)
    _loaded: dict[str, Loaded] = field(default_factory=dict, init=False, repr=False, compare=False)

    def load(self, preset: Preset | None = None) -> Dataset:
        """Read the tasks (see :meth:`Benchmark.load`)."""
        loaded = self._rows()
        made = (self.make_task(self.name, row, preset) for row in loaded.rows)
        return Dataset(
            benchmark=self.name,
            version=self.file.version,
            tasks=tuple(task for task in made if task is not None),
            path=loaded.path,
            sha256=loaded.sha256,
            md5=self.file.md5,
            origin=loaded.origin,
        )

    def prompt(self, task: Task, preset: Preset) -> PromptParts:
        """Return what a model is asked."""
        return self.make_prompt(task, preset, self._rows().rows)

    def suites(self, task: Task) -> Suites:
        """Return what a solution is checked by."""
        return self.make_suites(task)

    def _rows(self) -> Loaded:
        """Read the file once for each folder that the environment names."""
        folder = os.environ.get(sources.DATA_VARIABLE, "")
        if folder not in self._loaded:
            self._loaded[folder] = sources.load(self.file)
        return self._loaded[folder]
