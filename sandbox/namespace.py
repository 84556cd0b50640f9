"""The ``namespace`` backend: kernel namespaces made by our own agent on this host, without a daemon.

A warm agent (``sandbox.guard.agent``) forks every program into fresh user, pid, mount, net, ipc and uts
namespaces with a cgroup of its own where one can be had.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox import reaper
from sandbox.api import Guarantee, Program, Result, Running
from sandbox.compiled import host_toolchain
from sandbox.forked import ForkedPrograms
from sandbox.forkserver import ForkServer
from sandbox.jobs import Ended, to_result
from sandbox.languages import needs_installed
from sandbox.launcher import HostLauncher


class NamespaceSandbox:
    """Programs in fresh namespaces on this host.

    Args:
        packages: A folder of packages that programs can import besides the standard library and numpy.

    Attributes:
        guarantee: ``full``, or ``reduced`` where no cgroup can be had.
        note: Why there is no cgroup, or empty.
    """

    name = "namespace"
    image_digest = ""

    def __init__(self, packages: Path | None = None) -> None:
        self.guarantee = Guarantee.REDUCED
        self.note = ""
        self._launcher = HostLauncher("host_agent", packages=packages)
        self._server = ForkServer(self._launcher, self._judge)
        self._programs = ForkedPrograms(self._server, host_toolchain)

    @property
    def agent_pid(self) -> int:
        """The process id of the agent, 0 when there is none."""
        return self._launcher.pid

    @property
    def running(self) -> int:
        """How many programs have not ended yet."""
        return self._server.running

    async def __aenter__(self) -> Self:
        reaper.reap_groups()
        reaper.reap_folders()
        await self._open()
        return self

    async def _open(self) -> None:
        if ready := await self._server.open():
            self.guarantee = Guarantee.FULL if ready.capped else Guarantee.REDUCED
            self.note = ready.note

    def _judge(self, ended: Ended) -> Result:
        return to_result(ended, backend=self.name, guarantee=self.guarantee, launcher="fork-server")

    async def start(self, program: Program) -> Running:
        """Start ``program`` (see :class:`sandbox.api.Sandbox`)."""
        needs_installed(program.language)
        await self._open()
        return await self._programs.start(program)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._programs.aclose()
        self._server.close()
