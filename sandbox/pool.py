"""A warm pool of one-use containers: started, waiting for a job, and thrown away after it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from opencoder.errors import InfraError
from opencoder.log import logger
from sandbox import owner
from sandbox.attach import Stream
from sandbox.engine import ContainerEngine, Size, State

_LOG = logger.getChild("sandbox")
_READY_S = 60.0
# A container must not reach the end of its lease while a program runs in it.
_OLDEST_S = owner.LEASE_S / 2
# Containers wait for at most so many sizes: a benchmark has one, and one more for its test code.
_SIZES = 3
_REMOVE_TRIES = 4
_BACKOFF_S = 0.5
# From the end of a container's stream until the engine knows that the container has stopped.
_SETTLE_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """A container whose warden waits for a job."""

    id: str
    stream: Stream
    born: float

    @property
    def usable(self) -> bool:
        """Whether it may still be given a job."""
        return not self.stream.lost and time.monotonic() - self.born < _OLDEST_S


@dataclass(slots=True)
class _Shelf:
    """The containers of one size."""

    idle: deque[Container] = field(default_factory=deque)
    waiters: deque[asyncio.Future[Container]] = field(default_factory=deque)
    making: int = 0
    taken: int = 0


class Pool:
    """Hands out containers and makes new ones in the background.

    Args:
        engine: Makes and removes them.
        spares: How many wait, at most, of a size that is in use.
    """

    def __init__(self, engine: ContainerEngine, spares: int) -> None:
        self._engine = engine
        self._spares = spares
        self._shelves: OrderedDict[Size, _Shelf] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._live: dict[str, Container] = {}
        # Of creations, and of removals, no more at once than the engine does well.
        self._creating = asyncio.Semaphore(spares)
        self._removing = asyncio.Semaphore(spares)
        self._closed = False

    async def take(self, size: Size) -> Container:
        """Return a container that is ready for a job; the caller gives it back to :meth:`discard`.

        Raises:
            InfraError: The engine cannot make one.
        """
        if self._closed:
            raise InfraError("the sandbox is closed")
        shelf = self._shelf(size)
        shelf.taken += 1
        while shelf.idle:
            container = shelf.idle.popleft()
            if container.usable:
                self._refill(size, shelf)
                return container
            self.discard(container)
        waiter: asyncio.Future[Container] = asyncio.get_running_loop().create_future()
        shelf.waiters.append(waiter)
        self._refill(size, shelf)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.discard(waiter.result())
            raise

    def discard(self, container: Container) -> asyncio.Task[None]:
        """Remove a container; the task ends when it is gone."""
        container.stream.close()
        return self.spawn(self._remove(container))

    async def settled_state(self, container: Container) -> State:
        """Return how a container stands, once it has stopped if its stream says that it does.

        Raises:
            InfraError: The engine failed, or the container is gone.
        """
        end = time.monotonic() + _SETTLE_S
        while True:
            state = await asyncio.to_thread(self._engine.state, container.id)
            if not state.running or not container.stream.lost or time.monotonic() > end:
                return state
            await asyncio.sleep(_SETTLE_S / 40)

    async def aclose(self) -> None:
        """Remove every container, those in use included."""
        self._closed = True
        for shelf in self._shelves.values():
            for waiter in shelf.waiters:
                if not waiter.done():
                    waiter.set_exception(InfraError("the sandbox is closed"))
        self._shelves.clear()
        for container in list(self._live.values()):
            self.discard(container)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _shelf(self, size: Size) -> _Shelf:
        shelf = self._shelves.setdefault(size, _Shelf())
        self._shelves.move_to_end(size)
        for other, old in list(self._shelves.items())[:-_SIZES]:
            if not old.making and not old.waiters:
                del self._shelves[other]
                for container in old.idle:
                    self.discard(container)
        return shelf

    def _refill(self, size: Size, shelf: _Shelf) -> None:
        """Make what is waited for, and spares once a size is asked for more than once."""
        shelf.waiters = deque(waiter for waiter in shelf.waiters if not waiter.done())
        spares = min(shelf.taken - 1, self._spares)
        while shelf.making < len(shelf.waiters) + spares - len(shelf.idle):
            shelf.making += 1
            self.spawn(self._make(size, shelf))

    async def _make(self, size: Size, shelf: _Shelf) -> None:
        container, fault = None, None
        try:
            async with self._creating:
                if not self._closed:
                    container = await self._create(size)
        except Exception as error:  # noqa: BLE001  (whoever waits for the container must learn of it)
            fault = error
        finally:
            shelf.making -= 1
        waiter = next((waiter for waiter in shelf.waiters if not waiter.done()), None)
        if fault is not None:
            if waiter is not None:
                waiter.set_exception(fault)
            elif not self._closed:
                _LOG.warning("no spare container: %s", fault)
        elif container is not None:
            if self._closed or self._shelves.get(size) is not shelf:
                self.discard(container)
            elif waiter is None:
                shelf.idle.append(container)
            else:
                waiter.set_result(container)

    async def _create(self, size: Size) -> Container:
        """Make a container and wait until its warden is ready."""
        born = time.monotonic()
        name, stream_socket = await asyncio.to_thread(self._engine.create, size)
        stream = Stream()
        container = Container(name, stream, born)
        self._live[name] = container
        try:
            await asyncio.get_running_loop().create_connection(lambda: stream, sock=stream_socket)
            await asyncio.wait_for(stream.ready, _READY_S)
        except (TimeoutError, OSError):
            stream.close()
        self._engine.left_out = stream.note or self._engine.left_out
        if stream.lost:
            said = stream.errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
            self.discard(container)
            raise InfraError(
                f"a container of {size.memory_mb} MiB did not become ready: {said or stream.lost}"
            )
        return container

    async def _remove(self, container: Container) -> None:
        async with self._removing:
            for attempt in range(_REMOVE_TRIES):
                if container.id not in self._live:
                    return
                try:
                    await asyncio.to_thread(self._engine.remove, container.id)
                except InfraError as error:
                    _LOG.warning("container %s is still there: %s", container.id[:12], error)
                    await asyncio.sleep(_BACKOFF_S * 2**attempt)
                else:
                    self._live.pop(container.id, None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start ``work``; :meth:`aclose` waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
