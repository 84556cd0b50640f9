"""The supervisor's side of an agent: it has programs started and learns how they ended."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opencoder.errors import InfraError
from sandbox.api import Result
from sandbox.forkrun import ForkRun, Order
from sandbox.jobs import Ended
from sandbox.launcher import Launcher, Ready

_CHUNK = 1 << 16
# The agent reads its socket between two forks.
_FULL_WAIT_S = 0.002
# The socket is full, or too many descriptors are under way.
_FULL = (errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS)


class ForkServer:
    """Programs on one agent, which is started anew when it is lost.

    Args:
        launcher: How an agent is started.
        judge: Makes a result out of how a program ended.
        gone: Is told of each program that has ended, by number.
    """

    def __init__(
        self,
        launcher: Launcher,
        judge: Callable[[Ended], Result],
        *,
        gone: Callable[[int], None] | None = None,
    ) -> None:
        self._launcher = launcher
        self._judge = judge
        self._gone = gone
        self._booting = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._runs: dict[int, ForkRun] = {}
        self._next = 0
        self._control: socket.socket | None = None
        self.staging = Path()

    @property
    def running(self) -> int:
        """How many programs have not ended yet."""
        return len(self._runs)

    async def open(self) -> Ready | None:
        """Start the agent unless there is one; returns what a new one says of itself.

        Raises:
            DependencyError: It cannot run here.
            InfraError: It should, and did not.
        """
        async with self._booting:
            if self._control is not None:
                return None
            ready = await self._launcher.launch()
            self._control, self.staging = ready.control, ready.staging
            asyncio.get_running_loop().add_reader(ready.control, self._hear)
            return ready

    def reserve(self) -> int:
        """Return a number for the next program."""
        self._next += 1
        return self._next

    async def start(self, order: Order, *, number: int | None = None) -> ForkRun:
        """Start a program.

        Raises:
            InfraError: The agent is gone.
        """
        number = self.reserve() if number is None else number
        run = ForkRun(self, number, order, self._judge)
        self._runs[number] = run
        try:
            await run.begin()
        except BaseException:
            if self._runs.pop(number, None):
                run.finish({"error": "not started"})
            raise
        return run

    async def tell(self, message: dict[str, Any], fds: list[int]) -> None:
        """Send one command to the agent; waits while it has more than it can take.

        Raises:
            InfraError: The agent is gone.
        """
        data = [json.dumps(message).encode()]
        async with self._sending:
            while self._control is not None:
                try:
                    socket.send_fds(self._control, data, fds)
                except OSError as error:
                    if error.errno not in _FULL:
                        raise InfraError(f"the sandbox launcher does not answer: {error}") from None
                    await asyncio.sleep(_FULL_WAIT_S)
                else:
                    return
        raise InfraError("the sandbox launcher has ended")

    def kill(self, number: int) -> None:
        """Have the agent kill program ``number``, if it still runs."""
        if self._control is not None and number in self._runs:
            try:
                self._control.send(json.dumps({"op": "kill", "id": number}).encode())
            except OSError:
                pass  # gone, and every program with it; or full, and the next deadline ends it

    def give_up(self) -> None:
        """Kill the agent, which has stopped answering."""
        self._lost("the launcher stopped answering", kill=True)

    def _hear(self) -> None:
        while self._control is not None:
            try:
                data = self._control.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lost("the launcher ended")
                return
            message = json.loads(data)
            if run := self._runs.pop(message["id"], None):
                run.finish(message)
            if self._gone is not None:
                self._gone(message["id"])

    def _lost(self, why: str, *, kill: bool = False) -> None:
        """The agent is gone, and with it (parent-death signal) every holder and program."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        self._launcher.release(kill=kill)
        runs, self._runs = self._runs, {}
        for run in runs.values():
            run.finish({"error": why})

    def close(self) -> None:
        """End the agent and every program."""
        self._lost("the sandbox is closed")
