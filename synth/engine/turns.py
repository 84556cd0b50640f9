"""Taking turns: rows that arrive in any order pass one by one, in the order of the input."""

from __future__ import annotations

import asyncio


class Turns:
    """A gate that row ``n`` passes once all rows before it have passed, or have ended before it.

    Args:
        first: The row whose turn it is.
    """

    def __init__(self, first: int) -> None:
        self.next = first
        self._gone: set[int] = set()
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def wait(self, index: int) -> None:
        """Wait for the turn of a row; it lasts until :meth:`pass_on`."""
        if index > self.next:
            self._waiting[index] = asyncio.get_running_loop().create_future()
            try:
                await self._waiting[index]
            finally:
                self._waiting.pop(index, None)

    def pass_on(self, index: int) -> None:
        """End the turn of a row, also of one that never waited. Saying so twice is harmless."""
        if index < self.next:
            return
        self._gone.add(index)
        while self.next in self._gone:
            self._gone.remove(self.next)
            self.next += 1
        future = self._waiting.get(self.next)
        if future is not None and not future.done():
            future.set_result(None)


class Window:
    """Holds back rows that are too far ahead of the slowest, so that finished ones do not pile up.

    Args:
        size: How far ahead a row may be.
        done: Rows that are written, from the first on.
    """

    def __init__(self, size: int, done: int) -> None:
        self._size = size
        self._done = done
        self._moved = asyncio.Event()

    async def enter(self, index: int) -> None:
        """Wait until a row is near enough to those that are done."""
        while index >= self._done + self._size:
            self._moved.clear()
            await self._moved.wait()

    def move(self, done: int) -> None:
        """Tell how many rows are done."""
        if done != self._done:
            self._done = done
            self._moved.set()
