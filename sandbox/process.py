"""Programs as child processes, without namespaces: backends ``confined`` and ``process``.

Each program gets a folder of its own; every process that it starts is found and killed at its end. Memory,
processes and disk are watched where no cgroup holds them.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox import reaper
from sandbox.api import Guarantee, Program, Result, Running
from sandbox.forkrun import Order
from sandbox.forkserver import ForkServer
from sandbox.guard.trees import remove_tree
from sandbox.jobs import Ended, encode_job, to_result, wall_deadline_s
from sandbox.languages import needs_installed
from sandbox.launcher import HostLauncher, python_for_all

_COUNTS = ("cpu_s", "memory_bytes", "oom_kills", "pids_hits")


# Without a PID namespace, hundreds of processes have to be found and ended one by one; were the agent killed
# meanwhile, they would be left to nobody.
_PATIENCE_S = 30.0


class ProcessSandbox:
    """Programs as children of this process, with its user's rights. No boundary at all.

    For code that the caller would run by hand just as well.

    Attributes:
        note: What this machine does not give, or empty.
    """

    name = "process"
    guarantee = Guarantee.NONE
    image_digest = ""

    def __init__(self) -> None:
        self.note = ""
        self._launcher = self._make_launcher()
        self._server = ForkServer(self._launcher, self._judge, gone=self._drop_home)

    def _make_launcher(self) -> HostLauncher:
        return HostLauncher("zygote")

    @property
    def agent_pid(self) -> int:
        """The process id of the zygote, 0 when there is none."""
        return self._launcher.pid

    async def __aenter__(self) -> Self:
        reaper.reap_groups()
        reaper.reap_folders()
        await self._open()
        return self

    async def _open(self) -> None:
        if ready := await self._server.open():
            self.note = ready.note

    def _judge(self, ended: Ended) -> Result:
        # The warden counts where no cgroup does.
        counted = {name: ended.report[name] for name in _COUNTS if name in ended.report}
        ended = replace(ended, **counted)
        return to_result(ended, backend=self.name, guarantee=self.guarantee, launcher="child")

    async def start(self, program: Program) -> Running:
        """Start ``program`` (see :class:`sandbox.api.Sandbox`)."""
        needs_installed(program.language)
        await self._open()
        number = self._server.reserve()
        home = self._home(number)
        order = Order(
            job=encode_job(program, home=str(home)),
            limits=program.limits,
            patience_s=_PATIENCE_S,
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
        asyncio.get_running_loop().run_in_executor(None, remove_tree, self._home(number))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()


class ConfinedSandbox(ProcessSandbox):
    """Programs as children that have given up what they can, for machines that refuse namespaces.

    A user id of their own where this process may change its user, a system-call filter without sockets,
    Landlock where the kernel has it. The file system and the process list are the machine's.
    """

    name = "confined"
    guarantee = Guarantee.CONFINED

    def _make_launcher(self) -> HostLauncher:
        # Programs of another user than root cannot use an interpreter below root's home.
        python = python_for_all() if os.geteuid() == 0 else ""
        return HostLauncher("confined_zygote", refused="programs cannot be confined here", python=python)
