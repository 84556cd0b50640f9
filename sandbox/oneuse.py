"""One hardened container per program, out of a warm pool, removed after its one use.

PID 1 of the container is our warden (``sandbox.guard.oneshot``). All bytes to and from it go over the attach
stream of the engine; a flood is stopped inside, and nothing waits for a reader that does not come.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from opencoder.errors import InfraError
from sandbox.api import Program, Result
from sandbox.collect import Collector
from sandbox.engine import ContainerEngine, Size
from sandbox.guard import wire
from sandbox.jobs import GRACE_S, Ended, encode_job, wall_deadline_s
from sandbox.pool import Container, Pool

# More than the window can be under way when a program ends: what its side of the channel held then.
_QUEUE_BYTES = 2 * wire.WINDOW
_ACKNOWLEDGE_BYTES = wire.WINDOW // 8
_COUNTS = ("cpu_s", "memory_bytes", "oom_kills", "pids_hits")


class OneUseRun:
    """One program in one container (see :class:`sandbox.api.Running`)."""

    def __init__(
        self, pool: Pool, container: Container, program: Program, judge: Callable[[Ended], Result]
    ) -> None:
        self._pool = pool
        self._judge = judge
        self._container = container
        self._stream = container.stream
        self._program = program
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Result] = self._loop.create_future()
        self._got = Collector(program.limits.output_bytes)
        self._began = time.monotonic()
        self._deadline: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._incoming: deque[bytes] = deque()
        self._queued = 0
        self._taken = 0
        self._room = wire.WINDOW
        self._moved = asyncio.Event()

    async def begin(self, job: bytes) -> None:
        """Send the job (see ``sandbox.jobs``) with what it reads."""
        self._stream.listen(self)
        await self._stream.write_all(wire.PAYLOAD, self._program.payload)
        await self._stream.write_all(wire.STDIN, self._program.stdin)
        self._stream.write(wire.JOB, job)
        self._began = time.monotonic()
        self._expect_end(wall_deadline_s(self._program))

    def take_frame(self, kind: bytes, payload: bytes) -> None:
        """Take a frame of the warden (see :class:`sandbox.attach.Listener`)."""
        if kind in (wire.STDOUT, wire.STDERR):
            capture = self._got.stdout if kind == wire.STDOUT else self._got.stderr
            if capture.feed(payload):
                self._got.killed = self._got.killed or "output"  # the warden has seen it too, and ends it
        elif kind == wire.CHANNEL:
            self._queued += len(payload)
            if self._queued > _QUEUE_BYTES:
                raise wire.FrameError("more channel bytes than were asked for")
            self._incoming.append(payload)
            self._moved.set()
        elif kind == wire.TAKEN:
            self._room += int.from_bytes(payload, "little")
            self._moved.set()
        else:
            self._got.take(kind, payload)
            if kind == wire.RESULT:
                self._end("")
            elif kind == wire.FILE:
                self._expect_end(GRACE_S)  # it has ended; large files take their time

    def stream_lost(self, reason: str) -> None:
        """Learn that nothing more will come."""
        self._end(reason)

    def _expect_end(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._ending is None:
            self._deadline = self._loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        """The warden missed its own deadline: remove the container, and all of the program with it."""
        self._got.killed = self._got.killed or "wall"
        self._end("the warden missed its deadline")

    def _end(self, fault: str) -> None:
        if self._ending is None:
            if self._deadline is not None:
                self._deadline.cancel()
            self._ending = self._pool.spawn(self._conclude(fault))
            self._moved.set()

    async def _conclude(self, fault: str) -> None:
        wall_s = time.monotonic() - self._began
        try:
            counted, error = await self._counts(fault)
            removal = self._pool.discard(self._container)
            if not self._got.report:
                await asyncio.wait((removal,))  # with a report, nothing but the warden was left
            self._ended.set_result(self._judge(self._got.ended(wall_s=wall_s, error=error, **counted)))
        except Exception as failed:  # noqa: BLE001  (whoever waits for the result must learn of it)
            self._ended.set_exception(failed)

    async def _counts(self, fault: str) -> tuple[dict[str, Any], str]:
        """Return what the kernel counted, and the fault; the engine tells what the warden did not."""
        report = self._got.report
        counted = {name: report[name] for name in _COUNTS if name in report}
        if report.get("counted"):
            return counted, ""
        try:
            state = await self._pool.settled_state(self._container)
        except InfraError as failed:
            error = f"{fault}; {failed}"
        else:
            counted["oom_kills"] = int(state.oom_killed)
            error = f"{fault}; exit code {state.exit_code}"
        said = self._stream.errors.decode("utf-8", "replace").strip()
        return counted, f"{error}; {said}" if said else error

    async def send(self, data: bytes) -> None:
        """Write to the channel; silently dropped once the program's side is closed."""
        view = memoryview(data)
        while view and self._ending is None:
            if self._room <= 0:
                await self._movement()
                continue
            part = view[: min(self._room, wire.PART)]
            self._room -= len(part)
            self._stream.write(wire.CHANNEL, bytes(part))
            view = view[len(part) :]

    async def receive(self) -> bytes:
        """Return the next bytes from the channel, ``b""`` at its end."""
        while not self._incoming:
            if self._ending is not None:
                return b""
            await self._movement()
        data = self._incoming.popleft()
        self._queued -= len(data)
        self._taken += len(data)
        if self._taken >= _ACKNOWLEDGE_BYTES:
            self._stream.write(wire.TAKEN, self._taken.to_bytes(8, "little"))
            self._taken = 0
        return data

    async def _movement(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    async def cpu_s(self) -> float:
        """Return the CPU seconds used so far by all of its processes."""
        if self._ending is not None:
            return (await asyncio.shield(self._ended)).cpu_s
        return await self._got.usage(lambda: self._stream.write(wire.ASK_USAGE))

    def kill(self) -> None:
        """End all of its processes now."""
        if self._ending is None:
            self._got.killed = self._got.killed or "killed"
            self._stream.write(wire.KILL)
            self._expect_end(GRACE_S)

    async def wait(self) -> Result:
        """Return the result; the program and everything it started is gone by then."""
        try:
            return await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            self._end("cancelled")
            raise


class OneUsePrograms:
    """Starts programs in containers that are used once.

    Args:
        engine: Makes the containers.
        spares: How many wait, warm, of a size that is in use.
        judge: Makes a result out of how a program ended.
    """

    def __init__(self, engine: ContainerEngine, spares: int, judge: Callable[[Ended], Result]) -> None:
        self._pool = Pool(engine, spares)
        self._judge = judge

    async def start(self, program: Program) -> OneUseRun:
        """Start ``program``.

        Raises:
            InfraError: The engine failed.
            UserError: The program cannot be run as it stands.
        """
        job = encode_job(program)
        container = await self._pool.take(Size.of(program.limits))
        run = OneUseRun(self._pool, container, program, self._judge)
        try:
            await run.begin(job)
        except BaseException:
            self._pool.discard(container)
            raise
        return run

    async def aclose(self) -> None:
        """Remove every container, those in use included."""
        await self._pool.aclose()
