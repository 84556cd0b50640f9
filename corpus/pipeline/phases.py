"""Phases of a build: many tasks of one step, of which a resumed build does those that are left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corpus.pipeline.executors import Executor
from corpus.pipeline.task import Done, Part, Task, as_error
from opencoder.log import progress
from opencoder.runs import Run

_MB = 10**6


class Phases:
    """Runs phases and remembers finished tasks.

    Args:
        run: The run folder.
        executor: Does the tasks.

    Attributes:
        table: Finished tasks, of earlier sessions too.
    """

    def __init__(self, run: Run, executor: Executor) -> None:
        self.table = run.table("tasks", Done, key=lambda done: done.key)
        self.executor = executor

    def map(self, label: str, tasks: Sequence[Task]) -> list[Done]:
        """Do tasks and return their answers in the order of the tasks. Progress is in megabytes.

        Raises:
            OpenCoderError: A task failed; those finished before are kept.
        """
        left = [task for task in tasks if task.key not in self.table]
        already = sum(task.num_bytes for task in tasks) - sum(task.num_bytes for task in left)
        bytes_done = already
        total = -(-sum(task.num_bytes for task in tasks) // _MB)
        with progress(f"{label} (MB)", total, already=already // _MB) as bar:
            for task, done in self.executor.run(left) if left else ():
                if done.failure is not None:
                    raise as_error(done.failure)
                self.table.add(done)
                bytes_done += task.num_bytes
                bar.advance(min(total, bytes_done // _MB) - bar.done)
            bar.advance(total - bar.done)
        return [self.table[task.key] for task in tasks]


def numbered(parts: Iterable[Part]) -> list[tuple[int, Part]]:
    """Return parts with the number of their first document in the whole corpus."""
    found, offset = [], 0
    for part in parts:
        found.append((offset, part))
        offset += part.rows
    return found
