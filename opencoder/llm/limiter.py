"""How many calls may be in flight: additive increase, multiplicative decrease."""

from __future__ import annotations

import asyncio
from collections import deque

CUT_FACTOR = 0.75
"""A server that says it has too much gets this fraction of the calls."""

GROW_AFTER = 25
"""This many answers in a row let one call more into flight."""


class Limiter:
    """A semaphore whose size follows what the server can bear.

    Belongs to one event loop. A task that is cancelled while it waits leaves its place to the next one.

    Args:
        maximum: The most calls in flight; the limit starts there and never exceeds it.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.limit = float(maximum)
        self.in_flight = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._answers = 0
        self._cut_at = float("-inf")
        self._held_until = float("-inf")
        self._probing = False

    async def acquire(self) -> float:
        """Wait for a free place.

        Returns:
            The time of the event loop's clock at which the place was given.
        """
        loop = asyncio.get_running_loop()
        waited = False
        while True:
            held_s = self._held_until - loop.time()
            if held_s > 0:
                await asyncio.sleep(held_s)
            elif self.in_flight < self._allowed():
                self.in_flight += 1
                return loop.time()
            else:
                await self._wait(loop.create_future(), first=waited)
                waited = True

    async def _wait(self, place: asyncio.Future[None], *, first: bool) -> None:
        if first:  # was called already and lost its place to a newcomer
            self._waiters.appendleft(place)
        else:
            self._waiters.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._wake()
            raise
        finally:
            if place in self._waiters:
                self._waiters.remove(place)

    def release(self) -> None:
        """Give a place back."""
        self.in_flight -= 1
        self._wake()

    def answered(self) -> None:
        """Note an answer of the server."""
        if self._probing:
            self._probing = False
            self._wake()
        self._answers += 1
        if self._answers >= GROW_AFTER:
            self._answers = 0
            self.limit = min(float(self.maximum), self.limit + 1.0)

    def overloaded(self, started: float, hold_s: float | None) -> None:
        """Note that the server turned a call away for having too many.

        Calls that were in flight together fail together; only the first of such a burst counts.

        Args:
            started: What :meth:`acquire` returned for the call.
            hold_s: For how long the server asked for quiet, if it did.
        """
        now = asyncio.get_running_loop().time()
        self._answers = 0
        if hold_s is not None:
            self._hold(now + hold_s)
        if started > self._cut_at:
            self._cut_at = now
            self.limit = max(1.0, self.limit * CUT_FACTOR)

    def probe_after(self, hold_s: float) -> None:
        """Let nobody call for so many seconds, and then one at a time until there is an answer."""
        self._probing = True
        self._hold(asyncio.get_running_loop().time() + hold_s)

    def _hold(self, until: float) -> None:
        self._held_until = max(self._held_until, until)

    def _allowed(self) -> int:
        return 1 if self._probing else int(self.limit)

    def _wake(self) -> None:
        free = self._allowed() - self.in_flight
        while self._waiters and free > 0:
            place = self._waiters.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1
