"""How many programs run at once, how many may wait, and who is sent away."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Weight of the latest program in the running mean of their seconds.
_NEWEST = 0.1


class BusyError(Exception):
    """As many programs wait as may; ``retry_s`` tells when there should be room."""

    def __init__(self, retry_s: int) -> None:
        super().__init__(f"as many programs wait as may; try again in {retry_s} s")
        self.retry_s = retry_s


class DrainingError(Exception):
    """The service ends what it has and takes no more."""


class Admission:
    """Slots for running programs, and a bounded queue before them.

    Args:
        slots: Programs that run side by side.
        queue: Programs that may wait.
    """

    def __init__(self, slots: int, queue: int) -> None:
        self.slots = slots
        self.queue = queue
        self.running = 0
        self.waiting = 0
        self.draining = False
        self._free = asyncio.Semaphore(slots)
        self._mean_s = 1.0

    @property
    def free(self) -> int:
        """Slots that nobody runs in or waits for."""
        return max(self.slots - self.running - self.waiting, 0)

    def check(self) -> None:
        """Find out whether one more program may come.

        Raises:
            BusyError: The queue is full.
            DrainingError: The service ends.
        """
        if self.draining:
            raise DrainingError("the service is shutting down; use another one")
        if not self.free and self.waiting >= self.queue:
            raise BusyError(max(1, math.ceil((self.waiting + 1) * self._mean_s / self.slots)))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it; call :meth:`check` first."""
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        began = time.monotonic()
        try:
            yield
        finally:
            self.running -= 1
            self._free.release()
            self._mean_s += _NEWEST * (time.monotonic() - began - self._mean_s)
