"""Who does the tasks: worker processes of this machine, or those of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from corpus.pipeline.task import Done, Task


class Executor(Protocol):
    """Does tasks, in any order, as many side by side as it can. Use it as a context manager."""

    slots: int
    """Tasks side by side."""

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done]]:
        """Yield each task with its answer as soon as it is there.

        Raises:
            InfraError: A worker died over the same task again and again.
        """
        ...
