"""The ``process`` backend: plain child processes with limits and a scrubbed environment. No boundary.

For code that the caller would run by hand just as well, on machines that allow nothing better. Each program
gets a folder of its own; every process that it starts is found and killed at its end.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox import reaper
from sandbox.api import Guarantee, Program, Result, Running
from sandbox.forkrun import Order
from sandbox.forkserver import ForkServer
from sandbox.jobs import Ended, encode_job, to_result, wall_deadline_s
from sandbox.languages import needs_installed
from sandbox.launcher import HostLauncher


class ProcessSandbox:
    """Programs as children of this process, with its user's rights."""

    name = "process"
    guarantee = Guarantee.NONE
    image_digest = ""

    def __init__(self) -> None:
        self._launcher = HostLauncher("zygote")
        self._server = ForkServer(self._launcher, self._judge, gone=self._drop_home)

    @property
    def agent_pid(self) -> int:
        """The process id of the zygote, 0 when there is none."""
        return self._launcher.pid

    async def __aenter__(self) -> Self:
        reaper.reap_groups()
        reaper.reap_folders()
        await self._server.open()
        return self

    def _judge(self, ended: Ended) -> Result:
        return to_result(ended, backend=self.name, guarantee=self.guarantee, launcher="child")

    async def start(self, program: Program) -> Running:
        """Start ``program`` (see :class:`sandbox.api.Sandbox`)."""
        needs_installed(program.language)
        await self._server.open()
        number = self._server.reserve()
        home = self._home(number)
        order = Order(
            job=encode_job(program, home=str(home)),
            limits=program.limits,
            deadline_s=wall_deadline_s(program),
            payload=program.payload,
            stdin=program.stdin,
        )
        for name in ("work", "tmp"):
            (home / name).mkdir(parents=True, mode=0o700)
        return await self._server.start(order, number=number)

    def _home(self, number: int) -> Path:
        return self._server.staging / f"job-{number}"

    def _drop_home(self, number: int) -> None:
        """Remove the folders of program ``number`` without making others wait."""
        asyncio.get_running_loop().run_in_executor(None, reaper.remove_tree, self._home(number))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
