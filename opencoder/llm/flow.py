"""Many requests at once, from a source that may be longer than memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], width: int) -> None:
    """Do ``work`` for every item, ``width`` of them at a time.

    An item is drawn from ``items`` only when there is a worker for it, so memory does not grow with their
    number. The first error ends the others and is raised as it is.

    Args:
        items: The source, drawn from in order.
        work: What is done for one; it puts its result where it belongs.
        width: How many are worked on at a time, at least 1.
    """
    source = iter(items)

    async def worker() -> None:
        for item in source:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
