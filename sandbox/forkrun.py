"""One program on an agent: its descriptors, what comes in on them, and the deadlines that end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sandbox.api import Limits, Result
from sandbox.collect import Collector
from sandbox.guard import wire
from sandbox.jobs import GRACE_S, Capture, Ended, limit_table

_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What an agent is to run.

    Args:
        job: The encoded job (see ``sandbox.jobs``).
        phase: Whether this is its compiler.
        limits: The limits of that phase.
        deadline_s: Seconds after which the agent should long have ended it.
        payload: What its role reads; for a compiled program, the artefact of its compiler.
        stdin: The standard input.
        collect: Whether there are files to be fetched in the end.
        patience_s: Seconds that the agent may take to end it, once it has been told to.
        warm: Whether a fork of the warm interpreter runs it, and no command.
        compiled: What became of its compiler, for the result.
    """

    job: bytes
    phase: Literal["compile", "run"] = "run"
    limits: Limits
    deadline_s: float
    payload: bytes = b""
    stdin: bytes = b""
    collect: bool = False
    patience_s: float = GRACE_S
    warm: bool = False
    compiled: Result | None = None


class Server(Protocol):
    """Who runs it (see ``sandbox.forkserver``)."""

    async def tell(self, message: dict[str, Any], fds: list[int]) -> None:
        """Send one command to the agent.

        Raises:
            InfraError: The agent is gone.
        """
        ...

    def kill(self, number: int) -> None:
        """Have the agent kill program ``number``."""

    def give_up(self) -> None:
        """Kill the agent, which has stopped answering."""


def memory_file(name: str, data: bytes) -> int:
    """Return the descriptor of a file in memory that holds ``data``, at its beginning."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class ForkRun:
    """One program on an agent (see :class:`sandbox.api.Running`).

    Args:
        server: Who runs it.
        number: The agent's name for it.
        order: What is run.
        judge: Makes the result out of how it ended.
    """

    def __init__(self, server: Server, number: int, order: Order, judge: Callable[[Ended], Result]) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._number = number
        self._order = order
        self._judge = judge
        self._ended: asyncio.Future[Result] = self._loop.create_future()
        self._got = Collector(order.limits.output_bytes)
        self._frames = wire.Frames()
        self._captures: dict[int, Capture] = {}
        self._began = time.monotonic()
        self._status, self._their_status = socket.socketpair()
        self._channel, self._their_channel = socket.socketpair()
        self._talking = 0
        self._waited = False
        self._deadline: asyncio.TimerHandle | None = None
        self._packed = -1

    async def begin(self) -> None:
        """Send the program to the agent.

        Raises:
            InfraError: The agent is gone.
        """
        order = self._order
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        payload = memory_file("payload", order.payload)
        sent = [
            memory_file("job", order.job),
            payload,
            memory_file("stdin", order.stdin),
            out_write,
            err_write,
        ]
        for fd, capture in ((out_read, self._got.stdout), (err_read, self._got.stderr)):
            os.set_blocking(fd, False)
            self._captures[fd] = capture
            self._loop.add_reader(fd, self._read_stream, fd)
        self._status.setblocking(False)
        self._channel.setblocking(False)
        self._loop.add_reader(self._status, self._read_status)
        self._expect_end(order.deadline_s)
        if order.phase == "compile":
            self._packed = os.dup(payload)
        message = {
            "op": "start",
            "id": self._number,
            "phase": order.phase,
            "limits": limit_table(order.limits),
            "collect": order.collect,
            "warm": order.warm,
        }
        try:
            await self._server.tell(
                message, [*sent, self._their_status.fileno(), self._their_channel.fileno()]
            )
        finally:
            for fd in sent:
                os.close(fd)
            self._their_status.close()
            self._their_channel.close()

    def _read_stream(self, fd: int) -> bool:
        """Read once; True while there may be more."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(fd)
            return False
        if self._captures[fd].feed(data) and not self._got.killed:
            self._stop("output")
        return True

    def _read_status(self) -> bool:
        try:
            data = self._status.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._status)
            return False
        for kind, payload in self._frames.feed(data):
            self._got.take(kind, payload)
            if kind == wire.FILE and not self._ended.done():
                self._expect_end(GRACE_S)  # it has ended; large files take their time
        return True

    def _expect_end(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self._too_late)

    def _stop(self, reason: str) -> None:
        self._got.killed = self._got.killed or reason
        try:
            self._status.send(wire.frame(wire.KILL))
        except OSError:
            pass  # it has ended by itself

    def _too_late(self) -> None:
        """The agent missed its own deadline: have it end everything of the program, or else end the agent."""
        self._server.kill(self._number)
        self._deadline = self._loop.call_later(self._order.patience_s, self._server.give_up)

    def finish(self, counted: dict[str, Any]) -> None:
        """Take the agent's last word: no process of the program is left."""
        if self._deadline is not None:
            self._deadline.cancel()
        for fd in list(self._captures):
            while self._read_stream(fd):
                pass
            self._loop.remove_reader(fd)
            os.close(fd)
        self._captures.clear()
        while self._read_status():
            pass
        if self._deadline is not None:
            self._deadline.cancel()  # the last frames may have set it again
        self._loop.remove_reader(self._status)
        self._status.close()
        numbers = {name: value for name, value in counted.items() if name != "id"}
        ended = self._got.ended(wall_s=time.monotonic() - self._began, **numbers)
        if not self._ended.done():
            result = self._judge(ended)
            result.compiled = self._order.compiled
            self._ended.set_result(result)

    def take_packed(self) -> bytes:
        """Return what the compiler has left, once it has ended well."""
        fd, self._packed = self._packed, -1
        with os.fdopen(fd, "rb") as file:
            file.seek(0)
            return file.read()

    async def send(self, data: bytes) -> None:
        """Write to the channel; silently dropped once the program's side is closed."""
        with self._on_channel():
            await self._loop.sock_sendall(self._channel, data)

    async def receive(self) -> bytes:
        """Return the next bytes from the channel, ``b""`` at its end."""
        with self._on_channel():
            return await self._loop.sock_recv(self._channel, _CHUNK)
        return b""

    @contextlib.contextmanager
    def _on_channel(self) -> Iterator[None]:
        """Keep the channel open as long as someone waits for it; what fails there is its end."""
        self._talking += 1
        try:
            with contextlib.suppress(OSError):
                yield
        finally:
            self._talking -= 1
            if self._waited:
                self._close_channel()

    def _close_channel(self) -> None:
        """Close the channel, now or when nobody waits for it any more.

        The event loop never wakes those who wait for a socket that was closed under them.
        """
        if not self._talking:
            self._channel.close()
        else:
            with contextlib.suppress(OSError):  # the other side has closed it
                self._channel.shutdown(socket.SHUT_RDWR)

    async def cpu_s(self) -> float:
        """Return the CPU seconds used so far by all of its processes."""
        if self._ended.done():
            return self._ended.result().cpu_s
        return await self._got.usage(self._ask_usage)

    def _ask_usage(self) -> None:
        try:
            self._status.send(wire.frame(wire.ASK_USAGE))
        except OSError:
            pass  # ended just now; ``finish`` answers

    def kill(self) -> None:
        """End all of its processes now."""
        self._stop("killed")

    async def wait(self) -> Result:
        """Return the result; the program and everything it started is gone by then."""
        try:
            return await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            if not self._ended.done():
                self._server.kill(self._number)
            raise
        finally:
            self._waited = True
            self._close_channel()
