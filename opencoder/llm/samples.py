"""Answers that lie in a file: one row per sample, however they were made.

A row has ``task_id`` and one text: ``solution`` (a whole program), ``completion`` (a continuation of the
prompt) or ``raw`` (a model's answer); of several the first in this order counts. ``sample_id`` is the running
index of the task's rows unless the row gives it. Other fields are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from opencoder.errors import DataError
from opencoder.files import sha256_file
from opencoder.llm.api import Choice, Request, RequestError, Response, Style
from opencoder.records import Form
from opencoder.store import read_numbered


class SampleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it lies in the file."""

    task_id: str
    sample_id: int | None = None
    solution: str | None = None
    completion: str | None = None
    raw: str | None = None


class Sample(msgspec.Struct, frozen=True):
    """One text, what it is, and the line it was found on (1-based)."""

    text: str
    form: Form
    line: int


class SamplesModel:
    """A model that knows only the answers of a file.

    Args:
        path: A JSON lines file, packed or not.

    Raises:
        DataError: The file cannot be read, a row has no text, or a sample is there twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"samples:{path.name}"
        self.revision = sha256_file(path)[:16]
        self.samples: Mapping[str, Mapping[int, Sample]] = read_samples(path)
        """Task id -> sample id -> sample, tasks in the order of the file."""

    async def complete(self, request: Request) -> Response:
        """Look up samples ``sample_id`` to ``sample_id + n - 1`` of the task ``tag``.

        Raises:
            RequestError: One of them is not in the file.
        """
        found = self.samples.get(request.tag, {})
        wanted = range(request.sample_id, request.sample_id + request.sampling.n)
        missing = next((sample_id for sample_id in wanted if sample_id not in found), None)
        if missing is not None:
            raise RequestError(
                f"{self.path} has no sample {missing} of this task; add the row", tag=request.tag
            )
        choices = [Choice(text=found[i].text, form=found[i].form) for i in wanted]
        return Response(choices=choices, model=self.name)

    async def style(self) -> Style:
        """Say that no prompt is needed."""
        return "none"

    async def aclose(self) -> None:
        """Do nothing: there is nothing to give back."""


def read_samples(path: Path) -> dict[str, dict[int, Sample]]:
    """Read a file of samples.

    Returns:
        Task id -> sample id -> sample, tasks in the order of the file.

    Raises:
        DataError: See :class:`SamplesModel`; with ``file:line``.
    """
    samples: dict[str, dict[int, Sample]] = {}
    num_rows: dict[str, int] = {}
    for line, row in read_numbered(path, SampleRow):
        sample = _sample(row, path, line)
        task = samples.setdefault(row.task_id, {})
        index = num_rows.get(row.task_id, 0)
        num_rows[row.task_id] = index + 1
        sample_id = index if row.sample_id is None else row.sample_id
        if sample_id < 0:
            raise DataError(f"sample_id is {sample_id}; count from 0", path=path, line=line)
        if sample_id in task:
            raise DataError(
                f"sample {sample_id} of {row.task_id} is on line {task[sample_id].line} already; "
                "remove one of the two rows or number them with sample_id",
                path=path,
                line=line,
            )
        task[sample_id] = sample
    if not samples:
        raise DataError("holds no samples; write one JSON object per line", path=path)
    return samples


def _sample(row: SampleRow, path: Path, line: int) -> Sample:
    if not row.task_id:
        raise DataError("task_id is empty; name the task", path=path, line=line)
    if row.solution is not None:
        return Sample(row.solution, "solution", line)
    if row.completion is not None:
        return Sample(row.completion, "completion", line)
    if row.raw is not None:
        return Sample(row.raw, "raw", line)
    raise DataError(f"no solution, completion or raw text for {row.task_id}; give one", path=path, line=line)
