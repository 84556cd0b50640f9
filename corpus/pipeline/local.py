"""Worker processes of this machine, as many as fit into the memory that the user gives."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self

import msgspec

from corpus.pipeline.steps import run_task
from corpus.pipeline.suspects import more_careful
from corpus.pipeline.task import Done, Task
from opencoder.errors import InfraError
from opencoder.log import logger

WORKER_BYTES = 1280 << 20
"""Memory that one worker may allocate. It bounds what a hostile file can make a parser ask for; the usual
need is half of it."""
IDLE_BYTES = 448 << 20
"""Memory of a worker that has nothing to do: libraries, dictionaries, compiled loops."""
PARENT_BYTES = 768 << 20
"""Memory of the process that leads, besides the database."""

_TRIES = 3
_FAULTS = {-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE, -signal.SIGTRAP}
"""How a process ends by its own doing: what a library does that gets no memory, or has run out of stack."""
_TASKS_PER_PROCESS = 64


def workers_for(memory_bytes: int, cpus: int) -> int:
    """Return how many workers fit into a machine's CPUs and the memory that the user gives; at least one."""
    return max(1, min(cpus, (memory_bytes - PARENT_BYTES) // WORKER_BYTES))


class LocalExecutor:
    """Worker processes, replaced when they die.

    A worker that dies (killed for memory, a fault in a native library) takes the pool with it; its tasks are
    then repeated one at a time in a new one, so that the one to blame is known, and no other is lost. So are
    those of a worker that gets no more memory. A document over which workers end again and again is left out
    (``suspects``).

    Args:
        slots: Worker processes.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._pool: ProcessPoolExecutor | None = None

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done]]:
        """Yield each task with its answer as soon as it is there (see ``Executor``)."""
        waiting, running = deque(tasks), dict[Future[bytes], Task]()
        suspects = deque[Task]()
        died: dict[str, int] = {}
        while waiting or running or suspects:
            most = 1 if suspects else self.slots + 1
            while len(running) < most and (suspects or waiting):
                task = suspects.popleft() if suspects else waiting.popleft()
                running[self._submit(task)] = task
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            lost, own_limit = [], False
            for future in done:
                task = running.pop(future)
                try:
                    answer = future.result()
                except (BrokenProcessPool, MemoryError) as error:
                    lost.append(task)
                    own_limit |= isinstance(error, MemoryError)
                else:
                    yield task, msgspec.msgpack.decode(answer, type=Done)
            if lost:
                lost += running.values()
                running.clear()
                suspects.extend(self._again(lost, died, own_limit))

    def _again(self, lost: list[Task], died: dict[str, int], own_limit: bool) -> list[Task]:
        """Return tasks as they are to be repeated after a worker ended; by its own doing, if at its limit."""
        own_limit |= bool(_FAULTS.intersection(self._close()))
        logger.warning("a worker died; %d tasks are repeated one by one", len(lost))
        if len(lost) > 1:
            return sorted(lost, key=lambda task: task.key)
        [task] = lost
        again = more_careful(task) if own_limit else task
        # Who kills from outside, as the kernel does when the machine has no memory left, blames no document.
        died[task.key] = died.get(task.key, 0) + (not own_limit)
        if again is None or died[task.key] >= _TRIES:
            raise InfraError(
                f"workers die over {task.key} again and again, perhaps for want of memory; "
                "raise --memory, or lower --shard-bytes; what is finished is kept"
            )
        if len(again.skip) > len(task.skip):
            logger.warning("document %d of %s ends workers; it is rejected", again.skip[-1], task.key)
        return [again]

    def _submit(self, task: Task) -> Future[bytes]:
        data = msgspec.msgpack.encode(task)
        try:
            return self._open().submit(run_task, data)
        except BrokenProcessPool:
            # It broke since the last answer; those that run will say so too.
            failed: Future[bytes] = Future()
            failed.set_exception(BrokenProcessPool())
            return failed

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Arrow's own allocator reserves a gigabyte at once, which would count against a worker's limit.
            os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
            self._pool = ProcessPoolExecutor(
                self.slots,
                # A fork would copy this process with its threads and locks.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(os.getpid(),),
                max_tasks_per_child=_TASKS_PER_PROCESS,
            )
        return self._pool

    def _close(self) -> list[int]:
        """End all workers and return their exit codes."""
        codes: list[int] = []
        if self._pool is not None:
            pool, self._pool = self._pool, None
            # Not in the library's hands: it would wait for a task that goes on for minutes.
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            for process in processes:
                process.join()
                codes.append(process.exitcode or 0)
        return codes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


def _start_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the leader's to handle
    _end_with_parent(parent)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (WORKER_BYTES, WORKER_BYTES))
    import pyarrow as pa

    # One worker, one CPU.
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def _end_with_parent(parent: int) -> None:
    """Have the kernel end this process when the leader dies, by whatever means."""
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
