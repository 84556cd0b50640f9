"""Many samples at once: a bounded number side by side, time-limit failures once more alone, all resumable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from eval.score import Scorer
from opencoder.errors import InfraError
from opencoder.log import Progress
from opencoder.records import Completion, Outcome, Task
from opencoder.table import Table

REDONE = frozenset({"infra_error"})
"""Outcomes that a resumed run tries again: they say nothing about the model."""


class Unit(NamedTuple):
    """One sample to be scored."""

    task: Task
    completion: Completion


def key_of(row: Outcome) -> str:
    """Return the unit key of an outcome."""
    return f"{row.task_id}#{row.sample_id}"


async def score_all(
    scorer: Scorer, units: Iterable[Unit], table: Table[Outcome], progress: Progress, *, concurrency: int
) -> None:
    """Score what ``table`` lacks, ``concurrency`` samples at a time.

    A sample that hits a time limit while others run is scored once more alone, and that verdict counts: a
    busy machine must not turn a pass into a timeout. Its row is written after the second look only.
    """
    # The longest first, or the end of a run waits for one of them with all other workers idle.
    waiting = iter(sorted(_lacking(units, table), key=lambda unit: -scorer.cost_s(unit.task)))
    slow: list[tuple[Unit, Outcome]] = []

    async def work() -> None:
        for unit in waiting:
            outcome = await _score(scorer, unit)
            if outcome.status == "timeout" and concurrency > 1:
                slow.append((unit, outcome))
            else:
                table.add(outcome)
                progress.advance(status=outcome.status)

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    for unit, first in slow:
        again = await _score(scorer, unit, first=first)
        outcome = msgspec.structs.replace(again, attempts=first.attempts + again.attempts)
        table.add(outcome)
        progress.advance(status=outcome.status)


def _lacking(units: Iterable[Unit], table: Table[Outcome]) -> Iterator[Unit]:
    """Yield what is not in ``table``."""
    for unit in units:
        if f"{unit.completion.task_id}#{unit.completion.sample_id}" not in table:
            yield unit


async def _score(scorer: Scorer, unit: Unit, *, first: Outcome | None = None) -> Outcome:
    row = unit.completion
    if row.finish_reason == "refused":
        return Outcome(task_id=row.task_id, sample_id=row.sample_id, status="skipped", detail=row.rule)
    try:
        return await scorer.score(unit.task, row.sample_id, row.solution, first=first)
    except InfraError as error:
        return Outcome(
            task_id=row.task_id, sample_id=row.sample_id, status="infra_error", detail=str(error)[:500]
        )
