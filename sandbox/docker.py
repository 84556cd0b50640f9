"""The ``docker`` backend: one hardened container per program, out of a warm pool, removed after its one use.

PID 1 of the container is our warden (``sandbox.guard.oneshot``). All bytes to and from it go over the attach
stream of the engine; a flood is stopped inside, and nothing waits for a reader that does not come.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from opencoder.errors import InfraError, UserError
from sandbox import owner
from sandbox.api import Guarantee, Program, Result
from sandbox.collect import Collector
from sandbox.engine import ContainerEngine, Size
from sandbox.guard import wire
from sandbox.jobs import GRACE_S, Ended, encode_job, to_result, wall_deadline_s
from sandbox.languages import language
from sandbox.pool import Container, Pool

# More than the window can be under way when a program ends: what its side of the channel held then.
_QUEUE_BYTES = 2 * wire.WINDOW
_ACKNOWLEDGE_BYTES = wire.WINDOW // 8
_COUNTS = ("cpu_s", "memory_bytes", "oom_kills", "pids_hits")


class DockerRun:
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


class DockerSandbox:
    """Programs in containers of the local engine.

    Args:
        image: A name of ``sandbox.images``.
        concurrency: How many programs run side by side, for the size of the pool; the CPUs if not given.
    """

    name = "docker"

    def __init__(self, *, image: str = "python", concurrency: int | None = None) -> None:
        self._image = image
        self._spares = concurrency or len(os.sched_getaffinity(0))
        self._engine: ContainerEngine | None = None
        self._pool: Pool | None = None
        self.owner = owner.new_owner()
        self.guarantee = Guarantee.FULL
        self.image_digest = ""
        self.note = ""

    async def __aenter__(self) -> Self:
        def labels() -> dict[str, str]:
            return owner.labels(self.owner)

        engine = await asyncio.to_thread(ContainerEngine.open, self._image, labels)
        await asyncio.to_thread(engine.remove_abandoned)
        self._engine, self._pool = engine, Pool(engine, self._spares)
        self.guarantee, self.image_digest, self.note = engine.guarantee, engine.image, engine.note
        return self

    async def start(self, program: Program) -> DockerRun:
        """Start ``program`` (see :class:`sandbox.api.Sandbox`)."""
        if self._engine is None or self._pool is None:
            raise InfraError("the sandbox is not open; use it in an 'async with' block")
        job = encode_job(program)
        known = language(program.language)
        if not any(language(name) is known for name in self._engine.languages):
            raise UserError(
                f"sandbox image '{self._image}' has no {program.language}; "
                f"it has: {', '.join(sorted(self._engine.languages))}"
            )
        container = await self._pool.take(Size.of(program.limits))
        run = DockerRun(self._pool, container, program, self._result)
        try:
            await run.begin(job)
        except BaseException:
            self._pool.discard(container)
            raise
        return run

    def _result(self, ended: Ended) -> Result:
        return to_result(ended, backend=self.name, guarantee=self.guarantee, image_digest=self.image_digest)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._engine is not None and self._pool is not None:
            await self._pool.aclose()
            self._engine.close()
        self._engine = self._pool = None
