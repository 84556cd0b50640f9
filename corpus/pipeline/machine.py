"""What a build may use of the machine. None of it changes the result."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from corpus.pipeline.executors import Executor
from corpus.pipeline.local import IDLE_BYTES, PARENT_BYTES, LocalExecutor


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What a build may use.

    Attributes:
        executor: Where the tasks run.
        workers: Tasks side by side, for ``local``.
        memory_bytes: Most memory of all processes.
    """

    executor: Literal["local", "ray"] = "local"
    workers: int = 1
    memory_bytes: int = 4 << 30

    @property
    def database_mb(self) -> int:
        """Memory of the database in MiB: what idle workers and this process leave."""
        return max(64, (self.memory_bytes - PARENT_BYTES - self.workers * IDLE_BYTES) >> 20)

    def open(self) -> AbstractContextManager[Executor]:
        """Open what does the tasks."""
        if self.executor == "ray":
            from corpus.pipeline.cluster import RayExecutor

            return RayExecutor()
        return LocalExecutor(self.workers)
