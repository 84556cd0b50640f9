"""Tasks on the nodes of a Ray cluster that share a file system with this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import msgspec

from corpus.pipeline.steps import run_task
from corpus.pipeline.task import Done, Task
from opencoder.errors import InfraError
from opencoder.ray_cluster import one_line, ray_cluster

_TRIES = 3


class RayExecutor:
    """Tasks of a cluster, one per CPU; Ray repeats those whose worker or node is lost.

    The output folder must have the same path on all nodes. Nothing but bytes goes through Ray.
    """

    def __init__(self) -> None:
        self.slots = 1
        self._stack = ExitStack()
        self._ray: Any = None

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done]]:
        """Yield each task with its answer as soon as it is there (see ``Executor``)."""
        ray, waiting = self._ray, deque(tasks)
        running: dict[Any, Task] = {}
        call = ray.remote(num_cpus=1, max_retries=_TRIES)(run_task)
        try:
            while waiting or running:
                # Twice as many as run, so that no node waits for us; not all, so that Ctrl-C ends them soon.
                while waiting and len(running) < 2 * self.slots:
                    task = waiting.popleft()
                    running[call.remote(msgspec.msgpack.encode(task))] = task
                [done], _ = ray.wait(list(running), num_returns=1)
                task = running.pop(done)
                try:
                    answer = ray.get(done)
                except ray.exceptions.RayTaskError:
                    raise  # a fault of ours, not of the cluster
                except ray.exceptions.RayError as error:
                    raise InfraError(
                        f"the cluster lost {task.key} {_TRIES + 1} times: {one_line(error)}; "
                        "what is finished is kept"
                    ) from error
                yield task, msgspec.msgpack.decode(answer, type=Done)
        finally:
            for left in running:
                ray.cancel(left, force=True)

    def __enter__(self) -> Self:
        self._ray = self._stack.enter_context(ray_cluster())
        self.slots = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
