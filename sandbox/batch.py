"""Many programs from a file, their results to a file that a killed run can go on with."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from opencoder.errors import DataError, DependencyError, UserError
from opencoder.files import make_folder
from opencoder.log import Progress, progress
from opencoder.store import JsonlAppender, packing, read_jsonl, write_jsonl
from sandbox.backends import check_backend, open_backend
from sandbox.rows import BatchRow, Judge, OutRow, read_finished, read_rows, run_row

if TYPE_CHECKING:
    from sandbox.fleet import Fleet


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What ``sandbox batch`` is asked to do.

    Args:
        rows: Rows to run (see :class:`sandbox.rows.BatchRow`).
        out: Where results go: one row each, in the order of ``rows`` when all is done.
        judge: How solutions are judged; None for by cases where a row has any.
        backend: Name of the backend, or None for the best there is.
        image: The image of backend docker; its default if None.
        unsafe: Whether a backend without boundary is agreed to.
        time_factor: How many times as long limits get (see ``sandbox.calibrate``); None to measure it.
        concurrency: Programs side by side; None for one per CPU, or per slot of all endpoints or nodes.
        executor: ``local`` for this process or the endpoints, ``ray`` for the nodes of a Ray cluster.
        endpoints: Services that run the rows instead of this machine (see ``sandbox.service``).
        token: What the services want.
        limit: Run only the first so many rows.
        resume: Keep the finished rows of ``out``.
    """

    rows: Path
    out: Path
    judge: Judge | None = None
    backend: str | None = None
    image: str | None = None
    unsafe: bool = False
    time_factor: float | None = None
    concurrency: int | None = None
    executor: Literal["local", "ray"] = "local"
    endpoints: tuple[str, ...] = ()
    token: str = ""
    limit: int | None = None
    resume: bool = True


def run_batch(batch: Batch) -> Counter[str]:
    """Run a batch and return how many rows there are of each verdict.

    Raises:
        DataError: A wrong row, or results of other rows in ``out``.
        UserError: ``out`` cannot be written, or backend, executor and endpoints cannot be used so.
        DependencyError: The backend is not to be had.
    """
    if batch.executor == "ray" and batch.endpoints:
        raise UserError("--executor ray and --endpoint are two ways to other machines; give one of them")
    if packing(batch.out) == "gzip":
        raise UserError(
            f"{batch.out}: results are written as they come, which gzip cannot; use .jsonl or .jsonl.zst"
        )
    rows = read_rows(batch.rows, batch.judge)
    order = {row.id: place for place, row in enumerate(rows)}
    chosen = rows if batch.limit is None else rows[: batch.limit]
    make_folder(batch.out.parent)
    if not batch.resume:
        batch.out.unlink(missing_ok=True)
    with JsonlAppender(batch.out) as file:  # opening it cuts off a torn end
        finished = {row.id: row.verdict for row in read_finished(batch.out)}
        if foreign := finished.keys() - order.keys():
            raise DataError(
                f"holds results of other rows, as {min(foreign)!r}; choose another -o or add --no-resume",
                path=batch.out,
            )
        left = [row for row in chosen if row.id not in finished]
        with progress("running", len(chosen), already=len(chosen) - len(left)) as shown:
            if left:
                asyncio.run(_run(batch, left, file, shown))
    kept = _latest(batch.out, order)
    write_jsonl(batch.out, kept)
    ids = {row.id for row in chosen}
    return Counter(row.verdict.value for row in kept if row.id in ids)


async def _run(batch: Batch, rows: list[BatchRow], file: JsonlAppender, shown: Progress) -> None:
    """Run ``rows`` side by side and write each result as it comes."""
    waiting = iter(rows)
    async with _open_runner(batch) as (run, concurrency):

        async def work() -> None:
            for row in waiting:
                done = await run(row)
                file.append(done)
                shown.advance(status=done.verdict.value)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, len(rows))):
                    group.create_task(work())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


@asynccontextmanager
async def _open_runner(batch: Batch) -> AsyncIterator[tuple[Callable[[BatchRow], Awaitable[OutRow]], int]]:
    """Open what runs rows: the services that were named, or a sandbox of this machine."""
    if batch.endpoints or batch.executor == "ray":
        async with _open_fleet(batch) as fleet:
            yield fleet.run_row, batch.concurrency or fleet.slots
        return
    concurrency = batch.concurrency or len(os.sched_getaffinity(0))
    async with open_backend(
        batch.backend,
        concurrency=concurrency,
        unsafe=batch.unsafe,
        image=batch.image,
        time_factor=batch.time_factor,
    ) as sandbox:

        async def run(row: BatchRow) -> OutRow:
            return await run_row(sandbox, row, batch.judge)

        yield run, concurrency


def _open_fleet(batch: Batch) -> AbstractAsyncContextManager[Fleet]:
    if batch.executor == "ray":
        from sandbox.ray_actor import ActorSettings
        from sandbox.ray_fleet import ray_fleet

        check_backend(batch.backend, unsafe=batch.unsafe, image=batch.image)
        settings = ActorSettings(
            backend=batch.backend,
            unsafe=batch.unsafe,
            judge=batch.judge,
            image=batch.image,
            time_factor=batch.time_factor,
        )
        return ray_fleet(settings)
    try:
        from sandbox.service.client import service_fleet
    except ImportError as error:
        raise DependencyError(
            f"--endpoint needs {error.name}", repair="pip install 'opencoder[web]'"
        ) from None
    return service_fleet(batch.endpoints, token=batch.token, judge=batch.judge)


def _latest(path: Path, order: Mapping[str, int]) -> list[OutRow]:
    """Return the last row of each id in the order of the input: one that was tried again stands twice."""
    rows = {row.id: row for row in read_jsonl(path, OutRow)}
    return sorted(rows.values(), key=lambda row: order[row.id])
